package keyring_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// other is a node beside the one whose ring is under test.
func other(c *clock, name string, holds ...string) market.Node {
	return market.Node{
		ID: id.Node("node_" + name), Name: name, Seen: c.now(), MaxStale: 15 * time.Minute,
		Keys: map[market.Environment][]string{market.Sandbox: holds},
	}
}

// find returns the stored record of a key.
func (m *memory) find(tb testing.TB, kid string) keyring.Record {
	tb.Helper()
	for _, record := range m.records[market.Sandbox] {
		if record.KID == kid {
			return record
		}
	}
	tb.Fatalf("there is no key %s", kid)
	return keyring.Record{}
}

func TestAKeySignsOnlyOnceEveryNodeHoldsIt(t *testing.T) {
	c, store := newClock(), &memory{}
	r := open(t, config(t, store, c))
	first := r.Signer(keyring.UseToken).KID
	next := rotate(t, r, false)
	if !next.Activates.IsZero() {
		t.Fatalf("it is decided already: %v", next.Activates)
	}
	store.tell(other(c, "a:1", next.KID))
	store.tell(other(c, "b:2"))
	for range 5 {
		c.advance(keyring.DefaultLead)
		late := other(c, "b:2", "some other key")
		late.Seen = late.Seen.Add(-14 * time.Minute) // it may still serve
		store.tell(late)
		tick(t, r)
	}
	if r.Signer(keyring.UseToken).KID != first {
		t.Fatal("a key signs that a node does not hold")
	}
	waiting, err := r.Waiting(t.Context(), next)
	if err != nil || len(waiting) != 1 || waiting[0].Name != "b:2" {
		t.Errorf("waits for %v, %v", waiting, err)
	}
	_, err = r.Rotate(t.Context(), operator, keyring.UseToken, "", false)
	var refusal *market.Error
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Public, "waits for the nodes b:2") {
		t.Errorf("another rotation: %v", err)
	}

	store.tell(other(c, "b:2", next.KID))
	tick(t, r)
	decided := store.find(t, next.KID)
	// The last JWKS without it may be a moment old, and is kept for MaxAge.
	if want := c.now().Add(keyring.MaxAge + keyring.DefaultLeeway).Truncate(time.Millisecond); !decided.Activates.Equal(want) {
		t.Errorf("activates %v, want %v", decided.Activates, want)
	}
	// A node that has lost the store by then signs with the key before for 15 minutes more.
	if want := decided.Activates.Add(15*time.Minute + 2*time.Hour + keyring.DefaultLeeway); !store.find(t, first).Retires.Equal(want) {
		t.Errorf("the key before retires %v, want %v", store.find(t, first).Retires, want)
	}
	c.advance(keyring.MaxAge + keyring.DefaultLeeway)
	if r.Signer(keyring.UseToken).KID != next.KID {
		t.Error("the new key does not sign")
	}
	if waiting, err := r.Waiting(t.Context(), decided); err != nil || len(waiting) != 0 {
		t.Errorf("a key that signs waits for %v, %v", waiting, err)
	}
}

func TestANodeThatIsGoneIsNotWaitedFor(t *testing.T) {
	c, store := newClock(), &memory{}
	r := open(t, config(t, store, c))
	store.tell(other(c, "crashed:1"))
	next := rotate(t, r, false).KID
	c.advance(15*time.Minute + keyring.DefaultLeeway)
	tick(t, r)
	if !store.find(t, next).Activates.IsZero() {
		t.Error("not waited for as long as it could be serving")
	}
	c.advance(time.Second)
	tick(t, r)
	if store.find(t, next).Activates.IsZero() {
		t.Error("waited for a node that refuses everything by now")
	}
}

// The records of a version that planned ahead, without asking nodes.
func TestARotationThatWasPlannedAheadStaysAsItWas(t *testing.T) {
	c, store := newClock(), &memory{}
	r := open(t, config(t, store, c))
	first := r.Signer(keyring.UseToken).KID
	next := rotate(t, r, false).KID
	records := store.records[market.Sandbox]
	for i := range records {
		switch records[i].KID {
		case next:
			records[i].Activates = c.now().Add(time.Minute).Truncate(time.Millisecond)
		case first:
			records[i].Retires = c.now().Add(4 * time.Hour).Truncate(time.Millisecond)
		}
	}
	store.tell(other(c, "a:1"))
	r = open(t, config(t, store, c))
	tick(t, r)
	c.advance(time.Minute)
	if r.Signer(keyring.UseToken).KID != next {
		t.Error("the planned key does not sign")
	}
	c.advance(4 * time.Hour)
	if r.Lookup(keyring.UseToken, first) != nil {
		t.Error("the key before is still there")
	}
}

// The wall clock of a node is ahead by months for a while; then it is set right.
func TestAClockThatWasAheadLeavesTheKeysInOrder(t *testing.T) {
	const ahead = 100 * 24 * time.Hour
	c, store := newClock(), &memory{}
	r := open(t, config(t, store, c))
	rotate(t, r, false)
	tick(t, r)
	c.advance(2 * keyring.DefaultLead) // of the two keys the first only verifies
	first := store.records[market.Sandbox][0].KID
	second := r.Signer(keyring.UseToken).KID
	if second == first {
		t.Fatal("the first key still signs")
	}
	c.advance(ahead)
	for range 3 { // a rotation that is due by this clock is made, and decided
		tick(t, r)
	}
	c.advance(-ahead)
	if err := r.Reload(t.Context()); err != nil { // as upkeep does once a minute
		t.Fatal(err)
	}
	if r.Lookup(keyring.UseToken, first) == nil {
		t.Error("a key that verifies still is gone")
	}
	if got := r.Signer(keyring.UseToken).KID; got != second {
		t.Errorf("%s signs, want %s", got, second)
	}
	standing := r.Standing(keyring.UseToken)
	if len(standing.Pending) != 1 {
		t.Fatalf("pending are %v", standing.Pending)
	}
	third := standing.Pending[0]
	tick(t, r) // what was decided is taken back
	tick(t, r) // and decided anew
	decided := store.find(t, third)
	if want := c.now().Add(keyring.DefaultLead).Truncate(time.Millisecond); !decided.Activates.Equal(want) {
		t.Errorf("the new key signs from %v, want %v", decided.Activates, want)
	}
	if retires := store.find(t, second).Retires; !retires.After(decided.Activates) || retires.After(decided.Activates.Add(24*time.Hour)) {
		t.Errorf("the key before retires at %v", retires)
	}
	c.advance(keyring.DefaultLead)
	if r.Signer(keyring.UseToken).KID != third || r.Lookup(keyring.UseToken, second) == nil {
		t.Error("the rotation did not come to its end")
	}
}
