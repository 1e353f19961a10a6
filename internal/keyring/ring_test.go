package keyring_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// kids lists the kids of a JWKS.
func kids(tb failer, r *keyring.Ring, use keyring.Use) []string {
	tb.Helper()
	body, _ := r.JWKS(use)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	list := []string{}
	for _, key := range set.Keys {
		list = append(list, key.KeyID)
	}
	return list
}

func TestOpenMakesTheFirstKeysWhichSignAtOnce(t *testing.T) {
	for _, alg := range []keyring.Algorithm{"", keyring.RS256, keyring.ES256, keyring.EdDSA} {
		t.Run("token keys of "+string(alg), func(t *testing.T) {
			store := &memory{twice: true}
			c := config(t, store, newClock())
			c.Algorithm = alg
			r := open(t, c)
			token, identity := r.Signer(keyring.UseToken), r.Signer(keyring.UseIdentity)
			if token == nil || identity == nil {
				t.Fatal("nothing signs")
			}
			want := alg
			if want == "" {
				want = keyring.RS256
			}
			if token.Algorithm != want || identity.Algorithm != keyring.ES256 {
				t.Errorf("algorithms are %s and %s, want %s and ES256", token.Algorithm, identity.Algorithm, want)
			}
			if r.Lookup(keyring.UseToken, token.KID) != token || r.Lookup(keyring.UseIdentity, token.KID) != nil {
				t.Error("a key is not found under its use, or under another")
			}
			if len(store.records[market.Sandbox]) != 2 {
				t.Errorf("stored %d records, want 2", len(store.records[market.Sandbox]))
			}
			for i, change := range store.changes {
				if change.Feed != market.KindKeys || change.FeedKey != "sandbox" || change.Kind != market.KindKeys ||
					change.Action != "create" || store.actors[i] != market.System {
					t.Errorf("recorded as %+v by %v", change, store.actors[i])
				}
			}
		})
	}
}

func TestNodesThatOpenTogetherShareTheirKeys(t *testing.T) {
	store, c := &memory{}, newClock()
	rings := make([]*keyring.Ring, 4)
	var wait sync.WaitGroup
	for i := range rings {
		wait.Go(func() { rings[i] = open(t, config(t, store, c)) })
	}
	wait.Wait()
	if n := len(store.records[market.Sandbox]); n != 2 {
		t.Fatalf("%d keys were made, want 2", n)
	}
	for _, r := range rings {
		if r.Signer(keyring.UseToken).KID != rings[0].Signer(keyring.UseToken).KID {
			t.Error("two nodes sign with different keys")
		}
	}
}

// RFC 7517 §4: kty, use, alg, kid; nothing private. RFC 7638: the kid.
func TestJWKSListsPublicKeysOnly(t *testing.T) {
	c := config(t, &memory{}, newClock())
	for _, alg := range []keyring.Algorithm{keyring.RS256, keyring.ES256, keyring.EdDSA} {
		c.Store, c.Algorithm = &memory{}, alg
		r := open(t, c)
		body, etag := r.JWKS(keyring.UseToken)
		var raw struct{ Keys []map[string]any }
		if err := json.Unmarshal(body, &raw); err != nil || len(raw.Keys) != 1 {
			t.Fatalf("%s: %v", body, err)
		}
		members := map[keyring.Algorithm][]string{
			keyring.RS256: {"kty", "use", "alg", "kid", "n", "e"},
			keyring.ES256: {"kty", "use", "alg", "kid", "crv", "x", "y"},
			keyring.EdDSA: {"kty", "use", "alg", "kid", "crv", "x"},
		}[alg]
		if len(raw.Keys[0]) != len(members) {
			t.Errorf("%s: %s, want members %v", alg, body, members)
		}
		for _, name := range members {
			if _, ok := raw.Keys[0][name]; !ok {
				t.Errorf("%s: %s has no %s", alg, body, name)
			}
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(body, &set); err != nil {
			t.Fatal(err)
		}
		key := r.Signer(keyring.UseToken)
		got := set.Key(key.KID)
		if len(got) != 1 || got[0].Use != "sig" || got[0].Algorithm != string(alg) || !got[0].IsPublic() {
			t.Fatalf("%s: %s does not list %s", alg, body, key.KID)
		}
		if public, ok := key.Public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(got[0].Key) {
			t.Errorf("%s: another public key is published", alg)
		}
		if again, same := r.JWKS(keyring.UseToken); same != etag || string(again) != string(body) {
			t.Error("the document changes by itself")
		}
		if _, other := r.JWKS(keyring.UseIdentity); other == etag {
			t.Error("two documents have one etag")
		}
	}
}

func TestEveryKeyVerifiesWhatItSignsAndNothingElse(t *testing.T) {
	for _, alg := range []keyring.Algorithm{keyring.RS256, keyring.ES256, keyring.EdDSA} {
		c := config(t, &memory{}, newClock())
		c.Algorithm = alg
		key := open(t, c).Signer(keyring.UseToken)
		for _, text := range []string{"", "a.b", string(make([]byte, 5000))} {
			encoded, err := key.Sign([]byte("x."), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			signature := decode(t, string(encoded[2:]))
			if !key.Verify([]byte(text), signature) {
				t.Errorf("%s: does not verify its own signature", alg)
			}
			if key.Verify([]byte(text+"x"), signature) || key.Verify([]byte(text), signature[1:]) ||
				key.Verify([]byte(text), append(signature, 0)) || key.Verify([]byte(text), nil) ||
				key.Verify([]byte(text), make([]byte, len(signature))) {
				t.Errorf("%s: verifies what it did not sign", alg)
			}
			signature[len(signature)/2] ^= 1
			if key.Verify([]byte(text), signature) {
				t.Errorf("%s: verifies a flipped bit", alg)
			}
		}
	}
}

func TestReloadKeepsTheKeysWhenTheStoreIsAway(t *testing.T) {
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	key, generation := r.Signer(keyring.UseToken), r.Generation()
	store.down = errors.New("away")
	if err := r.Reload(t.Context()); !errors.Is(err, store.down) {
		t.Errorf("Reload: %v, want %v", err, store.down)
	}
	if _, err := r.Rotate(t.Context(), operator, keyring.UseToken, "", true); !errors.Is(err, store.down) {
		t.Errorf("Rotate: %v, want %v", err, store.down)
	}
	if r.Signer(keyring.UseToken) != key || r.Lookup(keyring.UseToken, key.KID) != key || r.Generation() != generation {
		t.Error("the keys have changed")
	}
}

func TestReloadFindsWhatAnotherNodeDid(t *testing.T) {
	store, c := &memory{}, newClock()
	a, b := open(t, config(t, store, c)), open(t, config(t, store, c))
	generation, key := b.Generation(), b.Signer(keyring.UseToken)
	if _, err := a.Rotate(t.Context(), operator, keyring.UseToken, "", false); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kids(t, a, keyring.UseToken), kids(t, b, keyring.UseToken)); diff != "" || len(kids(t, b, keyring.UseToken)) != 2 {
		t.Errorf("the nodes publish different keys:\n%s", diff)
	}
	if b.Generation() == generation {
		t.Error("the generation is the same")
	}
	if b.Signer(keyring.UseToken) != key {
		t.Error("an unchanged key was parsed again")
	}
	generation = b.Generation()
	if err := b.Reload(t.Context()); err != nil || b.Generation() != generation {
		t.Error("a reload without a change changes the generation")
	}
}

func TestOpenRefusesAConfigurationThatCannotWork(t *testing.T) {
	for name, spoil := range map[string]func(*keyring.Config){
		"no store":                     func(c *keyring.Config) { c.Store = nil },
		"no sealer":                    func(c *keyring.Config) { c.Sealer = keyring.Sealer{} },
		"no clock":                     func(c *keyring.Config) { c.Now = nil },
		"no environment":               func(c *keyring.Config) { c.Environment = "" },
		"no lifetime":                  func(c *keyring.Config) { c.TokenLifetime = 0 },
		"a lead longer than a period":  func(c *keyring.Config) { c.Lead, c.Period = 2*time.Hour, time.Hour },
		"a negative lead":              func(c *keyring.Config) { c.Lead = -1 },
		"an algorithm that signs none": func(c *keyring.Config) { c.Algorithm = "none" },
	} {
		c := config(t, &memory{}, newClock())
		spoil(&c)
		if _, err := keyring.Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestTheHotPathAllocatesNothing(t *testing.T) {
	r := open(t, config(t, &memory{}, newClock()))
	kid := r.Signer(keyring.UseToken).KID
	if n := testing.AllocsPerRun(100, func() {
		r.Signer(keyring.UseToken)
		r.Lookup(keyring.UseToken, kid)
		r.Lookup(keyring.UseIdentity, "unknown")
		r.JWKS(keyring.UseToken)
		r.Generation()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRingsRefuseAnUnknownEnvironment(t *testing.T) {
	rings := keyring.Rings{market.Sandbox: open(t, config(t, &memory{}, newClock()))}
	ctx := context.Background()
	_, keys := rings.Keys(ctx, "staging")
	_, rotate := rings.Rotate(ctx, operator, "staging", keyring.UseToken, "", false)
	_, revoke := rings.Revoke(ctx, operator, "staging", "k")
	for _, err := range []error{keys, rotate, revoke} {
		var refusal *market.Error
		if !errors.As(err, &refusal) || refusal.Code != market.InvalidInput || refusal.Field != "environment" {
			t.Errorf("got %v", err)
		}
	}
	records, err := rings.Keys(ctx, market.Sandbox)
	if err != nil || len(records) != 2 {
		t.Fatalf("Keys: %d records, %v", len(records), err)
	}
	if records[0].Sealed != nil {
		t.Error("the sealed half is handed out")
	}
	made, err := rings.Rotate(ctx, operator, market.Sandbox, keyring.UseToken, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := rings.Revoke(ctx, operator, market.Sandbox, made.KID); err != nil || gone.Revoked.IsZero() {
		t.Errorf("Revoke: %+v, %v", gone, err)
	}
}
