package keyring_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/keyring"
)

// vault is a keyring.Vault in memory, of P-256 keys.
type vault struct {
	mu    sync.Mutex
	keys  map[string]*ecdsa.PrivateKey
	fault func(signature []byte) ([]byte, error)
}

// held is a key of a vault.
type held struct {
	in  *vault
	key *ecdsa.PrivateKey
}

func (h held) Public() crypto.PublicKey { return h.key.Public() }

func (h held) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := h.key.Sign(rand.Reader, digest, opts)
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	if h.in.fault != nil {
		return h.in.fault(signature)
	}
	return signature, err
}

func (v *vault) Make(context.Context, keyring.Algorithm) (string, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	v.mu.Lock()
	defer v.mu.Unlock()
	where := fmt.Sprintf("slot %d", len(v.keys))
	v.keys[where] = key
	return where, held{v, key}, err
}

func (v *vault) Open(_ context.Context, where string) (crypto.Signer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if key := v.keys[where]; key != nil {
		return held{v, key}, nil
	}
	return nil, errors.New("no such key")
}

func (v *vault) Remove(_ context.Context, where string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[where] = nil
	return nil
}

func (v *vault) left() (n int) {
	for _, key := range v.keys {
		if key != nil {
			n++
		}
	}
	return n
}

func inVault(t *testing.T, store keyring.Store, c *clock) (keyring.Config, *vault) {
	t.Helper()
	v := &vault{keys: map[string]*ecdsa.PrivateKey{}}
	cfg := config(t, store, c)
	cfg.Vault, cfg.Algorithm = v, keyring.ES256
	return cfg, v
}

func TestAKeyInAVaultSignsAndIsFoundAgain(t *testing.T) {
	store, c := &memory{twice: true}, newClock()
	cfg, v := inVault(t, store, c)
	key := open(t, cfg).Signer(keyring.UseToken)
	again := open(t, cfg).Signer(keyring.UseToken)
	if again.KID != key.KID || v.left() != 2 {
		t.Errorf("another key: %v, %v; %d in the vault", key, again, v.left())
	}
	signature, err := again.Sign(nil, []byte("a.b"))
	if err != nil || !key.Verify([]byte("a.b"), decode(t, string(signature))) {
		t.Errorf("%v", err)
	}
	cfg.Vault = nil
	if _, err := keyring.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "keys.pkcs11") {
		t.Errorf("without the vault: %v", err)
	}
}

func TestAFaultyVaultGivesErrorsAndNoTokens(t *testing.T) {
	cfg, v := inVault(t, &memory{}, newClock())
	r := open(t, cfg)
	key := r.Signer(keyring.UseToken)
	for name, fault := range map[string]func([]byte) ([]byte, error){
		"an error":          func([]byte) ([]byte, error) { return nil, errors.New("away") },
		"a wrong signature": func(s []byte) ([]byte, error) { s[len(s)-1] ^= 1; return s, nil },
		"nothing":           func([]byte) ([]byte, error) { return nil, nil },
	} {
		v.fault = fault
		if out, err := key.Sign([]byte("x"), []byte("a.b")); !errors.Is(err, keyring.ErrSign) || string(out) != "x" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		if _, err := r.Rotate(t.Context(), operator, keyring.UseToken, "", true); err == nil {
			t.Errorf("%s: a key is used that does not sign", name)
		}
	}
}

func TestAKeyThatIsNotUsedIsRemovedFromTheVault(t *testing.T) {
	store, c := &memory{}, newClock()
	cfg, v := inVault(t, store, c)
	a, b := open(t, cfg), open(t, cfg)
	rotate(t, a, false)
	if _, err := b.Rotate(t.Context(), operator, keyring.UseToken, "", false); err == nil { // a was faster
		t.Fatal("two rotations at once")
	}
	if v.left() != 3 {
		t.Errorf("%d keys in the vault, want 3", v.left())
	}
	// An algorithm that the vault cannot do is not mistaken for another.
	if _, err := a.Rotate(t.Context(), operator, keyring.UseToken, keyring.RS256, true); err == nil || !strings.Contains(err.Error(), "was asked for RS256") {
		t.Errorf("got %v", err)
	}
}
