package keyring_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func decode(tb testing.TB, text string) []byte {
	tb.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

const otherSealingKey = "another-sealing-key-0123456789-abcdefghijklmn"

func TestASealingKeyMustBeLongAndRandom(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("a", 64), strings.Repeat("changeme", 8)} {
		if _, err := keyring.NewSealer(secret.New(text)); err == nil {
			t.Errorf("%q was taken", text)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error prints the key: %v", err)
		}
	}
}

func TestAnotherSealingKeyIsNamedAsTheCause(t *testing.T) {
	store, c := &memory{}, newClock()
	open(t, config(t, store, c))
	other := config(t, store, c)
	other.Sealer = sealer(t, otherSealingKey)
	_, err := keyring.Open(t.Context(), other)
	if err == nil {
		t.Fatal("opened")
	}
	for _, part := range []string{`"sandbox"`, "another sealing key", "if it is lost"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if len(store.records[market.Sandbox]) != 2 {
		t.Error("keys were made over those that could not be opened")
	}
}

func TestResetReplacesKeysThatCannotBeOpened(t *testing.T) {
	store, c := &memory{}, newClock()
	before := open(t, config(t, store, c)).Signer(keyring.UseToken).KID
	other := config(t, store, c)
	other.Sealer = sealer(t, otherSealingKey)
	r, err := keyring.Reset(t.Context(), other, operator)
	if err != nil {
		t.Fatal(err)
	}
	if key := r.Signer(keyring.UseToken); key == nil || key.KID == before || r.Lookup(keyring.UseToken, before) != nil {
		t.Errorf("the key that signs is %v, the old one is %v", key, r.Lookup(keyring.UseToken, before))
	}
	if r.Signer(keyring.UseIdentity) == nil {
		t.Error("there is no identity key")
	}
	open(t, other)
}

// Whoever can write the database, but has not the sealing key, cannot have a key
// trusted.
func TestARecordThatWasTamperedWithIsRefused(t *testing.T) {
	tests := map[string]func(keys []keyring.Record){
		"a flipped bit":      func(keys []keyring.Record) { keys[0].Sealed[40] ^= 1 },
		"a flipped last bit": func(keys []keyring.Record) { keys[0].Sealed[len(keys[0].Sealed)-1] ^= 1 },
		"another version":    func(keys []keyring.Record) { keys[0].Sealed[0]++ },
		"nothing sealed":     func(keys []keyring.Record) { keys[0].Sealed = nil },
		"half of it":         func(keys []keyring.Record) { keys[0].Sealed = keys[0].Sealed[:20] },
		"swapped keys":       func(keys []keyring.Record) { keys[0].Sealed, keys[1].Sealed = keys[1].Sealed, keys[0].Sealed },
		"a key of the other use": func(keys []keyring.Record) {
			keys[0].Use = keyring.UseIdentity
		},
		"another public key": func(keys []keyring.Record) { keys[0].Public = keys[1].Public },
		"another kid":        func(keys []keyring.Record) { keys[0].KID = keys[1].KID + "x" },
		"another algorithm":  func(keys []keyring.Record) { keys[0].Algorithm = keyring.ES256 },
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			store, c := &memory{}, newClock()
			running := open(t, config(t, store, c))
			key := running.Signer(keyring.UseToken)
			keys := store.records[market.Sandbox]
			for i := range keys {
				keys[i].Sealed = slices.Clone(keys[i].Sealed)
			}
			tamper(keys)
			if _, err := keyring.Open(t.Context(), config(t, store, c)); err == nil {
				t.Error("opened")
			}
			if err := running.Reload(t.Context()); err == nil && running.Lookup(keyring.UseToken, key.KID) != key {
				t.Error("a running node took it")
			}
		})
	}
}

func TestAKeyOfAnotherEnvironmentIsRefused(t *testing.T) {
	store, c := &memory{}, newClock()
	open(t, config(t, store, c))
	store.records[market.Production] = store.records[market.Sandbox]
	production := config(t, store, c)
	production.Environment = market.Production
	if _, err := keyring.Open(t.Context(), production); err == nil {
		t.Error("production opened the keys of the sandbox")
	}
}

func TestNothingPrintsAPrivateKey(t *testing.T) {
	store, c := &memory{}, newClock()
	var out bytes.Buffer
	cfg := config(t, store, c)
	cfg.Logger = slog.New(slog.NewJSONHandler(&out, nil))
	r := open(t, cfg)
	key := r.Signer(keyring.UseToken)
	type holder struct {
		hidden *keyring.Key
		sealer keyring.Sealer
		cfg    keyring.Config
	}
	for _, v := range []any{key, *key, r, holder{key, cfg.Sealer, cfg}, &holder{key, cfg.Sealer, cfg}, cfg, cfg.Sealer, map[string]*keyring.Key{"k": key}} {
		for _, verb := range []string{"%v", "%+v", "%s", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		cfg.Logger.InfoContext(t.Context(), "m", "v", v)
	}
	// An Ed25519 private key ends in its public half, so look for the seed as
	// numbers, in the forms that fmt and encodings give bytes.
	seed := keyring.SeedOf(key)
	for _, form := range []string{
		strings.Trim(fmt.Sprintf("%d", seed), "[]"), fmt.Sprintf("%x", seed),
		base64.StdEncoding.EncodeToString(seed)[:40], base64.RawURLEncoding.EncodeToString(seed), string(seed), sealingKey,
	} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%q was printed", form)
		}
	}
}
