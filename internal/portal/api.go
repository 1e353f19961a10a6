package portal

import (
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// apiView is the model of an API's page.
type apiView struct {
	apiCard
	Overview   template.HTML
	Bases      []baseView
	Products   []productView
	Rules      manifest.RequestRules
	OwnTokens  bool     // takes those of our own token service
	Issuers    []Issuer // whose tokens it takes beside those
	Validated  bool
	Described  bool // has an OpenAPI document
	Unlisted   bool // takes operations that are not listed
	MaxBody    string
	Operations []operationView
	Texts      []textView // pages after the reference
}

// baseView is where an API is called in an environment.
type baseView struct {
	Environment string
	URL         string
	Live        bool // has an upstream there
	Sandbox     bool
}

// productView is a product that opens an API.
type productView struct {
	Name, Title, Description string
	Lifetime                 string // of tokens with it; empty: it sets none
	Retired                  bool
	Plans                    []planView
}

// planView is a plan of a product.
type planView struct{ Name, Allows string }

// operationView is an operation of an API.
type operationView struct {
	ID, Method, Path, Summary string
	Description               template.HTML
	Deprecated                bool
	Parameters                []openapi.Parameter
	MediaTypes                []string
	BodyRequired              bool
	Requests, Answers         []exampleView
}

// exampleView is an example of a body.
type exampleView struct {
	Label string
	Body  string
}

// textView is a page of Markdown, as a section.
type textView struct {
	ID, Title string
	HTML      template.HTML
}

// defaultMaxBody is the bound of a body where a manifest sets none
// (manifest.RequestRules).
const defaultMaxBody = 1 << 20

// api serves /apis/{name}.
func (p *Portal) api(w http.ResponseWriter, r *http.Request) error {
	api := p.lookUp(r.PathValue("name"))
	if api == nil {
		return notFound("API")
	}
	httpx.Place(r.Context(), r.URL.Path) // a name of the catalogue
	view, err := p.apiView(api)
	if err != nil {
		return err
	}
	return p.render(w, http.StatusOK, p.views.api, page{Title: api.Title, Section: sectionAPIs, Body: view})
}

// lookUp returns the API with that name, nil if there is none.
func (p *Portal) lookUp(name string) *manifest.API {
	for _, api := range p.catalog().APIs {
		if api.Name == name {
			return api
		}
	}
	return nil
}

func (p *Portal) apiView(api *manifest.API) (*apiView, error) {
	view := &apiView{
		apiCard:   apiCard{Name: api.Name, Title: api.Title, Version: api.Version, Summary: api.Summary, BasePath: api.BasePath},
		Products:  p.productsOf(api),
		Rules:     api.Request,
		OwnTokens: api.Request.TakesTokensOf(manifest.OwnIssuer),
		Validated: api.Request.Validate == manifest.ValidateEnforce,
		Described: api.Source != nil,
		Unlisted:  api.Request.Unlisted == manifest.PassUnlisted,
		MaxBody:   size(api.Request.MaxBody),
	}
	if api.Request.MaxBody == 0 {
		view.MaxBody = size(defaultMaxBody)
	}
	for _, env := range p.Environments {
		_, live := api.Upstreams[market.Environment(env.Name)]
		view.Bases = append(view.Bases, baseView{
			Environment: env.Name, URL: env.BaseURL + api.BasePath, Live: live, Sandbox: env.Name == string(market.Sandbox),
		})
	}
	for _, i := range p.Issuers {
		if api.Request.TakesTokensOf(i.Name) {
			view.Issuers = append(view.Issuers, i)
		}
	}
	if api.Document != nil {
		for _, op := range api.Document.Operations {
			o, err := p.operationView(api, op)
			if err != nil {
				return nil, fmt.Errorf("describing %s of %s: %w", op.ID, api.Name, err)
			}
			view.Operations = append(view.Operations, o)
		}
	}
	var err error
	if view.Overview, err = p.texts.render(api.Pages["overview"]); err != nil {
		return nil, err
	}
	for _, t := range []textView{
		{ID: "security", Title: "Security"}, {ID: "faq", Title: "Questions and answers"}, {ID: "changelog", Title: "Change log"},
	} {
		source := api.Pages[t.ID]
		if source == "" {
			continue
		}
		if t.HTML, err = p.texts.render(source); err != nil {
			return nil, err
		}
		view.Texts = append(view.Texts, t)
	}
	return view, nil
}

func (p *Portal) productsOf(api *manifest.API) []productView {
	var views []productView
	for _, name := range api.Products {
		view := productView{Name: name, Title: name}
		for _, product := range p.catalog().Products {
			if product.Name != name {
				continue
			}
			view.Title, view.Description = product.Title, product.Description
			for _, plan := range product.Plans {
				allows := manifest.PlanText(plan.Limits)
				for _, op := range slices.Sorted(maps.Keys(plan.Operations)) {
					allows += ", " + op + " " + manifest.PlanText(plan.Operations[op])
				}
				view.Plans = append(view.Plans, planView{plan.Name, allows})
			}
			view.Retired = product.State == market.ProductRetired
			if product.TokenLifetime > 0 {
				view.Lifetime = duration(product.TokenLifetime.Truncate(time.Second))
			}
		}
		views = append(views, view)
	}
	return views
}

func (p *Portal) operationView(api *manifest.API, op *openapi.Operation) (operationView, error) {
	view := operationView{
		ID: op.ID, Method: op.Method, Path: api.BasePath + op.Template, Summary: op.Summary,
		Deprecated: op.Deprecated, Parameters: op.Parameters,
	}
	var err error
	if view.Description, err = p.notes.render(op.Description); err != nil {
		return view, err
	}
	if op.Body != nil {
		view.MediaTypes, view.BodyRequired = op.Body.MediaTypes, op.Body.Required
		for _, e := range op.Body.Examples {
			view.Requests = append(view.Requests, exampleOf(e))
		}
	}
	for _, e := range op.Examples {
		view.Answers = append(view.Answers, exampleOf(e))
	}
	return view, nil
}

func exampleOf(e openapi.Example) exampleView {
	label := e.Summary
	if label == "" {
		label = e.Name
	}
	if e.Status != 0 {
		label = fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), label)
	}
	return exampleView{Label: label, Body: indented(e.Value)}
}
