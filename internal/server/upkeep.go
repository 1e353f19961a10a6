package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// upkeep does what has to be done now and then: rotate keys that are due,
// forget what is old, and catch up on what a change could not bring.
func (s *Server) upkeep(ctx context.Context) error {
	var warned time.Time
	missed := map[id.Node]bool{}
	var watch clock.Watch
	ticker, soon := time.NewTicker(s.Pace.Upkeep), time.NewTicker(retryKeys)
	defer ticker.Stop()
	defer soon.Stop()
	for {
		if step := watch.Look(s.Now()); step != 0 {
			s.Logger.WarnContext(ctx, "the clock was set, or the machine has slept; for an hour keys are not rotated, and nothing is forgotten because it is old",
				slog.Duration("by", step))
		}
		s.keep(ctx, &watch)
		s.tellOfLoss(ctx, missed)
		if now := s.Now(); !watch.Stepped() && now.Sub(warned) >= warnInterval && s.warn(ctx) {
			warned = now
		}
		if !s.rest(ctx, ticker, soon) {
			return nil
		}
		s.reloadKeys(ctx)
		if s.model.Catalog() != s.compiled.Load() {
			s.routeByNewest(ctx)
		}
	}
}

// keep does what is done because its time has come, and cannot be undone if the clock
// was wrong about that.
func (s *Server) keep(ctx context.Context, watch *clock.Watch) {
	for _, e := range s.environments {
		if watch.Stepped() && e.ring.Signer(keyring.UseToken) != nil && e.ring.Signer(keyring.UseIdentity) != nil {
			continue
		}
		if err := e.ring.Tick(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "cannot rotate keys", slog.String("environment", string(e.name)), slog.Any("error", err))
		}
	}
	var err error
	if watch.Settled() {
		err = s.store.Prune(ctx, store.Retention{Feed: feedRetention, FeedKeep: feedKeep, Usage: usageKept, Nodes: nodesKept, Refusals: refusalsKept()})
	} else {
		err = s.store.PruneRefusals(ctx, refusalsKept())
	}
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "cannot forget what is old", slog.Any("error", err))
	}
}

// warn says which credentials will end soon, once each on all nodes together. It
// reports whether it got to the end.
func (s *Server) warn(ctx context.Context) bool {
	told, err := s.Market.WarnOfExpiry(ctx)
	for _, w := range told {
		s.Logger.WarnContext(ctx, "a credential expires soon", slog.Int("days", w.Days), slog.Time("expires", w.Credential.Expires),
			slog.String("credential_id", string(w.Credential.ID)), slog.String("app_id", string(w.App.ID)),
			slog.String("org_id", string(w.App.Org)), slog.String("environment", string(w.App.Environment)))
	}
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "cannot look for credentials that expire soon", slog.Any("error", err))
	}
	return err == nil
}

// rest waits until upkeep is due, or until a key set that could not be read is
// to be asked for again. It reports whether there is anything left to do.
func (s *Server) rest(ctx context.Context, due, soon *time.Ticker) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-soon.C:
			if s.keysBehind.Load() {
				s.reloadKeys(ctx)
			}
		}
	}
}

// tellOfLoss says, once for each, which nodes are not heard of any more: one that has
// ended without a word has lost what it counted last. A node that stops as it should
// takes its row away after it has written all.
func (s *Server) tellOfLoss(ctx context.Context, missed map[id.Node]bool) {
	nodes, err := s.store.Nodes(ctx)
	if err != nil {
		return // whoever needs the store says so
	}
	now := s.Now()
	for _, n := range nodes {
		if n.State(now) == market.NodeServing {
			delete(missed, n.ID) // and tell of it again: perhaps it was a clock that was missing
		}
		if n.ID == s.self.ID || missed[n.ID] || n.State(now) == market.NodeServing {
			continue
		}
		missed[n.ID] = true
		s.Logger.WarnContext(ctx, "a node is not heard of; if it has ended, what it counted after its last write is lost: usage, quotas, reasons of refusals",
			slog.String("node_id", string(n.ID)), slog.String("node", n.Name), slog.Time("seen", n.Seen), slog.Duration("lost_at_most", flushInterval))
	}
}
