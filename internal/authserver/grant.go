package authserver

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// grant is what a token will say.
type grant struct {
	client   caller
	products []string
	audience []string // the resources asked for (RFC 8707), else the platform; shared, not to be changed
	scope    string   // the products, joined
	lifetime time.Duration
}

// opens reports whether a token of the client's opens the product.
func (s *Server) opens(c caller, product string) bool {
	return c.App.Takes(product) && c.Org.Subscription(product).Opens(s.Environment)
}

// openTo returns the products that a token of the client's opens.
func (s *Server) openTo(c caller) (names []string) {
	for _, p := range s.Model.Products() {
		if s.opens(c, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// grant decides what an authenticated client gets: its live products, narrowed
// by the scope it asks for. A product's name is the scope for it.
func (s *Server) grant(c caller, q *request, d Dialect) (*grant, error) {
	if ref := s.mayHaveTokens(c.Client); ref != nil {
		return nil, ref
	}
	g := &grant{client: c, audience: s.platform, lifetime: c.App.TokenLifetime}
	wanted, err := parseScope(q.scope)
	if err != nil {
		return nil, err
	}
	targets, err := s.targets(q)
	if err != nil {
		return nil, err
	}
	live := 0
	var open []string // the live ones, where resources are asked for
	for _, p := range s.Model.Products() {
		if !s.opens(c, p.Name) {
			continue
		}
		live++
		if targets != nil {
			open = append(open, p.Name)
		}
		if len(wanted) > 0 && !slices.Contains(wanted, p.Name) {
			continue
		}
		g.products = append(g.products, p.Name)
	}
	switch {
	case live == 0:
		return nil, &refusal{
			status: http.StatusBadRequest, code: oauth.UnauthorizedClient, client: refer(c.Client),
			say:    "The app has no active product in this environment. Subscribe to one first",
			reason: "no product is open to the app in " + string(s.Environment),
			next:   "subscribe the organization to a product; production needs the subscription to be subscribed",
		}
	case len(wanted) > 0 && len(g.products) < len(wanted):
		return nil, &refusal{
			status: http.StatusBadRequest, code: oauth.InvalidScope, parameter: "scope", client: refer(c.Client),
			say:    "A requested scope is not one of the app's products. Leave scope out to get all of them",
			reason: s.whyNotScope(c, wanted, g.products) + "; the app's products here are " + strings.Join(s.openTo(c), ", "),
			next:   "leave scope out to get a token for all that the app may have, or have the product opened to the app",
		}
	}
	if ref := g.narrow(targets, open, wanted); ref != nil {
		return nil, ref
	}
	if g.lifetime == 0 { // CONTRACT 2.7
		g.lifetime = shortest(s.Model.Products(), g.products)
	}
	if g.lifetime == 0 {
		g.lifetime = d.Lifetime()
	}
	g.lifetime = min(g.lifetime, s.MaxLifetime)
	g.scope = strings.Join(g.products, " ")
	return g, nil
}

// shortest is the shortest lifetime that one of the named products sets, 0 if none
// does.
func shortest(products []market.Product, named []string) (lifetime time.Duration) {
	for _, p := range products {
		if l := p.TokenLifetime; l > 0 && (lifetime == 0 || l < lifetime) && slices.Contains(named, p.Name) {
			lifetime = l
		}
	}
	return lifetime
}

// whyNotScope tells the owner about the first of the wanted scopes that were not got.
func (s *Server) whyNotScope(c caller, wanted, got []string) string {
	for _, name := range wanted {
		switch {
		case slices.Contains(got, name):
		case !slices.ContainsFunc(s.Model.Products(), func(p market.Product) bool { return p.Name == name }):
			return "no product is called " + quoteName(name) + ", the case of letters counts"
		case !c.App.Takes(name):
			return "the app does not have the product " + quote(name)
		default:
			return "the organization's subscription to " + quote(name) + " does not open it in " + string(s.Environment)
		}
	}
	return ""
}

func (s *Server) mayHaveTokens(c snapshot.Client) *refusal {
	ref := &refusal{status: http.StatusBadRequest, code: oauth.UnauthorizedClient, client: refer(c)}
	switch {
	case !c.Org.Active:
		ref.say, ref.next = "The organization is suspended", "ask the operator of the marketplace; nothing has to change at the client"
	case !c.App.Active:
		ref.say, ref.next = "The app is disabled", "have the app enabled again; nothing has to change at the client"
	default:
		return nil
	}
	return ref
}

// parseScope splits a scope, each token once (RFC 6749 §3.3).
func parseScope(scope string) ([]string, error) {
	if len(scope) > 4<<10 {
		return nil, invalidRequest("The scope is too long").about("scope")
	}
	tokens := slices.DeleteFunc(strings.Split(scope, " "), func(t string) bool { return t == "" })
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	for _, t := range tokens {
		if !oauth.ValidScopeToken(t) {
			return nil, &refusal{status: http.StatusBadRequest, code: oauth.InvalidScope, parameter: "scope", say: "The scope holds a character that a scope cannot have"}
		}
	}
	return tokens, nil
}
