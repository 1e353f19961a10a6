package manifest

import (
	"regexp"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// A product's token lifetime lies within these (CONTRACT 2.7). Deployed clients
// assume an hour; a product that sets less does so knowingly.
const (
	minLifetime = time.Minute
	maxLifetime = 24 * time.Hour
)

// productName is what a product may be called: it stands in the claim
// api_product_list, in scope, in URLs of the management API.
var productName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// products reads products.yaml.
func (l *loader) products() {
	data, ok := l.files[productsFile]
	if !ok {
		l.problem(productsFile, 1, "is missing; a catalogue lists its products there, as - name: …")
		return
	}
	root, err := strictyaml.Parse(data)
	if err != nil {
		l.take(productsFile, err)
		return
	}
	var r strictyaml.Reader
	lines := make(map[string]int)
	r.Each(root, "the file", func(n *strictyaml.Node) {
		p := market.Product{State: market.ProductActive, Source: market.FromCatalog}
		r.Map(n, "a product", strictyaml.Fields{
			"name":           r.Text("name", &p.Name),
			"title":          r.Text("title", &p.Title),
			"description":    r.Text("description", &p.Description),
			"token_lifetime": r.Duration("token_lifetime", minLifetime, maxLifetime, &p.TokenLifetime),
			"plans":          func(n *strictyaml.Node) { p.Plans = l.plans(&r, n, &p.Name) },
		})
		switch line, twice := lines[p.Name]; {
		case n.Kind != strictyaml.Map:
		case p.Name == "":
			r.Problem(n, "the product has no name; every product needs one")
		case !productName.MatchString(p.Name) || !oauth.ValidScopeToken(p.Name):
			r.Problem(n.Get("name"), "the product name %q cannot be used; allowed are letters, digits, \"_\", \".\" and \"-\", a letter or digit first, at most 100", p.Name)
		case twice:
			r.Problem(n.Get("name"), "the product %q is listed twice; the first is in line %d", p.Name, line)
		case p.Title == "":
			r.Problem(n, "the product %q has no title; give it a name for people", p.Name)
		default:
			lines[p.Name] = n.Line
			l.catalog.Products = append(l.catalog.Products, p)
		}
	})
	l.take(productsFile, r.Err())
}
