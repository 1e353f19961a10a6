package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// rotation is one replacement of the key that signs.
type rotation struct {
	use       Use
	alg       Algorithm // empty: as now
	emergency bool
	onlyIfDue bool
}

// Rotate starts the replacement of the key that signs. The new key, which it
// returns, is published now, and signs when the lead time is over and every node
// has held it for as long as a JWKS is kept ([Ring.Tick] decides that); the
// present one verifies until its last token has expired. alg empty keeps the
// algorithm.
//
// In an emergency, the present key being known to others, the new key signs at
// once and all others of that use are revoked: every token issued under them is
// refused from now on.
func (r *Ring) Rotate(ctx context.Context, actor market.Actor, use Use, alg Algorithm, emergency bool) (Record, error) {
	if !slices.Contains(uses(), use) {
		return Record{}, market.Invalid("use", "there is no use %q; there are: %s, %s", use, UseToken, UseIdentity)
	}
	if alg != "" && alg != RS256 && alg != ES256 && alg != EdDSA {
		return Record{}, errAlgorithm(alg)
	}
	return r.rotate(ctx, actor, rotation{use: use, alg: alg, emergency: emergency})
}

// Tick makes the keys that are missing, starts the rotations that are due (a
// key's successor is published so that it signs when the period of the present
// one ends), decides when a key that all nodes hold will sign, and seals anew
// what is sealed under a sealing key that was replaced. Any number of nodes may
// call it at any time.
func (r *Ring) Tick(ctx context.Context) error {
	for _, use := range uses() {
		records, now := r.set.Load().records, r.now()
		var err error
		switch {
		case r.due(records, use, now):
			_, err = r.rotate(ctx, market.System, rotation{use: use, onlyIfDue: true})
		case undecided(records, use, now) != nil:
			err = r.activate(ctx, use)
		case r.misdecided(records, use, now) != nil:
			err = r.postpone(ctx, use)
		}
		if err != nil {
			return err
		}
	}
	return r.sealAnew(ctx)
}

// due reports whether a use lacks a key or will soon.
func (r *Ring) due(records []Record, use Use, now time.Time) bool {
	present := signing(records, use, now)
	return present == nil ||
		pending(records, use, now) == nil && !now.Before(present.Activates.Add(r.cfg.Period-r.cfg.Lead))
}

// rotate carries out a rotation, and returns the new key's record; with
// onlyIfDue, perhaps none.
func (r *Ring) rotate(ctx context.Context, actor market.Actor, ro rotation) (Record, error) {
	var (
		result Record
		made   = map[Algorithm]*Key{} // to make an RSA key takes long; the change may run again
	)
	fresh := func(alg Algorithm) (*Key, error) {
		if key, ok := made[alg]; ok {
			return key, nil
		}
		key, err := r.generate(ctx, ro.use, alg)
		if err == nil {
			made[alg] = key
		}
		return key, err
	}
	// Made before the store's lock is taken: its algorithm may be guessed wrong,
	// then another is made.
	if _, err := fresh(r.algorithm(ro, signing(r.set.Load().records, ro.use, r.now()))); err != nil {
		return Record{}, err
	}
	err := r.update(ctx, actor, func(stored Stored) ([]Record, market.Change, error) {
		now := r.now()
		result = Record{}
		if ro.onlyIfDue && !r.due(stored.Keys, ro.use, now) {
			return nil, market.Change{}, nil
		}
		present := signing(stored.Keys, ro.use, now)
		key, err := fresh(r.algorithm(ro, present))
		if err != nil {
			return nil, market.Change{}, err
		}
		record, err := r.cfg.Sealer.knownTo(r.serving(stored.Nodes, now)).record(r.cfg.Environment, key)
		if err != nil {
			return nil, market.Change{}, err
		}
		put, err := r.replace(stored, record, ro, now)
		if err != nil {
			return nil, market.Change{}, err
		}
		result = put[len(put)-1]
		action := "rotate"
		if present == nil {
			action = "create"
		}
		return put, r.change(action, result, put[:len(put)-1]), nil
	})
	// After any other error the record may be stored.
	if refused := new(market.Error); err == nil || errors.As(err, &refused) && refused.Code == market.Conflict {
		r.removeUnused(ctx, made, result.KID)
	}
	if err != nil {
		return Record{}, fmt.Errorf("rotate the %s signing key of %s: %w", ro.use, r.cfg.Environment, err)
	}
	return unsealed(result), nil
}

// algorithm is that of the key to make.
func (r *Ring) algorithm(ro rotation, present *Record) Algorithm {
	switch {
	case ro.alg != "":
		return ro.alg
	case present != nil:
		return present.Algorithm
	}
	return r.firstAlgorithm(ro.use)
}

// replace returns the records that change, and last the new one.
func (r *Ring) replace(stored Stored, fresh Record, ro rotation, now time.Time) ([]Record, error) {
	var put []Record
	fresh.Created, fresh.Activates = now, now
	present, next := signing(stored.Keys, ro.use, now), pending(stored.Keys, ro.use, now)
	switch {
	case ro.emergency:
		for _, record := range stored.Keys {
			if record.Use == ro.use && record.live(now) {
				record.Revoked = now
				put = append(put, record)
			}
		}
	case next != nil:
		return nil, &market.Error{
			Code:   market.Conflict,
			Public: "a rotation is under way: key " + next.KID + " is published and " + r.prospect(*next, stored.Nodes, now),
			Hint:   "wait for it, revoke that key, or rotate as an emergency",
		}
	case present != nil:
		fresh.Activates = time.Time{} // see activate
	}
	return append(put, fresh), nil
}

// Revoke ends a key: from now on it verifies nothing, and tokens that it signed
// are refused. The key that signs now cannot be revoked, only replaced in an
// emergency. Revoking a key that has not signed yet calls the rotation off.
func (r *Ring) Revoke(ctx context.Context, actor market.Actor, kid string) (Record, error) {
	var result Record
	err := r.update(ctx, actor, func(stored Stored) ([]Record, market.Change, error) {
		now, records := r.now(), stored.Keys
		i := slices.IndexFunc(records, func(record Record) bool { return record.KID == kid })
		if i < 0 {
			return nil, market.Change{}, market.Missing("signing key", kid)
		}
		result = records[i]
		if !result.Revoked.IsZero() {
			return nil, market.Change{}, nil
		}
		present := signing(records, result.Use, now)
		if present != nil && present.KID == kid {
			return nil, market.Change{}, &market.Error{
				Code:   market.Conflict,
				Public: "this key signs now: without it nothing could be signed",
				Hint:   "rotate first; if the key is known to others, rotate as an emergency, which revokes it too",
			}
		}
		put := []Record{}
		if next := pending(records, result.Use, now); next != nil && next.KID == kid && present != nil {
			staying := *present
			staying.Retires = time.Time{}
			put = append(put, staying)
		}
		result.Revoked = now
		return append(put, result), r.change("revoke", result, nil), nil
	})
	if err != nil {
		return Record{}, fmt.Errorf("revoke a signing key of %s: %w", r.cfg.Environment, err)
	}
	return unsealed(result), nil
}

// update changes the stored keys and installs what they have become. Reloads
// wait meanwhile, so that none can put an older state over it.
func (r *Ring) update(ctx context.Context, actor market.Actor, change func(Stored) ([]Record, market.Change, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var after []Record
	err := r.cfg.Store.UpdateSigningKeys(ctx, actor, r.cfg.Environment,
		func(stored Stored) ([]Record, market.Change, error) {
			put, done, err := change(stored)
			after = slices.Clone(stored.Keys)
			for _, record := range put {
				if i := slices.IndexFunc(after, func(r Record) bool { return r.KID == record.KID }); i >= 0 {
					after[i] = record
				} else {
					after = append(after, record)
				}
			}
			return put, done, err
		})
	if err != nil {
		return err
	}
	return r.install(ctx, after)
}

// change is how a change of keys is recorded.
func (r *Ring) change(action string, record Record, others []Record) market.Change {
	detail := map[string]any{
		"environment": string(r.cfg.Environment), "use": string(record.Use), "algorithm": string(record.Algorithm),
	}
	if action != "revoke" && !record.Activates.IsZero() {
		detail["activates"] = record.Activates.Format(time.RFC3339)
	}
	for _, other := range others {
		if !other.Revoked.IsZero() {
			revoked, _ := detail["revokes"].([]string)
			detail["revokes"] = append(revoked, other.KID)
		} else {
			detail["supersedes"] = other.KID
		}
	}
	return market.Change{
		Action: action, Kind: market.KindKeys, ID: record.KID, Detail: detail,
		Feed: market.KindKeys, FeedKey: string(r.cfg.Environment),
	}
}

// signing returns the record of the key that signs, as [Ring.Signer] chooses it.
func signing(records []Record, use Use, now time.Time) *Record {
	var newest, first *Record
	for i := range records {
		record := &records[i]
		if record.Use != use || !record.live(now) {
			continue
		}
		if record.begun(now) && (newest == nil || !before(record, newest)) {
			newest = record
		}
		if first == nil || before(record, first) {
			first = record
		}
	}
	if newest != nil {
		return newest
	}
	return first
}

// pending returns the record of the key that will sign next.
func pending(records []Record, use Use, now time.Time) *Record {
	present := signing(records, use, now)
	for i := range records {
		if record := &records[i]; record.Use == use && record != present && record.live(now) && !record.begun(now) {
			return record
		}
	}
	return nil
}

// undecided returns the record of a key that waits for nodes.
func undecided(records []Record, use Use, now time.Time) *Record {
	if next := pending(records, use, now); next != nil && next.Activates.IsZero() {
		return next
	}
	return nil
}

// before orders keys by activation, undecided ones last, then by kid.
func before(a, b *Record) bool {
	if a.Activates.IsZero() != b.Activates.IsZero() {
		return b.Activates.IsZero()
	}
	if !a.Activates.Equal(b.Activates) {
		return a.Activates.Before(b.Activates)
	}
	return a.KID < b.KID
}
