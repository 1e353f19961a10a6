package gateway

import (
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// table is a catalogue as it is matched: it is built whole, swapped in whole,
// and never changed.
type table struct {
	apis map[string]*manifest.API // by base path
}

// SetCatalog makes the gateway route by catalog from the next call on. Calls
// under way go on by the one they began with.
func (g *Gateway) SetCatalog(catalog *manifest.Catalog) {
	t := &table{apis: make(map[string]*manifest.API, len(catalog.APIs))}
	for _, api := range catalog.APIs {
		t.apis[api.BasePath] = api
	}
	g.proxy.setCatalog(catalog)
	g.table.Store(t)
}

// api returns the API with the longest base path that path is under. It costs
// one look-up per segment, however many APIs there are.
func (t *table) api(path string) *manifest.API {
	for base := path; ; {
		if api := t.apis[base]; api != nil {
			return api
		}
		i := strings.LastIndexByte(base, '/')
		if i <= 0 {
			return t.apis["/"]
		}
		base = base[:i]
	}
}

// match finds the API and its operation.
func (g *Gateway) match(c *call) error {
	c.api = g.table.Load().api(c.path)
	if c.api == nil {
		return notFound()
	}
	rest := strings.TrimPrefix(c.path, c.api.BasePath)
	operation, params, allowed, ok := c.api.Document.Match(c.r.Method, rest)
	if !ok && len(allowed) > 0 {
		return &refusal{
			status: http.StatusMethodNotAllowed, code: codeMethod, allow: strings.Join(allowed, ", "),
			detail: "This path takes " + strings.Join(allowed, " and ") + " only",
		}
	}
	if !ok {
		return notFound()
	}
	c.operation, c.params = operation, params
	c.public = c.api.Request.PublicHealth && operation.Method == http.MethodGet && operation.Template == "/healthcheck"
	return nil
}

func notFound() *refusal {
	return &refusal{
		status: http.StatusNotFound, code: codeNotFound,
		detail: "There is no such route here. Compare the URL, its host included, with the API's reference",
	}
}
