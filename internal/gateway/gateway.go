// Package gateway is the surface that API callers use: it checks a call and
// has it answered, by the live upstream or with mock data (CONTRACT §4, §5).
//
// A call passes the stages of one chain, in [Gateway.chain], each a small
// method on a *call that returns nil or why not:
//
//	canonical     one spelling of path and query                    path.go
//	match         the API and its operation                         table.go
//	authenticate  whose token it is, and that it is honoured now    authenticate.go, issuer.go, possess.go
//	entitle       by which product                                  entitle.go
//	limit, enter  rates and quotas; how many calls are under way    limit.go
//	upgrade       WebSocket where the manifest says so, else none   upgrade.go
//	read          the body, only where it is checked or searched    body.go
//	submitter     the submitter ids                                 entitle.go
//	choose        TINs, by search.go; mock or live                  entitle.go
//
// then it is answered, by mock.go, or by proxy.go after headers.go and answer.go,
// and whatever happens it is metered and recorded once. [Gateway.Explain] goes the
// same chain without an answer. A refusal becomes bytes
// in one place (refusal.go).
//
// Invariants: what was matched is what is forwarded; nothing a caller sends can
// pass for what the gateway says about the caller; a body that is not checked
// streams and is never held; a body that is searched is JSON with one reading,
// and what is nearly where a rule looks is refused; no header is removed after it
// was checked; no connection outlives the token that opened it; an upstream's
// address or error text never reaches a caller, and its fault and the caller's
// are told apart.
package gateway

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sallyport-dev/sallyport/internal/dpop"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/issuer"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/tracing"
	"github.com/sallyport-dev/sallyport/internal/upstream"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// Config is what a Gateway is made of. All fields are needed unless they say
// otherwise.
type Config struct {
	Environment market.Environment
	Issuer      string   // of the tokens and the identity JWTs
	BaseURL     string   // of this gateway: what callers and upstreams are told
	Aliases     []string // other URLs of it, by which resources are named too; may be empty
	Docs        string   // URL under which errors are explained; may be empty
	Headers     Headers
	MaxStale    time.Duration // of the model; older: 503
	Options     Options
	// CertificateBound is true if a listener asks for client certificates, so that
	// tokens can be bound to them.
	CertificateBound bool
	NonceOptional    bool // DPoP proofs without a nonce are taken
	// UpstreamTLS returns the settings of a name that manifests refer to, another
	// object once they have changed. Nil if no manifest refers to any.
	UpstreamTLS func(name string) *tls.Config

	Model    *snapshot.Model
	Ring     *keyring.Ring
	Verifier *token.Verifier
	Issuers  *issuer.Issuers // beside our own
	Proofs   *dpop.Checker
	Foreign  map[market.Environment]*token.Verifier // of the other environments, for diagnosis
	Counter  Counter
	Meter    *usage.Meter
	Refusals *usage.Refusals
	Now      func() time.Time
	Logger   *slog.Logger
}

// Options are departures from the RFCs that some deployed clients want; all off
// by default (CONTRACT 4.2).
type Options struct {
	MissingTokenIs400   bool
	InvalidProductIs401 bool
}

// Gateway is the gateway of one environment. Give it a catalogue with SetCatalog.
type Gateway struct {
	Config
	table      atomic.Pointer[table]
	chain      []stage
	other      *openapi.Operation // of calls that a document does not list
	identities *otter.Cache[identityKey, knownIdentity]
	proxy      *proxy
	strip      map[string]bool
	bases      map[string]string // URLs of the gateway by the Host that a request of theirs has
	plans      atomic.Pointer[plans]
	underWay   limit.Gate
	tunnels    tunnels
	large      chan struct{} // has room for the bodies that may be held to a document at once
}

// New returns a gateway without a route.
func New(c Config) (*Gateway, error) {
	identities, err := otter.New(&otter.Options[identityKey, knownIdentity]{
		MaximumSize:      maxIdentities,
		ExpiryCalculator: otter.ExpiryWriting[identityKey, knownIdentity](identityReuse),
	})
	if err != nil {
		return nil, err
	}
	c.Headers = c.Headers.canonical()
	g := &Gateway{Config: c, identities: identities, strip: c.Headers.stripped(), large: make(chan struct{}, runtime.GOMAXPROCS(0))}
	g.other = &openapi.Operation{ID: manifest.OtherOperation, Template: "/*"}
	g.proxy = newProxy(g)
	g.bases = basesByHost(append([]string{c.BaseURL}, c.Aliases...))
	g.chain = []stage{
		{"canonical", g.canonical},
		{"match", g.match},
		{"authenticate", g.authenticate},
		{"entitle", g.entitle},
		{"limit", g.limit},
		{"enter", g.enter},
		{"upgrade", g.upgrade},
		{"read", g.read},
		{"submitter", g.submitter},
		{"choose", g.choose},
	}
	g.SetCatalog(&manifest.Catalog{})
	return g, nil
}

// stage is a step of the chain. Its name is what an explanation calls it.
type stage struct {
	name string
	pass func(*call) error
}

// takesTime reports whether a stage may take so long that a trace should show it.
func takesTime(stage string) bool { return stage == "authenticate" || stage == "read" }

// call is one request on its way through the chain.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	began time.Time

	path      string // canonical, decoded
	place     string // where it went, without what may be about somebody; "": not known yet
	api       *manifest.API
	resources []string     // what a token for this API may name (RFC 8707)
	target    *target      // where it is answered live; nil: nowhere
	rate      *limit.Limit // of an app at this API; nil: none
	counted   bool         // under a limit, and told so
	told      bool         // that it does not match the document, and passes
	inside    []string     // the gates that it has passed
	operation *openapi.Operation
	params    map[string]string
	public    bool          // needs no token
	span      *tracing.Span // nil: it is not recorded
	visit     *tracing.Span // of the upstream
	asked     bool          // what would become of it is asked; nothing is counted

	principal *token.Principal
	client    snapshot.Client
	product   string
	body      *body
	state     *upstream.State // of its target, if that is one of a pool
	passing   *clientBody     // on its way to the upstream; nil: the call has not got so far
	source    policy.Source
	status    int    // of the answer, once there is one
	outcome   string // the code of the refusal, if it was one
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, began: g.Now()}
	defer func() { g.leave(c); g.finish(c) }()
	c.span = httpx.Span(r.Context())
	for i := range g.chain {
		if err := g.chain[i].through(c); err != nil {
			c.outcome = g.refuse(c, err)
			return
		}
	}
	if err := g.answer(c); err != nil {
		c.outcome = g.refuse(c, err)
	}
}

// through passes c through the stage, and shows that in its trace.
func (s *stage) through(c *call) error {
	if c.span != nil && takesTime(s.name) {
		span := c.span.Child(s.name, tracing.Internal)
		defer span.End()
	}
	return s.pass(c)
}

// finish meters and records the call.
func (g *Gateway) finish(c *call) {
	outcome := c.outcome
	if outcome == "" {
		outcome = "ok"
		if c.status == 0 {
			outcome = "aborted" // nothing was answered: a panic, or nobody was there
		}
		if c.status >= http.StatusBadRequest {
			outcome = "http_" + strconv.Itoa(c.status/100) + "xx"
		}
	}
	key := usage.Key{Environment: g.Environment, Product: c.product, Outcome: outcome}
	attrs := make([]slog.Attr, 0, 8)
	if c.api != nil {
		key.API = c.api.Name
		attrs = append(attrs, slog.String("api", c.api.Name))
	}
	if c.operation != nil {
		key.Operation = c.operation.ID
		attrs = append(attrs, slog.String("operation", c.operation.ID))
	}
	if c.client.App != nil {
		key.Org, key.App = c.client.Org.ID, c.client.App.ID
		attrs = append(attrs, slog.String("org_id", string(key.Org)), slog.String("app_id", string(key.App)))
	}
	if c.principal != nil {
		attrs = append(attrs, slog.String("jti", c.principal.JTI))
		if c.principal.Foreign != "" {
			attrs = append(attrs, slog.String("issuer", c.principal.Foreign))
		}
	}
	if c.source != (policy.Source{}) {
		key.Source = "mock"
		if c.source.Live {
			key.Source = "live"
		}
		attrs = append(attrs, slog.String("source", c.source.String()))
	}
	httpx.Place(c.r.Context(), c.place)
	now := g.Now()
	g.Meter.Count(key, now, now.Sub(c.began))
	httpx.Note(c.r.Context(), attrs...)
}

// authority is what the model says of a principal now.
func (g *Gateway) authority(p *token.Principal) (c snapshot.Client, revoked, known bool) {
	if p.Foreign != "" {
		c, revoked, err := g.Issuers.Client(g.Model, p)
		return c, revoked, err == nil
	}
	return g.Model.ByToken(p.ClientID, id.Credential(p.Credential), p.JTI)
}
