package server_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// Each of these tokens differs in one thing from one that is taken.
func TestTokensOfAnotherIssuerThatAreRefused(t *testing.T) {
	p, other := newProvider(t, "/realms/one"), newProvider(t, "/realms/two")
	stranger := newRSA(t)
	var second config.Issuer
	n, _, app, own := mapped(t, p, time.Now, func(i *config.Issuer) {
		second = other.configured(t, "partner")
		i.Algorithms = []string{"RS256", "ES256"}
	})
	n.stop()
	second.Client = app.ClientID
	c := n.Config
	c.Issuers = append(c.Issuers, second)
	must(t, c.Complete())
	n = run(t, c)
	n.state("ciam", "ok")
	n.state("partner", "ok")

	now := time.Now()
	key := p.key()
	good := p.claims(now, nil)
	head := map[jose.HeaderKey]any{"kid": "rsa"}
	with := func(change map[string]any) string { return sign(t, jose.RS256, key, head, p.claims(now, change)) }
	headed := func(more map[jose.HeaderKey]any) string {
		if _, ok := more["kid"]; !ok {
			more["kid"] = "rsa"
		}
		return sign(t, jose.RS256, key, more, good)
	}
	unsigned := func(header string, signature []byte) string {
		body, err := json.Marshal(good)
		must(t, err)
		e := base64.RawURLEncoding
		return e.EncodeToString([]byte(header)) + "." + e.EncodeToString(body) + "." + e.EncodeToString(signature)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	raw := with(nil)
	parts := strings.Split(raw, ".")

	for _, tt := range []struct {
		name, token, code string
		status            int
		reason            string
	}{
		{"one that is good", raw, "", 200, ""},
		{"RFC 8725 3.1 HS256 with the public key", sign(t, jose.HS256, public, head, good), "invalid_access_token", 401, "alg is not one that is taken"},
		{"RFC 8725 3.1 none", unsigned(`{"alg":"none","kid":"rsa","typ":"at+jwt"}`, nil), "invalid_access_token", 401, "alg is not one that is taken"},
		{"RFC 8725 3.1 an algorithm that the key has and the issuer may not", sign(t, jose.PS256, key, head, good), "invalid_access_token", 401, "alg is not one that is taken"},
		{"RFC 8725 3.1 the algorithm of another key", unsigned(`{"alg":"ES256","kid":"rsa","typ":"at+jwt"}`, make([]byte, 64)), "invalid_access_token", 401, "signed by no key"},
		{"a stranger's key under a known kid", sign(t, jose.RS256, stranger, head, good), "invalid_access_token", 401, "signature is wrong"},
		{"a stranger's key under its own kid", sign(t, jose.RS256, stranger, map[jose.HeaderKey]any{"kid": "x"}, good), "invalid_access_token", 401, "signed by no key"},
		{"a stranger's key in the header", headed(map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: stranger.Public()}}), "invalid_access_token", 401, "header has a parameter that is not taken"},
		{"RFC 8725 3.10 jku", headed(map[jose.HeaderKey]any{"jku": other.URL + "/keys"}), "invalid_access_token", 401, ""},
		{"RFC 8725 3.8 another issuer's key under the same kid", sign(t, jose.RS256, other.key(), head, good), "invalid_access_token", 401, "signature is wrong"},
		{"RFC 8725 3.8 this issuer's key in another's name", with(map[string]any{"iss": other.issuer}), "invalid_access_token", 401, "what says that it is a token of partner, and could not be verified"},
		{"RFC 8725 3.8 our own name", with(map[string]any{"iss": n.production().Issuer}), "invalid_access_token", 401, "signed by no key of this environment"},
		{"an issuer with a slash more", with(map[string]any{"iss": p.issuer + "/"}), "invalid_access_token", 401, "signed by no key of this environment"},
		{"an issuer in other letters", with(map[string]any{"iss": strings.Replace(p.issuer, "realms", "Realms", 1)}), "invalid_access_token", 401, "signed by no key of this environment"},
		{"an issuer that is a list", with(map[string]any{"iss": []string{p.issuer}}), "invalid_access_token", 401, ""},
		{"no issuer", with(map[string]any{"iss": nil}), "invalid_access_token", 401, ""},
		{"RFC 8725 3.9 no audience", with(map[string]any{"aud": nil}), "invalid_access_token", 401, "meant for another audience"},
		{"RFC 8725 3.9 another audience", with(map[string]any{"aud": "other"}), "invalid_access_token", 401, "meant for another audience"},
		{"RFC 8725 3.9 an audience that begins alike", with(map[string]any{"aud": []string{"marketplace.evil", "Marketplace"}}), "invalid_access_token", 401, "meant for another audience"},
		{"several audiences, and ours", with(map[string]any{"aud": []string{"other", "marketplace"}}), "", 200, ""},
		{"RFC 8725 3.11 an ID token", headed(map[jose.HeaderKey]any{"typ": "id+jwt"}), "invalid_access_token", 401, "not an access token by its typ"},
		{"RFC 8725 3.11 a logout token", headed(map[jose.HeaderKey]any{"typ": "logout+jwt"}), "invalid_access_token", 401, "not an access token by its typ"},
		{"a typ written out", headed(map[jose.HeaderKey]any{"typ": "application/AT+jwt"}), "", 200, ""},
		{"no typ", headed(map[jose.HeaderKey]any{"typ": nil}), "", 200, ""},
		{"no kid, and one key of the algorithm", sign(t, jose.RS256, key, nil, good), "", 200, ""},
		{"a kid without end", sign(t, jose.RS256, key, map[jose.HeaderKey]any{"kid": strings.Repeat("k", 1000)}, good), "invalid_access_token", 401, "header is not JSON"},
		{"expired", with(map[string]any{"iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(-time.Hour).Unix()}), "access_token_expired", 401, "a token of ciam: the token expired 1h"},
		{"expired within the leeway", with(map[string]any{"exp": now.Add(-10 * time.Second).Unix()}), "", 200, ""},
		{"not begun", with(map[string]any{"nbf": now.Add(10 * time.Minute).Unix()}), "invalid_access_token", 401, "a token of ciam: the token begins"},
		{"issued in the future", with(map[string]any{"iat": now.Add(10 * time.Minute).Unix()}), "invalid_access_token", 401, "a token of ciam: the token begins"},
		{"no exp", with(map[string]any{"exp": nil}), "invalid_access_token", 401, "a claim is missing: exp or iat"},
		{"no iat", with(map[string]any{"iat": nil}), "invalid_access_token", 401, "a claim is missing: exp or iat"},
		{"times that are texts", with(map[string]any{"exp": fmt.Sprint(now.Add(time.Hour).Unix())}), "invalid_access_token", 401, "claims are not JSON"},
		{"a life without end", with(map[string]any{"exp": int64(1) << 39}), "invalid_access_token", 401, "lives longer"},
		{"bound to what is not known here", with(map[string]any{"cnf": map[string]any{"kid": "x"}}), "invalid_access_token", 401, "bound to something that is not known"},
		{"bound to a DPoP key, as Bearer", with(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "invalid_access_token", 401, "bound to a DPoP key was sent as Bearer"},
		{"bound to a certificate, without it", with(map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}), "invalid_access_token", 401, "bound to a certificate came without one"},
		{"two readings", sign(t, jose.RS256, key, head, fmt.Appendf(nil, `{"iss":%q,"iss":%q,"aud":"marketplace","client_id":"crm","iat":%d,"exp":%d}`, other.issuer, p.issuer, now.Unix(), now.Unix()+60)), "invalid_access_token", 401, ""},
		{"RFC 8725 3.1 a JWT within a JWT", sign(t, jose.RS256, key, map[jose.HeaderKey]any{"kid": "rsa", "cty": "JWT"}, []byte(raw)), "invalid_access_token", 401, ""},
		{"another payload", parts[0] + "." + strings.Split(with(map[string]any{"sub": "x"}), ".")[1] + "." + parts[2], "invalid_access_token", 401, "signature is wrong"},
		{"four parts", raw + "." + parts[2], "invalid_access_token", 401, ""},
		{"longer than 16 KiB", with(map[string]any{"x": strings.Repeat("x", 16<<10)}), "invalid_access_token", 401, ""},
		{"longer than our own may be", with(map[string]any{"x": strings.Repeat("x", 8<<10)}), "", 200, ""},
		{"another issuer that is known, at an API that does not take it", other.token(t, nil), "invalid_access_token", 401, "a token of partner was sent to an API that takes tokens of ciam and own only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // a second time, in case anything is remembered
				status, body := n.at("/api-1/x", tt.token)
				if status != tt.status || tt.code != "" && body["error"] != tt.code {
					t.Fatalf("%d %v", status, body)
				}
				if tt.code != "" && !strings.Contains(n.why(body), tt.reason) {
					t.Errorf("the reason is %q", n.why(body))
				}
			}
		})
	}
	if status, _ := n.at("/api-1/x", own); status != http.StatusOK {
		t.Errorf("an own token: %d", status)
	}
	if status, body := n.at("/api-2/x", own); status != http.StatusUnauthorized {
		t.Errorf("an own token at an API that takes none: %d %v", status, body)
	}
}

func TestKeysOfAnIssuerThatAreTakenOutEndItsTokens(t *testing.T) {
	p := newProvider(t, "")
	var now clocked
	n, _, _, _ := mapped(t, p, now.now, nil)
	n.state("ciam", "ok")
	raw := p.token(t, nil)
	if status, body := n.at("/api-1/x", raw); status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	next := newRSA(t)
	p.publish(map[string]crypto.Signer{"rsa": p.key(), "next": next})
	fresh := sign(t, jose.RS256, next, map[jose.HeaderKey]any{"kid": "next"}, p.claims(time.Now(), nil))
	now.forward(31 * time.Second) // the bound of readings for a key that was not there
	if status, body := n.at("/api-1/x", fresh); status != http.StatusOK {
		t.Errorf("a new key is read for at once: %d %v", status, body)
	}
	if status, body := n.at("/api-1/x", raw); status != http.StatusOK {
		t.Errorf("the old key goes on: %d %v", status, body)
	}
	before := p.asked.Load()
	for i := range 200 {
		if status, _ := n.at("/api-1/x", sign(t, jose.RS256, next, map[jose.HeaderKey]any{"kid": fmt.Sprint(i)}, p.claims(time.Now(), nil))); status != http.StatusUnauthorized {
			t.Fatalf("an unknown kid: %d", status)
		}
	}
	if asked := p.asked.Load() - before; asked > 1 {
		t.Errorf("200 unknown kids had the keys read %d times", asked)
	}
	p.publish(map[string]crypto.Signer{"next": next})
	now.forward(9 * time.Minute) // four fifths of max-age
	soonish(t, "the key that was taken out ends what it signed", func() bool {
		status, body := n.at("/api-1/x", raw)
		return status == http.StatusUnauthorized && body["error"] == "invalid_access_token"
	})
	if status, _ := n.at("/api-1/x", fresh); status != http.StatusOK {
		t.Errorf("the other goes on: %d", status)
	}
	p.publish(map[string]crypto.Signer{"next": newRSA(t)})
	now.forward(9 * time.Minute)
	soonish(t, "another key of the same name is another key", func() bool {
		status, _ := n.at("/api-1/x", fresh)
		return status == http.StatusUnauthorized
	})
}

func TestAnIssuerThatIsAwayIsSaidAndDoesNotKeepUsFromStarting(t *testing.T) {
	p := newProvider(t, "")
	var now clocked
	p.away.Store(true)
	n, _, _, own := mapped(t, p, now.now, nil)
	raw := p.token(t, nil)
	if is := n.state("ciam", "absent"); is.Keys != 0 || !is.Read.IsZero() {
		t.Errorf("its status: %+v", is)
	}
	soonish(t, "why is told", func() bool { return strings.Contains(n.state("ciam", "absent").Problem, "status 503") })
	status, body := n.at("/api-1/x", raw)
	if status != http.StatusServiceUnavailable || body["error"] != "service_unavailable" || !strings.Contains(n.why(body), "the keys of the issuer ciam are not known") {
		t.Errorf("its tokens: %d %v, %q", status, body, n.why(body))
	}
	for path, want := range map[string]int{"/api-0/x": 401, "/api-1/x": 200} {
		if status, _ := n.at(path, own); path == "/api-1/x" && status != want {
			t.Errorf("own tokens: %d", status)
		}
		if status, _ := n.at(path, raw); path == "/api-0/x" && status != want {
			t.Errorf("its tokens, where they are not taken: %d", status)
		}
	}
	p.away.Store(false)
	n.state("ciam", "ok")
	if status, body := n.at("/api-1/x", raw); status != http.StatusOK {
		t.Errorf("it is back: %d %v", status, body)
	}
	p.away.Store(true)
	now.forward(11 * time.Minute) // past max-age
	if status, _ := n.at("/api-1/x", p.token(t, map[string]any{"jti": "again"})); status != http.StatusOK {
		t.Errorf("its last keys are gone by: %d", status)
	}
	if is := n.state("ciam", "stale"); is.Keys != 2 || is.Problem == "" {
		t.Errorf("its status: %+v", is)
	}
	long := p.token(t, map[string]any{"exp": time.Now().Add(3 * time.Hour).Unix()})
	if status, _ := n.at("/api-1/x", long); status != http.StatusOK {
		t.Errorf("within the bound: %d", status)
	}
	now.forward(time.Hour)
	if status, _ := n.at("/api-1/x", long); status != http.StatusServiceUnavailable {
		t.Errorf("past the bound, remembered or not: %d", status)
	}
	n.state("ciam", "absent")
}

func TestAnIssuerThatIsOurOwnIsRefusedAtTheStart(t *testing.T) {
	for name, text := range map[string]string{
		"letter by letter": "https://production.example", "with a slash": "https://production.example/", "in other letters": "https://Production.Example",
	} {
		t.Run(name, func(t *testing.T) {
			c := settings(t, t.TempDir(), "")
			c.Issuers = []config.Issuer{{Name: "ciam", Issuer: text, Audiences: []string{"x"}}}
			if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "is our own, of production") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("by a URL that is known when we listen", func(t *testing.T) {
		c := settings(t, t.TempDir(), "")
		c.Environments[market.Sandbox].Aliases = []string{"https://old.example"}
		c.Issuers = []config.Issuer{{Name: "ciam", Issuer: "https://OLD.example", Audiences: []string{"x"}}}
		must(t, c.Complete())
		s, err := server.New(t.Context(), server.Options{Config: c, Getenv: func(string) string { return "" }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			must(t, s.Close())
		}
		if err == nil || !strings.Contains(err.Error(), "is our own, of sandbox") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTwoKeysThatCouldBeMeantAreNone(t *testing.T) {
	p := newProvider(t, "")
	one := p.key()
	p.publish(map[string]crypto.Signer{"rsa": one, "two": newRSA(t)})
	n, _, _, _ := mapped(t, p, time.Now, nil)
	n.state("ciam", "ok")
	status, body := n.at("/api-1/x", sign(t, jose.RS256, one, nil, p.claims(time.Now(), nil)))
	if status != http.StatusUnauthorized || !strings.Contains(n.why(body), "has no kid, and the issuer publishes several keys") {
		t.Errorf("%d %v, %q", status, body, n.why(body))
	}
	if _, ok := one.(*rsa.PrivateKey); !ok {
		t.Error("of another type")
	}
}

func TestACatalogueNamesIssuersThatThereAre(t *testing.T) {
	p := newProvider(t, "")
	n := run(t, trusting(t, p.configured(t, "ciam")))
	err := n.ApplyCatalog(t.Context(), market.System, issuerAPIs(saw(t), "[own, nobody]"))
	if err == nil || !strings.Contains(err.Error(), `there is no issuer "nobody" in the configuration; there are: own, ciam`) {
		t.Errorf("got %v", err)
	}
	if err := n.ApplyCatalog(t.Context(), market.System, issuerAPIs(saw(t), "[]")); err == nil || !strings.Contains(err.Error(), "issuers is empty") {
		t.Errorf("got %v", err)
	}
	must(t, n.ApplyCatalog(t.Context(), market.System, issuerAPIs(saw(t), "[own]", "[ciam]")))
}
