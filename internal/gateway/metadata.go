package gateway

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// resource describes the gateway to its callers (RFC 9728 §2).
type resource struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Documentation        string   `json:"resource_documentation,omitempty"`
}

// Routes returns the gateway's own documents by exact path.
func (g *Gateway) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"/.well-known/oauth-protected-resource": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				g.Fail(w, r, &refusal{status: http.StatusMethodNotAllowed, code: codeMethod, detail: "Use GET here", allow: "GET, HEAD"})
				return
			}
			w.Header()["Cache-Control"] = []string{"public, max-age=300"}
			w.Header()["Access-Control-Allow-Origin"] = []string{"*"}
			httpx.WriteJSON(w, http.StatusOK, resource{
				Resource: g.BaseURL, AuthorizationServers: []string{g.Issuer}, BearerMethods: []string{"header"}, Documentation: g.Docs,
			})
		}),
	}
}
