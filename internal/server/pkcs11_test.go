//go:build cgo

package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/pkcs11/softhsm"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// inModule has signing keys made in a security module.
func inModule(t *testing.T, c *config.Config, token softhsm.Token) *config.Config {
	t.Helper()
	pin := filepath.Join(t.TempDir(), "pin")
	must(t, os.WriteFile(pin, []byte(token.PIN+"\n"), 0o600))
	c.Keys.PKCS11 = config.PKCS11{Module: token.Module, Token: token.Label, PIN: config.Secret{File: pin}}
	return c
}

func TestSigningKeysInASecurityModule(t *testing.T) {
	token := softhsm.New(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer upstream.Close()
	c := hurry(settings(t, t.TempDir(), ""))
	c.Environments[market.Production].MaxTokenLifetime = config.Duration(time.Minute)
	n := runHurried(t, c, hurried) // with a key of its own memory
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	_, app, text := customer(t, n.Market)
	taken := map[string]string{} // tokens that must go on working, by their algorithm
	works := func(alg string) {
		t.Helper()
		until(t, "a token by "+alg, 30*time.Second, func() bool {
			status, raw := n.token(app.ClientID, text)
			if status != http.StatusOK {
				return false
			}
			taken[read(t, raw).alg] = raw
			return read(t, raw).alg == alg
		})
		for alg, raw := range taken {
			if status, _ := n.call(raw); status != http.StatusNoContent {
				t.Errorf("a call with a token by %s: %d", alg, status)
			}
		}
	}
	works("RS256")
	n.stop()

	n = runHurried(t, inModule(t, c, token), hurried)
	works("RS256") // the key from before stays where it is
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		if k := rotateTo(t, n, alg); k.Kept != "module" {
			t.Errorf("the new key is kept in the %s", k.Kept)
		}
		delete(taken, alg)
		if alg != "RS256" {
			works(alg)
		}
	}
	n.stop()
	n = runHurried(t, c, hurried)
	works("RS256")
	keys, err := n.operator().Keys(t.Context(), "production")
	must(t, err)
	i := slices.IndexFunc(keys.Items, func(k api.Key) bool { return k.State == "signing" && k.Use == "token" })
	if keys.Items[i].Kept != "module" || keys.Items[i].KID != kid(t, taken["RS256"]) {
		t.Errorf("signing: %+v", keys.Items[i])
	}
	n.stop()

	// The way back.
	c.Keys.PKCS11.Leaving = true
	n = runHurried(t, c, hurried)
	works("RS256")
	if k := rotateTo(t, n, "ES256"); k.Kept != "store" {
		t.Errorf("the new key is kept in the %s", k.Kept)
	}
	delete(taken, "ES256")
	n.stop()

	// Without the module, in one sentence.
	c.Keys.PKCS11 = config.PKCS11{}
	_, err = server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "in a security module, and the configuration names none") {
		t.Errorf("got %v", err)
	}
}
