package keyring_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func rotate(tb testing.TB, r *keyring.Ring, emergency bool) keyring.Record {
	tb.Helper()
	record, err := r.Rotate(tb.Context(), operator, keyring.UseToken, "", emergency)
	if err != nil {
		tb.Fatal(err)
	}
	return record
}

func code(err error) market.Code {
	var refusal *market.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func tick(tb testing.TB, r *keyring.Ring) {
	tb.Helper()
	if err := r.Tick(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// CONTRACT 3.4: published ahead, then signs, then retires after the longest
// lifetime; by the clock alone once it is decided.
func TestARotationThatIsDecidedRunsByTheClockAlone(t *testing.T) {
	c := newClock()
	r := open(t, config(t, &memory{}, c))
	old := r.Signer(keyring.UseToken).KID
	next := rotate(t, r, false).KID
	tick(t, r)

	expect := func(when, signs string, published ...string) {
		t.Helper()
		if got := r.Signer(keyring.UseToken).KID; got != signs {
			t.Errorf("%s: %s signs, want %s", when, got, signs)
		}
		if diff := cmp.Diff(published, kids(t, r, keyring.UseToken)); diff != "" {
			t.Errorf("%s: published (-want +got):\n%s", when, diff)
		}
		for _, kid := range []string{old, next} {
			if got, want := r.Lookup(keyring.UseToken, kid) != nil, slices.Contains(published, kid); got != want {
				t.Errorf("%s: %s verifies: %v, want %v", when, kid, got, want)
			}
		}
	}
	expect("at once", old, old, next)
	_, tag := r.JWKS(keyring.UseToken)
	c.advance(keyring.DefaultLead - time.Second)
	expect("a second before it activates", old, old, next)
	c.advance(time.Second)
	expect("when it activates", next, old, next)
	c.advance(2*time.Hour + keyring.DefaultLeeway - time.Second)
	expect("a second before the last token has expired", next, old, next)
	generation := r.Generation()
	c.advance(time.Second)
	expect("after that", next, next)
	if r.Generation() == generation {
		t.Error("a key has retired, and the generation is the same")
	}
	if _, same := r.JWKS(keyring.UseToken); same == tag {
		t.Error("a key has retired, and the entity tag is the same")
	}
}

func TestAnEmergencyRevokesAllOthersAtOnce(t *testing.T) {
	c, store := newClock(), &memory{}
	r := open(t, config(t, store, c))
	identity := r.Signer(keyring.UseIdentity)
	first := r.Signer(keyring.UseToken).KID
	second := rotate(t, r, false).KID
	generation := r.Generation()
	third := rotate(t, r, true)
	if got := r.Signer(keyring.UseToken).KID; got != third.KID {
		t.Errorf("%s signs, want %s", got, third.KID)
	}
	if diff := cmp.Diff([]string{third.KID}, kids(t, r, keyring.UseToken)); diff != "" {
		t.Error(diff)
	}
	if r.Lookup(keyring.UseToken, first) != nil || r.Lookup(keyring.UseToken, second) != nil {
		t.Error("a revoked key verifies")
	}
	if r.Generation() == generation {
		t.Error("the generation is the same")
	}
	if r.Signer(keyring.UseIdentity) != identity {
		t.Error("the identity key was replaced too")
	}
	if third.Sealed != nil {
		t.Error("the sealed half is handed out")
	}
	last := store.changes[len(store.changes)-1]
	if diff := cmp.Diff(market.Change{
		Action: "rotate", Kind: market.KindKeys, ID: third.KID, Feed: market.KindKeys, FeedKey: "sandbox",
		Detail: map[string]any{
			"environment": "sandbox", "use": "token", "algorithm": "EdDSA",
			"activates": third.Activates.Format(time.RFC3339), "revokes": []string{first, second},
		},
	}, last); diff != "" {
		t.Error(diff)
	}
	if store.actors[len(store.actors)-1] != operator {
		t.Error("recorded as done by another")
	}
}

func TestRotateChangesTheAlgorithmWhenAsked(t *testing.T) {
	c := newClock()
	r := open(t, config(t, &memory{twice: true}, c))
	if record, err := r.Rotate(t.Context(), operator, keyring.UseToken, keyring.ES256, true); err != nil || record.Algorithm != keyring.ES256 {
		t.Fatalf("%+v, %v", record, err)
	}
	if record := rotate(t, r, true); record.Algorithm != keyring.ES256 {
		t.Errorf("the next key is %s, want ES256 again", record.Algorithm)
	}
	_, alg := r.Rotate(t.Context(), operator, keyring.UseToken, "HS256", false)
	_, use := r.Rotate(t.Context(), operator, "cookies", "", false)
	if code(alg) != market.InvalidInput || code(use) != market.InvalidInput {
		t.Errorf("got %v, %v", alg, use)
	}
}

func TestOneRotationAtATime(t *testing.T) {
	c, store := newClock(), &memory{}
	a, b := open(t, config(t, store, c)), open(t, config(t, store, c))
	rotate(t, a, false)
	// b has not reloaded: the store's state decides.
	if _, err := b.Rotate(t.Context(), operator, keyring.UseToken, "", false); code(err) != market.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
	tick(t, a)
	if _, err := b.Rotate(t.Context(), operator, keyring.UseToken, "", false); code(err) != market.Conflict {
		t.Errorf("decided: got %v, want a conflict", err)
	}
	c.advance(keyring.DefaultLead)
	rotate(t, b, false)
}

func TestRevokeIsRefusedForTheKeyThatSigns(t *testing.T) {
	c, store := newClock(), &memory{}
	r := open(t, config(t, store, c))
	first := r.Signer(keyring.UseToken).KID
	if _, err := r.Revoke(t.Context(), operator, first); code(err) != market.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
	rotate(t, r, false)
	tick(t, r)
	if _, err := r.Revoke(t.Context(), operator, first); code(err) != market.Conflict {
		t.Errorf("with a successor waiting: got %v, want a conflict", err)
	}
	c.advance(keyring.DefaultLead)
	if _, err := r.Revoke(t.Context(), operator, first); err != nil {
		t.Errorf("superseded: %v", err)
	}
	if r.Lookup(keyring.UseToken, first) != nil {
		t.Error("a revoked key verifies")
	}
	changes := len(store.changes)
	if record, err := r.Revoke(t.Context(), operator, first); err != nil || record.Revoked.IsZero() || len(store.changes) != changes {
		t.Errorf("again: %+v, %v, %d changes more", record, err, len(store.changes)-changes)
	}
	if _, err := r.Revoke(t.Context(), operator, "unknown"); code(err) != market.NotFound {
		t.Errorf("unknown: %v", err)
	}
}

func TestRevokingASuccessorCallsTheRotationOff(t *testing.T) {
	c := newClock()
	r := open(t, config(t, &memory{}, c))
	first := r.Signer(keyring.UseToken)
	for _, decided := range []bool{false, true} {
		next := rotate(t, r, false)
		if decided {
			tick(t, r)
		}
		if _, err := r.Revoke(t.Context(), operator, next.KID); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(24 * time.Hour)
	if r.Signer(keyring.UseToken) != first {
		t.Error("the first key no longer signs")
	}
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{first.KID}, kids(t, r, keyring.UseToken)); diff != "" {
		t.Error(diff)
	}
	rotate(t, r, false)
}

func TestTickRotatesOnceWhenThePeriodEnds(t *testing.T) {
	c, store := newClock(), &memory{}
	nodes := []*keyring.Ring{open(t, config(t, store, c)), open(t, config(t, store, c)), open(t, config(t, store, c))}
	first := nodes[0].Signer(keyring.UseToken)
	ticks := func() {
		t.Helper()
		for range 2 {
			for _, r := range nodes { // none of them reloads in between
				tick(t, r)
			}
		}
	}
	c.advance(keyring.DefaultPeriod - keyring.DefaultLead - time.Second)
	ticks()
	if n := len(store.records[market.Sandbox]); n != 2 {
		t.Fatalf("%d keys before it is due, want 2", n)
	}
	c.advance(time.Second)
	ticks()
	if n := len(store.records[market.Sandbox]); n != 4 {
		t.Fatalf("%d keys, want 4: one more of each use", n)
	}
	c.advance(keyring.DefaultLead)
	for _, r := range nodes {
		if signer := r.Signer(keyring.UseToken); signer.KID == first.KID || r.Lookup(keyring.UseToken, first.KID) == nil {
			t.Error("a node did not switch, or forgot the first key")
		}
	}
}

func TestANodeWhoseClockIsBehindUsesTheOnlyKey(t *testing.T) {
	c, behind, store := newClock(), newClock(), &memory{}
	behind.advance(-10 * time.Second)
	a, b := open(t, config(t, store, c)), open(t, config(t, store, behind))
	if len(store.records[market.Sandbox]) != 2 || b.Signer(keyring.UseToken).KID != a.Signer(keyring.UseToken).KID {
		t.Fatal("the slow node made keys of its own")
	}
	rotate(t, a, true)
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if key := b.Signer(keyring.UseToken); key == nil || key.KID != a.Signer(keyring.UseToken).KID {
		t.Errorf("the slow node signs with %v", key)
	}
}
