package gateway

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/tracing"
)

// Headers says which headers carry what between gateway and upstream. Names
// are configuration (CONTRACT 4.5, 4.7).
type Headers struct {
	Trace        string   // request and answer header with our trace id
	TraceAccept  []string // request headers that a trace id is taken from
	Organization string   // names that the upstream gets the identity by; empty: not sent
	Application  string
	ClientID     string
	Environment  string
	User         string   // of calls with a token of another issuer
	Identity     string   // the signed identity JWT
	Source       string   // answer header: mock or live, and why (CONTRACT 5.4)
	Strip        []string // further headers that only the gateway may set
}

// always is never passed on, whoever sends it: the gateway reads it, or some
// server or framework would take it for the gateway's word about the path, the
// method, the caller's address, certificate or name.
var always = [...]string{
	"Ima-Token", "Dpop", "Environment", "Proxy", "Proxy-Authorization", "Forwarded", "Forwarded-For",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Rewrite-Url", "X-Override-Url", "X-Host", "X-Middleware-Subrequest",
	"X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Fastly-Client-Ip", "Fly-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
	"Client-Ip", "Proxy-Client-Ip", "X-Proxyuser-Ip", "X-Originating-Ip", "X-Remote-Ip", "X-Remote-Addr", "X-Forward-For", "Front-End-Https", "X-Url-Scheme",
	"Client-Cert", "Client-Cert-Chain", "X-Arr-Clientcert", "X-Client-Dn", "X-Client-Verify",
	"Remote-User", "X-Remote-User", "X-Authenticated-User",
}

// believed reports whether a name is of a family of such names, each of which some
// proxy sets and the servers behind it believe.
func believed(name string) bool {
	rest, x := strings.CutPrefix(name, "X-")
	if !x {
		return strings.HasPrefix(name, "Ssl-") || strings.HasPrefix(name, "Wl-Proxy-")
	}
	if rest == "" {
		return false
	}
	switch rest[0] { // it is asked of every header of every call
	case 'A':
		return hasAnyPrefix(rest, "Amzn-Mtls-", "Amzn-Oidc-", "Appengine-", "Auth-Request-", "Authentik-", "Azure-")
	case 'C', 'E', 'F', 'G', 'M':
		return hasAnyPrefix(rest, "Client-Cert", "Envoy-", "Forwarded", "Goog-Authenticated-", "Ms-Client-Principal")
	case 'O', 'S', 'V', 'W':
		return hasAnyPrefix(rest, "Original-", "Ssl-", "Vercel-", "Webauth-")
	}
	return false
}

// ours lists the names that only the gateway may use, in either direction.
func (h Headers) ours() []string {
	return slices.DeleteFunc([]string{h.Trace, h.Organization, h.Application, h.ClientID, h.Environment, h.User, h.Identity, h.Source},
		func(name string) bool { return name == "" })
}

// canonical returns h with its names in canonical form, as they are looked up and
// set on every call.
func (h Headers) canonical() Headers {
	for _, name := range [...]*string{&h.Trace, &h.Organization, &h.Application, &h.ClientID, &h.Environment, &h.User, &h.Identity, &h.Source} {
		*name = canonicalHeader(*name)
	}
	return h
}

// stripped is the set of request headers that are removed, in canonical form.
func (h Headers) stripped() map[string]bool {
	set := map[string]bool{}
	for _, names := range [][]string{always[:], h.ours(), h.Strip} {
		for _, name := range names {
			set[canonicalHeader(name)] = true
		}
	}
	return set
}

// clean removes from an outgoing request what is not passed on.
func (g *Gateway) clean(h http.Header, keepToken bool) {
	for name := range h {
		if g.strips(name, keepToken) {
			delete(h, name)
		}
	}
}

// strips reports whether a header of a caller is not passed on: what only the
// gateway may say, and the token unless the upstream is to have it. Names with _
// or . go too, all of them: many servers take them for the name with -, which was
// checked, or is ours.
func (g *Gateway) strips(name string, keepToken bool) bool {
	return g.strip[name] || !keepToken && name == "Authorization" ||
		strings.ContainsAny(name, "_.") || believed(name)
}

func hasAnyPrefix(name string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// plainConnection reports whether the options of Connection are those that mean
// something here. Any other would name a header to be removed on the way, after
// it was checked (RFC 9110 §7.6.1).
func plainConnection(values []string) bool {
	for _, value := range values {
		for option := range strings.SplitSeq(value, ",") {
			switch strings.ToLower(textproto.TrimString(option)) {
			case "", "close", "keep-alive", "te", "upgrade":
			default:
				return false
			}
		}
	}
	return true
}

// traceparent is what the upstream is told of the trace (W3C Trace Context). If the
// call is recorded its parent is our span; else what the caller has sent goes on, since
// a span that nobody will ever see would tear the caller's trace; and a call that came
// without any, or with one that is none, gets one that holds the trace id. keep says
// whether the caller's tracestate goes on too.
func (c *call) traceparent() (parent string, keep bool) {
	values := c.r.Header["Traceparent"]
	keep = len(values) == 1 && tracing.Valid(values[0])
	switch {
	case c.visit != nil:
		return c.visit.Traceparent(), keep
	case keep:
		return values[0], true
	}
	return tracing.Begin(httpx.Trace(c.r.Context())), false
}

// introduce tells set what the upstream is told about the caller.
func (g *Gateway) introduce(c *call, trace, identity string, set func(name, value string)) {
	put := func(name, value string) {
		if name != "" && value != "" {
			set(name, value)
		}
	}
	put(g.Headers.Trace, trace)
	if c.client.App == nil {
		return
	}
	put(g.Headers.Organization, string(c.client.Org.ID))
	put(g.Headers.Application, headerText(c.client.App.Name))
	put(g.Headers.ClientID, c.client.App.ClientID)
	put(g.Headers.Environment, string(g.Environment))
	put(g.Headers.User, userText(c.principal.User))
	put(g.Headers.Identity, identity)
}

// headerText makes a name fit for a header: what is not visible ASCII becomes ?.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// userText makes a user's name fit for a header, so that no two users become one:
// what is not visible ASCII is percent-encoded, and % itself (RFC 3986 §2.1).
func userText(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }) {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func canonicalHeader(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
