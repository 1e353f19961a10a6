// Package adminapi is the surface for operators: the management API, JSON over
// HTTPS under /v1. The portal's back end, the command line and scripts all come
// through it, so nothing can be done by clicking alone.
//
// The flow of a request, in [Handler.ServeHTTP]:
//
//	public?  /healthz and /v1/openapi.yaml answer anyone
//	who      the operator token, looked up by its keyed hash
//	what     the route: 404, or 405 with Allow, is a problem document too
//	do       read the body strictly, run one use case of the market, answer
//	refuse   one switch from what went wrong to a problem (problem.go)
//
// Invariants: nothing is read of a request before its token was found live,
// except method and path; a missing, unknown, expired or revoked token gets one
// and the same answer; every answer is no-store; bad input is never a 500; an
// answer never repeats the caller's token, and shows a secret only when it made it.
//
// What it does not do: listen, terminate TLS, log requests (httpx.Record does,
// around it), or decide anything that the market decides.
package adminapi

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// Config is what the management API works on. All fields are needed, except
// Catalogs.
type Config struct {
	Market       *market.Market
	Keys         Keys
	Usage        Usage
	Refusals     *usage.Refusals
	Explain      func(ctx context.Context, c api.Call) (api.Explanation, error)
	Status       func(context.Context) api.Status
	Metrics      http.Handler
	Healthy      func() bool          // whether the node may be sent traffic
	Catalogs     manifest.Options     // what catalogues may refer to
	Environments []market.Environment // in the order to show them in
	Now          func() time.Time
	Logger       *slog.Logger
}

// Keys are the signing keys. A missing key is a [*market.Error].
type Keys interface {
	Keys(ctx context.Context, env market.Environment) ([]keyring.Record, error)
	// Rotate makes a key that will sign, at once in an emergency. An empty alg
	// is the one of the key before.
	Rotate(ctx context.Context, actor market.Actor, env market.Environment, use keyring.Use,
		alg keyring.Algorithm, emergency bool) (keyring.Record, error)
	Revoke(ctx context.Context, actor market.Actor, env market.Environment, kid string) (keyring.Record, error)
	// Waiting returns the nodes that a key waits for before it signs.
	Waiting(ctx context.Context, k keyring.Record) ([]market.Node, error)
	// SealingKeys lists the ids of the sealing keys that this node has; the first
	// one's seals.
	SealingKeys() []string
}

// Usage is what was counted.
type Usage interface {
	Usage(ctx context.Context, filter usage.Filter) ([]usage.Row, error)
	TokenUse(ctx context.Context, filter usage.TokenFilter) (page []usage.TokenUse, next string, err error)
}

// Handler is the management API.
type Handler struct {
	Config
	public, private *http.ServeMux
}

// New returns the management API over config.
func New(config Config) *Handler {
	h := &Handler{Config: config, public: http.NewServeMux(), private: http.NewServeMux()}
	for _, r := range h.publicRoutes() {
		h.public.Handle(r.pattern, httpx.Handle(r.handle, h.Fail))
	}
	for _, r := range h.routes() {
		h.private.Handle(r.pattern, httpx.Handle(r.handle, h.Fail))
	}
	return h
}

// route is one operation; its pattern is also its path in the OpenAPI document.
type route struct {
	pattern string
	handle  httpx.HandlerFunc
}

func (h *Handler) publicRoutes() []route {
	return []route{
		{"GET /healthz", h.health},
		{"GET /v1/openapi.yaml", h.openAPI},
	}
}

func (h *Handler) routes() []route {
	return []route{
		{"POST /v1/organizations", h.createOrganization},
		{"GET /v1/organizations", h.listOrganizations},
		{"GET /v1/organizations/{org}", show(h, orgID, market.Reader.Org, organization)},
		{"PATCH /v1/organizations/{org}", h.patchOrganization},

		{"GET /v1/organizations/{org}/tins", h.listOrganizationTINs},
		{"POST /v1/organizations/{org}/tins", h.requestTIN},
		{"GET /v1/organizations/{org}/tins/{tin}", h.showTIN},
		{"PUT /v1/organizations/{org}/tins/{tin}", h.decideTIN},
		{"DELETE /v1/organizations/{org}/tins/{tin}", h.deleteTIN},
		{"GET /v1/tins", h.listTINs},

		{"GET /v1/organizations/{org}/submitters", h.listSubmitters},
		{"POST /v1/organizations/{org}/submitters", h.assignSubmitter},
		{"GET /v1/organizations/{org}/submitters/{kind}/{value}", h.showSubmitter},
		{"DELETE /v1/organizations/{org}/submitters/{kind}/{value}", h.removeSubmitter},

		{"POST /v1/apps", h.createApp},
		{"GET /v1/apps", h.listApps},
		{"GET /v1/apps/{app}", show(h, appID, market.Reader.App, app)},
		{"PATCH /v1/apps/{app}", h.patchApp},
		{"DELETE /v1/apps/{app}", h.deleteApp},

		{"POST /v1/apps/{app}/credentials", h.createCredential},
		{"GET /v1/apps/{app}/credentials", h.listCredentials},
		{"GET /v1/credentials", h.findCredentials},
		{"GET /v1/credentials/{credential}", show(h, credentialID, market.Reader.Credential, h.credential)},
		{"PATCH /v1/credentials/{credential}", h.patchCredential},
		{"POST /v1/credentials/{credential}/rotate", h.rotateCredential},
		{"POST /v1/credentials/{credential}/revoke", h.revokeCredential},

		{"POST /v1/import", h.importClients},

		{"POST /v1/products", h.createProduct},
		{"GET /v1/products", showAll(h, market.Reader.Products, product)},
		{"GET /v1/products/{product}", show(h, productName, market.Reader.Product, product)},
		{"PATCH /v1/products/{product}", h.patchProduct},

		{"POST /v1/subscriptions", h.createSubscription},
		{"GET /v1/subscriptions", h.listSubscriptions},
		{"GET /v1/subscriptions/{subscription}", show(h, subscriptionID, market.Reader.Subscription, subscription)},
		{"PATCH /v1/subscriptions/{subscription}", h.patchSubscription},
		{"POST /v1/subscriptions/{subscription}/{action}", h.stepSubscription},

		{"GET /v1/keys", h.listKeys},
		{"POST /v1/keys/rotate", h.rotateKey},
		{"POST /v1/keys/{kid}/revoke", h.revokeKey},

		{"GET /v1/nodes", showAll(h, market.Reader.Nodes, h.node)},
		{"DELETE /v1/nodes/{node}", h.removeNode},

		{"GET /v1/not-before", h.listNotBefores},
		{"GET /v1/not-before/{level}", h.showNotBefore},
		{"PUT /v1/not-before/{level}", h.putNotBefore},

		{"GET /v1/catalog", h.showCatalog},
		{"PUT /v1/catalog", h.applyCatalog},
		{"GET /v1/catalog/history", h.catalogHistory},

		{"GET /v1/audit", h.audit},
		{"GET /v1/usage", h.usage},
		{"GET /v1/token-usage", h.tokenUsage},
		{"GET /v1/refusals", h.listRefusals},
		{"GET /v1/refusals/{trace}", h.showRefusal},
		{"POST /v1/explain", h.explainCall},

		{"POST /v1/operator-tokens", h.createOperatorToken},
		{"GET /v1/operator-tokens", showAll(h, market.Reader.OperatorTokens, h.operatorToken)},
		{"GET /v1/operator-tokens/{token}", show(h, operatorTokenID, market.Reader.OperatorToken, h.operatorToken)},
		{"POST /v1/operator-tokens/{token}/revoke", h.revokeOperatorToken},

		{"POST /v1/tokens/revoke", h.revokeToken},
		{"GET /v1/status", h.status},
		{"GET /metrics", h.metrics},
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	httpx.Place(r.Context(), h.place(r))
	if r.URL.Path == "/healthz" || r.URL.Path == "/v1/openapi.yaml" {
		h.dispatch(h.public, w, r)
		return
	}
	r, err := h.authenticate(r)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	h.dispatch(h.private, w, r)
}

// dispatch runs the route of a request. The mux's own answers to what it does
// not route are HTML or text, and its redirects repeat the path: problems take
// their place.
func (h *Handler) dispatch(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	if p := r.URL.EscapedPath(); r.Method != http.MethodConnect && path.Clean(p) != p {
		h.Fail(w, r, errNoRoute)
		return
	}
	other, pattern := mux.Handler(r)
	if pattern != "" {
		mux.ServeHTTP(w, r)
		return
	}
	var answer discard
	other.ServeHTTP(&answer, r)
	if allow := answer.Header().Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		h.Fail(w, r, errMethod)
		return
	}
	h.Fail(w, r, errNoRoute)
}

// discard is an answer of which only the header is kept.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}

func (*discard) WriteHeader(int)             {}
func (*discard) Write(b []byte) (int, error) { return len(b), nil }
