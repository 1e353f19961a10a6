package issuer_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/issuer"
	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/keyset"
)

const url = "https://ciam.example"

// opened is the issuers with one whose keys are known, and its private key.
func opened(tb testing.TB, change func(*issuer.Config)) (*issuer.Issuers, *issuer.Issuer, ed25519.PrivateKey) {
	tb.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := jose.NewKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	key.ID = "k"
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []*jose.Key{key}})
	}))
	tb.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := issuer.Config{
		Name: "ciam", URL: url, JWKSURI: server.URL, Audiences: []string{"api"}, Algorithms: []string{jose.EdDSA}, Types: []string{"JWT"},
		Leeway: time.Minute, MaxLifetime: 24 * time.Hour, Mapping: issuer.Mapping{ClientClaim: "/client/id", ProductsClaim: "products", UserClaim: "sub"},
		Sets: keyset.New(keyset.Config{
			Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots, Stale: time.Hour, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		}),
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	i := issuer.New(c)
	i.Refresh(tb.Context())
	s, err := issuer.Of("production", nil, nil, time.Now, i)
	if err != nil {
		tb.Fatal(err)
	}
	return s, i, private
}

// signed is a token with that header and those claims, whatever they are.
func signed(key ed25519.PrivateKey, header, claims string) string {
	e := base64.RawURLEncoding
	input := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims))
	return input + "." + e.EncodeToString(ed25519.Sign(key, []byte(input)))
}

// FuzzVerify reads headers and claims that the issuer's own key has signed: what is
// taken says what it must.
func FuzzVerify(f *testing.F) {
	s, i, key := opened(f, nil)
	const head = `{"alg":"EdDSA","kid":"k"}`
	for _, claims := range []string{
		`{"iss":"https://ciam.example","aud":"api","iat":1,"exp":4000000000,"client":{"id":"x"},"products":"a b","sub":"u"}`,
		`{"iss":"https://ciam.example","aud":["api",1],"iat":1e400,"exp":-1}`,
		`{"iss":"https://ciam.example","aud":["api"],"iat":4e9,"exp":4e9,"products":[null],"sub":{}}`,
		`[]`, `{`, `null`,
	} {
		f.Add(head, claims)
	}
	f.Add(`{"alg":"none"}`, `{}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		raw := signed(key, header, claims)
		if claimed := s.Claimed(raw); claimed != nil && claimed != i {
			t.Fatal("another issuer")
		}
		p, err := s.Verify(t.Context(), i, raw)
		if err == nil && (p.Issuer != url || p.Foreign != "ciam" || p.Expires-p.IssuedAt > 24*60*60 || p.AllProducts || p.Environment != "production" || p.Credential != "") {
			t.Fatalf("taken: %+v", p)
		}
		if p != nil && err == nil {
			again, err := s.Recall(t.Context(), raw)
			if err != nil || again == nil || again.ClientID != p.ClientID {
				t.Fatalf("remembered as %+v, %v", again, err)
			}
		}
	})
}

// BenchmarkRecall is what a call with a token of another issuer costs beside that of
// one of our own.
func BenchmarkRecall(b *testing.B) {
	s, i, key := opened(b, nil)
	claims, err := json.Marshal(map[string]any{
		"iss": url, "aud": "api", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "client": map[string]any{"id": "x"}, "sub": "u",
	})
	if err != nil {
		b.Fatal(err)
	}
	raw := signed(key, `{"alg":"EdDSA","kid":"k"}`, string(claims))
	if _, err := s.Verify(b.Context(), i, raw); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p, err := s.Recall(b.Context(), raw); p == nil || err != nil {
			b.Fatal(err)
		}
	}
}
