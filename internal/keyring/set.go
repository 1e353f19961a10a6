package keyring

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// set is what a ring knows at one time. It is never changed, only replaced; what
// the clock alone changes is worked out beforehand.
type set struct {
	records    []Record
	keys       map[string]*Key // every key that was opened, by kid
	whole      bool            // none could not be
	built      int64           // when; a clock that is set back past it may bring keys back
	token      useSet
	identity   useSet
	generation uint64  // at the earliest
	steps      []int64 // when keys retire: each adds one to the generation
}

// useSet is the keys of one use that are published.
type useSet struct {
	keys  []published // by activation
	byKID map[string]published
	views []view // the JWKS, one for each span between retirements
}

// published is a key with its times in Unix milliseconds.
type published struct {
	key                *Key
	activates, retires int64
}

// view is the JWKS until a moment.
type view struct {
	until int64
	body  []byte
	etag  string
}

// never is later than any moment.
const never = math.MaxInt64

// build opens the records that are of any use now. Keys that old has opened are
// taken from there. Those that cannot be opened are left out, and the error says
// which: a node that cannot open a new key still drops one that was revoked.
func (r *Ring) build(ctx context.Context, records []Record, old *set) (*set, error) {
	now := r.nowMilli()
	s := &set{records: records, keys: map[string]*Key{}, generation: 1, built: now}
	var unopened []error
	if old != nil {
		s.generation = old.generation + uint64(len(old.steps)) + 1
	}
	all := map[Use][]published{}
	for _, record := range records {
		p := published{activates: never, retires: never}
		if !record.Activates.IsZero() {
			p.activates = record.Activates.UnixMilli()
		}
		if !record.Retires.IsZero() {
			p.retires = record.Retires.UnixMilli()
		}
		if !record.Revoked.IsZero() || p.retires <= now {
			continue
		}
		if old != nil && old.keys[record.KID] != nil {
			p.key = old.keys[record.KID]
		} else {
			key, err := r.key(ctx, record)
			if err != nil {
				unopened = append(unopened, errOpen(r.cfg.Environment, record, err))
				continue
			}
			p.key = key
		}
		if p.key.Use != record.Use || p.key.Algorithm != record.Algorithm {
			unopened = append(unopened, errOpen(r.cfg.Environment, record, errors.New("its use or algorithm has changed")))
			continue
		}
		s.keys[record.KID] = p.key
		all[record.Use] = append(all[record.Use], p)
		if p.retires != never {
			s.steps = append(s.steps, p.retires)
		}
	}
	var err error
	if s.token, err = buildUse(all[UseToken]); err != nil {
		return nil, err
	}
	if s.identity, err = buildUse(all[UseIdentity]); err != nil {
		return nil, err
	}
	s.whole = len(unopened) == 0
	return s, firstOf(unopened)
}

// firstOf is the first of some errors, and how many there are more.
func firstOf(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%w (and %d more)", errs[0], len(errs)-1)
}

// errOpen says what to do about a key that cannot be opened.
func errOpen(env market.Environment, record Record, err error) error {
	if errors.Is(err, errOtherSealingKey) {
		return fmt.Errorf("the signing keys of environment %q are %w: give the sealing key that they were made with, as keys.sealing or among keys.sealing_old; if it is lost, reset the environment's signing keys, which ends every token it has issued", env, err)
	}
	return fmt.Errorf("the %s signing key %s of environment %q cannot be used: %w", record.Use, record.KID, env, err)
}

// buildUse works out the views of one use.
func buildUse(keys []published) (useSet, error) {
	slices.SortFunc(keys, func(a, b published) int {
		return cmp.Or(cmp.Compare(a.activates, b.activates), cmp.Compare(a.key.KID, b.key.KID))
	})
	u := useSet{keys: keys, byKID: make(map[string]published, len(keys))}
	ends := []int64{never}
	for _, p := range keys {
		u.byKID[p.key.KID] = p
		ends = append(ends, p.retires)
	}
	slices.Sort(ends)
	for _, end := range slices.Compact(ends) {
		document := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
		for _, p := range keys {
			if p.retires >= end {
				document.Keys = append(document.Keys, jose.JSONWebKey{
					Key: p.key.Public, KeyID: p.key.KID, Algorithm: string(p.key.Algorithm), Use: "sig",
				})
			}
		}
		body, err := json.Marshal(document)
		if err != nil {
			return useSet{}, fmt.Errorf("encode the JWKS: %w", err)
		}
		sum := sha256.Sum256(body)
		u.views = append(u.views, view{end, body, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`})
	}
	return u, nil
}

// of returns the keys of a use.
func (s *set) of(use Use) *useSet {
	switch use {
	case UseToken:
		return &s.token
	case UseIdentity:
		return &s.identity
	}
	return &useSet{}
}

// signer returns the key that signs at now, nil if none does.
func (u *useSet) signer(now int64) *Key {
	for i := len(u.keys) - 1; i >= 0; i-- {
		if p := &u.keys[i]; p.activates <= now && now < p.retires {
			return p.key
		}
	}
	// None has activated: then whoever made the first key has a faster clock
	// than we do, and it is in use already.
	for i := range u.keys {
		if p := &u.keys[i]; now < p.retires {
			return p.key
		}
	}
	return nil
}

// lookup returns the key of that kid if it verifies at now.
func (u *useSet) lookup(kid string, now int64) *Key {
	if p, ok := u.byKID[kid]; ok && now < p.retires {
		return p.key
	}
	return nil
}

// sameRecords reports whether two lists mean the same.
func sameRecords(a, b []Record) bool {
	return slices.EqualFunc(a, b, func(a, b Record) bool {
		return a.KID == b.KID && a.Use == b.Use && a.Algorithm == b.Algorithm &&
			sameTime(a.Activates, b.Activates) && sameTime(a.Retires, b.Retires) && sameTime(a.Revoked, b.Revoked)
	})
}

// sameSeals reports whether two lists of the same records are sealed alike.
func sameSeals(a, b []Record) bool {
	return slices.EqualFunc(a, b, func(a, b Record) bool { return bytes.Equal(a.Sealed, b.Sealed) })
}

func sameTime(a, b time.Time) bool { return a.IsZero() == b.IsZero() && a.UnixMilli() == b.UnixMilli() }
