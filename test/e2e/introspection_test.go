package e2e_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

// who is a client of an environment.
type who struct{ id, secret string }

// about asks at /oauth2/introspect or /oauth2/revoke about a token.
func (s *site) about(e *environment, path string, by who, token string, pairs ...string) answer {
	s.t.Helper()
	return s.form(e.URL+path, append([]string{"client_id", by.id, "client_secret", by.secret, "token", token}, pairs...)...)
}

// colleague makes another app of the demo's customer in the sandbox, and a secret.
func (s *site) colleague(e *environment, name, oversees string) who {
	s.t.Helper()
	m := s.operator()
	app, err := m.CreateApp(s.t.Context(), api.NewApp{
		Org: s.app(m, e.ClientID).Org, Environment: "sandbox", Name: name, DeveloperEmail: "dev@example.com", Oversees: oversees,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := m.CreateCredential(s.t.Context(), app.ID, api.NewCredential{})
	if err != nil {
		s.t.Fatal(err)
	}
	return who{app.ClientID, secret.ClientSecret.Reveal()}
}

func TestWhoseTokensAnAppMayKnowAndRevoke(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	owner, stranger := who{e.ClientID, e.ClientSecret}, who{e.Newcomer.ClientID, e.Newcomer.ClientSecret}
	strangers := func() string {
		token, _ := issued(t, s.form(e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", stranger.id, "client_secret", stranger.secret))
		return token
	}
	tests := []struct {
		oversees           string
		own, organizations bool
		environments       bool
	}{
		{"own", true, false, false},
		{"organization", true, true, false},
		{"environment", true, true, true},
	}
	for _, tt := range tests {
		t.Run("RFC 7662 2.1, RFC 7009 2.1: "+tt.oversees, func(t *testing.T) {
			by := s.colleague(e, tt.oversees, tt.oversees)
			mine, _ := issued(t, s.form(e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", by.id, "client_secret", by.secret))
			for _, one := range []struct {
				whose string
				token string
				may   bool
			}{{"its own", mine, tt.own}, {"another app's of its organization", s.token(e), tt.organizations}, {"a stranger's", strangers(), tt.environments}} {
				got := s.about(e, "/oauth2/introspect", by, one.token).json(t)
				if got["active"] != one.may || !one.may && len(got) != 1 {
					t.Errorf("introspecting %s token: %v", one.whose, got)
				}
				want := http.StatusOK
				if !one.may {
					want = http.StatusBadRequest
				}
				if a := s.about(e, "/oauth2/revoke", by, one.token); a.status != want {
					t.Errorf("revoking %s token: %d %s, want %d", one.whose, a.status, a.body, want)
				}
				holder := owner
				if one.whose == "a stranger's" {
					holder = stranger
				}
				if one.whose == "its own" {
					holder = by
				}
				if got := s.about(e, "/oauth2/introspect", holder, one.token).json(t); got["active"] == one.may {
					t.Errorf("%s token after that, to its owner: %v", one.whose, got)
				}
			}
		})
	}
	t.Run("a change of what it oversees counts at once, and a disabled app oversees nothing", func(t *testing.T) {
		by, m, token := s.colleague(e, "auditor", "organization"), s.operator(), s.token(e)
		app := s.app(m, by.id).ID
		for _, step := range []struct {
			patch api.AppPatch
			want  any
		}{
			{api.AppPatch{Oversees: pointer("own")}, false},
			{api.AppPatch{Oversees: pointer("environment")}, true},
		} {
			if _, err := m.UpdateApp(t.Context(), app, step.patch); err != nil {
				t.Fatal(err)
			}
			if got := s.about(e, "/oauth2/introspect", by, token).json(t)["active"]; got != step.want {
				t.Errorf("%+v: active is %v", step.patch, got)
			}
		}
		if _, err := m.UpdateApp(t.Context(), app, api.AppPatch{State: pointer("disabled"), Force: true}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
			if a := s.about(e, path, by, token); a.status != http.StatusBadRequest || a.json(t)["error"] != "unauthorized_client" {
				t.Errorf("%s by a disabled app: %d %s", path, a.status, a.body)
			}
		}
	})
	t.Run("a revocation is filed under whose token it was", func(t *testing.T) {
		by, token := s.colleague(e, "revoker", "environment"), strangers()
		if a := s.about(e, "/oauth2/revoke", by, token); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		_, payload := claims(t, token)
		m := s.operator()
		records, err := m.Audit(t.Context(), api.AuditFilter{})
		if err != nil {
			t.Fatal(err)
		}
		newest := records.Items[0]
		if newest.ID != payload["jti"] || newest.Org != payload["org"] || newest.Actor.ID != s.app(m, by.id).ID {
			t.Errorf("got %+v", newest)
		}
	})
}

func pointer[T any](v T) *T { return &v }

func TestTokenTypeHintsAreOfNoConsequence(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	owner, token := who{e.ClientID, e.ClientSecret}, s.token(e)
	for _, hint := range []string{"access_token", "refresh_token", "urn:example:other", "", "\"<"} {
		if got := s.about(e, "/oauth2/introspect", owner, token, "token_type_hint", hint).json(t); got["active"] != true {
			t.Errorf("introspection with the hint %q: %v", hint, got)
		}
	}
	for _, hint := range []string{"refresh_token", "access_token", "urn:example:other"} {
		token := s.token(e)
		if a := s.about(e, "/oauth2/revoke", owner, token, "token_type_hint", hint); a.status != http.StatusOK {
			t.Errorf("revocation with the hint %q: %d %s", hint, a.status, a.body)
		}
		if got := s.about(e, "/oauth2/introspect", owner, token).json(t); got["active"] != false {
			t.Errorf("after a revocation with the hint %q: %v", hint, got)
		}
	}
	if a := s.about(e, "/oauth2/introspect", owner, token, "token_type_hint", "a", "token_type_hint", "b"); a.status != http.StatusBadRequest {
		t.Errorf("two hints: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
		if a := s.form(e.URL+path, "client_id", owner.id, "client_secret", owner.secret); a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_request" {
			t.Errorf("%s without a token: %d %s", path, a.status, a.body)
		}
		if a := s.do("GET", e.URL+path, nil, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
			t.Errorf("GET %s: %d %v", path, a.status, a.header)
		}
	}
}

func TestIntrospectionOfATokenForResources(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	token, payload := issued(t, s.grantFor(e, "resource", e.URL+eligibilityPath, "resource", e.URL+claimStatusPath))
	got := s.about(e, "/oauth2/introspect", who{e.ClientID, e.ClientSecret}, token).json(t)
	want := map[string]any{"active": true, "token_type": "Bearer"}
	for _, member := range []string{"scope", "client_id", "sub", "iss", "aud", "jti", "iat", "nbf", "exp", "api_product_list"} {
		want[member] = payload[member]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("RFC 7662 2.2 (-want +got)\n%s", diff)
	}
}

func TestIntrospectionAnswersAreSignedOnRequest(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	const asJWT = "application/token-introspection+jwt"
	ask := func(accept, token string) answer {
		return s.do("POST", e.URL+"/oauth2/introspect", map[string]string{"Content-Type": formType, "Accept": accept},
			"client_id="+e.ClientID+"&client_secret="+e.ClientSecret+"&token="+token)
	}
	token := s.token(e)
	a := ask(asJWT, token)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != asJWT || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("RFC 9701 5: %d %v %s", a.status, a.header, a.body)
	}
	header, payload := claims(t, string(a.body))
	t.Run("RFC 9701 5: typ, iss, aud, iat and the answer itself", func(t *testing.T) {
		if header["typ"] != "token-introspection+jwt" || header["alg"] != "RS256" {
			t.Errorf("header %v", header)
		}
		at, _ := payload["iat"].(float64)
		if off := time.Since(time.Unix(int64(at), 0)); off < -2*time.Second || off > time.Minute {
			t.Errorf("iat is %v off", off)
		}
		delete(payload, "iat")
		want := map[string]any{"iss": e.Issuer, "aud": e.ClientID, "token_introspection": ask("application/json", token).json(t)}
		if diff := cmp.Diff(want, payload); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("RFC 9701 5: signed with a key of the JWKS", func(t *testing.T) {
		if !signedByTheJWKS(t, s, e, string(a.body)) {
			t.Error("the signature is not that of a published key")
		}
	})
	t.Run("RFC 9701 5: of what is not active it says that alone", func(t *testing.T) {
		_, payload := claims(t, string(ask(asJWT, "rubbish").body))
		if diff := cmp.Diff(map[string]any{"active": false}, payload["token_introspection"]); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("RFC 9701 5: nobody who is not authenticated gets one", func(t *testing.T) {
		a := s.do("POST", e.URL+"/oauth2/introspect", map[string]string{"Content-Type": formType, "Accept": asJWT}, "token="+token)
		if a.status != http.StatusUnauthorized || a.json(t)["error"] != "invalid_client" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("RFC 9701 8.1: it is no access token", func(t *testing.T) {
		if a := s.call(e.api(t, "eligibility"), string(a.body), nil); a.status != http.StatusUnauthorized || a.json(t)["error"] != "invalid_access_token" {
			t.Errorf("at the gateway: %d %s", a.status, a.body)
		}
		if got := ask("", string(a.body)).json(t); got["active"] != false {
			t.Errorf("introspected: %v", got)
		}
	})
	t.Run("RFC 9110 12.5.1: who does not ask for it gets JSON", func(t *testing.T) {
		for accept, want := range map[string]string{
			"": "application/json", "*/*": "application/json", "application/*": "application/json", "application/jwt": "application/json",
			asJWT + ";q=0": "application/json", asJWT + ";q=0.5, application/json": "application/json", asJWT + ";q=x": "application/json",
			"application/json;q=0.5, " + asJWT: asJWT, "APPLICATION/Token-Introspection+JWT": asJWT, "text/html, " + asJWT + ", application/json": asJWT,
		} {
			if got := ask(accept, token).header.Get("Content-Type"); got != want {
				t.Errorf("Accept %q: %s, want %s", accept, got, want)
			}
		}
	})
	t.Run("RFC 9701 7: the metadata say how it is signed", func(t *testing.T) {
		got := s.do("GET", e.URL+"/.well-known/oauth-authorization-server", nil, "").json(t)
		if diff := cmp.Diff([]any{header["alg"]}, got["introspection_signing_alg_values_supported"]); diff != "" {
			t.Error(diff)
		}
	})
}

// signedByTheJWKS verifies an RS256 signature by the published keys.
func signedByTheJWKS(t *testing.T, s *site, e *environment, text string) bool {
	t.Helper()
	var set struct {
		Keys []struct{ KID, N, E string }
	}
	if err := json.Unmarshal(s.do("GET", e.URL+"/.well-known/jwks.json", nil, "").body, &set); err != nil {
		t.Fatal(err)
	}
	header, _ := claims(t, text)
	input, signature := text[:strings.LastIndexByte(text, '.')], text[strings.LastIndexByte(text, '.')+1:]
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(input))
	for _, k := range set.Keys {
		n, _ := base64.RawURLEncoding.DecodeString(k.N)
		exponent, _ := base64.RawURLEncoding.DecodeString(k.E)
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(exponent).Int64())}
		if k.KID == header["kid"] && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], raw) == nil {
			return true
		}
	}
	return false
}
