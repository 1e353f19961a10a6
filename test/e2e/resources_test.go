package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// The APIs of the demo, below the environment's URL.
const (
	eligibilityPath = "/medicalnetwork/eligibility/v3"
	claimStatusPath = "/medicalnetwork/claimstatus/v2"
)

// grantFor asks the rfc endpoint for a token, with further parameters.
func (s *site) grantFor(e *environment, pairs ...string) answer {
	s.t.Helper()
	return s.form(e.URL+"/oauth2/token", append([]string{
		"grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret,
	}, pairs...)...)
}

// issued is the token of an answer that must be one, and its claims.
func issued(t *testing.T, a answer) (token string, payload map[string]any) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("no token: %d %s", a.status, a.body)
	}
	token, _ = a.json(t)["access_token"].(string)
	_, payload = claims(t, token)
	return token, payload
}

func TestATokenIsForTheResourcesThatWereAskedFor(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	eligibility, claimStatus := e.URL+eligibilityPath, e.URL+claimStatusPath
	const eligibilityProduct, claimStatusProduct = "MN_Product_Eligibility_v3", "MN_Product_ClaimStatus_v2"
	tests := []struct {
		name     string
		pairs    []string
		audience any
		products []any
	}{
		{"one: aud is that, and the products are those that open it", []string{"resource", eligibility}, eligibility, []any{eligibilityProduct}},
		{"two: aud is an array", []string{"resource", eligibility, "resource", claimStatus}, []any{eligibility, claimStatus}, []any{claimStatusProduct, eligibilityProduct}},
		{"one twice is one", []string{"resource", eligibility, "resource", eligibility}, eligibility, []any{eligibilityProduct}},
		{"another spelling of it", []string{"resource", strings.Replace(eligibility, "https://", "HTTPS://", 1) + "/"}, eligibility, []any{eligibilityProduct}},
		{"a scope of it", []string{"resource", eligibility, "scope", eligibilityProduct}, eligibility, []any{eligibilityProduct}},
		{"the environment, narrowed by scope", []string{"resource", e.URL, "scope", claimStatusProduct}, e.URL, []any{claimStatusProduct}},
		{"none: aud is the platform", []string{"scope", eligibilityProduct}, "apiPlatform", []any{eligibilityProduct}},
		{"an empty one is none", []string{"resource", "", "scope", eligibilityProduct}, "apiPlatform", []any{eligibilityProduct}},
	}
	for _, tt := range tests {
		t.Run("RFC 8707 "+tt.name, func(t *testing.T) {
			token, payload := issued(t, s.grantFor(e, tt.pairs...))
			if diff := cmp.Diff(tt.audience, payload["aud"]); diff != "" {
				t.Errorf("aud (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.products, payload["api_product_list"]); diff != "" {
				t.Errorf("products (-want +got)\n%s", diff)
			}
			for _, call := range []apiCall{e.api(t, "eligibility"), e.api(t, "claim")} {
				want := slices.ContainsFunc(tt.products, func(p any) bool {
					return (p == eligibilityProduct) == strings.Contains(call.URL, eligibilityPath)
				})
				if a := s.call(call, token, nil); (a.status == http.StatusOK) != want {
					t.Errorf("%s: %d %s, want it opened: %v", call.API, a.status, a.body, want)
				}
			}
		})
	}
	t.Run("RFC 8707 the other dialects take it too, as a string or an array", func(t *testing.T) {
		for _, value := range []any{eligibility, []string{eligibility}, []string{eligibility, claimStatus}} {
			body, err := json.Marshal(map[string]any{
				"grant_type": "client_credentials", "client_id": e.ClientID, "client_secret": e.ClientSecret, "resource": value,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/apip/auth/sntl/v1/token"} {
				a := s.do("POST", e.URL+path, map[string]string{"Content-Type": "application/json"}, string(body))
				_, payload := issued(t, a)
				want := value
				if list, ok := value.([]string); ok {
					want = list[0]
					if len(list) > 1 {
						want = []any{list[0], list[1]}
					}
				}
				if diff := cmp.Diff(want, payload["aud"]); diff != "" {
					t.Errorf("%s: aud (-want +got)\n%s", path, diff)
				}
			}
		}
	})
}

func TestTheSDKAsksForResources(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	source, err := client.NewTokenSource(client.Config{
		TokenURL: e.URL + "/oauth2/token", ClientID: e.ClientID, ClientSecret: client.NewSecret(e.ClientSecret), HTTP: s.client,
		Resources: []string{e.URL + eligibilityPath, e.URL + claimStatusPath},
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, payload := claims(t, token.Access.Reveal())
	if diff := cmp.Diff([]any{e.URL + eligibilityPath, e.URL + claimStatusPath}, payload["aud"]); diff != "" {
		t.Errorf("aud (-want +got)\n%s", diff)
	}
}

func TestResourcesThatCannotBe(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	eligibility, claimStatus := e.URL+eligibilityPath, e.URL+claimStatusPath
	many := []string{}
	for range 17 {
		many = append(many, "resource", eligibility)
	}
	tests := []struct {
		name  string
		pairs []string
		code  string
		tells string
	}{
		{"no absolute URI", []string{"resource", eligibilityPath}, "invalid_target", "absolute URI"},
		{"an urn", []string{"resource", "urn:example:api"}, "invalid_target", "absolute URI"},
		{"a fragment", []string{"resource", eligibility + "#a"}, "invalid_target", "without a fragment"},
		{"an empty fragment", []string{"resource", eligibility + "#"}, "invalid_target", "without a fragment"},
		{"a query", []string{"resource", eligibility + "?a=b"}, "invalid_target", "base URL of an API"},
		{"a user", []string{"resource", strings.Replace(eligibility, "://", "://x@", 1)}, "invalid_target", "absolute URI"},
		{"no API of ours", []string{"resource", e.URL + "/nowhere"}, "invalid_target", "base URL of an API"},
		{"another host", []string{"resource", "https://api.example" + eligibilityPath}, "invalid_target", "not one of this environment"},
		{"the other environment's", []string{"resource", s.Environments["production"].URL + eligibilityPath}, "invalid_target", "not one of this environment"},
		{"an operation of an API", []string{"resource", eligibility + "/healthcheck"}, "invalid_target", "without an operation's path"},
		{"a good one and a bad one", []string{"resource", eligibility, "resource", e.URL + "/nowhere"}, "invalid_target", "base URL of an API"},
		{"too many", many, "invalid_target", "at most 16"},
		{"RFC 9068 3 a scope of another resource", []string{"resource", eligibility, "scope", "MN_Product_ClaimStatus_v2"}, "invalid_scope", "do not belong together"},
		{"RFC 9068 3 one scope of another resource", []string{"resource", eligibility, "scope", "MN_Product_Eligibility_v3 MN_Product_ClaimStatus_v2"}, "invalid_scope", "do not belong together"},
		{"RFC 9068 3 a resource without a scope", []string{"resource", eligibility, "resource", claimStatus, "scope", "MN_Product_Eligibility_v3"}, "invalid_scope", "do not belong together"},
		{"a scope that is nobody's", []string{"resource", eligibility, "scope", "openid"}, "invalid_scope", "not one of the app's products"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.grantFor(e, tt.pairs...)
			got := a.json(t)
			description, _ := got["error_description"].(string)
			if a.status != http.StatusBadRequest || got["error"] != tt.code || !strings.Contains(description, tt.tells) {
				t.Errorf("got %d %s, want 400 %s that tells %q", a.status, a.body, tt.code, tt.tells)
			}
		})
	}
	t.Run("an API that the app has no product of", func(t *testing.T) {
		m := s.operator()
		if _, err := m.UpdateApp(t.Context(), s.app(m, e.ClientID).ID, api.AppPatch{Products: &[]string{"MN_Product_Eligibility_v3"}}); err != nil {
			t.Fatal(err)
		}
		a := s.grantFor(e, "resource", claimStatus)
		if got := a.json(t); a.status != http.StatusBadRequest || got["error"] != "invalid_target" || !strings.Contains(string(a.body), "subscribe") {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
}

func TestATokenForOtherResourcesIsRefused(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	// One product opens both APIs: only the audience tells them apart.
	s.applyAlso(map[string]string{
		"twin-v1/manifest.yaml": "title: Twin\nsummary: Twin\nbase_path: /twin/v1\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n",
		"twin-v1/openapi.yaml": "openapi: 3.1.0\ninfo: {title: Twin, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n" +
			"      responses: {'200': {description: ok, content: {application/json: {example: {a: 1}}}}}\n",
	})
	twin := apiCall{Method: "GET", URL: e.URL + "/twin/v1/it"}
	if a := s.call(twin, s.token(e), nil); a.status != http.StatusOK {
		t.Fatalf("with a token for all: %d %s", a.status, a.body)
	}
	token, _ := issued(t, s.grantFor(e, "resource", e.URL+"/twin/v1"))
	a := s.call(e.api(t, "eligibility"), token, nil)
	got := a.json(t)
	challenge := a.header.Get("WWW-Authenticate")
	if a.status != http.StatusUnauthorized || got["error"] != "invalid_access_token" || !strings.Contains(challenge, `error="invalid_token"`) {
		t.Fatalf("RFC 9700 2.3: got %d %s, %s", a.status, a.body, challenge)
	}
	if detail, _ := got["detail"].(string); !strings.Contains(detail, "parameter resource") {
		t.Errorf("detail %q does not say what to do", detail)
	}
	if want := `resource_metadata="` + e.URL + "/.well-known/oauth-protected-resource" + eligibilityPath + `"`; !strings.Contains(challenge, want) {
		t.Errorf("RFC 9728 5.1: the challenge %q lacks %s", challenge, want)
	}
	if a := s.call(twin, token, nil); a.status != http.StatusOK {
		t.Errorf("at its own resource: %d %s", a.status, a.body)
	}
}

// A client that goes by another name of the environment finds everything under
// that name.
func TestEveryNameOfAnEnvironmentNamesItsResources(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	u, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	other := "https://localhost:" + u.Port()
	token, payload := issued(t, s.grantFor(e, "resource", other+eligibilityPath))
	if payload["aud"] != other+eligibilityPath {
		t.Errorf("aud is %v", payload["aud"])
	}
	call := e.api(t, "eligibility")
	for _, base := range []string{e.URL, other} {
		at := call
		at.URL = strings.Replace(call.URL, e.URL, base, 1)
		if a := s.call(at, token, nil); a.status != http.StatusOK {
			t.Errorf("at %s: %d %s", base, a.status, a.body)
		}
		metadata := base + "/.well-known/oauth-protected-resource" + eligibilityPath
		if got := s.do("GET", metadata, nil, "").json(t)["resource"]; got != base+eligibilityPath {
			t.Errorf("RFC 9728 3.3: at %s resource is %v", metadata, got)
		}
		if challenge := s.call(at, "", nil).header.Get("WWW-Authenticate"); !strings.Contains(challenge, `resource_metadata="`+metadata+`"`) {
			t.Errorf("RFC 9728 5.1: at %s the challenge is %q", base, challenge)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", e.URL+"/.well-known/oauth-protected-resource", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); !bytes.Contains(body, []byte(`"`+e.URL+`"`)) || bytes.Contains(body, []byte("evil")) {
		t.Errorf("a stranger's Host: %s", body)
	}
}

func TestProtectedResourcesAreDescribed(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	at := e.URL + "/.well-known/oauth-protected-resource"
	tests := []struct {
		path string
		want map[string]any
	}{
		{"", map[string]any{
			"resource": e.URL, "resource_name": "All APIs of sandbox", "authorization_servers": []any{e.Issuer},
			"bearer_methods_supported": []any{"header"}, "resource_documentation": s.Portal,
			"scopes_supported": []any{"MN_Product_ClaimStatus_v2", "MN_Product_Eligibility_v3", "PN_Product_PharmacyClaims_v1"},
		}},
		{eligibilityPath, map[string]any{
			"resource": e.URL + eligibilityPath, "resource_name": "Eligibility", "authorization_servers": []any{e.Issuer},
			"bearer_methods_supported": []any{"header"}, "resource_documentation": s.Portal + "/apis/eligibility-v3",
			"scopes_supported": []any{"MN_Product_Eligibility_v3"},
		}},
	}
	for _, tt := range tests {
		tt.want["tls_client_certificate_bound_access_tokens"] = true
		tt.want["dpop_signing_alg_values_supported"] = []any{"RS256", "ES256", "EdDSA", "Ed25519", "PS256", "RS384", "RS512", "PS384", "PS512", "ES384"}
		a := s.do("GET", at+tt.path, nil, "")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("RFC 9728 3.2: %q: %d %v", tt.path, a.status, a.header)
		}
		if diff := cmp.Diff(tt.want, a.json(t)); diff != "" {
			t.Errorf("RFC 9728 2: %q (-want +got)\n%s", tt.path, diff)
		}
	}
	for _, path := range []string{"/nowhere", eligibilityPath + "/healthcheck", "x", "//"} {
		if a := s.do("GET", at+path, nil, ""); path != "//" && a.status != http.StatusNotFound {
			t.Errorf("%q: %d %s", path, a.status, a.body)
		}
	}
	if a := s.do("POST", at+eligibilityPath, nil, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
		t.Errorf("POST: %d %v", a.status, a.header)
	}
	if page := s.do("GET", s.Portal+"/apis/eligibility-v3", nil, ""); page.status != http.StatusOK {
		t.Errorf("resource_documentation leads to %d", page.status)
	}
}
