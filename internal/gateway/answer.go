package gateway

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// inner lists answer headers by which an upstream tells what it is made of and
// where it is, or asks for what callers send to the gateway alone.
var inner = [...]string{"Dpop-Nonce", "Server", "Via", "X-Powered-By", "X-Aspnet-Version", "X-Aspnetmvc-Version", "X-Backend-Server"}

// wide lists answer headers that are about more than the answer: all of the host, as a
// browser has it, which many APIs and their upstreams share; or the server in front of
// us, which would fetch what they name.
var wide = [...]string{
	"Alt-Svc", "Strict-Transport-Security", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Expect-Ct", "Clear-Site-Data",
	"Nel", "Report-To", "Service-Worker-Allowed",
	"X-Accel-Redirect", "X-Sendfile", "X-Lighttpd-Send-File", "X-Litespeed-Location", "X-Reproxy-Url",
}

// modifyResponse takes out of an answer what only the gateway says, and what is
// nobody's business.
func (p *proxy) modifyResponse(res *http.Response) error {
	ctx := res.Request.Context()
	c := callOf(ctx)
	for name := range res.Header {
		if p.hides(c, name) {
			delete(res.Header, name)
		}
	}
	for _, name := range [...]string{"Location", "Content-Location"} {
		p.relocate(c, res.Header, name)
	}
	confine(c, res.Header)
	if err := p.g.checkAnswer(c, res); err != nil {
		return err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		c.status = res.StatusCode // it is written past the callWriter
		return nil
	}
	p.tidy(res.Trailer)
	res.Body = &trailed{res.Body, func() { p.tidy(res.Trailer) }}
	return nil
}

// hides reports whether a header of an upstream does not reach c's caller.
func (p *proxy) hides(c *call, name string) bool {
	return p.hidden[name] ||
		c.counted && (name == "Ratelimit" || name == "Ratelimit-Policy") // ours are about the caller, the upstream's about us
}

// tidy removes the trailers of an upstream that do not reach callers.
func (p *proxy) tidy(h http.Header) {
	for name := range h {
		if p.hidden[name] {
			delete(h, name)
		}
	}
}

// trailed is a body after which trailers come, announced or not: they are there
// when it is closed.
type trailed struct {
	io.ReadCloser
	tidy func()
}

// Close implements io.Closer.
func (t *trailed) Close() error {
	err := t.ReadCloser.Close()
	t.tidy()
	return err
}

// relocate makes a URL of the upstream's own one of the gateway's. Any other that
// names the upstream's host is taken out; what leads elsewhere, or is relative,
// is the caller's to follow.
func (p *proxy) relocate(c *call, h http.Header, name string) {
	values := h[name]
	if len(values) == 0 {
		return
	}
	place, pass := p.outside(c, values[0])
	if !pass || len(values) > 1 {
		delete(h, name)
		return
	}
	h[name] = []string{place}
}

// confine keeps the cookies of an upstream to its API: to this host, and to what is
// below the base path. Others would get them, or have theirs replaced.
func confine(c *call, h http.Header) {
	for i, cookie := range h["Set-Cookie"] {
		h["Set-Cookie"][i] = confined(cookie, c.api.BasePath)
	}
}

// confined returns a Set-Cookie without a Domain, whose Path is base, unless it has one
// below (RFC 6265 §5.2.3, §5.2.4).
func confined(cookie, base string) string {
	parts := strings.Split(cookie, ";")
	kept, path := parts[:1], ""
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		switch name = strings.Trim(name, " \t"); {
		case strings.EqualFold(name, "domain"):
		case strings.EqualFold(name, "path"):
			path = strings.Trim(value, " \t") // the last one counts
		default:
			kept = append(kept, part)
		}
	}
	if rest, below := strings.CutPrefix(path, strings.TrimSuffix(base, "/")); path == "" || !below || rest != "" && rest[0] != '/' {
		path = base
	}
	return strings.Join(kept, ";") + "; Path=" + path
}

// outside returns how a caller is told of location, if it is.
func (p *proxy) outside(c *call, location string) (place string, pass bool) {
	u, err := url.Parse(location)
	t := c.target
	if err == nil {
		t = t.named(u)
	}
	switch {
	case err != nil:
		return "", false
	case u.Host == "" && u.Opaque == "", strings.HasPrefix(location, p.g.BaseURL+"/"):
		return location, true
	case !strings.EqualFold(u.Hostname(), t.url.Hostname()):
		return location, true
	case u.Scheme != "" && u.Scheme != t.url.Scheme, portOf(u, t.url.Scheme) != portOf(t.url, t.url.Scheme), u.User != nil:
		return "", false
	default:
		base := strings.TrimSuffix(t.url.EscapedPath(), "/")
		rest, under := strings.CutPrefix(u.EscapedPath(), base)
		if !under || rest != "" && rest[0] != '/' {
			return "", false
		}
		if !t.upstream.KeepPrefix {
			rest = c.api.BasePath + rest
		}
		place = p.g.BaseURL + rest
		if u.RawQuery != "" {
			place += "?" + u.RawQuery
		}
		if u.Fragment != "" {
			place += "#" + u.EscapedFragment()
		}
		return place, true
	}
}

// portOf returns the port of u, or its scheme's own.
func portOf(u *url.URL, scheme string) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case scheme == "https":
		return "443"
	}
	return "80"
}

// callWriter tells the call which status was answered, and keeps the gateway's
// own headers: ReverseProxy empties the headers after an interim answer.
type callWriter struct {
	http.ResponseWriter
	c   *call
	own http.Header
}

func newCallWriter(c *call) *callWriter {
	return &callWriter{ResponseWriter: c.w, c: c, own: maps.Clone(c.w.Header())}
}

// WriteHeader implements http.ResponseWriter. Interim answers of the upstream
// are not passed on: their headers are cleaned by nobody, and net/http asks for
// the body itself.
func (w *callWriter) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		return
	}
	h := w.Header()
	for name, values := range w.own {
		if _, there := h[name]; !there {
			h[name] = values
		}
	}
	w.c.status = status
	if w.c.passing != nil {
		w.c.passing.answering(w.c)
	}
	asItIs(h)
	w.ResponseWriter.WriteHeader(status)
}

// asItIs keeps net/http from guessing the media type that an upstream has not
// told.
func asItIs(h http.Header) {
	if _, there := h["Content-Type"]; !there {
		h["Content-Type"] = nil
	}
}

// Unwrap lets http.ResponseController flush and hijack.
func (w *callWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
