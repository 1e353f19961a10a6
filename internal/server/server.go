// Package server is the wiring, all of it: it opens the store, the keys and the
// snapshot, builds the four surfaces over them, listens, serves, and stops in
// the reverse order.
//
// [New] does everything that can fail and says why in a sentence; [Server.Run]
// serves until its context ends, finishes what is under way, writes what was
// counted, and closes the store.
//
// Invariants: a part is opened before those that use it, and closed after them; no
// request is read before all is open; what counts goes on until the last request was
// answered.
//
// What it does not do: hold rules. What is decided here is only which part gets what.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-dev/sallyport/internal/authserver"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/dpop"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/issuer"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/keyset"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/metrics"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/tracing"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// Options is what a server gets beside its configuration.
type Options struct {
	Config  *config.Config
	Getenv  func(string) string // the process's environment, for secrets that are there
	Logger  *slog.Logger
	Now     func() time.Time
	Version string
	Pace    Pace
}

// Server is a wired program. Create it with [New].
type Server struct {
	Options
	Market  *market.Market
	started time.Time

	store      *store.Store
	following  *following
	rings      keyring.Rings
	keySets    *keyset.Sets
	issuers    []*issuer.Issuer // as configured
	model      *snapshot.Model
	meter      *usage.Meter
	refusals   *usage.Refusals
	grants     *usage.Grants
	servedMu   sync.Mutex
	served     map[string]*httpx.Served // by surface
	tracer     *tracing.Tracer          // nil: nothing is recorded
	turns      *authserver.Turns
	checks     *authserver.Checks
	counter    *limit.Counter
	catalog    atomic.Pointer[manifest.Catalog]
	documents  manifest.Documents
	loading    sync.Mutex               // one catalogue at a time
	tried      atomic.Int64             // version of the catalogue that was read last, whether it could be routed or not
	keysBehind atomic.Bool              // a key set could not be read
	keysSaid   atomic.Pointer[[]string] // why not, as it was logged last
	leaving    atomic.Bool              // it was told to stop
	compiled   atomic.Int64             // version of the catalogue that is routed

	vault       keyring.Vault // where signing keys are made; nil: in memory
	closeVault  func() error
	self        market.Node // this node's row, as far as it does not change
	telling     sync.Mutex  // one row at a time
	keysChanged chan struct{}

	ca           *localca.Authority
	upstreamTLS  upstreamTLS
	environments []*environment // by name
	management   *listener
	portal       *listener
	scraped      *listener // by Prometheus; nil: none
}

// environment is what one environment is served by.
type environment struct {
	name     market.Environment
	config   *config.Environment
	listener *listener
	mutual   *listener // for mutual TLS; nil: none
	urls     []string  // all by which it is reached; the listener's own is the first
	trusted  *trusted  // of certificates that name a client; nil: none
	issuer   string
	ring     *keyring.Ring
	proofs   *dpop.Checker
	auth     *authserver.Server
	gateway  *gateway.Gateway
	verifier *token.Verifier
}

// What is kept in memory, and how often what is counted is written.
const (
	keptRefusals        = 10_000
	flushInterval       = 5 * time.Second
	feedPoll            = 500 * time.Millisecond
	upkeepInterval      = time.Minute
	certificateInterval = 5 * time.Second
	tellInterval        = 10 * time.Second
	retryKeys           = time.Second
	warnInterval        = time.Hour
	tokenLeeway         = 30 * time.Second // CONTRACT 4.1
	feedRetention       = 24 * time.Hour
	feedKeep            = 10_000
	idleCollector       = time.Minute
	usageKept           = 400 * 24 * time.Hour
	nodesKept           = 24 * time.Hour
)

// refusalsKept is for how long, and how many, refusals are kept in the store.
func refusalsKept() store.RefusalRetention {
	return store.RefusalRetention{Age: 30 * 24 * time.Hour, Proven: 5000, Named: 500, Strangers: 1000}
}

// New wires a server. On an error it has closed what it opened.
func New(ctx context.Context, o Options) (*Server, error) {
	o.Pace = o.Pace.orDefault()
	s := &Server{Options: o, started: o.Now(), keysChanged: make(chan struct{}, 1), meter: usage.NewMeter(), grants: &usage.Grants{}, served: map[string]*httpx.Served{}, counter: limit.NewCounter(limitsKept), model: snapshot.New(o.Now)}
	s.turns = authserver.NewTurns(runtime.GOMAXPROCS(0), o.Now)
	s.checks = authserver.NewChecks(runtime.GOMAXPROCS(0) / 2) // the others sign
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open opens everything, from the ground up.
func (s *Server) open(ctx context.Context) (err error) {
	if err := prepareFolder(s.Config.Data); err != nil {
		return err
	}
	sealer, err := s.sealer()
	if err != nil {
		return err
	}
	hashing, err := s.Config.Keys.Hashing.ReadKey(s.Getenv)
	if err != nil {
		return fmt.Errorf("keys.hashing: %w", err)
	}
	s.warnOfExposed(ctx)
	if s.ca, err = localca.Open(s.Config.Data, s.Now); err != nil {
		return err
	}
	if s.upstreamTLS, err = newUpstreamTLS(s.Config.UpstreamTLS, s.Now); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	if s.store, err = s.openStore(ctx); err != nil {
		return err
	}
	s.refusals = usage.NewRefusals(keptRefusals, s.store)
	hasher := market.NewHasher(hashing)
	if err := s.pinHasher(ctx, hasher); err != nil {
		return err
	}
	s.following = &following{Store: s.store, model: s.model, head: s.store.Head, routed: s.routed}
	s.Market = &market.Market{Store: s.following, Hasher: hasher, Now: s.Now, Environments: s.rules(), Uses: s.meter}
	if err := s.openVault(); err != nil {
		return err
	}
	if err := s.arrive(ctx, sealer); err != nil {
		return err
	}
	if s.tracer, err = s.openTracer(); err != nil {
		return err
	}
	if err := s.openRings(ctx, sealer); err != nil {
		return err
	}
	if err := s.model.Load(ctx, s.store); err != nil {
		return err
	}
	if err := s.openKeySets(); err != nil {
		return err
	}
	if err := s.openIssuers(); err != nil {
		return err
	}
	if err := s.counter.Load(ctx, s.store, s.Now()); err != nil {
		return fmt.Errorf("read the counts of quotas: %w", err)
	}
	// Once more: what changed before the model's head is not in the feed after it.
	s.reloadKeys(ctx)
	if err := s.tell(ctx); err != nil {
		return err
	}
	if err := s.buildEnvironments(); err != nil {
		return err
	}
	return s.loadCatalog(ctx)
}

func (s *Server) openStore(ctx context.Context) (*store.Store, error) {
	c := store.Config{SQLite: s.Config.Database.SQLite, Now: s.Now, Logger: s.Logger}
	if !s.Config.Database.Postgres.IsZero() {
		dsn, err := s.Config.Database.Postgres.Read(s.Getenv)
		if err != nil {
			return nil, fmt.Errorf("database.postgres: %w", err)
		}
		c.SQLite, c.Postgres = "", dsn
	}
	return store.Open(ctx, c)
}

// listen opens every socket, so that the URLs are known.
func (s *Server) listen(ctx context.Context) (err error) {
	for _, name := range slices.Sorted(maps.Keys(s.Config.Environments)) {
		c := s.Config.Environments[name]
		e := &environment{name: name, config: c}
		if e.listener, err = listen(ctx, string(name), c.Listener, s.ca, s.Now); err != nil {
			return err
		}
		e.issuer = c.Issuer
		if e.issuer == "" {
			e.issuer = e.listener.url
		}
		s.environments = append(s.environments, e)
		e.urls = slices.Concat(e.listener.urls, c.Aliases)
		if c.MutualTLS.On() {
			if e.mutual, e.trusted, err = listenMutual(ctx, string(name), c.MutualTLS, s.ca, s.Now); err != nil {
				return err
			}
			e.urls = append(e.urls, e.mutual.urls...)
		}
	}
	if s.management, err = listen(ctx, "management", s.Config.Management, s.ca, s.Now); err != nil {
		return err
	}
	if s.portal, err = listen(ctx, "portal", s.Config.Portal, s.ca, s.Now); err != nil {
		return err
	}
	if s.Config.Metrics.On() {
		s.scraped, err = listen(ctx, surfaceMetrics, s.Config.Metrics, s.ca, s.Now)
	}
	return err
}

func (s *Server) rules() map[market.Environment]market.EnvironmentRules {
	rules := map[market.Environment]market.EnvironmentRules{}
	for name, c := range s.Config.Environments {
		rules[name] = market.EnvironmentRules{
			SecretPrefix: c.SecretPrefix, MinTokenLifetime: time.Duration(c.MinTokenLifetime),
			MaxTokenLifetime: time.Duration(c.MaxTokenLifetime), Contracted: *c.Contracted, SecretLifetime: time.Duration(c.SecretLifetime),
		}
	}
	return rules
}

// Run serves until ctx ends, and calls ready once everything is up. It returns
// nil after a clean stop.
func (s *Server) Run(ctx context.Context, ready func() error) error {
	defer s.close()
	scrape := metrics.Handler(s.reading)
	management, portal, err := s.people(scrape)
	if err != nil {
		return err
	}
	// What runs beneath the surfaces ends after them: a request under way may
	// still count, and its count is written.
	beneath, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var base errgroup.Group
	wake, stopWaking := s.store.Wake()
	defer stopWaking()
	s.following.on.Store(true)
	base.Go(func() error {
		return s.model.Follow(beneath, snapshot.Feed{
			Source: s.store, Wake: wake, Poll: feedPoll, Logger: s.Logger, Changed: s.changed,
		})
	})
	base.Go(func() error { return usage.Run(beneath, s.meter, s.refusals, s.store, flushInterval, s.Logger) })
	base.Go(func() error { return s.counter.Run(beneath, s.store, flushInterval, s.Now, s.Logger) })
	base.Go(func() error { return s.upkeep(beneath) })
	base.Go(func() error { return s.watchCertificates(beneath) })
	base.Go(func() error { return s.keepTelling(beneath) })
	if s.tracer != nil {
		base.Go(func() error { return s.tracer.Run(beneath) })
	}
	for _, i := range s.issuers {
		base.Go(func() error { s.keepIssuers(beneath, i); return nil })
	}

	if err := s.manageCertificates(beneath); err != nil {
		stop()
		return errors.Join(err, base.Wait())
	}
	defer s.stopManaging()
	serving, closeListeners := context.WithCancel(context.WithoutCancel(ctx))
	defer closeListeners()
	defer context.AfterFunc(ctx, func() { s.announce(serving, closeListeners) })()
	drain := s.Config.Shutdown.FinishLimit()
	surfaces, ctx := errgroup.WithContext(serving)
	for _, l := range s.listeners() {
		l.begin, l.forget = s.Pace.Begin, func() {}
	}
	for _, e := range s.environments {
		handler := s.environmentHandler(e)
		surfaces.Go(func() error { return e.listener.serve(ctx, handler, drain, s.Logger) })
		surfaces.Go(func() error {
			<-ctx.Done()
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
			defer cancel()
			e.gateway.Leave(late) // what was upgraded is no request under way to net/http
			return nil
		})
		if e.mutual != nil {
			surfaces.Go(func() error { return e.mutual.serve(ctx, handler, drain, s.Logger) })
		}
	}
	surfaces.Go(func() error { return s.management.serve(ctx, management, drain, s.Logger) })
	surfaces.Go(func() error { return s.portal.serve(ctx, portal, drain, s.Logger) })
	if s.scraped != nil {
		surfaces.Go(func() error { return s.scraped.serve(ctx, s.metricsHandler(scrape), drain, s.Logger) })
	}
	s.tellStart(ctx)
	surfaces.Go(ready)
	err = surfaces.Wait()
	for _, l := range s.listeners() {
		l.forget()
	}
	stop()
	return errors.Join(err, base.Wait())
}

// changed brings what is not in the model up to date.
func (s *Server) changed(ctx context.Context, kinds map[market.Kind]bool) {
	if kinds[market.KindKeys] {
		s.reloadKeys(ctx)
	}
	if kinds[market.KindCatalog] {
		// Beside the feed, which has revocations to bring while it compiles, and
		// whose context ends before that.
		go s.routeByNewest(context.WithoutCancel(ctx))
	}
}

// routeByNewest routes by the newest catalogue, or goes on with the old one.
func (s *Server) routeByNewest(ctx context.Context) {
	if err := s.loadCatalog(ctx); err != nil && ctx.Err() == nil {
		s.Logger.ErrorContext(ctx, "cannot route by the new catalogue; going on with the old one", slog.Any("error", err))
	}
}

// loadCatalog reads the newest catalogue and routes by it.
func (s *Server) loadCatalog(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	newest := s.model.Catalog()
	defer s.tried.Store(newest)
	if s.model.Catalog() == 0 {
		s.catalog.Store(&manifest.Catalog{})
		return nil
	}
	var version market.CatalogVersion
	err := s.store.View(ctx, func(r market.Reader) (err error) {
		version, err = r.Catalog(0)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	files, err := manifest.Open(version.Bundle)
	if err != nil {
		return fmt.Errorf("open catalogue %d: %w", version.Version, err)
	}
	catalog, err := manifest.Load(files, s.catalogOptions())
	if err != nil {
		return fmt.Errorf("read catalogue %d: %s", version.Version, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	s.catalog.Store(catalog)
	for _, e := range s.environments {
		// The routes first: no token is made for an API that is not routed yet.
		e.gateway.SetCatalog(catalog)
		e.auth.SetCatalog(catalog)
	}
	s.compiled.Store(version.Version)
	s.Logger.InfoContext(ctx, "routing by a catalogue", slog.Int64("version", version.Version), slog.Int("apis", len(catalog.APIs)))
	return nil
}

// Close closes a server that is not to be run.
func (s *Server) Close() error {
	s.close()
	return nil
}

func (s *Server) close() {
	for _, e := range s.environments {
		if e.gateway != nil {
			e.gateway.Close()
		}
		closeListener(e.listener)
		closeListener(e.mutual)
	}
	closeListener(s.management)
	closeListener(s.portal)
	closeListener(s.scraped)
	if s.closeVault != nil {
		if err := s.closeVault(); err != nil {
			s.Logger.Error("close the PKCS #11 module", slog.Any("error", err))
		}
	}
	if s.store != nil {
		s.leave()
		if err := s.store.Close(); err != nil {
			s.Logger.Error("close the store", slog.Any("error", err))
		}
	}
}
