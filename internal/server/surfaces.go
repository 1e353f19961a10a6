package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/adminapi"
	"github.com/sallyport-dev/sallyport/internal/authserver"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/dpop"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/portal"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// How many failed attempts a client may make from one network: a burst that no
// typing person reaches, and what a person may do after that. A network may
// have many clients.
const (
	failuresPerSecond        = 5
	failuresBurst            = 300
	networkFailuresPerSecond = 50
	networkFailuresBurst     = 3000
	limitsKept               = 1 << 16
)

// What a client may ask about its own credentials, whatever is configured: it has to
// be read from the store, and nobody has a reason for more.
const (
	ownPerSecond = 5
	ownBurst     = 100
)

// requestLimits are what each client may ask for. Who got so many tokens may revoke as
// many.
func requestLimits(c *config.Environment) authserver.Requests {
	return authserver.Requests{
		Token: requestLimit(c.TokenRequests), Introspection: requestLimit(c.Introspections), Revocation: requestLimit(c.TokenRequests),
		Credentials: limit.New(ownPerSecond, ownBurst, limitsKept),
	}
}

// requestLimit is no limit if it is zero. Twice as many at once are a restart of the
// client's nodes.
func requestLimit(perSecond int) *limit.Table {
	if perSecond == 0 {
		return nil
	}
	return limit.New(float64(perSecond), 2*perSecond, limitsKept)
}

func (s *Server) buildEnvironments() error {
	verifiers := map[market.Environment]*token.Verifier{}
	prefixes := map[string]market.Environment{}
	for _, e := range s.environments {
		v, err := token.NewVerifier(token.VerifierConfig{
			Ring: e.ring, Issuer: e.issuer, Audience: s.Config.Audience, Resources: e.urls, Environment: string(e.name), Leeway: tokenLeeway, Now: s.Now,
		})
		if err != nil {
			return err
		}
		verifiers[e.name], e.verifier = v, v
		prefixes[e.config.SecretPrefix] = e.name
	}
	for _, e := range s.environments {
		if err := s.buildEnvironment(e, verifiers, prefixes); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) buildEnvironment(e *environment, verifiers map[market.Environment]*token.Verifier, prefixes map[string]market.Environment) (err error) {
	c := e.config
	e.proofs = dpop.New(dpop.Config{Bases: e.urls, Key: s.Market.Hasher.Derive("dpop-nonce/" + string(e.name)), Now: s.Now})
	page := c.V1.Page
	if page == "" {
		page = s.portal.url + "/migrate/v1"
	}
	e.auth, err = authserver.New(authserver.Config{
		Environment: e.name, Issuer: e.issuer, BaseURLs: e.urls, Audience: s.Config.Audience, Endpoints: endpoints(c.TokenEndpoints),
		SecretPrefix: prefixes, ReuseWindow: time.Duration(*c.ReuseWindow), MaxLifetime: time.Duration(c.MaxTokenLifetime),
		Leeway: tokenLeeway, MaxStale: s.Config.StaleLimit(), TokenURLAudience: c.TokenURLAudience,
		Legacy: authserver.Legacy{
			Deprecated: c.V1.Deprecated, Sunset: c.V1.Sunset, Page: page, V1Off: c.V1.Off, V1Alias: c.V1.Alias,
		},
		Documentation: s.portal.url,
		MutualTLS:     e.mutualTLS(), Proofs: e.proofs, NonceOptional: c.DPoP.TokenNonceOptional,
		Model: s.model, Ring: e.ring, Verifier: verifiers[e.name], Hasher: s.Market.Hasher, Revoker: s.Market, Spender: s.store, KeySets: s.keySets,
		Meter: s.meter, Grants: s.grants, Refusals: s.refusals,
		Failures:        limit.New(failuresPerSecond, failuresBurst, limitsKept),
		NetworkFailures: limit.New(networkFailuresPerSecond, networkFailuresBurst, limitsKept),
		Credentials:     s.ownCredentials(c),
		Requests:        requestLimits(c), Turns: s.turns, Upgrader: s.Market, Checks: s.checks, Now: s.Now, Logger: s.Logger,
	})
	if err != nil {
		return err
	}
	foreign := map[market.Environment]*token.Verifier{}
	for name, v := range verifiers {
		if name != e.name {
			foreign[name] = v
		}
	}
	issuers, err := s.issuersOf(e)
	if err != nil {
		return err
	}
	h := s.Config.Headers
	e.gateway, err = gateway.New(gateway.Config{
		Environment: e.name, Issuer: e.issuer, BaseURL: e.urls[0], Aliases: e.urls[1:], Docs: s.portal.url, MaxStale: s.Config.StaleLimit(),
		Headers: gateway.Headers{
			Trace: h.Trace, TraceAccept: h.TraceAccept, Source: h.Source, Identity: h.Identity, Organization: h.Organization, Application: h.Application,
			ClientID: h.ClientID, Environment: h.Environment, User: h.User, Strip: h.Strip,
		},
		Options:          gateway.Options{MissingTokenIs400: c.MissingTokenIs400, InvalidProductIs401: c.InvalidProduct401},
		CertificateBound: e.mutual != nil, Proofs: e.proofs, NonceOptional: c.DPoP.GatewayNonceOptional,
		UpstreamTLS: s.upstreamTLS.config,
		Model:       s.model, Ring: e.ring, Verifier: verifiers[e.name], Issuers: issuers, Foreign: foreign, Counter: s.counter, Meter: s.meter, Refusals: s.refusals,
		Now: s.Now, Logger: s.Logger,
	})
	return err
}

// ownCredentials lets clients look after their own secrets, unless that is off.
func (s *Server) ownCredentials(c *config.Environment) authserver.Credentials {
	if c.RotationOff {
		return nil
	}
	return s.Market
}

func (e *environment) mutualTLS() authserver.MutualTLS {
	if e.mutual == nil {
		return authserver.MutualTLS{}
	}
	m := authserver.MutualTLS{URL: e.mutual.url}
	if e.trusted != nil {
		m.Roots = e.trusted.roots
	}
	return m
}

func endpoints(configured []config.Endpoint) []authserver.Endpoint {
	if len(configured) == 0 {
		return authserver.DefaultEndpoints()
	}
	out := make([]authserver.Endpoint, len(configured))
	for i, c := range configured {
		out[i] = authserver.Endpoint{
			Path: c.Path, Dialect: authserver.Dialect(c.Dialect), JSON: c.JSON, Profile: authserver.Profile(c.Profile),
		}
	}
	return out
}

// environmentHandler is what an environment's listener serves: the documents
// and endpoints of the token service and the gateway by their exact paths, and
// by the gateway all the rest.
func (s *Server) environmentHandler(e *environment) http.Handler {
	routes := e.auth.Routes()
	fail := func(w http.ResponseWriter, r *http.Request, err error) {
		if routes[r.URL.Path] != nil {
			e.auth.Fail(w, r, err)
			return
		}
		e.gateway.Fail(w, r, err)
	}
	return s.record(string(e.name), e.config.Listener, fail, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, gateway.MetadataPath) {
			e.gateway.Metadata(w, r)
			return
		}
		if h := routes[r.URL.Path]; h != nil && r.URL.RawPath == "" {
			httpx.Place(r.Context(), r.URL.Path) // ours
			h.ServeHTTP(w, r)
			return
		}
		e.gateway.ServeHTTP(w, r)
	}))
}

// people builds the surfaces for operators and developers, each on a listener
// of its own: browser and API surfaces never share one.
func (s *Server) people(scrape http.Handler) (management, developers http.Handler, err error) {
	names := make([]market.Environment, len(s.environments))
	shown := make([]portal.Environment, len(s.environments))
	for i, e := range s.environments {
		names[i] = e.name
		shown[i] = portal.Environment{Name: string(e.name), BaseURL: e.listener.url, Issuer: e.issuer, MutualTLS: e.mutualTLS().URL}
		for _, t := range e.auth.Endpoints {
			shown[i].TokenURLs = append(shown[i].TokenURLs, portal.TokenURL{
				Dialect: string(t.Dialect), URL: e.listener.url + t.Path, Lifetime: t.Dialect.Lifetime(), JSON: t.JSON,
			})
		}
	}
	slices.SortStableFunc(shown, func(a, b portal.Environment) int { return byUse(a.Name, b.Name) })
	admin := adminapi.New(adminapi.Config{
		Market: s.Market, Keys: s.rings, Usage: s.store, Refusals: s.refusals, Metrics: scrape, Explain: s.explain, Status: s.status, Healthy: s.healthy, Catalogs: s.catalogOptions(),
		Environments: names, Now: s.Now, Logger: s.Logger,
	})
	p, err := portal.New(portal.Config{
		Name: s.Config.Name, Catalog: func() *manifest.Catalog { return s.catalog.Load() }, Environments: shown, Issuers: s.shownIssuers(), LocalCA: s.localCA(),
		OverTLS: s.Config.Portal.TLS != (config.TLS{}), // not by a local CA: its host may serve others in the clear
		Logger:  s.Logger,
	})
	if err != nil {
		return nil, nil, err
	}
	return s.record("management", s.Config.Management, admin.Fail, admin), s.record("portal", s.Config.Portal, p.Fail, p.Handler()), nil
}

// byUse orders environments as developers come to them: the sandbox first, production
// last, others between, by name.
func byUse(a, b string) int {
	rank := func(name string) int {
		switch market.Environment(name) {
		case market.Sandbox:
			return 0
		case market.Production:
			return 2 //nolint:mnd // after the others
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

func (s *Server) record(surface string, l config.Listener, fail func(http.ResponseWriter, *http.Request, error), h http.Handler) http.Handler {
	return httpx.Record(h, httpx.Recording{
		Logger: s.Logger, Surface: surface, Now: s.Now, Fail: fail, Proxies: l.Proxies(), Served: s.servedAt(surface), Tracer: s.tracer, Stall: s.Pace.Stall, Paths: s.Config.Log.Paths,
		Trace: httpx.TraceHeaders{Accept: s.Config.Headers.TraceAccept, Answer: s.Config.Headers.Trace},
	})
}

// localCA reports whether callers have to be told of our own authority.
func (s *Server) localCA() bool {
	return slices.ContainsFunc(s.environments, func(e *environment) bool {
		return e.config.TLS.Certificate == "" && !e.config.Plain && e.config.URL == ""
	})
}

// healthy reports whether the node's listeners may be sent traffic: whether it
// still goes by what it knows, and was not told to stop.
func (s *Server) healthy() bool { return !s.leaving.Load() && s.model.Age() <= s.Config.StaleLimit() }

// status is the node as an operator sees it.
func (s *Server) status(ctx context.Context) api.Status {
	now := s.Now()
	status := api.Status{
		Status: "ok", Version: s.Version, Started: s.started, Uptime: api.Seconds(now.Sub(s.started) / time.Second),
		Snapshot: api.SnapshotStatus{Sequence: s.model.Head(), AgeMS: s.model.Age().Milliseconds()},
		Catalog:  api.CatalogStatus{Version: s.model.Catalog(), Routed: s.compiled.Load()},
		Store:    api.StoreStatus{State: "ok", Engine: s.engine()},
	}
	if err := s.store.Ping(ctx); err != nil {
		status.Status, status.Store.State = "degraded", "lost"
	}
	status.Issuers = s.issuerStatus()
	for _, e := range s.environments {
		status.Environments = append(status.Environments, api.EnvironmentStatus{Name: string(e.name), Issuer: e.issuer, URLs: e.urls, Upstreams: e.upstreams()})
	}
	return status
}
