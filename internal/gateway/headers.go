package gateway

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Headers says which headers carry what between gateway and upstream. Names
// are configuration (CONTRACT 4.5, 4.7).
type Headers struct {
	Trace        string // request and answer header with our trace id
	Organization string // names that the upstream gets the identity by; empty: not sent
	Application  string
	ClientID     string
	Environment  string
	Identity     string   // the signed identity JWT
	Source       string   // answer header: mock or live, and why (CONTRACT 5.4)
	Strip        []string // further headers that only the gateway may set
}

// always is never passed on, whoever sends it: the gateway reads it, or it
// would be taken for the gateway's word.
var always = [...]string{"Ima-Token", "Environment", "Proxy", "Proxy-Authorization", "Forwarded", "X-Real-Ip", "Client-Cert", "Ssl-Client-Cert"}

// stripped is the set of request headers that are removed, by their plain form.
func (h Headers) stripped() map[string]bool {
	set := map[string]bool{}
	for _, name := range always {
		set[plain(name)] = true
	}
	for _, name := range append([]string{h.Organization, h.Application, h.ClientID, h.Environment, h.Identity, h.Source}, h.Strip...) {
		if name != "" {
			set[plain(name)] = true
		}
	}
	return set
}

// plain folds the spellings that some server or other takes for the same
// header: case, and _ or . for -.
func plain(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

// clean removes from an outgoing request what only the gateway may say, in any
// spelling, and the token unless the upstream is to have it.
func (g *Gateway) clean(h http.Header, keepToken bool) {
	for name := range h {
		if plain := plain(name); g.strip[plain] || strings.HasPrefix(plain, "x-forwarded-") {
			delete(h, name)
		}
	}
	if !keepToken {
		delete(h, "Authorization")
	}
}

// introduce sets what the upstream is told about the caller.
func (g *Gateway) introduce(h http.Header, c *call, trace, identity string) {
	put := func(name, value string) {
		if name != "" && value != "" {
			h[canonicalHeader(name)] = []string{value}
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

func canonicalHeader(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
