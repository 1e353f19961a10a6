package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sallyport-dev/sallyport/api"
)

// CreateProduct adds a product that no catalogue names.
func (m *Management) CreateProduct(ctx context.Context, in api.NewProduct) (api.Product, error) {
	return call[api.Product](ctx, m, http.MethodPost, "/v1/products", nil, in)
}

// Products lists products, by name.
func (m *Management) Products(ctx context.Context) (api.List[api.Product], error) {
	return call[api.List[api.Product]](ctx, m, http.MethodGet, "/v1/products", nil, nil)
}

// Product returns a product.
func (m *Management) Product(ctx context.Context, name string) (api.Product, error) {
	return call[api.Product](ctx, m, http.MethodGet, "/v1/products/"+segment(name), nil, nil)
}

// UpdateProduct changes a product; of a catalogue's, only the state.
func (m *Management) UpdateProduct(ctx context.Context, name string, in api.ProductPatch) (api.Product, error) {
	return call[api.Product](ctx, m, http.MethodPatch, "/v1/products/"+segment(name), nil, in)
}

// CreateSubscription opens a product's sandbox to an organization.
func (m *Management) CreateSubscription(ctx context.Context, in api.NewSubscription) (api.Subscription, error) {
	return call[api.Subscription](ctx, m, http.MethodPost, "/v1/subscriptions", nil, in)
}

// Subscriptions lists the subscriptions of an organization, or of all for "",
// in a state, or in any for "".
func (m *Management) Subscriptions(ctx context.Context, org, state string) (api.List[api.Subscription], error) {
	q := url.Values{}
	put(q, "org", org)
	put(q, "state", state)
	return call[api.List[api.Subscription]](ctx, m, http.MethodGet, "/v1/subscriptions", q, nil)
}

// Subscription returns a subscription, what can be done to it, and who acts next.
func (m *Management) Subscription(ctx context.Context, subscription string) (api.Subscription, error) {
	return call[api.Subscription](ctx, m, http.MethodGet, "/v1/subscriptions/"+segment(subscription), nil, nil)
}

// UpdateSubscription puts a subscription on a plan.
func (m *Management) UpdateSubscription(ctx context.Context, subscription string, in api.SubscriptionPatch) (api.Subscription, error) {
	return call[api.Subscription](ctx, m, http.MethodPatch, "/v1/subscriptions/"+segment(subscription), nil, in)
}

// StepSubscription takes a subscription a step further: "request", "approve",
// "refuse", "suspend", "resume", "end", "reopen".
func (m *Management) StepSubscription(ctx context.Context, subscription, action string, in api.SubscriptionStep) (api.Subscription, error) {
	return call[api.Subscription](ctx, m, http.MethodPost, "/v1/subscriptions/"+segment(subscription)+"/"+segment(action), nil, in)
}

// Catalog returns the catalogue in force.
func (m *Management) Catalog(ctx context.Context) (api.Catalog, error) {
	return call[api.Catalog](ctx, m, http.MethodGet, "/v1/catalog", nil, nil)
}

// ApplyCatalog applies a catalogue, all or nothing. With faults, Problem.Errors
// of the [*Error] lists every one.
func (m *Management) ApplyCatalog(ctx context.Context, in api.CatalogPut) (api.CatalogResult, error) {
	return call[api.CatalogResult](ctx, m, http.MethodPut, "/v1/catalog", nil, in)
}

// CatalogHistory lists the catalogues applied so far, newest first; limit 0 is 100.
func (m *Management) CatalogHistory(ctx context.Context, limit int) (api.List[api.CatalogVersion], error) {
	q := url.Values{}
	putLimit(q, limit)
	return call[api.List[api.CatalogVersion]](ctx, m, http.MethodGet, "/v1/catalog/history", q, nil)
}
