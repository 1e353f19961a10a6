package gateway

import (
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// table is a catalogue as it is matched: it is built whole, swapped in whole,
// and never changed.
type table struct {
	routes map[string]*route // by base path
	words  map[string]bool   // segments of base paths and templates, without parameters
}

// route is an API, and where it is answered live.
type route struct {
	api       *manifest.API
	resources []string     // the API's identifiers (RFC 8707), by every URL of the gateway
	target    *target      // nil: nowhere in this environment
	rate      *limit.Limit // of an app; nil: none
	places    map[*openapi.Operation]string
	elsewhere string // the place of a call to the API that its document does not list
}

// SetCatalog makes the gateway route by catalog from the next call on. Calls
// under way go on by the one they began with.
func (g *Gateway) SetCatalog(catalog *manifest.Catalog) {
	t := &table{routes: make(map[string]*route, len(catalog.APIs)), words: map[string]bool{"oauth2": true, "token": true}}
	for _, api := range catalog.APIs {
		r := &route{
			api: api, resources: g.identifiers(api.BasePath), target: g.proxy.target(api), rate: apiLimit(api),
			places: make(map[*openapi.Operation]string, len(api.Document.Operations)), elsewhere: api.BasePath + g.other.Template,
		}
		t.learn(api.BasePath)
		for _, op := range api.Document.Operations {
			r.places[op] = api.BasePath + op.Template
			t.learn(op.Template)
		}
		t.routes[api.BasePath] = r
	}
	g.table.Store(t)
	g.proxy.forget(t)
	g.proxy.probes.follow(t)
}

// learn adds the words of a base path or a template.
func (t *table) learn(path string) {
	for word := range strings.SplitSeq(path, "/") {
		if !strings.ContainsAny(word, "{}") {
			t.words[word] = true
		}
	}
}

// knows reports whether a segment is a word of the catalogue.
func (t *table) knows(word string) bool { return t.words[word] }

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
	t := g.table.Load()
	found := t.route(c.path)
	if found == nil {
		c.place = httpx.Shape(c.path, t.knows)
		return g.noAPI()
	}
	c.api, c.resources, c.target, c.rate, c.place = found.api, found.resources, found.target, found.rate, found.elsewhere
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
	if operation != g.other {
		c.place = found.places[operation]
	}
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
