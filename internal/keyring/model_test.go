package keyring_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// node is a ring whose clock is a little off, and which may have lost the store.
type node struct {
	ring    *keyring.Ring
	id      id.Node
	skew    time.Duration
	clock   *clock
	cut     bool              // it neither hears nor tells
	heard   time.Time         // when it last reloaded
	keysets map[uint64]string // by generation
}

func (n *node) now() time.Time { return n.clock.now().Add(n.skew) }

// serves reports whether the node still decides by what it knows.
func (n *node) serves() bool { return n.clock.now().Sub(n.heard) <= staleLimit }

// issued is a token: what matters of it here.
type issued struct {
	kid     string
	expires time.Time // by the clocks of those who read it
}

// copied is what a verifier elsewhere keeps of a JWKS.
type copied struct {
	from  int
	at    time.Time
	heard time.Time // when the node that it is from had reloaded last
	kids  []string
}

// world is some nodes on one store.
type world struct {
	t         *rapid.T
	clock     *clock
	store     *memory
	nodes     []*node
	verifiers []copied
	tokens    []issued
	life      time.Duration
	lead      time.Duration
	atOnce    map[string]time.Time // keys that signed when they were made: nobody could know them before
	revoked   map[string]bool
}

const (
	readersLeeway = 30 * time.Second
	staleLimit    = 15 * time.Minute
	beat          = 20 * time.Second
)

func (w *world) try(_ any, err error) {
	if err != nil && code(err) == "" {
		w.t.Fatal(err)
	}
}

// TestNoTokenFailsWhileKeysRotate holds that through any mixture of rotations,
// revocations, clock skew and lost stores, every node that serves, and whoever
// keeps a JWKS for as long as it may, verifies every token until it has expired,
// unless its key was revoked; that a revoked key verifies nothing on a node that
// heard; that there is always a key to sign with; and that a generation stands for
// one set of keys.
func TestNoTokenFailsWhileKeysRotate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, clock: newClock(), store: &memory{}, life: 2 * time.Hour, lead: 10 * time.Minute,
			atOnce: map[string]time.Time{}, revoked: map[string]bool{},
		}
		for range rapid.IntRange(1, 3).Draw(t, "nodes") {
			w.join()
		}
		for range 2 {
			w.verifiers = append(w.verifiers, copied{from: rapid.IntRange(0, len(w.nodes)-1).Draw(t, "reads")})
		}
		ctx := context.Background()
		pick := func() *node { return w.nodes[rapid.IntRange(0, len(w.nodes)-1).Draw(t, "node")] }
		online := func() *node {
			n := pick()
			if n.cut {
				w.mend(n)
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { w.check() },
			"time passes": func(t *rapid.T) {
				step := time.Duration(rapid.Int64Range(1, int64(90*time.Minute/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
				for i := 0; step > 0; i++ {
					d := min(step, beat)
					w.clock.advance(d)
					step -= d
					w.live()
					if i%10 == 0 {
						w.check()
					}
				}
			},
			"a node joins": func(*rapid.T) {
				if len(w.nodes) < 4 {
					w.join()
				}
			},
			"a node loses the store":  func(*rapid.T) { pick().cut = true },
			"a node finds it again":   func(*rapid.T) { w.mend(pick()) },
			"nodes tick":              func(*rapid.T) { w.tick() },
			"someone rotates":         func(*rapid.T) { w.try(online().ring.Rotate(ctx, operator, keyring.UseToken, "", false)) },
			"an emergency":            func(*rapid.T) { w.try(online().ring.Rotate(ctx, operator, keyring.UseToken, "", true)) },
			"someone revokes":         func(t *rapid.T) { w.revoke(online()) },
			"a token is issued":       func(*rapid.T) { w.issue(pick()) },
			"another is issued":       func(*rapid.T) { w.issue(pick()) },
			"a verifier asks another": func(*rapid.T) { w.verifiers[0].from++ },
		})
	})
}

// join starts a node, which tells of itself before it reads the keys.
func (w *world) join() {
	n := &node{clock: w.clock, id: id.NewNode(), keysets: map[uint64]string{}}
	n.skew = time.Duration(rapid.IntRange(-10_000, 10_000).Draw(w.t, "skew")) * time.Millisecond
	c := config(w.t, w.store, w.clock)
	c.Now, c.TokenLifetime, c.Lead, c.Period, c.MaxStale = n.now, w.life, w.lead, 6*time.Hour, staleLimit
	w.store.tell(market.Node{ID: n.id, Seen: n.now(), MaxStale: staleLimit, SealingKeys: c.Sealer.IDs()})
	n.ring = open(w.t, c)
	w.nodes = append(w.nodes, n)
	w.hear(n)
}

// hear reloads a node, which tells then what it holds.
func (w *world) hear(n *node) {
	w.try(nil, n.ring.Reload(context.Background()))
	n.heard = w.clock.now()
	w.store.tell(market.Node{
		ID: n.id, Seen: n.now(), MaxStale: staleLimit,
		Keys: map[market.Environment][]string{market.Sandbox: n.ring.Held()}, SealingKeys: sealer(w.t, sealingKey).IDs(),
	})
}

func (w *world) mend(n *node) {
	n.cut = false
	w.hear(n)
}

// live is what happens by itself.
func (w *world) live() {
	for _, n := range w.nodes {
		if !n.cut {
			w.hear(n)
		}
	}
	w.tick()
}

func (w *world) tick() {
	for _, n := range w.nodes {
		if !n.cut {
			w.try(nil, n.ring.Tick(context.Background()))
		}
	}
}

// issue has a node sign a token.
func (w *world) issue(n *node) {
	if !n.serves() {
		return
	}
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

// check holds the invariants at this instant, on every node that serves.
func (w *world) check() {
	for _, record := range w.store.records[market.Sandbox] {
		if !record.Revoked.IsZero() {
			w.revoked[record.KID] = true
		}
		if _, ok := w.atOnce[record.KID]; !ok && record.Activates.Equal(record.Created) {
			w.atOnce[record.KID] = w.clock.now()
		}
	}
	for i := range w.verifiers {
		w.checkVerifier(&w.verifiers[i])
	}
	for i, n := range w.nodes {
		if !n.serves() {
			continue
		}
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

// checkVerifier holds that a copy of the JWKS, kept no longer than it may be,
// verifies what it must.
func (w *world) checkVerifier(v *copied) {
	now := w.clock.now()
	if len(v.kids) == 0 || now.Sub(v.at) >= w.nodes[0].ring.MaxAge() {
		for range w.nodes {
			n := w.nodes[v.from%len(w.nodes)]
			if n.serves() {
				v.at, v.heard, v.kids = now, n.heard, kids(w.t, n.ring, keyring.UseToken)
				break
			}
			v.from++
		}
		if v.at != now {
			return // nobody answers
		}
	}
	for _, token := range w.tokens {
		if made, ok := w.atOnce[token.kid]; ok && !v.heard.After(made) {
			continue
		}
		if now.Before(token.expires) && !w.revoked[token.kid] && !slices.Contains(v.kids, token.kid) {
			w.t.Fatalf("a copy of the JWKS, %v old, lacks the key of a token that lasts until %v; keys:\n%s", now.Sub(v.at), token.expires, w)
		}
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
