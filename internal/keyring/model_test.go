package keyring_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// node is a ring whose clock is a little off, and which may not have heard the
// news yet.
type node struct {
	ring    *keyring.Ring
	skew    time.Duration
	clock   *clock
	heard   time.Time         // when it last reloaded
	keysets map[uint64]string // by generation
}

func (n *node) now() time.Time { return n.clock.now().Add(n.skew) }

// issued is a token: what matters of it here.
type issued struct {
	kid     string
	expires time.Time // by the clocks of those who read it
}

// world is some nodes on one store.
type world struct {
	t       *rapid.T
	clock   *clock
	store   *memory
	nodes   []*node
	tokens  []issued
	life    time.Duration
	lead    time.Duration
	atOnce  map[string]time.Time // keys that signed when they were made: nobody could know them before
	revoked map[string]bool
}

const readersLeeway = 30 * time.Second

func (w *world) try(_ any, err error) {
	if err != nil && code(err) == "" {
		w.t.Fatal(err)
	}
}

// TestNoTokenFailsWhileKeysRotate holds that through any mixture of rotations,
// revocations, clock skew and late news, every node verifies every token until
// it has expired, unless its key was revoked; that a revoked key verifies
// nothing on a node that heard; that there is always a key to sign with; and that
// a generation stands for one set of keys.
func TestNoTokenFailsWhileKeysRotate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, clock: newClock(), store: &memory{}, life: 2 * time.Hour, lead: 10 * time.Minute,
			atOnce: map[string]time.Time{}, revoked: map[string]bool{},
		}
		for range rapid.IntRange(1, 3).Draw(t, "nodes") {
			n := &node{clock: w.clock, keysets: map[uint64]string{}}
			n.skew = time.Duration(rapid.IntRange(-10_000, 10_000).Draw(t, "skew")) * time.Millisecond
			c := config(t, w.store, w.clock)
			c.Now, c.TokenLifetime, c.Lead, c.Period = n.now, w.life, w.lead, 6*time.Hour
			n.ring, n.heard = open(t, c), w.clock.now()
			w.nodes = append(w.nodes, n)
		}
		ctx := context.Background()
		pick := func() *node { return w.nodes[rapid.IntRange(0, len(w.nodes)-1).Draw(t, "node")] }
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { w.check() },
			"time passes": func(t *rapid.T) {
				step := time.Duration(rapid.Int64Range(1, int64(3*time.Hour/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
				for step > 0 { // news takes half a lead time at most
					d := min(step, w.lead/2)
					w.clock.advance(d)
					step -= d
					for _, n := range w.nodes {
						if w.clock.now().Sub(n.heard) >= w.lead/2 {
							w.hear(n)
						}
					}
					w.check()
				}
			},
			"a node hears":      func(*rapid.T) { w.hear(pick()) },
			"a node ticks":      func(*rapid.T) { w.try(nil, pick().ring.Tick(ctx)) },
			"someone rotates":   func(*rapid.T) { w.try(pick().ring.Rotate(ctx, operator, keyring.UseToken, "", false)) },
			"an emergency":      func(*rapid.T) { w.try(pick().ring.Rotate(ctx, operator, keyring.UseToken, "", true)) },
			"someone revokes":   func(t *rapid.T) { w.revoke(pick()) },
			"a token is issued": func(*rapid.T) { w.issue(pick()) },
			"another is issued": func(*rapid.T) { w.issue(pick()) },
		})
	})
}

// hear reloads a node.
func (w *world) hear(n *node) {
	w.try(nil, n.ring.Reload(context.Background()))
	n.heard = w.clock.now()
}

// issue has a node sign a token.
func (w *world) issue(n *node) {
	key := n.ring.Signer(keyring.UseToken)
	if key == nil {
		w.t.Fatalf("nothing signs")
	}
	w.tokens = append(w.tokens, issued{key.KID, n.now().Truncate(time.Second).Add(w.life)})
}

// revoke revokes any key that there has been.
func (w *world) revoke(n *node) {
	records := w.store.records[market.Sandbox]
	i := rapid.IntRange(0, len(records)-1).Draw(w.t, "key")
	w.try(n.ring.Revoke(context.Background(), operator, records[i].KID))
}

// check holds the invariants at this instant, on every node.
func (w *world) check() {
	for _, record := range w.store.records[market.Sandbox] {
		if !record.Revoked.IsZero() {
			w.revoked[record.KID] = true
		}
		if _, ok := w.atOnce[record.KID]; !ok && record.Activates.Equal(record.Created) {
			w.atOnce[record.KID] = w.clock.now()
		}
	}
	for i, n := range w.nodes {
		if n.ring.Signer(keyring.UseToken) == nil || n.ring.Signer(keyring.UseIdentity) == nil {
			w.t.Fatalf("node %d has nothing to sign with", i)
		}
		verifying := []string{}
		for _, record := range w.store.records[market.Sandbox] {
			if n.ring.Lookup(record.Use, record.KID) != nil {
				verifying = append(verifying, record.KID)
			}
		}
		w.checkTokens(i, n, verifying)
		published := append(kids(w.t, n.ring, keyring.UseToken), kids(w.t, n.ring, keyring.UseIdentity)...)
		slices.Sort(published)
		slices.Sort(verifying)
		if !slices.Equal(published, verifying) {
			w.t.Fatalf("node %d publishes %v, and verifies %v", i, published, verifying)
		}
		is := strings.Join(verifying, " ")
		if was, ok := n.keysets[n.ring.Generation()]; ok && was != is {
			w.t.Fatalf("node %d: generation %d was %s, is %s", i, n.ring.Generation(), was, is)
		}
		n.keysets[n.ring.Generation()] = is
	}
}

// checkTokens holds that a node verifies what it must and nothing that it must not.
func (w *world) checkTokens(i int, n *node, verifying []string) {
	upToDate := func(kid string) bool { made, ok := w.atOnce[kid]; return !ok || n.heard.After(made) }
	for _, token := range w.tokens {
		inForce := n.now().Before(token.expires.Add(readersLeeway))
		if inForce && !w.revoked[token.kid] && upToDate(token.kid) && !slices.Contains(verifying, token.kid) {
			w.t.Fatalf("node %d (%v off) refuses a token that lasts until %v: its clock says %v; keys:\n%s",
				i, n.skew, token.expires, n.now(), w)
		}
	}
	for _, record := range w.store.records[market.Sandbox] {
		if !record.Revoked.IsZero() && n.heard.After(record.Revoked.Add(time.Minute)) && slices.Contains(verifying, record.KID) {
			w.t.Fatalf("node %d believes the revoked key %s", i, record.KID)
		}
	}
}

func (w *world) String() string {
	var b strings.Builder
	for _, r := range w.store.records[market.Sandbox] {
		fmt.Fprintln(&b, r.KID, r.Use, "activates", r.Activates, "retires", r.Retires, "revoked", r.Revoked)
	}
	return b.String()
}
