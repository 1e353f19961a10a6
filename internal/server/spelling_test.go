package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// otherSpelling is what was signed by ES256 with the other signature of the same r,
// which verifies as well (RFC 7518 §3.4).
func otherSpelling(t *testing.T, text string) string {
	t.Helper()
	dot := strings.LastIndexByte(text, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(text[dot:])
	must(t, err)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s)
	return text[:dot] + base64.RawURLEncoding.EncodeToString(append(signature[:32:32], s.FillBytes(make([]byte, 32))...))
}

// Whoever holds a token can spell it in another way, and would get round whatever went
// by its text.
func TestAnotherSpellingOfATokenIsRevokedWithIt(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].Algorithm = "ES256"
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(saw(t))))
	_, app, text := customer(t, n.Market)
	for _, known := range []bool{true, false} { // the other spelling, before it is revoked
		var raw string
		soon(t, "the secret works", func() (ok bool) {
			var status int
			status, raw = n.token(app.ClientID, text)
			return status == http.StatusOK
		})
		soon(t, "the token opens the API", func() bool {
			status, _ := n.call(raw)
			return status == http.StatusOK
		})
		other := otherSpelling(t, raw)
		if known {
			if status, body := n.call(other); status != http.StatusOK {
				t.Errorf("the other spelling: %d %v", status, body)
			}
		}
		revoked, left := other, raw // by either
		if !known {
			revoked, left = raw, other
		}
		if status, _ := n.post("/oauth2/revoke", "client_id", app.ClientID, "client_secret", text.Reveal(), "token", revoked); status != http.StatusOK {
			t.Fatalf("revoke: %d", status)
		}
		for what, token := range map[string]string{"what was revoked": revoked, "its other spelling": left} {
			soon(t, what+" is refused", func() bool {
				status, _ := n.call(token)
				return status == http.StatusUnauthorized
			})
			if _, body := n.post("/oauth2/introspect", "client_id", app.ClientID, "client_secret", text.Reveal(), "token", token); body["active"] != false {
				t.Errorf("%s: %v", what, body)
			}
		}
	}
}

func TestAnotherSpellingOfAProofIsSpentWithIt(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].DPoP = config.DPoP{TokenNonceOptional: true, GatewayNonceOptional: true}
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(saw(t))))
	_, app, text := customer(t, n.Market)
	soon(t, "the secret works", func() bool {
		status, _ := n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	target := n.production().URL + "/oauth2/token"
	proof := proofWithoutNonce(t, key, http.MethodPost, target, "")
	ask := func(proof string) (int, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("grant_type=client_credentials"))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		r.SetBasicAuth(app.ClientID, text.Reveal())
		return n.do(r)
	}
	if status, body := ask(otherSpelling(t, proof)); status != http.StatusOK {
		t.Fatalf("the other spelling: %d %v", status, body)
	}
	for what, again := range map[string]string{"the proof": proof, "its other spelling": otherSpelling(t, proof)} {
		if status, body := ask(again); status != http.StatusBadRequest || body["error"] != "invalid_dpop_proof" {
			t.Errorf("%s again: %d %v", what, status, body)
		}
	}
}
