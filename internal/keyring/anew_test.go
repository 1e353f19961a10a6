package keyring_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// replacing is a sealer that seals under a new key and opens what the old one sealed.
func replacing(tb testing.TB) keyring.Sealer {
	tb.Helper()
	s, err := keyring.NewSealer(secret.New(otherSealingKey), secret.New(sealingKey))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// sealedBy counts the records by the sealing key that they are under.
func sealedBy(tb testing.TB, r *keyring.Ring) map[string]int {
	tb.Helper()
	records, err := r.Records(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	counts := map[string]int{}
	for _, record := range records {
		counts[record.SealingKey]++
	}
	return counts
}

func TestEveryRecordIsSealedAnewUnderTheNewSealingKey(t *testing.T) {
	store, c := &memory{twice: true}, newClock()
	first := open(t, config(t, store, c))
	rotate(t, first, true) // a revoked one is sealed anew too
	key := first.Signer(keyring.UseToken)
	generation := first.Generation()

	both := config(t, store, c)
	both.Sealer = replacing(t)
	r := open(t, both)
	present := both.Sealer.IDs()[0]
	if got := sealedBy(t, r); len(got) != 1 || got[present] != 3 {
		t.Errorf("sealed under %v, want all under %s", got, present)
	}
	changes := len(store.changes)
	if last := store.changes[changes-1]; last.Action != "seal" || last.Detail["sealing_key"] != present {
		t.Errorf("recorded as %+v", last)
	}
	tick(t, r)
	if len(store.changes) != changes {
		t.Error("sealed once more, although nothing was left to do")
	}
	// A node that has the old one alone goes on with what it has.
	if err := first.Reload(t.Context()); err != nil || first.Signer(keyring.UseToken) != key || first.Generation() != generation {
		t.Errorf("the other node: %v, signs with %v", err, first.Signer(keyring.UseToken))
	}
	alone := config(t, store, c)
	alone.Sealer = sealer(t, otherSealingKey)
	if open(t, alone).Signer(keyring.UseToken).KID != key.KID {
		t.Error("the new sealing key alone opens another key")
	}
}

func TestNothingIsSealedAnewBeforeEveryNodeKnowsTheNewSealingKey(t *testing.T) {
	store, c := &memory{}, newClock()
	open(t, config(t, store, c))
	both := config(t, store, c)
	both.Sealer = replacing(t)
	behind, ahead := other(c, "behind:1"), other(c, "ahead:1")
	behind.SealingKeys, ahead.SealingKeys = both.Sealer.IDs()[1:], both.Sealer.IDs()
	store.tell(ahead)
	store.tell(behind)
	r := open(t, both)
	old := both.Sealer.IDs()[1]
	// What is made meanwhile is sealed so that every node can open it.
	rotate(t, r, true)
	tick(t, r)
	if got := sealedBy(t, r); got[old] != 3 {
		t.Errorf("sealed under %v, want all under %s", got, old)
	}
	behind.SealingKeys = both.Sealer.IDs()
	store.tell(behind)
	tick(t, r)
	if got := sealedBy(t, r); got[old] != 0 {
		t.Errorf("then sealed under %v", got)
	}
}

func TestARecordThatCannotBeOpenedIsLeftAlone(t *testing.T) {
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	gone := r.Signer(keyring.UseToken).KID
	rotate(t, r, true)
	records := store.records[market.Sandbox]
	i := slices.IndexFunc(records, func(record keyring.Record) bool { return record.KID == gone })
	records[i].Sealed = bytes.Clone(records[i].Sealed)
	records[i].Sealed[40] ^= 1
	damaged := bytes.Clone(records[i].Sealed)
	both := config(t, store, c)
	both.Sealer = replacing(t)
	r = open(t, both)
	changes := len(store.changes)
	tick(t, r)
	if len(store.changes) != changes || !bytes.Equal(store.find(t, gone).Sealed, damaged) {
		t.Error("tried again and again, or overwritten")
	}
	if got := sealedBy(t, r); got[both.Sealer.IDs()[0]] != 2 {
		t.Errorf("sealed under %v", got)
	}
}

// A node that has not been told of the new sealing key, and is given a key under
// it all the same.
func TestANodeThatCannotOpenANewKeyStillDropsARevokedOne(t *testing.T) {
	store, c := &memory{}, newClock()
	behind := open(t, config(t, store, c))
	revoked, identity := behind.Signer(keyring.UseToken).KID, behind.Signer(keyring.UseIdentity)
	both := config(t, store, c)
	both.Sealer = replacing(t)
	rotate(t, open(t, both), true)
	for range 2 {
		if err := behind.Reload(t.Context()); err == nil {
			t.Error("nothing is said about the key that cannot be opened")
		}
	}
	if behind.Lookup(keyring.UseToken, revoked) != nil || behind.Signer(keyring.UseToken) != nil {
		t.Error("a revoked key is believed, or signs")
	}
	if behind.Signer(keyring.UseIdentity) != identity {
		t.Error("the identity key, which is as it was, is gone")
	}
}
