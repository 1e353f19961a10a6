package gateway

import (
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// table is a catalogue as it is matched: it is built whole, swapped in whole,
// and never changed.
type table struct {
	routes map[string]*route // by base path
}

// route is an API, and where it is answered live.
type route struct {
	api       *manifest.API
	resources []string     // the API's identifiers (RFC 8707), by every URL of the gateway
	target    *target      // nil: nowhere in this environment
	rate      *limit.Limit // of an app; nil: none
}

// SetCatalog makes the gateway route by catalog from the next call on. Calls
// under way go on by the one they began with.
func (g *Gateway) SetCatalog(catalog *manifest.Catalog) {
	t := &table{routes: make(map[string]*route, len(catalog.APIs))}
	for _, api := range catalog.APIs {
		t.routes[api.BasePath] = &route{api, g.identifiers(api.BasePath), g.proxy.target(api), apiLimit(api)}
	}
	g.table.Store(t)
	g.proxy.forget(t)
	g.proxy.probes.follow(t)
}

// route returns the route with the longest base path that path is under. It
// costs one look-up per segment, however many APIs there are.
func (t *table) route(path string) *route {
	for base := path; ; {
		if r := t.routes[base]; r != nil {
			return r
		}
		i := strings.LastIndexByte(base, '/')
		if i <= 0 {
			return t.routes["/"]
		}
		base = base[:i]
	}
}

// match finds the API and its operation.
func (g *Gateway) match(c *call) error {
	found := g.table.Load().route(c.path)
	if found == nil {
		return g.noAPI()
	}
	c.api, c.resources, c.target, c.rate = found.api, found.resources, found.target, found.rate
	rest := strings.TrimPrefix(c.path, c.api.BasePath)
	operation, params, allowed, ok := c.api.Document.Match(c.r.Method, rest)
	if !ok && c.api.Request.Unlisted == manifest.PassUnlisted {
		operation, ok = g.other, true
	}
	if !ok && len(allowed) > 0 {
		return &refusal{
			status: http.StatusMethodNotAllowed, code: codeMethod, allow: strings.Join(allowed, ", "),
			detail: "This path takes " + strings.Join(allowed, " and ") + " only",
		}
	}
	if !ok {
		return g.noOperation(c.api)
	}
	c.operation, c.params = operation, params
	c.public = c.api.IsPublic(operation)
	return nil
}

// noAPI is the refusal of a path below which there is nothing.
func (g *Gateway) noAPI() *refusal {
	return g.notFound("There is no API at this path, and no token URL", "/")
}

// noOperation is that of a path below an API, which its document does not list.
func (g *Gateway) noOperation(api *manifest.API) *refusal {
	return g.notFound(api.Title+" has no operation at this path", "/apis/"+api.Name)
}

// notFound says where what there is can be read, if that is anywhere.
func (g *Gateway) notFound(what, page string) *refusal {
	ref := &refusal{status: http.StatusNotFound, code: codeNotFound, detail: what + ". Compare the URL, its host included, with the API's reference"}
	if g.Docs != "" {
		ref.detail = what + ". Compare the URL, its host included, with " + g.Docs + page
	}
	return ref
}
