package keyring

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// activate decides when a published key will sign, once every node holds it: as
// soon as the lead time is over, and not before the last JWKS without it has
// gone from every cache. The moment lies ahead and is part of the record, so
// that a node that loses the store after the decision still switches when the
// others do. ADR 0019.
func (r *Ring) activate(ctx context.Context, use Use) error {
	var waiting []string
	var key Record
	err := r.update(ctx, market.System, func(stored Stored) ([]Record, market.Change, error) {
		now := r.now()
		waiting = nil
		next := undecided(stored.Keys, use, now)
		if next == nil {
			return nil, market.Change{}, nil
		}
		key = *next
		if waiting = names(r.waiting(key, stored.Nodes, now)); len(waiting) > 0 {
			return nil, market.Change{}, nil
		}
		created := key.Created
		if created.After(now) {
			created = now // it was made by a clock that was ahead
		}
		key.Activates = later(created.Add(r.cfg.Lead), now.Add(r.MaxAge()+r.cfg.Leeway))
		put := []Record{}
		if present := signing(stored.Keys, use, now); present != nil && present.KID != key.KID {
			superseded := *present
			superseded.Retires = r.retires(key.Activates, stored.Nodes, now)
			put = append(put, superseded)
		}
		return append(put, key), r.change("activate", key, put), nil
	})
	if err == nil && len(waiting) > 0 {
		level := slog.LevelInfo
		if r.now().Sub(key.Created) > r.cfg.Lead {
			level = slog.LevelWarn // the rotation is late
		}
		r.cfg.Logger.Log(ctx, level, "a signing key waits until every node holds it", "environment", r.cfg.Environment,
			"kid", key.KID, "nodes", strings.Join(waiting, ", "))
	}
	return err
}

// misdecided returns the record of a key that is to sign later than anybody would
// decide now: the clock that it was decided by was ahead, and has been set back. Left
// alone it would hold up every rotation until that time comes.
func (r *Ring) misdecided(records []Record, use Use, now time.Time) *Record {
	latest := now.Add(max(r.cfg.Lead, r.MaxAge()+r.cfg.Leeway) + r.cfg.Leeway)
	if next := pending(records, use, now); next != nil && next.Activates.After(latest) {
		return next
	}
	return nil
}

// postpone takes such a decision back. The key stays published, the one that signs
// goes on, and [Ring.activate] decides anew.
func (r *Ring) postpone(ctx context.Context, use Use) error {
	return r.update(ctx, market.System, func(stored Stored) ([]Record, market.Change, error) {
		now := r.now()
		next := r.misdecided(stored.Keys, use, now)
		if next == nil {
			return nil, market.Change{}, nil
		}
		put := []Record{}
		if present := signing(stored.Keys, use, now); present != nil && present.KID != next.KID {
			staying := *present
			staying.Retires = time.Time{}
			put = append(put, staying)
		}
		postponed := *next
		postponed.Activates = time.Time{}
		r.cfg.Logger.WarnContext(ctx, "a signing key was to sign at a time that lies too far ahead: its time is decided anew; was a clock ahead?",
			"environment", r.cfg.Environment, "kid", next.KID, "activates", next.Activates)
		return append(put, postponed), r.change("postpone", postponed, nil), nil
	})
}

// retires is until when the key before one that signs from activates must verify:
// a node that has lost the store since it read that one goes on signing with the
// key before until it refuses everything; then the last token expires.
func (r *Ring) retires(activates time.Time, nodes []market.Node, now time.Time) time.Time {
	longest := r.cfg.MaxStale
	for _, n := range r.serving(nodes, now) {
		longest = max(longest, n.MaxStale)
	}
	return activates.Add(longest + r.cfg.TokenLifetime + r.cfg.Leeway)
}

// serving returns the nodes that may be serving at now.
func (r *Ring) serving(nodes []market.Node, now time.Time) []market.Node {
	var known []market.Node
	for _, n := range nodes {
		if n.MayServe(now, r.cfg.Leeway) {
			known = append(known, n)
		}
	}
	return known
}

// waiting returns the nodes that may be serving and do not hold a key.
func (r *Ring) waiting(record Record, nodes []market.Node, now time.Time) []market.Node {
	var without []market.Node
	for _, n := range r.serving(nodes, now) {
		if !n.Holds(r.cfg.Environment, record.KID) {
			without = append(without, n)
		}
	}
	return without
}

// prospect says when a key that does not sign yet will, or what for it waits.
func (r *Ring) prospect(record Record, nodes []market.Node, now time.Time) string {
	if !record.Activates.IsZero() {
		return "signs from " + record.Activates.Format(time.RFC3339)
	}
	if waiting := r.waiting(record, nodes, now); len(waiting) > 0 {
		return "waits for the nodes " + strings.Join(names(waiting), ", ")
	}
	return "will sign when the lead time is over"
}

// Waiting returns the nodes that a key waits for before it signs.
func (r *Ring) Waiting(ctx context.Context, record Record) ([]market.Node, error) {
	if !record.Activates.IsZero() || !record.live(r.now()) {
		return nil, nil
	}
	nodes, err := r.cfg.Store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return r.waiting(record, nodes, r.now()), nil
}

// Held lists the kids of the keys that this ring can use: what its node tells of
// itself.
func (r *Ring) Held() []string {
	held := []string{}
	s := r.set.Load()
	for _, u := range []*useSet{&s.token, &s.identity} {
		for _, p := range u.keys {
			held = append(held, p.key.KID)
		}
	}
	return held
}

func names(nodes []market.Node) []string {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = n.Name
	}
	return list
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
