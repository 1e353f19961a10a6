package gateway

import (
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/relay"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// relays reports whether a call goes the fast way, by relay. What relay does not
// do goes by httputil.ReverseProxy: whatever else is said below must be said of
// both, and the tests compare them.
func (p *proxy) relays(c *call) bool {
	unknown := c.r.ContentLength < 0 && c.r.ProtoMajor > 1
	return c.target.relay != nil &&
		c.api.Answers == manifest.ValidateOff && // else the answer is read before it is passed on
		len(c.r.Header["Upgrade"]) == 0 && // a tunnel
		len(c.r.Header["Expect"]) == 0 && // the upstream may say first whether it wants the body
		len(c.r.Trailer) == 0 &&
		(!unknown || c.r.Method == http.MethodPost || c.r.Method == http.MethodPut || c.r.Method == http.MethodPatch) // there may be no body at all
}

// outgoing is a request to an upstream while it is being made.
type outgoing struct {
	fields  []relay.Field
	request relay.Request
}

var outgoings = sync.Pool{New: func() any { return &outgoing{fields: make([]relay.Field, 0, 32)} }}

func (o *outgoing) release() {
	clear(o.fields)
	o.fields, o.request = o.fields[:0], relay.Request{}
	outgoings.Put(o)
}

// forward passes a call on by relay. The upstream's answer streams.
func (p *proxy) forward(c *call, identity string, body *clientBody) {
	out, _ := outgoings.Get().(*outgoing)
	defer out.release()
	began := p.g.Now()
	answer, err := p.ask(c, out, identity, body)
	if err != nil {
		p.fail(c, body, err)
		return
	}
	c.target.visits.answered.Add(p.g.Now().Sub(began))
	defer answer.Close()
	c.status = answer.Status()
	events, trailers := p.incoming(c, answer)
	body.answering(c)
	c.w.WriteHeader(c.status)
	var flush func() error
	if events || answer.Streams() {
		flush = http.NewResponseController(c.w).Flush
	}
	if err := answer.Copy(c.w, flush); err != nil {
		var sink *relay.SinkError
		if !errors.As(err, &sink) && c.r.Context().Err() == nil {
			c.broke(err, p.g.Now())
		}
		panic(http.ErrAbortHandler) // the caller must not take it for whole
	}
	p.follow(c, answer, trailers)
}

// ask sends a call to its target, or to those of its pool until one answers.
func (p *proxy) ask(c *call, out *outgoing, identity string, body *clientBody) (*relay.Answer, error) {
	if c.target.pool != nil {
		return attempt(p, c, body, func(content io.Reader) (*relay.Answer, int, error) {
			answer, err := p.send(c, out, identity, content)
			if err != nil {
				return nil, 0, err
			}
			return answer, answer.Status(), nil
		}, (*relay.Answer).Close)
	}
	return p.send(c, out, identity, body)
}

func (p *proxy) send(c *call, out *outgoing, identity string, content io.Reader) (*relay.Answer, error) {
	p.outgo(c, out, identity)
	if c.r.ContentLength != 0 && c.r.Body != nil && c.r.Body != http.NoBody {
		out.request.Body, out.request.Length = content, c.r.ContentLength
	}
	return c.target.relay.Do(c.r.Context(), &out.request)
}

// outgo is what rewrite is for relay: the same path, query and fields, in the
// order in which net/http would send them.
func (p *proxy) outgo(c *call, out *outgoing, identity string) {
	u := url.URL{Path: c.upstreamPath(), RawQuery: withoutToken(c.r.URL.RawQuery)}
	out.request = relay.Request{Method: c.r.Method, Target: u.RequestURI(), Host: c.target.url.Host}
	parent, keep := c.traceparent()
	fields := out.fields[:0]
	for name, values := range c.r.Header {
		switch {
		case hops[name], p.g.strips(name, c.target.upstream.ForwardToken), name == "Traceparent", !keep && name == "Tracestate":
			continue
		case name == "User-Agent" && len(values) > 1:
			values = values[:1]
		}
		for _, value := range values {
			fields = append(fields, relay.Field{Name: name, Value: value})
		}
	}
	if takesTrailers(c.r.Header["Te"]) {
		fields = append(fields, relay.Field{Name: "Te", Value: "trailers"})
	}
	if ip, _, err := net.SplitHostPort(c.r.RemoteAddr); err == nil {
		fields = append(fields, relay.Field{Name: "X-Forwarded-For", Value: ip})
	}
	fields = append(fields, relay.Field{Name: "Traceparent", Value: parent})
	proto := "http"
	if c.r.TLS != nil {
		proto = "https"
	}
	fields = append(fields, relay.Field{Name: "X-Forwarded-Host", Value: p.host}, relay.Field{Name: "X-Forwarded-Proto", Value: proto})
	p.g.introduce(c, httpx.Trace(c.r.Context()), identity, func(name, value string) {
		fields = append(fields, relay.Field{Name: name, Value: value})
	})
	slices.SortStableFunc(fields, func(a, b relay.Field) int { return strings.Compare(a.Name, b.Name) })
	out.fields, out.request.Fields = fields, fields
}

// hops are fields of a request that are about the caller's connection, or about
// how the message is framed on it (RFC 9110 §7.6.1).
var hops = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Host": true,
}

// takesTrailers reports whether TE says that trailers are welcome.
func takesTrailers(values []string) bool {
	for _, value := range values {
		for option := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(option, " \t"), "trailers") {
				return true
			}
		}
	}
	return false
}

// incoming is what modifyResponse is for relay. It reports whether events are
// told, as they happen, and which trailers were announced.
func (p *proxy) incoming(c *call, answer *relay.Answer) (events bool, trailers []string) {
	h := c.w.Header()
	fields := answer.Fields()
	room := make([]string, len(fields)) // for the values of all
	for i, f := range fields {
		if p.hides(c, f.Name) {
			continue
		}
		switch f.Name {
		case "Location", "Content-Location":
			h[f.Name] = append(h[f.Name], f.Value)
			continue
		case "Content-Type":
			events = events || isEvents(f.Value)
		}
		if values := h[f.Name]; values != nil {
			h[f.Name] = append(values, f.Value)
			continue
		}
		room[i] = f.Value
		h[f.Name] = room[i : i+1 : i+1]
	}
	asItIs(h)
	p.relocate(c, h, "Location")
	p.relocate(c, h, "Content-Location")
	confine(c, h)
	for _, name := range answer.Announced() {
		if !p.hidden[name] && !slices.Contains(trailers, name) {
			trailers = append(trailers, name)
		}
	}
	if len(trailers) > 0 {
		h["Trailer"] = append(h["Trailer"], strings.Join(trailers, ", "))
	}
	return events, trailers
}

// isEvents reports whether a media type is text/event-stream, whose parts are
// wanted at once also where the length of all is known.
func isEvents(mediaType string) bool {
	const events = "text/event-stream"
	if len(mediaType) < len(events) || !strings.EqualFold(mediaType[:len(events)], events) {
		return false
	}
	rest := strings.TrimLeft(mediaType[len(events):], " \t")
	return rest == "" || rest[0] == ';'
}

// follow passes the trailers on, announced or not.
func (p *proxy) follow(c *call, answer *relay.Answer, announced []string) {
	came := http.Header{}
	for _, name := range announced {
		came[name] = nil
	}
	for _, f := range answer.Trailers() {
		if !p.hidden[f.Name] {
			came[f.Name] = append(came[f.Name], f.Value)
		}
	}
	if len(came) == 0 {
		return
	}
	_ = http.NewResponseController(c.w).Flush() // in chunks, or there is no place for them
	prefix := ""
	if len(came) != len(announced) {
		prefix = http.TrailerPrefix
	}
	h := c.w.Header()
	for name, values := range came {
		h[prefix+name] = append(h[prefix+name], values...)
	}
}

// relayKey tells ways of reaching an upstream apart.
type relayKey struct {
	scheme, host string
	way
}

// relay returns the client for an upstream, nil if it has to be reached by
// http.Transport.
func (p *proxy) relay(u *url.URL, w way) *relay.Client {
	name, port := u.Hostname(), portOf(u, u.Scheme)
	if !plainHost(u.Host) || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	key := relayKey{u.Scheme, u.Host, w}
	p.mu.Lock()
	defer p.mu.Unlock()
	client := p.relayed[key]
	if client == nil {
		address := net.JoinHostPort(name, port)
		client = relay.New(relay.Config{
			Address: address, Connections: p.connectionsTo(address), TLS: tlsFor(u.Scheme, name, w.tls),
			Dial: w.connect, Timeout: w.timeout, Silence: w.idle, Idle: idleUpstream, MaxIdle: idlePerUpstream,
			MaxHead: maxUpstreamHeader, MaxFields: maxUpstreamFields, MaxInterims: maxInterims,
		})
		p.relayed[key] = client
	}
	return client
}

// forget closes the connections to upstreams that no API has any more.
func (p *proxy) forget(t *table) {
	used := map[*relay.Client]bool{}
	reached := map[*http.Transport]bool{}
	known := map[*upstream.State]bool{}
	for _, r := range t.routes {
		for _, member := range r.target.members() {
			used[member.relay] = true
			reached[member.transport] = true
		}
		if r.target != nil && r.target.pool != nil {
			for _, state := range r.target.pool.states {
				known[state] = true
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, client := range p.relayed {
		if !used[client] {
			client.CloseIdle()
			delete(p.relayed, key)
		}
	}
	for w, transport := range p.reached {
		if !reached[transport] {
			transport.CloseIdleConnections()
			delete(p.reached, w)
		}
	}
	maps.DeleteFunc(p.states, func(_ stateKey, state *upstream.State) bool { return !known[state] })
}

// plainHost reports whether a URL's host is written the same in a Host field.
func plainHost(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' })
}

// tlsFor is how an upstream is spoken to in that scheme; nil: in the clear.
func tlsFor(scheme, name string, settings *tls.Config) *tls.Config {
	if scheme != "https" {
		return nil
	}
	if settings != nil {
		c := settings.Clone()
		c.ServerName, c.NextProtos = cmp.Or(c.ServerName, name), []string{"http/1.1"}
		return c
	}
	return &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}
