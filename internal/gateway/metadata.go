package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/jose"
)

// MetadataPath is where a resource's description is: the resource's own path
// follows it (RFC 9728 §3).
const MetadataPath = "/.well-known/oauth-protected-resource"

// resource describes the gateway, or one API behind it, to its callers (RFC 9728
// §2). It has no jwks_uri, which would be for keys that an API signs answers with.
type resource struct {
	Resource             string   `json:"resource"`
	Name                 string   `json:"resource_name"`
	AuthorizationServers []string `json:"authorization_servers"`
	Scopes               []string `json:"scopes_supported,omitempty"` // products: each opens it, or a part of it
	BearerMethods        []string `json:"bearer_methods_supported"`
	DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
}

// Metadata serves the description of the resource whose path follows
// [MetadataPath]: of the gateway as a whole, or of an API.
func (g *Gateway) Metadata(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.Fail(w, r, &refusal{status: http.StatusMethodNotAllowed, code: codeMethod, detail: "Use GET here", allow: "GET, HEAD"})
		return
	}
	httpx.Place(r.Context(), MetadataPath+"/*")
	about, known := g.describe(g.base(r), strings.TrimPrefix(r.URL.Path, MetadataPath))
	if !known || r.URL.RawPath != "" {
		g.Fail(w, r, g.noAPI())
		return
	}
	httpx.Place(r.Context(), r.URL.Path) // an API's own
	h := w.Header()
	h["Cache-Control"] = []string{"public, max-age=300"}
	h["Access-Control-Allow-Origin"] = []string{"*"}
	httpx.WriteJSON(w, http.StatusOK, about)
}

// describe describes what is at path below base.
func (g *Gateway) describe(base, path string) (about resource, known bool) {
	_, below := splitOrigin(base)
	path = strings.TrimPrefix(strings.TrimSuffix(path, "/"), below)
	about = resource{
		Resource: base + path, AuthorizationServers: []string{g.Issuer}, BearerMethods: []string{"header"}, Documentation: g.Docs,
		DPoPAlgorithms: jose.Algorithms(), CertificateBound: g.CertificateBound,
	}
	if path == "" {
		about.Name = "All APIs of " + string(g.Environment)
		for _, p := range g.Model.Products() {
			about.Scopes = append(about.Scopes, p.Name)
		}
		return about, true
	}
	found := g.table.Load().routes[path]
	if found == nil {
		return resource{}, false
	}
	about.Name = found.api.Title
	about.AuthorizationServers = g.authorizationServers(found.api)
	about.Scopes = slices.DeleteFunc(slices.Clone(found.api.Products), func(product string) bool { return !g.Model.Active(product) })
	if g.Docs != "" {
		about.Documentation = g.Docs + "/apis/" + found.api.Name
	}
	return about, true
}

// identifiers are the names of what is at path (RFC 8707), one for each URL of the
// gateway.
func (g *Gateway) identifiers(path string) []string {
	names := make([]string, 0, 1+len(g.Aliases))
	names = append(names, g.BaseURL+path)
	for _, alias := range g.Aliases {
		names = append(names, alias+path)
	}
	return names
}

// metadataURL is where an API, or with an empty path the gateway, is described.
func (g *Gateway) metadataURL(r *http.Request, path string) string {
	origin, below := splitOrigin(g.base(r))
	return origin + MetadataPath + below + path
}

// splitOrigin splits a URL before its path.
func splitOrigin(base string) (origin, path string) {
	scheme, rest, _ := strings.Cut(base, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return scheme + "://" + rest[:i], rest[i:]
	}
	return base, ""
}

// base is the URL of the gateway by which a request came. A client compares it with
// the URL that it knows (RFC 9728 §3.3), so one that came by another of our names is
// told that name; a name that is not ours is never repeated.
func (g *Gateway) base(r *http.Request) string {
	if base, ok := g.bases[strings.ToLower(r.Host)]; ok {
		return base
	}
	return g.BaseURL
}

// basesByHost finds base URLs by the Host header that a request of theirs has; of
// several with one host the first stands.
func basesByHost(bases []string) map[string]string {
	found := make(map[string]string, len(bases))
	for _, base := range bases {
		u, err := url.Parse(base)
		if err != nil {
			continue
		}
		host := strings.ToLower(u.Host)
		for _, name := range []string{host, strings.TrimSuffix(host, ":443")} {
			if _, taken := found[name]; !taken {
				found[name] = base
			}
		}
	}
	return found
}
