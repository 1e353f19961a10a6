package server_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// provider is an issuer of the test's, that can be made to say anything.
type provider struct {
	*httptest.Server
	issuer string
	away   atomic.Bool
	asked  atomic.Int32 // for its keys

	mu   sync.Mutex
	keys map[string]crypto.Signer // by kid; those that are published
}

// newProvider serves an issuer at a path of a server of its own, with the keys
// "rsa" and "ec".
func newProvider(t *testing.T, path string) *provider {
	t.Helper()
	p := &provider{keys: map[string]crypto.Signer{"rsa": newRSA(t), "ec": newEC(t)}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	p.issuer = p.URL + path
	return p
}

func newRSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return key
}

func newEC(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(p.issuer, p.URL)
	switch {
	case p.away.Load():
		http.Error(w, "away", http.StatusServiceUnavailable)
	case r.URL.Path == strings.TrimSuffix(path, "/")+"/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.issuer, "jwks_uri": p.URL + "/keys"})
	case r.URL.Path == "/keys":
		p.asked.Add(1)
		set := jose.JSONWebKeySet{}
		p.mu.Lock()
		defer p.mu.Unlock()
		for kid, key := range p.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
		}
		w.Header().Set("Cache-Control", "max-age=600")
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

// publish makes keys what the provider publishes.
func (p *provider) publish(keys map[string]crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

// key is the one that is published as rsa.
func (p *provider) key() crypto.Signer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys["rsa"]
}

// claims are those of a good token, changed; a nil takes a claim out.
func (p *provider) claims(now time.Time, change map[string]any) map[string]any {
	all := map[string]any{
		"iss": p.issuer, "aud": "marketplace", "sub": "user-1", "client_id": "crm",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": rand.Text(),
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign makes a token as anybody could who has the key.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"typ": "at+jwt"}}
	maps.Copy(options.ExtraHeaders, header)
	if options.ExtraHeaders["typ"] == nil {
		delete(options.ExtraHeaders, "typ")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	must(t, err)
	payload, ok := claims.([]byte)
	if !ok {
		payload, err = json.Marshal(claims)
		must(t, err)
	}
	signed, err := signer.Sign(payload)
	must(t, err)
	text, err := signed.CompactSerialize()
	must(t, err)
	return text
}

// token is a good one, of the key rsa, but for what is changed.
func (p *provider) token(t *testing.T, change map[string]any) string {
	t.Helper()
	return sign(t, jose.RS256, p.key(), map[jose.HeaderKey]any{"kid": "rsa"}, p.claims(time.Now(), change))
}

// configured is the provider in the configuration.
func (p *provider) configured(t *testing.T, name string) config.Issuer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600))
	return config.Issuer{Name: name, Issuer: p.issuer, Audiences: []string{"marketplace"}, Allow: []string{"127.0.0.0/8", "::1/128"}, CA: file}
}

// trusting is a configuration with these issuers.
func trusting(t *testing.T, issuers ...config.Issuer) *config.Config {
	t.Helper()
	c := settings(t, t.TempDir(), "")
	c.Issuers = issuers
	must(t, c.Complete())
	return c
}

// issuerAPIs is a catalogue with one API for each text of issuers, at /api-0 and so on.
func issuerAPIs(upstream string, issuers ...string) fstest.MapFS {
	files := fstest.MapFS{"products.yaml": {Data: []byte("- {name: " + product + ", title: Thing}\n- {name: Other, title: Other}\n")}}
	for i, text := range issuers {
		name, request := fmt.Sprintf("api-%d", i), ""
		if text != "" {
			request = "request: {issuers: " + text + "}\n"
		}
		files[name+"/manifest.yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"title: %s\nbase_path: /%s\nproducts: [%s]\nupstreams: {production: {url: %q}}\n%s", name, name, product, upstream, request)}
	}
	return files
}

// saw is an upstream that says what it was told.
func saw(t *testing.T) string {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(upstream.Close)
	return upstream.URL
}

// at calls an API of production.
func (n *node) at(path, token string) (int, map[string]any) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.production().URL+path, http.NoBody)
	must(n.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	return n.do(r)
}

// why is the reason of a refusal, for the operator.
func (n *node) why(body map[string]any) string {
	n.t.Helper()
	trace, _ := body["traceId"].(string)
	refusal, err := n.operator().Refusal(n.t.Context(), trace)
	must(n.t, err)
	return refusal.Reason
}

// state waits until an issuer is in a state.
func (n *node) state(name, state string) api.IssuerStatus {
	n.t.Helper()
	var found api.IssuerStatus
	o := n.operator()
	soonish(n.t, name+" is "+state, func() bool {
		s, err := o.Status(n.t.Context())
		must(n.t, err)
		for _, i := range s.Issuers {
			if i.Name == name {
				found = i
			}
		}
		return found.State == state
	})
	return found
}

// soonish waits for what the next look at an issuer brings.
func soonish(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// clocked is a clock that a test moves ahead.
type clocked struct{ ahead atomic.Int64 }

func (c *clocked) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clocked) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// alias and sandboxAlias are further URLs of production and of the sandbox, which are
// known beforehand.
const (
	alias        = "https://production.example.com"
	sandboxAlias = "https://sandbox.example.com"
)

// mapped is a server with a provider whose client crm is the customer's app, and a
// catalogue: /api-0 takes own tokens, /api-1 both, /api-2 the provider's alone.
func mapped(t *testing.T, p *provider, now func() time.Time, change func(*config.Issuer)) (n *node, sub market.Subscription, app market.App, own string) {
	t.Helper()
	i := p.configured(t, "ciam")
	// The client_id is known only when there is an app: the server starts twice.
	c := trusting(t)
	c.Environments[market.Production].Aliases, c.Environments[market.Sandbox].Aliases = []string{alias}, []string{sandboxAlias}
	first := runAt(t, c, now)
	must(t, first.ApplyCatalog(t.Context(), market.System, issuerAPIs(saw(t), "")))
	sub, app, text := customer(t, first.Market)
	i.Clients = map[string]string{"crm": app.ClientID, "gone": "none", "sandboxed": first.sandboxApp()}
	first.stop()
	i.ClientClaim = "client_id"
	if change != nil {
		change(&i)
	}
	c.Issuers = []config.Issuer{i}
	must(t, c.Complete())
	n = runAt(t, c, now)
	must(t, n.ApplyCatalog(t.Context(), market.System, issuerAPIs(saw(t), "", "[own, ciam]", "[ciam]")))
	soon(t, "the secret works", func() bool {
		var status int
		status, own = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	return n, sub, app, own
}

func TestATokenOfAnotherIssuerOpensWhatItsAppIsSubscribedTo(t *testing.T) {
	p := newProvider(t, "/realms/one")
	n, sub, app, own := mapped(t, p, time.Now, nil)
	n.state("ciam", "ok")
	raw := p.token(t, map[string]any{"sub": "Zoë%1"})
	for _, path := range []string{"/api-1", "/api-2"} {
		for range 2 { // read, and remembered
			status, seen := n.at(path+"/x", raw)
			if status != http.StatusOK {
				t.Fatalf("%s: %d %v", path, status, seen)
			}
			for name, want := range map[string]string{
				"X-Sallyport-Organization": string(app.Org), "X-Sallyport-Client-Id": app.ClientID, "X-Sallyport-User": "Zo%C3%AB%251",
			} {
				if got := fmt.Sprint(seen[name]); got != "["+want+"]" {
					t.Errorf("4.5: %s is %s", name, got)
				}
			}
			identity := payload(t, fmt.Sprint(seen["X-Sallyport-Identity"].([]any)[0]))
			if identity["user"] != "Zoë%1" || identity["user_issuer"] != p.issuer || identity["sub"] != app.ClientID || seen["Authorization"] != nil {
				t.Errorf("4.5: the upstream was told %v", identity)
			}
		}
	}
	t.Run("users are told apart, and a client that calls for itself is none", func(t *testing.T) {
		for user, change := range map[string]map[string]any{"user-2": {"sub": "user-2"}, "": {"sub": "crm"}} {
			_, seen := n.at("/api-1/x", p.token(t, change))
			identity := payload(t, fmt.Sprint(seen["X-Sallyport-Identity"].([]any)[0]))
			if got, _ := identity["user"].(string); got != user {
				t.Errorf("the user is %q, want %q", got, user)
			}
		}
		_, seen := n.at("/api-1/x", own)
		if identity := payload(t, fmt.Sprint(seen["X-Sallyport-Identity"].([]any)[0])); identity["user"] != nil || identity["user_issuer"] != nil || seen["X-Sallyport-User"] != nil {
			t.Errorf("an own token has a user: %v", identity)
		}
	})
	t.Run("each API takes the issuers that it names", func(t *testing.T) {
		for _, tt := range []struct {
			path, token string
			status      int
			reason      string
		}{
			{"/api-0/x", own, 200, ""},
			{"/api-1/x", own, 200, ""},
			{"/api-0/x", raw, 401, "a token of ciam was sent to an API that takes own tokens only"},
			{"/api-0/x", raw[:len(raw)-8] + "AAAAAAAA", 401, "could not be verified, was sent to an API that takes own tokens only"},
			{"/api-2/x", own, 401, "a token of own was sent to an API that takes tokens of ciam only"},
		} {
			status, body := n.at(tt.path, tt.token)
			if status != tt.status {
				t.Errorf("%s: %d %v", tt.path, status, body)
				continue
			}
			if tt.reason != "" && (body["error"] != "invalid_access_token" || !strings.Contains(n.why(body), tt.reason)) {
				t.Errorf("%s: %v, %q", tt.path, body, n.why(body))
			}
		}
	})
	t.Run("a call is explained", func(t *testing.T) {
		for path, want := range map[string]string{
			"/api-1/x": `token of the issuer ciam, of app "app" of "Customer"`,
			"/api-0/x": "a token of ciam was sent to an API that takes own tokens only",
		} {
			text := api.NewSecret(raw)
			e, err := n.operator().Explain(t.Context(), api.Call{Method: "GET", URL: n.production().URL + path, Token: &text})
			if err != nil || !strings.Contains(fmt.Sprint(e.Steps), want) {
				t.Errorf("%s: %+v, %v", path, e, err)
			}
		}
	})
	t.Run("RFC 9728 the metadata of an API list the issuers that it takes", func(t *testing.T) {
		ours := n.production().Issuer
		for path, want := range map[string][]any{"/api-0": {ours}, "/api-1": {ours, p.issuer}, "/api-2": {p.issuer}} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.production().URL+"/.well-known/oauth-protected-resource"+path, http.NoBody)
			must(t, err)
			if _, body := n.do(r); fmt.Sprint(body["authorization_servers"]) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", path, body["authorization_servers"], want)
			}
		}
	})
	t.Run("so does its page", func(t *testing.T) {
		for name, want := range map[string]bool{"api-0": false, "api-1": true, "api-2": true} {
			if page := n.page("/apis/" + name); strings.Contains(page, p.issuer) != want || strings.Contains(page, "Beside tokens of our own") != (name == "api-1") {
				t.Errorf("the page of %s: %t expected", name, want)
			}
		}
	})
	t.Run("what is so now decides", func(t *testing.T) {
		_, err := n.Market.ChangeSubscription(t.Context(), market.System, sub.ID, market.ActSuspend, "", "")
		must(t, err)
		soon(t, "a suspended subscription", func() bool {
			status, body := n.at("/api-1/x", raw)
			return status == 403 && body["error"] == "invalid_product"
		})
		_, err = n.Market.ChangeSubscription(t.Context(), market.System, sub.ID, market.ActResume, "", "")
		must(t, err)
		soon(t, "a subscription that goes on", func() bool { status, _ := n.at("/api-1/x", raw); return status == 200 })
		jti := fmt.Sprint(payload(t, raw)["jti"])
		must(t, n.Market.RevokeToken(t.Context(), market.System, market.Revocation{JTI: jti, Org: app.Org, App: app.ID, Expires: time.Now().Add(time.Hour)}))
		soon(t, "a revoked token", func() bool {
			status, body := n.at("/api-1/x", raw)
			return status == 401 && body["error"] == "access_token_not_approved"
		})
		before := p.token(t, map[string]any{"iat": time.Now().Add(-time.Minute).Unix()})
		if status, body := n.at("/api-1/x", before); status != 200 {
			t.Errorf("a token of a minute ago: %d %v", status, body)
		}
		at := time.Now().Unix() - 5
		_, err = n.Market.ChangeApp(t.Context(), market.System, app.ID, market.AppPatch{NotBefore: &at})
		must(t, err)
		soon(t, "the app's not-before", func() bool {
			status, body := n.at("/api-1/x", before)
			return status == 401 && body["error"] == "access_token_not_approved"
		})
		if status, body := n.at("/api-1/x", p.token(t, nil)); status != 200 {
			t.Errorf("a token of now: %d %v", status, body)
		}
		disabled := market.AppDisabled
		_, err = n.Market.ChangeApp(t.Context(), market.System, app.ID, market.AppPatch{State: &disabled, Guard: market.Anyway})
		must(t, err)
		late := p.token(t, nil)
		soon(t, "a disabled app", func() bool {
			status, body := n.at("/api-1/x", late)
			return status == 401 && body["error"] == "access_token_not_approved"
		})
	})
}

// payload is what a JWT says, unverified.
func payload(t *testing.T, raw string) map[string]any {
	t.Helper()
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	must(t, err)
	var all map[string]any
	must(t, json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &all))
	return all
}

func TestWhoCallsIsWhatTheClaimsMean(t *testing.T) {
	p := newProvider(t, "/")
	products := func(i *config.Issuer) { i.ProductsClaim = "/entitlements/products" }
	for _, tt := range []struct {
		name   string
		change func(*config.Issuer)
		claims map[string]any
		status int
		reason string
	}{
		{"a client of the table", nil, nil, 200, ""},
		{"another client", nil, map[string]any{"client_id": "other"}, 403, `the claim client_id is "other", which the issuer's clients do not list`},
		{"a client whose app is gone", nil, map[string]any{"client_id": "gone"}, 403, `there is none with the client_id "none"`},
		{"no client", nil, map[string]any{"client_id": nil}, 403, "has no claim client_id"},
		{"a client that is no text", nil, map[string]any{"client_id": []string{"crm"}}, 401, "claims are not JSON as they should be"},
		{"another claim", func(i *config.Issuer) { i.ClientClaim = "azp" }, map[string]any{"client_id": nil, "azp": "crm"}, 200, ""},
		{"one app for all", func(i *config.Issuer) { i.Client, i.ClientClaim, i.Clients = i.Clients["crm"], "", nil }, map[string]any{"client_id": nil}, 200, ""},
		{"products in an array", products, map[string]any{"entitlements": map[string]any{"products": []string{"Other", product}}}, 200, ""},
		{"products in a text", products, map[string]any{"entitlements": map[string]any{"products": "Other " + product}}, 200, ""},
		{"another product", products, map[string]any{"entitlements": map[string]any{"products": "Other"}}, 403, "not in this token"},
		{"no product", products, nil, 403, "not in this token"},
		{"an audience that is an API", func(i *config.Issuer) { i.Audiences = []string{alias + "/api-1"} }, map[string]any{"aud": alias + "/api-1"}, 200, ""},
		{"an audience that is another API", func(i *config.Issuer) { i.Audiences = []string{alias + "/api-1", alias + "/api-2"} }, map[string]any{"aud": []string{alias + "/api-2"}}, 401, "the token is for " + alias + "/api-2"},
		{"an audience that is an API of the sandbox", func(i *config.Issuer) { i.Audiences = []string{alias, sandboxAlias + "/api-1"} }, map[string]any{"aud": sandboxAlias + "/api-1"}, 401, "meant for another environment"},
		{"an audience that is the sandbox", func(i *config.Issuer) { i.Audiences = []string{alias, sandboxAlias} }, map[string]any{"aud": []string{sandboxAlias}}, 401, "meant for another environment"},
		{"audiences that are both environments", func(i *config.Issuer) { i.Audiences = []string{alias + "/api-2", sandboxAlias} }, map[string]any{"aud": []string{sandboxAlias, alias + "/api-2"}}, 401, "the token is for " + alias + "/api-2"},
		{"an organization that it does not speak for", func(i *config.Issuer) { i.Organizations = []string{"org_other"} }, nil, 403, "for which tokens of ciam do not speak"},
		{"an app of another environment", nil, map[string]any{"client_id": "sandboxed"}, 403, "which leads to an app of sandbox"},
	} {
		t.Run("4.3 "+tt.name, func(t *testing.T) {
			n, _, _, _ := mapped(t, p, time.Now, tt.change)
			n.state("ciam", "ok")
			status, body := n.at("/api-1/x", p.token(t, tt.claims))
			if status != tt.status {
				t.Fatalf("%d %v", status, body)
			}
			if tt.reason != "" && !strings.Contains(n.why(body), tt.reason) {
				t.Errorf("the reason is %q", n.why(body))
			}
		})
	}
}

// sandboxApp makes an app in the sandbox.
func (n *node) sandboxApp() string {
	n.t.Helper()
	org, err := n.Market.AddOrganization(n.t.Context(), market.System, "Sandboxed")
	must(n.t, err)
	app, err := n.Market.AddApp(n.t.Context(), market.System, market.NewApp{Org: org.ID, Environment: market.Sandbox, Name: "sandboxed", DeveloperEmail: "a@example.com"})
	must(n.t, err)
	return app.ClientID
}

// page is a page of the portal.
func (n *node) page(path string) string {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.Info().Portal+path, http.NoBody)
	must(n.t, err)
	res, err := n.client.Do(r)
	must(n.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(n.t, err)
	return string(text)
}

func TestAnOrganizationCallsByItself(t *testing.T) {
	p := newProvider(t, "")
	n, _, app, _ := mapped(t, p, time.Now, func(i *config.Issuer) {
		i.ClientClaim, i.Clients, i.OrganizationClaim = "", nil, "https://ciam.example/org"
	})
	n.state("ciam", "ok")
	status, seen := n.at("/api-1/x", p.token(t, map[string]any{"https://ciam.example/org": app.Org}))
	if status != http.StatusOK || fmt.Sprint(seen["X-Sallyport-Organization"]) != "["+string(app.Org)+"]" || seen["X-Sallyport-Client-Id"] != nil {
		t.Fatalf("%d %v", status, seen)
	}
	if identity := payload(t, fmt.Sprint(seen["X-Sallyport-Identity"].([]any)[0])); identity["sub"] != string(app.Org) || identity["app"] != nil || identity["user"] != "user-1" {
		t.Errorf("the upstream was told %v", identity)
	}
	for claim, reason := range map[string]string{"org_none": "which is no organization's id", "": "has no claim"} {
		status, body := n.at("/api-1/x", p.token(t, map[string]any{"https://ciam.example/org": claim}))
		if status != http.StatusForbidden || !strings.Contains(n.why(body), reason) {
			t.Errorf("%q: %d %v", claim, status, body)
		}
	}
	suspended := market.OrgSuspended
	_, err := n.Market.ChangeOrganization(t.Context(), market.System, app.Org, market.OrganizationPatch{State: &suspended})
	must(t, err)
	raw := p.token(t, map[string]any{"https://ciam.example/org": app.Org})
	soon(t, "a suspended organization", func() bool {
		status, body := n.at("/api-1/x", raw)
		return status == 401 && body["error"] == "access_token_not_approved"
	})
}
