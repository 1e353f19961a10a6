package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/metrics"
)

// metricsHandler is what the listener for Prometheus serves.
func (s *Server) metricsHandler(scrape http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", scrape)
	fail := func(w http.ResponseWriter, _ *http.Request, _ error) {
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
	return s.record(surfaceMetrics, s.Config.Metrics, fail, mux)
}

const surfaceMetrics = "metrics"

// servedAt returns the counts of a surface.
func (s *Server) servedAt(surface string) *httpx.Served {
	s.servedMu.Lock()
	defer s.servedMu.Unlock()
	if s.served[surface] == nil {
		s.served[surface] = &httpx.Served{}
	}
	return s.served[surface]
}

// reading is what a scrape is told.
func (s *Server) reading(ctx context.Context) metrics.Reading {
	now, sizes := s.Now(), s.model.Sizes()
	r := metrics.Reading{
		Version: s.Version, Engine: s.engine(), Started: s.started, Now: now,
		Snapshot: metrics.Snapshot{
			Age: s.model.Age(), Sequence: s.model.Head(),
			Entries: map[string]int{
				"organization": sizes.Orgs, "app": sizes.Apps, "credential": sizes.Credentials, "revocation": sizes.Revocations,
			},
		},
	}
	s.readServed(&r)
	turns := s.turns.Counts()
	r.Signing = metrics.Signing{
		Waiting: turns.Waiting, Turns: turns.Turns, Waits: turns.Waits, Waited: turns.Waited,
		Refused: turns.Refused, GivenUp: turns.GivenUp, Signature: turns.Cost,
	}
	r.Metering.Pending, r.Metering.Failures = s.meter.Unwritten()
	r.Metering.Refusals, r.Metering.Omitted = s.refusals.Unwritten()
	traces := s.tracer.Counts()
	r.Traces = metrics.Traces{Sent: traces.Sent, Dropped: traces.Dropped, Failed: traces.Failed}
	s.readCertificates(&r)
	for _, i := range s.issuers {
		is := i.Status()
		r.Issuers = append(r.Issuers, metrics.Issuer{Name: is.Name, Keys: is.Keys, Read: is.Read, Fetches: is.Fetches, Failures: is.Failures})
	}
	nodes := s.readStore(ctx, &r)
	for _, e := range s.environments {
		for _, use := range []keyring.Use{keyring.UseToken, keyring.UseIdentity} {
			r.Keys = append(r.Keys, keyReading(e, use, nodes, now))
		}
		seals := metrics.Seals{Environment: string(e.name)}
		seals.Present, seals.Old, seals.Unknown = e.ring.Seals()
		r.Seals = append(r.Seals, seals)
	}
	return r
}

// readCertificates reads when certificates expire, and what became of getting them.
func (s *Server) readCertificates(r *metrics.Reading) {
	for _, l := range s.listeners() {
		if l.shown == nil {
			continue
		}
		expires, there := l.shown.current.Load().Leaf.NotAfter, true
		if got := l.shown.acme; got != nil {
			expires, there = got.Expires()
			counts := got.Counts()
			r.ACME = append(r.ACME, metrics.ACME{Listener: l.name, Got: counts.Got, Failed: counts.Failed})
		}
		if there {
			r.Certificates = append(r.Certificates, metrics.Certificate{Listener: l.name, Expires: expires})
		}
	}
	for name, one := range s.upstreamTLS {
		if one.shown != nil {
			r.ClientCertificates = append(r.ClientCertificates, metrics.ClientCertificate{TLS: name, Expires: one.shown.current.Load().Leaf.NotAfter})
		}
	}
}

// readServed reads what the surfaces have counted.
func (s *Server) readServed(r *metrics.Reading) {
	s.servedMu.Lock()
	for surface, served := range s.served {
		for _, c := range served.Classes() {
			r.Requests = append(r.Requests, metrics.Requests{Surface: surface, Class: c.Name, Spread: metrics.Spread{Took: c.Took, Total: c.Total}})
		}
	}
	s.servedMu.Unlock()
	for _, t := range s.meter.Totals() {
		r.Calls = append(r.Calls, metrics.Calls{
			Environment: string(t.Environment), API: t.API, Outcome: t.Outcome, Source: t.Source, Spread: metrics.Spread{Took: t.Took, Total: t.Duration},
		})
	}
	for g, n := range s.grants.All() {
		r.Tokens = append(r.Tokens, metrics.Tokens{Environment: string(g.Environment), Dialect: g.Dialect, Method: g.Method, Outcome: g.Outcome, Count: n})
	}
	for _, e := range s.environments {
		hits, misses := e.verifier.Counts()
		r.Verified = append(r.Verified, metrics.Verified{Environment: string(e.name), Hits: hits, Misses: misses})
		for _, u := range e.gateway.Upstreams() {
			r.Upstream = append(r.Upstream, metrics.Upstream{
				Environment: string(e.name), API: u.API, Answered: metrics.Spread{Took: u.Took, Total: u.Total}, Errors: u.Failed, UnderWay: u.UnderWay,
			})
		}
		for _, standing := range e.gateway.Standings() {
			for i, t := range standing.Targets {
				r.Targets = append(r.Targets, metrics.Target{
					Environment: string(e.name), API: standing.API, Place: i + 1, Healthy: t.Healthy, Breaker: t.Breaker, Passed: t.Passed,
				})
			}
		}
		for _, c := range e.gateway.Connections() {
			r.Connections = append(r.Connections, metrics.Connections{Environment: string(e.name), Upstream: c.Address, Open: c.Open, Opened: c.Opened})
		}
	}
}

// readStore asks the store how it is, and who else is there.
func (s *Server) readStore(ctx context.Context, r *metrics.Reading) []market.Node {
	head, err := s.store.Head(ctx)
	if err != nil {
		return nil
	}
	r.Store = metrics.Store{Up: true, Sequence: head}
	nodes, err := s.store.Nodes(ctx)
	if err != nil {
		return nil
	}
	r.Nodes = map[string]int{market.NodeServing: 0, market.NodeSilent: 0, market.NodeGone: 0}
	for _, n := range nodes {
		r.Nodes[n.State(r.Now)]++
	}
	return nodes
}

// keyReading is how far the keys of a use are, and which of nodes they wait for.
func keyReading(e *environment, use keyring.Use, nodes []market.Node, now time.Time) metrics.Key {
	standing := e.ring.Standing(use)
	out := metrics.Key{Environment: string(e.name), Use: string(use), Signs: standing.Signs, Next: standing.Next, Pending: len(standing.Pending)}
	for _, n := range nodes {
		lacks := func(kid string) bool { return !n.Holds(e.name, kid) }
		if n.State(now) != market.NodeGone && slices.ContainsFunc(standing.Pending, lacks) {
			out.Awaited++
		}
	}
	return out
}

// engine names the kind of the store.
func (s *Server) engine() string {
	if s.Config.Database.Postgres.IsZero() {
		return "sqlite"
	}
	return "postgres"
}
