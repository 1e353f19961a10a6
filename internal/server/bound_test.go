package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// proofWithoutNonce makes a DPoP proof that has none.
func proofWithoutNonce(t *testing.T, key *ecdsa.PrivateKey, method, target, token string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := key.PublicKey.Bytes()
	must(t, err)
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": target, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = b64(sum[:])
	}
	input := ""
	for _, part := range []any{header, claims} {
		text, err := json.Marshal(part)
		must(t, err)
		input += b64(text) + "."
	}
	input = strings.TrimSuffix(input, ".")
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	must(t, err)
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func TestNoncesAreOptionalWhereAnOperatorSaysSo(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].DPoP = config.DPoP{TokenNonceOptional: true, GatewayNonceOptional: true}
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, n.Market)
	soon(t, "the secret works", func() bool {
		status, _ := n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	target := n.production().URL + "/oauth2/token"
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ClientID}, "client_secret": {text.Reveal()}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", proofWithoutNonce(t, key, "POST", target, ""))
	status, body := n.do(r)
	token, _ := body["access_token"].(string)
	if status != http.StatusOK || body["token_type"] != "DPoP" {
		t.Fatalf("RFC 9449 8: %d, members %d", status, len(body))
	}
	target = n.production().URL + "/thing/v1/it"
	r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	must(t, err)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proofWithoutNonce(t, key, "GET", target, token))
	if status, body := n.do(r); status != http.StatusBadGateway { // passed on, to where nobody is
		t.Errorf("RFC 9449 9: %d %v", status, body)
	}
}

func TestAClientCAThatCannotBeReadIsSaidAtTheStart(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, []byte("none"), 0o600))
	for file, words := range map[string]string{empty: "holds no certificate in PEM", empty + "x": "no such file"} {
		c := settings(t, t.TempDir(), "")
		c.Environments[market.Sandbox].MutualTLS = config.MutualTLS{Listener: config.Listener{Listen: "127.0.0.1:0"}, ClientCA: []string{file}}
		s, err := server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), "environments.sandbox.mtls.client_ca") || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
		if s != nil {
			must(t, s.Close())
		}
	}
}
