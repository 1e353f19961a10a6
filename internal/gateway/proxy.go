package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/relay"
	"github.com/sallyport-dev/sallyport/internal/tracing"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// What an upstream may take, where its manifest does not say.
const (
	defaultUpstreamTimeout = 30 * time.Second
	defaultUpstreamConnect = 5 * time.Second
	defaultUpstreamIdle    = 5 * time.Minute // within an answer
	idleUpstream           = 90 * time.Second
	pingUpstream           = 15 * time.Second
	idlePerUpstream        = 256
	maxUpstreamHeader      = 64 << 10
	maxUpstreamFields      = 512
	maxInterims            = 32
	copyBuffer             = 32 << 10
)

// proxy passes calls on to upstreams: by relay, or, what that does not do, by
// httputil.ReverseProxy ([proxy.relays] chooses). One client or transport serves
// one way of reaching an upstream, and outlives a change of the catalogue.
type proxy struct {
	g       *Gateway
	reverse *httputil.ReverseProxy
	host    string          // the gateway's own, as callers know it
	hidden  map[string]bool // headers of upstreams that callers do not see, in canonical form
	mu      sync.Mutex
	reached map[way]*http.Transport
	relayed map[relayKey]*relay.Client
	probes  *probes
	states  map[stateKey]*upstream.State // of the targets that have been in a pool

	visited     map[string]*visits            // by API
	connections map[string]*relay.Connections // by address
}

// way is how a server is reached, whichever it is.
type way struct {
	connect, timeout, idle time.Duration
	tls                    *tls.Config // nil: what the system trusts
	http                   manifest.HTTPVersion
}

// target is where an API is answered live.
type target struct {
	url       *url.URL
	transport *http.Transport
	relay     *relay.Client // nil: only the transport will do
	upstream  manifest.Upstream
	visits    *visits
	pool      *pool     // from which a call gets the target that it goes to; nil: this is it
	siblings  []*target // those of its pool, itself included
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func newProxy(g *Gateway) *proxy {
	p := &proxy{
		g: g, hidden: map[string]bool{}, reached: map[way]*http.Transport{}, relayed: map[relayKey]*relay.Client{},
		visited: map[string]*visits{}, connections: map[string]*relay.Connections{}, probes: newProbes(), states: map[stateKey]*upstream.State{},
	}
	if base, err := url.Parse(g.BaseURL); err == nil {
		p.host = base.Host
	}
	for _, name := range slices.Concat(g.Headers.ours(), inner[:], wide[:]) {
		p.hidden[canonicalHeader(name)] = true
	}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p,
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   p.failed,
		BufferPool:     &bufferPool{},
		ErrorLog:       slog.NewLogLogger(g.Logger.Handler(), slog.LevelDebug),
	}
	return p
}

// target returns where an API is answered live in this environment, nil if it
// is not.
func (p *proxy) target(api *manifest.API) *target {
	up, ok := api.Upstreams[p.g.Environment]
	if !ok {
		return nil
	}
	all := up.All()
	members := make([]*target, 0, len(all))
	for _, each := range all {
		u, err := url.Parse(each.URL)
		if err != nil {
			return nil // Load has checked it
		}
		member := p.member(u, up, p.visit(api.Name))
		if member == nil {
			return nil
		}
		members = append(members, member)
	}
	if len(members) == 1 && up.Retries == nil && up.Health == nil && up.Breaker == nil {
		return members[0]
	}
	return p.pooled(api, up, members)
}

// wayTo is how an upstream's servers are reached, but for the settings of TLS.
func wayTo(up manifest.Upstream) way {
	return way{
		connect: cmp.Or(up.Connect, defaultUpstreamConnect), timeout: cmp.Or(up.Timeout, defaultUpstreamTimeout), idle: cmp.Or(up.Idle, defaultUpstreamIdle),
		http: cmp.Or(up.HTTP, manifest.HTTP11),
	}
}

// member returns one server of an upstream.
func (p *proxy) member(u *url.URL, up manifest.Upstream, visits *visits) *target {
	w := wayTo(up)
	if up.TLS != "" {
		if w.tls = p.g.UpstreamTLS(up.TLS); w.tls == nil {
			return nil // Load has checked it
		}
	}
	t := &target{url: u, transport: p.transport(w), upstream: up, visits: visits}
	if !up.Lenient && w.http == manifest.HTTP11 {
		t.relay = p.relay(u, w)
	}
	return t
}

func (p *proxy) transport(w way) *http.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.reached[w]
	if t == nil {
		t = &http.Transport{
			DialContext:            p.dial(w.connect),
			TLSHandshakeTimeout:    w.connect,
			ResponseHeaderTimeout:  w.timeout,
			ExpectContinueTimeout:  time.Second,
			MaxIdleConnsPerHost:    idlePerUpstream,
			IdleConnTimeout:        idleUpstream,
			MaxResponseHeaderBytes: maxUpstreamHeader,
			DisableCompression:     true, // what the upstream sends is passed on as it is
			WriteBufferSize:        16 << 10,
			ReadBufferSize:         16 << 10,
		}
		if w.tls != nil {
			t.TLSClientConfig = w.tls.Clone()
		}
		w.speak(t)
		p.reached[w] = t
	}
	return t
}

// speak makes t speak what the way says.
func (w way) speak(t *http.Transport) {
	if w.http == manifest.HTTP11 {
		return
	}
	t.Protocols = &http.Protocols{}
	t.Protocols.SetHTTP1(w.http == manifest.HTTPAuto)
	t.Protocols.SetHTTP2(w.http != manifest.HTTP2C)
	t.Protocols.SetUnencryptedHTTP2(w.http == manifest.HTTP2C)
	// A connection that has many calls and is dead would be found out by none of them.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingUpstream, PingTimeout: w.connect}
}

// defaultBodyTimeout is how long a body may keep an upstream waiting in all, where its
// manifest does not say: an upload takes its time, but not for ever.
const defaultBodyTimeout = time.Hour

// serve passes a call on. The upstream's answer streams.
func (p *proxy) serve(c *call) error {
	if c.target == nil {
		return notOffered()
	}
	identity, err := p.g.identity(c)
	if err != nil {
		return err
	}
	body := &clientBody{ReadCloser: c.r.Body}
	if c.body == nil && httpx.StreamBody(c.w, c.r, cmp.Or(c.api.Request.BodyTimeout, defaultBodyTimeout)) {
		// The upstream may answer before it has all of the body. Without this,
		// net/http would take the rest of it then, and the upstream would take what
		// it has for the whole.
		_ = http.NewResponseController(c.w).EnableFullDuplex()
		body.ReadCloser, body.streams = c.r.Body, true
		defer body.leave(c)
	}
	c.passing = body
	c.target.visits.underWay.Add(1)
	defer c.target.visits.underWay.Add(-1)
	if c.span != nil {
		c.visit = c.span.Child("upstream", tracing.Client)
		defer func() {
			c.visit.Text("server.address", c.target.url.Host) // of the last that was asked
			c.visit.Number("http.response.status_code", int64(c.status))
			if c.status >= http.StatusInternalServerError { // not where the caller went away
				c.visit.Fail()
			}
			c.visit.End()
		}()
	}
	if pool := c.target.pool; pool != nil {
		body.keeps = c.body == nil && pool.attempts > 1
	}
	if p.relays(c) {
		p.forward(c, identity, body)
	} else {
		p.standard(c, identity, body)
	}
	return nil
}

// notOffered refuses a call that nothing here can answer.
func notOffered() *refusal {
	ref := unavailable("the API has no upstream in this environment")
	ref.detail, ref.next, ref.retry = "This API is not offered in this environment", "the operator gives the API an upstream here", time.Hour
	return ref
}

// standard passes a call on by httputil.ReverseProxy.
func (p *proxy) standard(c *call, identity string, body *clientBody) {
	going := &passage{target: c.target, identity: identity, body: body}
	ctx := context.WithValue(c.r.Context(), callKey{}, c)
	ctx = context.WithValue(ctx, targetKey{}, going)
	writer := newCallWriter(c)
	w := http.ResponseWriter(writer)
	if len(c.r.Header["Upgrade"]) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = p.g.whileEntitled(ctx, c)
		defer cancel()
		going.tunnel = newTunnel()
		w = &tunnelWriter{writer, going.tunnel, &p.g.tunnels}
		defer p.g.tunnels.done(going.tunnel)
	}
	r := c.r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = body
	}
	p.reverse.ServeHTTP(w, r)
}

type targetKey struct{}

// passage is what serve has prepared for rewrite and RoundTrip.
type passage struct {
	*target
	identity string
	body     *clientBody
	tunnel   *tunnel // nil: none is asked for
}

func passageOf(ctx context.Context) *passage {
	return ctx.Value(targetKey{}).(*passage) //nolint:errcheck // serve put it there
}

// upstreamPath is the path that the upstream is asked for, decoded.
func (c *call) upstreamPath() string {
	path := c.path
	if !c.target.upstream.KeepPrefix {
		path = strings.TrimPrefix(path, c.api.BasePath)
	}
	return strings.TrimSuffix(c.target.url.Path, "/") + path
}

// rewrite makes the outgoing request: the canonical path, cleaned headers, the
// caller's identity. Hop-by-hop and forwarding headers are gone already.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	c := callOf(pr.In.Context())
	t := passageOf(pr.In.Context())
	pr.Out.URL.Scheme, pr.Out.URL.Host = t.url.Scheme, t.url.Host
	pr.Out.URL.Path, pr.Out.URL.RawPath = c.upstreamPath(), ""
	pr.Out.URL.RawQuery = withoutToken(pr.In.URL.RawQuery) // canonical has refused what cannot be read
	pr.Out.Host = ""
	p.g.clean(pr.Out.Header, t.upstream.ForwardToken)
	p.g.clean(pr.Out.Trailer, false)
	parent, keep := c.traceparent()
	if !keep {
		delete(pr.Out.Header, "Tracestate")
	}
	pr.Out.Header["Traceparent"] = []string{parent}
	if c.api.Answers != manifest.ValidateOff {
		pr.Out.Header.Del("Accept-Encoding") // an encoded answer cannot be looked at
	}
	pr.SetXForwarded()
	pr.Out.Header["X-Forwarded-Host"] = []string{p.host} // not what the caller says it is
	p.g.introduce(c, httpx.Trace(pr.In.Context()), t.identity, func(name, value string) { pr.Out.Header[name] = []string{value} })
	if _, there := pr.Out.Header["User-Agent"]; !there {
		pr.Out.Header["User-Agent"] = nil // send none rather than Go's
	}
}

// failed is fail for ReverseProxy.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	c.w = w
	p.fail(c, passageOf(r.Context()).body, err)
}

// fail answers for an upstream that did not. Its error text, which names
// addresses, is for the log alone.
func (p *proxy) fail(c *call, body *clientBody, err error) {
	body.answering(c)
	ctx := c.r.Context()
	ref := &refusal{status: http.StatusBadGateway, code: codeBadGateway, detail: "The API's own server did not answer as it should. Try again; if it stays so, report the trace id"}
	var timeout net.Error
	var open *upstream.OpenError
	var mismatch *answerError
	switch {
	case errors.As(err, &mismatch):
		ref.reason, ref.next = mismatch.Error(), "whoever runs the API mends its answer, or its document"
	case body.broken.Load(): // first: an end of input looks like a caller who is gone
		ref = badBody("The body broke off before its end, took too long, or its chunks cannot be read")
	case errors.Is(context.Cause(ctx), httpx.ErrStopping):
		ref = unavailable("the node stopped, and the upstream had not answered in the time that was left")
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		httpx.Note(ctx, slog.Bool("client_gone", true))
		ref.status, ref.code = statusClientGone, clientGone
	case errors.As(err, &timeout) && timeout.Timeout():
		ref.status, ref.code = http.StatusGatewayTimeout, codeTimeout
		ref.detail = "The API's own server did not answer in time. Try again later"
	}
	switch {
	case ref.code == codeInvalidRequest, ref.reason != "":
	case errors.As(err, &open):
		ref = unavailable("the circuit breaker of every server of the upstream is open; the log says which calls opened it")
		ref.retry = open.Retry
	default:
		ref.reason, ref.next = faultOf(err, wayTo(c.target.upstream))
	}
	httpx.Note(ctx, slog.String("upstream_error", quiet{err}.Error()), slog.String("upstream", c.target.url.String()), slog.String("upstream_stage", string(relay.StageOf(err))))
	c.target.visits.fail(ref.code)
	c.outcome = p.g.refuse(c, ref)
}

// What is written to nobody, and to the record.
const (
	statusClientGone = 499
	clientGone       = "client_gone"
)
