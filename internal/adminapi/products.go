package adminapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// planLimits shows what bounds calls.
func planLimits(l market.PlanLimits) api.PlanLimits {
	out := api.PlanLimits{Day: l.Day, Month: l.Month}
	if l.Rate.Calls > 0 {
		out.Rate = &api.PlanRate{Calls: l.Rate.Calls, Per: api.SecondsOf(l.Rate.Per), Burst: l.Rate.Burst}
	}
	return out
}

func plans(all []market.Plan) []api.Plan {
	out := []api.Plan{}
	for _, p := range all {
		plan := api.Plan{Name: p.Name, Title: p.Title, Limits: planLimits(p.Limits)}
		for _, op := range slices.Sorted(maps.Keys(p.Operations)) {
			plan.Operations = append(plan.Operations, api.PlanOperation{Operation: op, Limits: planLimits(p.Operations[op])})
		}
		out = append(out, plan)
	}
	return out
}

func product(p market.Product) api.Product {
	return api.Product{
		Name: p.Name, Title: p.Title, Description: p.Description, TokenLifetime: api.SecondsOf(p.TokenLifetime), Plans: plans(p.Plans),
		State: string(p.State), Source: string(p.Source), Created: p.Created.UTC(),
	}
}

func (h *Handler) createProduct(w http.ResponseWriter, r *http.Request) error {
	var in api.NewProduct
	if err := read(w, r, &in); err != nil {
		return err
	}
	lifetime, err := seconds("token_lifetime", in.TokenLifetime)
	if err != nil {
		return err
	}
	p, err := h.Market.AddProduct(r.Context(), actor(r), market.NewProduct{
		Name: in.Name, Title: in.Title, Description: in.Description, TokenLifetime: lifetime,
	})
	if err != nil {
		return err
	}
	created(w, "/v1/products/"+p.Name, product(p))
	return nil
}

// productName returns the product's name of the path, if it can be one.
func productName(r *http.Request) (string, error) {
	name := r.PathValue("product")
	if !printing(name) || len(name) > 100 {
		return "", notFound("product", "GET /v1/products lists them")
	}
	return name, nil
}

func (h *Handler) patchProduct(w http.ResponseWriter, r *http.Request) error {
	name, err := productName(r)
	if err != nil {
		return err
	}
	var in api.ProductPatch
	if err := read(w, r, &in); err != nil {
		return err
	}
	lifetime, err := secondsPatch("token_lifetime", in.TokenLifetime)
	if err != nil {
		return err
	}
	p, err := h.Market.ChangeProduct(r.Context(), actor(r), name, market.ProductPatch{
		Title: in.Title, Description: in.Description, TokenLifetime: lifetime, State: (*market.ProductState)(in.State),
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, product(p))
	return nil
}
