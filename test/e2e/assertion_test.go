package e2e_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyOf makes a key for an algorithm.
func keyOf(t *testing.T, alg string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// publicPEM is the public key as openssl writes it.
func publicPEM(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// asserting is the claims of a good assertion, with changes; nil takes a claim out.
func asserting(e *environment, changes map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": e.ClientID, "sub": e.ClientID, "aud": e.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign signs claims, by another implementation of JOSE than ours.
func sign(t *testing.T, key any, alg string, header, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// assert asks for a token with an assertion.
func (s *site) assert(target, assertion string, more ...string) answer {
	s.t.Helper()
	return s.form(target, append([]string{"grant_type", "client_credentials", "client_assertion_type", jwtBearer, "client_assertion", assertion}, more...)...)
}

// addKey lets the environment's app authenticate by a key.
func (s *site) addKey(t *testing.T, e *environment, in api.NewCredential) api.CreatedCredential {
	t.Helper()
	m := s.operator()
	made, err := m.CreateCredential(t.Context(), s.app(m, e.ClientID).ID, in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// reason is what the owner is told of an answer.
func (s *site) reason(t *testing.T, a answer) api.Refusal {
	t.Helper()
	kept, err := s.operator().Refusal(t.Context(), a.header.Get("X-Trace-Id"))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestAClientAuthenticatesByAKey(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	target := e.URL + "/oauth2/token"
	for _, alg := range []string{"RS256", "PS256", "RS512", "ES256", "ES384", "EdDSA"} {
		t.Run("2.3 by "+alg, func(t *testing.T) {
			key := keyOf(t, alg)
			made := s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
			a := s.assert(target, sign(t, key, alg, nil, asserting(e, nil)))
			if a.status != http.StatusOK {
				t.Fatalf("%d %s: %+v", a.status, a.body, s.reason(t, a))
			}
			token, _ := a.json(t)["access_token"].(string)
			if got := s.call(e.api(t, "eligibility"), token, nil); got.status != http.StatusOK {
				t.Errorf("the call: %d %s", got.status, got.body)
			}
			if _, payload := claims(t, token); payload["cred"] != made.ID {
				t.Errorf("the token names the credential %v, want %s", payload["cred"], made.ID)
			}
			if _, err := s.operator().RevokeCredential(t.Context(), made.ID, api.CredentialRevocation{Force: true}); err != nil {
				t.Fatal(err)
			}
			if got := s.call(e.api(t, "eligibility"), token, nil); got.status != http.StatusUnauthorized {
				t.Errorf("a call after the key was revoked: %d", got.status)
			}
			a = s.assert(target, sign(t, key, alg, nil, asserting(e, nil)))
			if got := s.reason(t, a); a.status != http.StatusUnauthorized || got.Reason != "the key "+made.Hint+" was revoked" || got.Credential != made.ID {
				t.Errorf("%d: %+v", a.status, got)
			}
		})
	}
	key := keyOf(t, "ES256")
	made := s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	now := time.Now()
	for name, tt := range map[string]struct {
		path           string
		header, claims map[string]any
		more           []string
	}{
		"with its client_id":                     {more: []string{"client_id", e.ClientID}},
		"with typ JWT":                           {header: map[string]any{"typ": "JWT"}},
		"with the typ of rfc7523bis":             {header: map[string]any{"typ": "client-authentication+jwt"}},
		"naming the key by its thumbprint":       {header: map[string]any{"kid": made.Thumbprint}},
		"naming the key by its credential":       {header: map[string]any{"kid": made.ID}},
		"with a kid of its own":                  {header: map[string]any{"kid": "mine"}},
		"with aud as an array of one":            {claims: map[string]any{"aud": []string{e.Issuer}}},
		"an hour long":                           {claims: map[string]any{"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix()}},
		"without iat":                            {claims: map[string]any{"iat": nil}},
		"with times in fractions":                {claims: map[string]any{"iat": float64(now.UnixMilli()) / 1000, "exp": float64(now.UnixMilli())/1000 + 59.5}},
		"by a clock that is 20 seconds ahead":    {claims: map[string]any{"iat": now.Unix() + 20, "nbf": now.Unix() + 20, "exp": now.Unix() + 80}},
		"by a clock that is 20 seconds behind":   {claims: map[string]any{"iat": now.Unix() - 80, "exp": now.Unix() - 20}},
		"with a jti of 256 bytes":                {claims: map[string]any{"jti": strings.Repeat("j", 256-26) + rand.Text()}},
		"with claims and a scope of its own":     {claims: map[string]any{"scope": "x", "azp": []string{"y"}}, more: []string{"scope", "MN_Product_Eligibility_v3"}},
		"at v1, which answers in its own words":  {path: "/apip/auth/v1/token"},
		"at v2, which answers in its own words":  {path: "/apip/auth/v2/token"},
		"at v3, which answers in its own words":  {path: "/auth/sntl/v1/token"},
		"at the endpoint with a trailing slash":  {path: "/oauth2/token/"},
		"with the public key in an unknown kid ": {header: map[string]any{"kid": strings.Repeat("k", 500)}},
	} {
		t.Run("2.3 "+name, func(t *testing.T) {
			if tt.path == "" {
				tt.path = "/oauth2/token"
			}
			a := s.assert(e.URL+tt.path, sign(t, key, "ES256", tt.header, asserting(e, tt.claims)), tt.more...)
			if a.status != http.StatusOK {
				t.Errorf("%d %s: %+v", a.status, a.body, s.reason(t, a))
			}
		})
	}
	t.Run("2.3 in JSON, where JSON goes", func(t *testing.T) {
		body := encode(t, map[string]string{
			"grant_type": "client_credentials", "client_assertion_type": jwtBearer,
			"client_assertion": sign(t, key, "ES256", nil, asserting(e, nil)),
		})
		if a := s.do("POST", e.URL+"/apip/auth/v2/token", map[string]string{"Content-Type": "application/json"}, body); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("2.11 at introspection and revocation", func(t *testing.T) {
		token := s.token(e)
		for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
			a := s.form(e.URL+path, "client_assertion_type", jwtBearer, "client_assertion", sign(t, key, "ES256", nil, asserting(e, nil)), "token", token)
			if a.status != http.StatusOK || path == "/oauth2/introspect" && a.json(t)["active"] != true {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	})
	t.Run("6.3 its last use is noted", func(t *testing.T) {
		eventually(t, "the last use", func() bool {
			c, err := s.operator().Credential(t.Context(), made.ID)
			return err == nil && !c.LastUsed.IsZero()
		})
	})
}

// RFC 7523 §3, rfc7523bis, OpenID Connect Core §9. All are refused in the same
// words; the owner is told which it was.
func TestAssertionsThatDoNotAuthenticate(t *testing.T) {
	s := start(t)
	e, other := s.Environments["sandbox"], s.Environments["production"]
	target := e.URL + "/oauth2/token"
	key, stranger := keyOf(t, "RS256"), keyOf(t, "RS256")
	made := s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	ec := keyOf(t, "ES256")
	jwk := encode(t, jose.JSONWebKey{Key: ec.Public(), KeyID: "named", Algorithm: "ES256", Use: "sig"})
	s.addKey(t, e, api.NewCredential{PublicKey: jwk})
	wrong := s.form(target, "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", "wrong")
	if wrong.status != http.StatusUnauthorized {
		t.Fatalf("a wrong secret: %d", wrong.status)
	}
	now := time.Now()
	good := func() string { return sign(t, key, "RS256", nil, asserting(e, nil)) }
	with := func(changes map[string]any) string { return sign(t, key, "RS256", nil, asserting(e, changes)) }
	headed := func(header map[string]any) string { return sign(t, key, "RS256", header, asserting(e, nil)) }
	raw := func(header, payload, signature string) string {
		b := base64.RawURLEncoding
		return b.EncodeToString([]byte(header)) + "." + b.EncodeToString([]byte(payload)) + "." + signature
	}
	confused := func(secret string) string { // HS256 with what anybody may know
		unsigned := strings.TrimSuffix(raw(`{"alg":"HS256"}`, encode(t, asserting(e, nil)), ""), ".")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(unsigned))
		return unsigned + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	used := good()
	if a := s.assert(target, used); a.status != http.StatusOK {
		t.Fatalf("a good assertion: %d %s", a.status, a.body)
	}
	tests := []struct {
		name, assertion, reason string
		more                    []string
	}{
		{"used before", used, "jti of the assertion was used before", nil},
		{"the same jti again", func() string {
			_, payload := claims(t, used)
			return with(map[string]any{"jti": payload["jti"]})
		}(), "jti of the assertion was used before", nil},
		{"aud is the token URL", with(map[string]any{"aud": target}), "aud is the token URL", nil},
		{"aud is another token URL of ours", with(map[string]any{"aud": e.TokenURLs["v2"] + "/"}), "aud is the token URL", nil},
		{"aud has the issuer and the token URL", with(map[string]any{"aud": []string{e.Issuer, target}}), "more than one aud", nil},
		{"aud has the issuer twice", with(map[string]any{"aud": []string{e.Issuer, e.Issuer}}), "more than one aud", nil},
		{"aud is an empty array", with(map[string]any{"aud": []string{}}), "no aud", nil},
		{"aud is missing", with(map[string]any{"aud": nil}), "no aud", nil},
		{"aud is the other environment's issuer", with(map[string]any{"aud": other.Issuer}), "was made for " + `"` + other.Issuer, nil},
		{"aud is the issuer with a slash", with(map[string]any{"aud": e.Issuer + "/"}), "was made for", nil},
		{"aud is the issuer in capitals", with(map[string]any{"aud": strings.ToUpper(e.Issuer)}), "was made for", nil},
		{"aud is the issuer inside an array in an array", with(map[string]any{"aud": []any{[]string{e.Issuer}}}), "cannot be read", nil},
		{"aud is a number", with(map[string]any{"aud": 1}), "cannot be read", nil},
		{"expired", with(map[string]any{"exp": now.Unix() - 60}), "expired 1m", nil},
		{"no exp", with(map[string]any{"exp": nil}), "no exp", nil},
		{"exp in words", with(map[string]any{"exp": "tomorrow"}), "cannot be read", nil},
		{"exp beyond all times", with(map[string]any{"exp": 1e300}), "cannot be read", nil},
		{"exp more than an hour ahead", with(map[string]any{"exp": now.Add(62 * time.Minute).Unix()}), "more than an hour", nil},
		{"nbf ahead", with(map[string]any{"nbf": now.Unix() + 60}), "nbf", nil},
		{"iat ahead", with(map[string]any{"iat": now.Unix() + 60}), "iat", nil},
		{"no jti", with(map[string]any{"jti": nil}), "no jti", nil},
		{"an empty jti", with(map[string]any{"jti": ""}), "no jti", nil},
		{"a jti of 257 bytes", with(map[string]any{"jti": strings.Repeat("j", 257)}), "jti", nil},
		{"a jti with a NUL", with(map[string]any{"jti": "a\x00b"}), "jti", nil},
		{"no sub", with(map[string]any{"sub": nil}), "no sub", nil},
		{"no iss", with(map[string]any{"iss": nil}), "iss and sub", nil},
		{"iss is another", with(map[string]any{"iss": other.ClientID}), "iss and sub", nil},
		{"sub is another", with(map[string]any{"sub": other.ClientID}), "iss and sub", nil},
		{"another client's client_id in the body", good(), "client_id of the request", []string{"client_id", other.ClientID}},
		{"in another's name", with(map[string]any{"iss": other.ClientID, "sub": other.ClientID}), "a production client_id was sent to sandbox", nil},
		{"in the newcomer's name", with(map[string]any{"iss": e.Newcomer.ClientID, "sub": e.Newcomer.ClientID}), "has no public key", nil},
		{"in nobody's name", with(map[string]any{"iss": "nobody", "sub": "nobody"}), "no such client_id", nil},
		{"signed by another key", sign(t, stranger, "RS256", nil, asserting(e, nil)), "no key of the app made the signature", nil},
		{"signed by another key, naming ours", sign(t, stranger, "RS256", map[string]any{"kid": made.Thumbprint}, asserting(e, nil)), "not that of the key", nil},
		{"signed by another key, naming none of ours", sign(t, stranger, "RS256", map[string]any{"kid": "x"}, asserting(e, nil)), `has the kid "x"`, nil},
		{"by a key of a type that the app has not", sign(t, keyOf(t, "EdDSA"), "EdDSA", nil, asserting(e, nil)), "no key for EdDSA", nil},
		{"naming a key of another type", sign(t, key, "RS256", map[string]any{"kid": "named"}, asserting(e, nil)), "not one for RS256", nil},
		{"HS256 with the public key in PEM as the secret", confused(publicPEM(t, key)), `signed by "HS256"`, nil},
		{"HS256 with the public key in DER as the secret", confused(string(der)), `signed by "HS256"`, nil},
		{"HS256 with the client secret as the secret", confused(e.ClientSecret), `signed by "HS256"`, nil},
		{"alg none", raw(`{"alg":"none"}`, encode(t, asserting(e, nil)), ""), `signed by "none"`, nil},
		{"no alg", raw(`{}`, encode(t, asserting(e, nil)), ""), `signed by ""`, nil},
		{"no signature", strings.Join(append(strings.Split(good(), ".")[:2], ""), "."), "no key of the app made the signature", nil},
		{"another payload under the signature", func() string {
			a, b := strings.Split(good(), "."), strings.Split(good(), ".")
			return a[0] + "." + b[1] + "." + a[2]
		}(), "no key of the app made the signature", nil},
		{"its own key in the header", headed(map[string]any{"jku": "https://attacker.example/keys"}), "header has crit", nil},
		{"a critical extension", raw(`{"alg":"RS256","crit":["exp"],"exp":1}`, encode(t, asserting(e, nil)), "AAAA"), "header has crit", nil},
		{"another typ", headed(map[string]any{"typ": "at+jwt"}), `typ of the assertion is "at+jwt"`, nil},
		{"a claim twice", raw(`{"alg":"RS256"}`, `{"iss":"a","iss":"b"}`, "AAAA"), "cannot be read", nil},
		{"no JWT", "x", "not a signed JWT", nil},
		{"an access token of ours", s.token(e), "typ of the assertion", nil},
		{"five parts", "a.b.c.d.e", "not a signed JWT", nil},
		{"17 KiB", strings.Repeat("a", 17<<10), "not a signed JWT", nil},
	}
	for _, tt := range tests {
		t.Run("2.3 2.9 "+tt.name, func(t *testing.T) {
			a := s.assert(target, tt.assertion, tt.more...)
			if a.status != wrong.status || a.json(t)["error"] != "invalid_client" || a.json(t)["error_description"] != wrong.json(t)["error_description"] {
				t.Errorf("%d %s, want the words of a wrong secret", a.status, a.body)
			}
			got := s.reason(t, a)
			skew := map[string]int64{"expired": 60, "nbf ahead": -60, "iat ahead": -60}[tt.name] // a moment ago
			if got.Parameter != "client_assertion" || got.SkewSeconds < skew || skew <= 0 && got.SkewSeconds > skew/2 {
				t.Errorf("the owner is told that it is about %q, off by %d s, want %d", got.Parameter, got.SkewSeconds, skew)
			}
			if !strings.Contains(got.Reason, tt.reason) || got.Next == "" || strings.Contains(got.Reason+got.Next, strings.Split(tt.assertion, ".")[0]+".") {
				t.Errorf("the owner is told %q, next %q; want %q", got.Reason, got.Next, tt.reason)
			}
		})
	}
	t.Run("2.3 another kind of assertion, or none", func(t *testing.T) {
		for _, pairs := range [][]string{
			{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "client_assertion", good()},
			{"client_assertion", good()},
			{"client_assertion_type", jwtBearer},
		} {
			a := s.form(target, append([]string{"grant_type", "client_credentials"}, pairs...)...)
			if a.status != wrong.status || a.json(t)["error_description"] != wrong.json(t)["error_description"] || s.reason(t, a).Next == "" {
				t.Errorf("%v: %d %s", pairs, a.status, a.body)
			}
		}
	})
	t.Run("2.3 beside another way to authenticate", func(t *testing.T) {
		if a := s.assert(target, good(), "client_secret", e.ClientSecret); a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_request" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("2.3 a forged assertion spends nothing", func(t *testing.T) {
		jti := rand.Text()
		for _, forged := range []string{
			sign(t, stranger, "RS256", nil, asserting(e, map[string]any{"jti": jti})),
			with(map[string]any{"jti": jti, "aud": target}),
			with(map[string]any{"jti": jti, "exp": now.Unix() - 60}),
		} {
			if a := s.assert(target, forged); a.status != http.StatusUnauthorized {
				t.Errorf("forged: %d", a.status)
			}
		}
		if a := s.assert(target, with(map[string]any{"jti": jti})); a.status != http.StatusOK {
			t.Errorf("the good one after it: %d %s", a.status, a.body)
		}
	})
}

func TestOneOfManyParallelUsesOfAnAssertionPasses(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	key := keyOf(t, "EdDSA")
	s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	for range 5 {
		assertion := sign(t, key, "EdDSA", nil, asserting(e, nil))
		var passed, refused atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				switch a := s.assert(e.URL+"/oauth2/token", assertion); a.status {
				case http.StatusOK:
					passed.Add(1)
				case http.StatusUnauthorized:
					refused.Add(1)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 || refused.Load() != 19 {
			t.Errorf("%d passed and %d were refused, want 1 and 19", passed.Load(), refused.Load())
		}
	}
}

func TestAnAssertionStaysUsedAfterARestart(t *testing.T) {
	data := t.TempDir()
	s := startIn(t, data)
	e := s.Environments["sandbox"]
	key := keyOf(t, "ES256")
	s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	used := sign(t, key, "ES256", nil, asserting(e, map[string]any{"exp": time.Now().Add(time.Hour).Unix()}))
	if a := s.assert(e.URL+"/oauth2/token", used); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	o := demo.Options{Data: data, ListenSandbox: host(t, e.URL)} // the issuer is its URL
	s = startWith(t, o)
	e = s.Environments["sandbox"]
	a := s.assert(e.URL+"/oauth2/token", used)
	if got := s.reason(t, a); a.status != http.StatusUnauthorized || !strings.Contains(got.Reason, "used before") {
		t.Errorf("%d: %+v", a.status, got)
	}
	if a := s.assert(e.URL+"/oauth2/token", sign(t, key, "ES256", nil, asserting(e, nil))); a.status != http.StatusOK {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
}

func TestXOAuth2AuthenticatesByAnAssertion(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	key := keyOf(t, "RS256")
	s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	config := clientcredentials.Config{
		TokenURL: e.TokenURLs["rfc"], AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{"client_assertion_type": {jwtBearer}, "client_assertion": {sign(t, key, "RS256", nil, asserting(e, nil))}},
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.client)
	token, err := config.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.call(e.api(t, "eligibility"), token.AccessToken, nil); a.status != http.StatusOK {
		t.Errorf("the call: %d %s", a.status, a.body)
	}
}

// published is a client's key set, over plain HTTP on this machine.
type published struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	keys   []jose.JSONWebKey
}

func publish(t *testing.T) *published {
	t.Helper()
	p := &published{status: http.StatusOK}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.Header().Set("Cache-Control", "max-age=3600")
		w.WriteHeader(p.status)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: p.keys})
	}))
	t.Cleanup(p.Close)
	return p
}

// show publishes the keys of these names.
func (p *published) show(status int, keys map[string]crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.keys = status, nil
	for kid, key := range keys {
		p.keys = append(p.keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
	}
}

func TestAClientPublishesItsKeys(t *testing.T) {
	now := &clock{}
	s := startWith(t, demo.Options{Data: t.TempDir(), Now: now.Now})
	e := s.Environments["sandbox"]
	target := e.URL + "/oauth2/token"
	forward := func(d time.Duration) {
		now.forward(d)
		eventually(t, "the node goes by its clock", func() bool { return s.grant(e, target).status == http.StatusOK })
	}
	first, next := keyOf(t, "ES256"), keyOf(t, "RS256")
	p := publish(t)
	p.show(http.StatusOK, map[string]crypto.Signer{"first": first})
	made := s.addKey(t, e, api.NewCredential{JWKSURI: p.URL + "/keys"})
	times := func() map[string]any {
		at := now.Now()
		return map[string]any{"iat": at.Unix(), "exp": at.Add(time.Minute).Unix()}
	}
	by := func(key crypto.Signer, alg, kid string) answer {
		header := map[string]any{"kid": kid}
		if kid == "" {
			header = nil
		}
		return s.assert(target, sign(t, key, alg, header, asserting(e, times())))
	}
	good := func(step string, a answer) {
		t.Helper()
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s: %+v", step, a.status, a.body, s.reason(t, a))
		}
		token, _ := a.json(t)["access_token"].(string)
		if _, payload := claims(t, token); payload["cred"] != made.ID {
			t.Errorf("%s: the token names %v, want %s", step, payload["cred"], made.ID)
		}
	}
	refused := func(step, reason string, a answer) {
		t.Helper()
		if got := s.reason(t, a); a.status != http.StatusUnauthorized || !strings.Contains(got.Reason, reason) || got.Next == "" {
			t.Errorf("%s: %d, %+v, want %q", step, a.status, got, reason)
		}
	}
	good("the first key", by(first, "ES256", "first"))
	good("the first key, without naming it", by(first, "ES256", ""))
	refused("a key that is not published", "made the signature", by(keyOf(t, "ES256"), "ES256", "first"))
	p.show(http.StatusOK, map[string]crypto.Signer{"first": first, "next": next})
	forward(31 * time.Second)
	good("the next key, by its name", by(next, "RS256", "next"))
	p.show(http.StatusOK, map[string]crypto.Signer{"next": next})
	forward(61 * time.Minute)
	refused("the first key, which was taken out", `no key for ES256 with the kid "first"`, by(first, "ES256", "first"))
	good("the next key, from then on", by(next, "RS256", "next"))
	p.show(http.StatusInternalServerError, nil)
	forward(61 * time.Minute)
	good("while the set cannot be had", by(next, "RS256", "next"))
	forward(time.Hour)
	refused("when it could not be had for too long", "answers with status 500", by(next, "RS256", "next"))
	p.show(http.StatusOK, map[string]crypto.Signer{"next": next})
	forward(11 * time.Second)
	good("when it can be had again", by(next, "RS256", "next"))
	if _, err := s.operator().RevokeCredential(t.Context(), made.ID, api.CredentialRevocation{Force: true}); err != nil {
		t.Fatal(err)
	}
	refused("after it was revoked", "has no public key", by(next, "RS256", "next"))
}
