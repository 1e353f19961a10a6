package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// What an upstream may take, where its manifest does not say.
const (
	defaultUpstreamTimeout = 30 * time.Second
	dialTimeout            = 5 * time.Second
	idleUpstream           = 90 * time.Second
	idlePerUpstream        = 256
	maxUpstreamHeader      = 64 << 10
	copyBuffer             = 32 << 10
)

// proxy passes calls on to upstreams. One transport serves one way of reaching
// an upstream, and outlives a change of the catalogue.
type proxy struct {
	g       *Gateway
	reverse *httputil.ReverseProxy
	host    string   // the gateway's own, as callers know it
	ours    []string // headers that only the gateway sets, in canonical form
	mu      sync.Mutex
	reached map[time.Duration]*http.Transport // by timeout
}

// target is where an API is answered live.
type target struct {
	url       *url.URL
	transport http.RoundTripper
	upstream  manifest.Upstream
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func newProxy(g *Gateway) *proxy {
	p := &proxy{g: g, reached: map[time.Duration]*http.Transport{}}
	if base, err := url.Parse(g.BaseURL); err == nil {
		p.host = base.Host
	}
	for _, name := range g.Headers.ours() {
		p.ours = append(p.ours, canonicalHeader(name))
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
	u, err := url.Parse(up.URL)
	if err != nil {
		return nil // Load has checked it
	}
	return &target{url: u, transport: p.transport(up.Timeout), upstream: up}
}

func (p *proxy) transport(timeout time.Duration) *http.Transport {
	if timeout == 0 {
		timeout = defaultUpstreamTimeout
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.reached[timeout]
	if t == nil {
		t = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  timeout,
			ExpectContinueTimeout:  time.Second,
			MaxIdleConnsPerHost:    idlePerUpstream,
			IdleConnTimeout:        idleUpstream,
			MaxResponseHeaderBytes: maxUpstreamHeader,
			DisableCompression:     true, // what the upstream sends is passed on as it is
			WriteBufferSize:        16 << 10,
			ReadBufferSize:         16 << 10,
		}
		p.reached[timeout] = t
	}
	return t
}

// serve passes a call on. The upstream's answer streams.
func (p *proxy) serve(c *call) error {
	if c.target == nil {
		ref := unavailable("the API has no upstream in this environment")
		ref.detail, ref.next, ref.retry = "This API is not offered in this environment", "the operator gives the API an upstream here", time.Hour
		return ref
	}
	identity, err := p.g.identity(c)
	if err != nil {
		return err
	}
	if c.body == nil {
		httpx.StreamBody(c.w, c.r)
	}
	going := &passage{target: c.target, identity: identity, body: &clientBody{ReadCloser: c.r.Body}}
	ctx := context.WithValue(c.r.Context(), callKey{}, c)
	ctx = context.WithValue(ctx, targetKey{}, going)
	if len(c.r.Header["Upgrade"]) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = p.g.whileEntitled(ctx, c)
		defer cancel()
	}
	r := c.r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = going.body
	}
	p.reverse.ServeHTTP(newCallWriter(c), r)
	return nil
}

type targetKey struct{}

// passage is what serve has prepared for rewrite and RoundTrip.
type passage struct {
	*target
	identity string
	body     *clientBody
}

func passageOf(ctx context.Context) *passage {
	return ctx.Value(targetKey{}).(*passage) //nolint:errcheck // serve put it there
}

// clientBody is the caller's body on its way. It remembers whether it could be
// read: if not, it is no fault of the upstream's.
type clientBody struct {
	io.ReadCloser
	broken atomic.Bool
}

// Read implements io.Reader.
func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken.Store(true)
	}
	return n, err
}

// rewrite makes the outgoing request: the canonical path, cleaned headers, the
// caller's identity. Hop-by-hop and forwarding headers are gone already.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	c := callOf(pr.In.Context())
	t := passageOf(pr.In.Context())
	path := c.path
	if !t.upstream.KeepPrefix {
		path = strings.TrimPrefix(path, c.api.BasePath)
	}
	pr.Out.URL.Scheme, pr.Out.URL.Host = t.url.Scheme, t.url.Host
	pr.Out.URL.Path, pr.Out.URL.RawPath = strings.TrimSuffix(t.url.Path, "/")+path, ""
	pr.Out.URL.RawQuery = withoutToken(pr.In.URL.RawQuery) // canonical has refused what cannot be read
	pr.Out.Host = ""
	p.g.clean(pr.Out.Header, t.upstream.ForwardToken)
	p.g.clean(pr.Out.Trailer, false)
	dropBadTrace(pr.Out.Header)
	pr.SetXForwarded()
	pr.Out.Header["X-Forwarded-Host"] = []string{p.host} // not what the caller says it is
	p.g.introduce(pr.Out.Header, c, httpx.Trace(pr.In.Context()), t.identity)
	if _, there := pr.Out.Header["User-Agent"]; !there {
		pr.Out.Header["User-Agent"] = nil // send none rather than Go's
	}
}

// RoundTrip sends by the transport of the call's target.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	return passageOf(r.Context()).transport.RoundTrip(r)
}

// failed answers for an upstream that did not. Its error text, which names
// addresses, is for the log alone.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	ref := &refusal{status: http.StatusBadGateway, code: codeBadGateway, detail: "The API's own server did not answer as it should. Try again; if it stays so, report the trace id"}
	var timeout net.Error
	switch {
	case passageOf(r.Context()).body.broken.Load(): // first: an end of input looks like a caller who is gone
		ref = badBody("The body broke off before its end, or its chunks cannot be read")
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		httpx.Note(r.Context(), slog.Bool("client_gone", true))
		ref.status, ref.code = statusClientGone, "client_gone"
	case errors.As(err, &timeout) && timeout.Timeout():
		ref.status, ref.code = http.StatusGatewayTimeout, codeTimeout
		ref.detail = "The API's own server did not answer in time. Try again later"
	}
	if ref.code != codeInvalidRequest {
		ref.reason = "the upstream did not answer as it should; the log says more under this trace id"
	}
	httpx.Note(r.Context(), slog.String("upstream_error", err.Error()))
	c.w = w
	c.outcome = p.g.refuse(c, ref)
}

// statusClientGone is written to nobody, and to the record.
const statusClientGone = 499

// bufferPool lends the buffers that bodies are copied through.
type bufferPool struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, copyBuffer)
}

// Put implements httputil.BufferPool.
func (b *bufferPool) Put(buf []byte) { b.pool.Put(&buf) }
