package authserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/oauth"
)

// maxResources bounds how many resources one token may be asked for.
const maxResources = 16

// resource is what a token may be made for (RFC 8707): an API, or all of the
// environment. Its identifier is the URL that it is called at.
type resource struct {
	identifier string
	products   []string // that open it
	all        bool     // the environment: every product opens some of it
}

// resources finds resources by identifier, in the one spelling of [spelled]. It is
// built whole, swapped in whole, and never changed.
type resources map[string]*resource

// SetCatalog makes the APIs of catalog be the resources from the next token on.
func (s *Server) SetCatalog(catalog *manifest.Catalog) {
	found := resources{}
	for _, base := range s.BaseURLs {
		found.add(&resource{identifier: base, all: true})
		for _, api := range catalog.APIs {
			found.add(&resource{identifier: base + api.BasePath, products: api.Products})
		}
	}
	s.resources.Store(&found)
}

func (r resources) add(one *resource) {
	if key, ok := spelled(one.identifier); ok && r[key] == nil {
		r[key] = one
	}
}

// below lists the identifiers of what is at base or below it, in order.
func (r resources) below(base string) []string {
	var found []string
	for _, one := range r {
		if one.identifier == base || strings.HasPrefix(one.identifier, base+"/") {
			found = append(found, one.identifier)
		}
	}
	slices.Sort(found)
	return found
}

// spelled is the one spelling of an absolute URI without a fragment (RFC 8707 §2)
// that differs from others in nothing that counts (RFC 3986 §6.2.2, §6.2.3).
func spelled(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Contains(uri, "#") {
		return "", false
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme { // lower-case already
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	key := u.Scheme + "://" + host + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" || u.ForceQuery {
		key += "?" + u.RawQuery
	}
	return key, true
}

// targets returns the resources that a request is about, nil if it names none.
func (s *Server) targets(q *request) ([]*resource, error) {
	if len(q.resources) == 0 {
		return nil, nil
	}
	if len(q.resources) > maxResources {
		return nil, invalidTarget("A token can be made for at most 16 resources. Ask for fewer, or leave resource out")
	}
	known := *s.resources.Load()
	var targets []*resource
	for _, asked := range q.resources {
		key, ok := spelled(asked)
		if !ok {
			return nil, invalidTarget("A resource is not an absolute URI without a fragment. Send the URL of the API, as its reference has it")
		}
		target := known[key]
		if target == nil {
			ref := invalidTarget("A resource is not one of this environment. Send the base URL of an API as its reference has it, without an operation's path, or that of the environment for all APIs")
			named, _, _ := strings.Cut(asked, "?")
			ref.reason, ref.next = "no API of "+string(s.Environment)+" is at "+quote(named), "send one of protected_resources in the metadata of the token service; compare host and environment"
			return nil, ref
		}
		if !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	return targets, nil
}

// opens reports whether a product opens the resource.
func (r *resource) opens(product string) bool { return r.all || slices.Contains(r.products, product) }

// anyOpens reports whether one of the products opens the resource.
func (r *resource) anyOpens(products []string) bool { return slices.ContainsFunc(products, r.opens) }

// narrow keeps the products that open one of the targets. open are those that the
// app could have, wanted those that it asked for. A token is for each of its
// targets, and none of its scopes is for another resource (RFC 9068 §3).
func (g *grant) narrow(targets []*resource, open, wanted []string) *refusal {
	if len(targets) == 0 {
		return nil
	}
	g.audience = make([]string, 0, len(targets))
	g.products = slices.DeleteFunc(g.products, func(product string) bool {
		return !slices.ContainsFunc(targets, func(r *resource) bool { return r.opens(product) })
	})
	for _, target := range targets {
		g.audience = append(g.audience, target.identifier)
		if !target.anyOpens(open) {
			ref := invalidTarget("A resource is not one that the app may get a token for. Ask for one of its own APIs, or subscribe to a product of that API first")
			ref.client, ref.next = refer(g.client.Client), "subscribe the organization to a product of the API, or add one to the app's products"
			ref.reason = "no product of " + target.identifier + " is open to the app"
			return ref
		}
	}
	if len(wanted) > 0 && (len(g.products) < len(wanted) || slices.ContainsFunc(targets, func(r *resource) bool { return !r.anyOpens(g.products) })) {
		return &refusal{
			status: http.StatusBadRequest, code: oauth.InvalidScope, client: refer(g.client.Client),
			say: "The scope and the resource do not belong together. Ask for scopes of these resources only, and for at least one of each, or leave one of the two parameters out",
		}
	}
	return nil
}

func invalidTarget(say string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: oauth.InvalidTarget, parameter: "resource", say: say}
}
