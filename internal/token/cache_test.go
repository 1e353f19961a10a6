package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/token"
)

var operator = market.Actor{Kind: "operator", ID: "op_1"}

type failer interface {
	Helper()
	Fatal(args ...any)
}

// newKeyring opens a real ring on a store of its own.
func newKeyring(tb failer, now func() time.Time) *keyring.Ring {
	tb.Helper()
	sealer, err := keyring.NewSealer(secret.New("Zm9ydHktdGhyZWUtY2hhcmFjdGVycy1vZi1iYXNlNjQ"))
	if err != nil {
		tb.Fatal(err)
	}
	r, err := keyring.Open(context.Background(), keyring.Config{
		Store: &memory{}, Sealer: sealer, Environment: environment, Algorithm: keyring.EdDSA,
		TokenLifetime: time.Hour, Lead: 10 * time.Minute, Period: 4 * time.Hour, Now: now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestARememberedTokenCostsNoSecondVerification(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	v := newVerifier(t, newRing(p), newClock())
	raw := mint(t, p.Key, sample())
	first, err := v.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	second, err := v.Verify(strings.Clone(raw))
	if err != nil || first != second {
		t.Errorf("got %p and %p, %v", first, second, err)
	}
	if n := testing.AllocsPerRun(200, func() { _, _ = v.Verify(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Gateway checklist A7: forgotten with the key.
func TestARememberedTokenIsForgottenWithItsKey(t *testing.T) {
	c := newClock()
	r := newKeyring(t, c.now)
	v := newVerifier(t, r, c)
	raw := mint(t, r.Signer(keyring.UseToken), sample())
	other := sample()
	other.JTI = "another"
	unseen := mint(t, r.Signer(keyring.UseToken), other)
	if _, err := v.Verify(raw); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rotate(t.Context(), operator, keyring.UseToken, "", false); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(raw); err != nil || !v.Has(raw) {
		t.Errorf("after a rotation: %v", err)
	}
	if _, err := r.Rotate(t.Context(), operator, keyring.UseToken, "", true); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"remembered": raw, "not seen": unseen} {
		if _, err := v.Verify(text); token.ReasonOf(err) != token.UnknownKey {
			t.Errorf("a %s token after an emergency: %v", name, err)
		}
	}
	if v.Has(raw) {
		t.Error("it is still remembered")
	}
}

func TestARememberedTokenIsForgottenWhenItsKeyIsReplacedUnderItsName(t *testing.T) {
	p, other, c := newPair(t, keyring.EdDSA), newPair(t, keyring.EdDSA), newClock()
	keys := newRing(p)
	v := newVerifier(t, keys, c)
	raw := mint(t, p.Key, sample())
	if _, err := v.Verify(raw); err != nil {
		t.Fatal(err)
	}
	keys.mu.Lock()
	keys.keys[p.KID] = other.Key
	keys.mu.Unlock()
	refused(t, v, "a token of the key that was there before", raw, token.BadSignature)
	keys.forget(p.KID)
	refused(t, v, "and with no key there", raw, token.UnknownKey)
}

func TestOnlyWhatIsInForceIsRemembered(t *testing.T) {
	p, c := newPair(t, keyring.EdDSA), newClock()
	v := newVerifier(t, newRing(p), c)
	raw := mint(t, p.Key, sample())
	for _, at := range []int64{now - 3600, now + 7200} {
		c.set(at)
		if _, err := v.Verify(raw); err == nil {
			t.Fatal("taken")
		}
	}
	bad := raw[:len(raw)-8] + "AAAAAAAA"
	for _, text := range []string{raw, bad, ""} {
		_, _ = v.Verify(text)
		if v.Has(text) {
			t.Errorf("%.20s… is remembered", text)
		}
	}
	if n := v.Remembered(); n != 0 {
		t.Errorf("%d tokens are remembered", n)
	}
}

// Gateway checklist A7: a flood of tokens, each seen once, takes bounded memory,
// and what has expired goes.
func TestTheCacheIsBounded(t *testing.T) {
	p, c := newPair(t, keyring.EdDSA), newClock()
	const size = 50
	v, err := token.NewVerifier(token.VerifierConfig{
		Ring: newRing(p), Issuer: issuer, Audience: audience, Environment: environment, Now: c.now, CacheSize: size,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 * size {
		claims := sample()
		claims.JTI = fmt.Sprint(i)
		if _, err := v.Verify(mint(t, p.Key, claims)); err != nil {
			t.Fatal(err)
		}
	}
	if n := v.Remembered(); n > size || n == 0 {
		t.Errorf("%d tokens are remembered, %d may be", n, size)
	}
	c.set(now + 3600 + 120)
	if n := v.Remembered(); n != 0 {
		t.Errorf("%d tokens are remembered after all have expired", n)
	}
}

func TestAVerifierWithoutACacheVerifies(t *testing.T) {
	p, c := newPair(t, keyring.EdDSA), newClock()
	v, err := token.NewVerifier(token.VerifierConfig{
		Ring: newRing(p), Issuer: issuer, Audience: audience, Environment: environment, Now: c.now, CacheSize: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := mint(t, p.Key, sample())
	for range 2 {
		if _, err := v.Verify(raw); err != nil {
			t.Error(err)
		}
	}
	refused(t, v, "nothing", "")
}

func TestManyMayVerifyWhileKeysChange(t *testing.T) {
	c := newClock()
	r := newKeyring(t, c.now)
	v := newVerifier(t, r, c)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				raw := mint(t, r.Signer(keyring.UseToken), sample())
				for range 3 {
					if _, err := v.Verify(raw); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 5 {
		if _, err := r.Rotate(t.Context(), operator, keyring.UseToken, "", false); err != nil {
			t.Error(err)
		}
		if err := r.Tick(t.Context()); err != nil { // decides when the new key signs
			t.Error(err)
		}
		c.set(c.now().Unix() + 601)
	}
	wait.Wait()
}

// TestNoTokenFailsDuringARotation holds, with a real ring and a verifier that
// remembers, that a token is taken from the second it is issued until the leeway
// after it expires, whatever rotations happen, and never after a revocation of
// its key.
func TestNoTokenFailsDuringARotation(t *testing.T) {
	type issued struct {
		raw, kid string
		expires  int64
	}
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		r := newKeyring(t, c.now)
		v, err := token.NewVerifier(token.VerifierConfig{
			Ring: r, Issuer: issuer, Audience: audience, Environment: environment, Now: c.now,
			CacheSize: rapid.SampledFrom([]int{-1, 2, 1000}).Draw(t, "cache"),
		})
		if err != nil {
			t.Fatal(err)
		}
		var tokens []issued
		revoked := map[string]bool{}
		rotate := func(emergency bool) {
			_, err := r.Rotate(context.Background(), operator, keyring.UseToken, "", emergency)
			if refusal := new(market.Error); err != nil && !errors.As(err, &refusal) {
				t.Fatal(err)
			}
			if err := r.Tick(context.Background()); err != nil { // decides when the new key signs
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				second := c.now().Unix()
				for _, tk := range tokens {
					_, err := v.Verify(tk.raw)
					switch {
					case revoked[tk.kid]:
						if !errors.Is(err, token.ErrInvalid) {
							t.Fatalf("a token of a revoked key: %v", err)
						}
					case second < tk.expires+30:
						if err != nil {
							t.Fatalf("%d s before its end: %v", tk.expires-second, err)
						}
					case err == nil:
						t.Fatalf("taken %d s after its end", second-tk.expires)
					}
				}
			},
			"time passes": func(t *rapid.T) { c.set(c.now().Unix() + rapid.Int64Range(1, 4000).Draw(t, "seconds")) },
			"a token is issued": func(t *rapid.T) {
				key, claims := r.Signer(keyring.UseToken), sample()
				claims.IssuedAt = c.now().Unix()
				claims.NotBefore, claims.Expires = claims.IssuedAt, claims.IssuedAt+rapid.Int64Range(1, 3600).Draw(t, "lifetime")
				claims.JTI = token.NewJTI()
				raw, err := token.Mint(key, keyring.TypJWT, claims)
				if err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, issued{raw.Reveal(), key.KID, claims.Expires})
			},
			"tick": func(t *rapid.T) {
				if err := r.Tick(context.Background()); err != nil {
					t.Fatal(err)
				}
			},
			"rotation": func(*rapid.T) { rotate(false) },
			"emergency": func(*rapid.T) {
				rotate(true)
				for _, tk := range tokens {
					revoked[tk.kid] = true
				}
			},
		})
	})
}
