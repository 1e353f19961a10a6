package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// typesOf tells an object's members and the JSON type of each.
func typesOf(object map[string]any) map[string]string {
	types := map[string]string{}
	for name, value := range object {
		types[name] = fmt.Sprintf("%T", value)
	}
	return types
}

func TestTheTokenEndpoints(t *testing.T) {
	s := start(t)
	t.Run("2.1 every path answers, with and without a trailing slash, on every listener", func(t *testing.T) {
		for name, e := range s.Environments {
			for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/auth/sntl/v1/token", "/apip/auth/sntl/v1/token", "/oauth2/token"} {
				for _, slash := range []string{"", "/"} {
					if a := s.grant(e, e.URL+path+slash); a.status != http.StatusOK {
						t.Errorf("%s %s%s: %d %s", name, path, slash, a.status, a.body)
					}
				}
			}
		}
	})
	e := s.Environments["sandbox"]
	t.Run("2.4 each dialect answers its own members, with their types", func(t *testing.T) {
		tests := []struct {
			path string
			want map[string]string
			kind string
		}{
			{"/apip/auth/v1/token", map[string]string{"accessToken": "string", "access_token": "string", "token_type": "string", "expires_in": "float64"}, "bearer"},
			{"/apip/auth/v2/token", map[string]string{"access_token": "string", "token_type": "string", "expires_in": "float64"}, "bearer"},
			{"/auth/sntl/v1/token", v3Members, "Bearer"},
			{"/apip/auth/sntl/v1/token", v3Members, "Bearer"},
			{"/oauth2/token", map[string]string{"access_token": "string", "token_type": "string", "expires_in": "float64", "scope": "string"}, "Bearer"},
		}
		for _, tt := range tests {
			a := s.grant(e, e.URL+tt.path)
			got := a.json(t)
			if diff := cmp.Diff(tt.want, typesOf(got)); diff != "" {
				t.Errorf("%s: members (-want +got)\n%s", tt.path, diff)
			}
			if got["token_type"] != tt.kind {
				t.Errorf("%s: token_type %v, want %s", tt.path, got["token_type"], tt.kind)
			}
			if got["accessToken"] != nil && got["accessToken"] != got["access_token"] {
				t.Errorf("%s: accessToken and access_token differ", tt.path)
			}
			for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %s is %q, want %q", tt.path, name, got, want)
				}
			}
		}
	})
	t.Run("2.1 2.7 lifetimes are the dialects', and expires_in is exp minus now", func(t *testing.T) {
		for path, want := range map[string]float64{
			"/apip/auth/v1/token": 3600, "/apip/auth/v2/token": 3600, "/auth/sntl/v1/token": 7200, "/apip/auth/sntl/v1/token": 7200, "/oauth2/token": 3600,
		} {
			got := s.grant(e, e.URL+path).json(t)
			seconds, _ := got["expires_in"].(float64)
			if seconds > want || seconds < want-21 {
				t.Errorf("%s: expires_in %v, want %v or a little less", path, seconds, want)
			}
			_, payload := claims(t, got["access_token"].(string))
			if left := payload["exp"].(float64) - float64(time.Now().Unix()); left < seconds-2 || left > seconds+2 {
				t.Errorf("%s: exp is in %v seconds, expires_in says %v", path, left, seconds)
			}
		}
	})
	t.Run("2.2 no refresh token, and refresh_expires_in is 0", func(t *testing.T) {
		got := s.grant(e, e.URL+"/auth/sntl/v1/token").json(t)
		if _, there := got["refresh_token"]; there || got["refresh_expires_in"] != 0.0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("2.3 HTTP Basic authenticates, in any case of the scheme, form-encoded", func(t *testing.T) {
		for _, scheme := range []string{"Basic", "basic", "BASIC"} {
			header := scheme + " " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(e.ClientID)+":"+url.QueryEscape(e.ClientSecret)))
			a := s.do("POST", e.URL+"/oauth2/token", map[string]string{"Authorization": header, "Content-Type": formType}, "grant_type=client_credentials")
			if a.status != http.StatusOK {
				t.Errorf("%s: %d %s", scheme, a.status, a.body)
			}
		}
	})
	t.Run("2.6 v1 carries its deprecation, and only v1", func(t *testing.T) {
		v1 := s.grant(e, e.URL+"/apip/auth/v1/token").header
		if got := v1.Get("Deprecation"); !regexp.MustCompile(`^@\d+$`).MatchString(got) {
			t.Errorf("Deprecation is %q", got)
		}
		if at, err := http.ParseTime(v1.Get("Sunset")); err != nil || at.Before(time.Now()) {
			t.Errorf("Sunset is %q", v1.Get("Sunset"))
		}
		if got := v1.Get("Link"); !strings.Contains(got, `rel="deprecation"`) || !strings.Contains(got, s.Portal) {
			t.Errorf("Link is %q", got)
		}
		if got := s.grant(e, e.URL+"/apip/auth/v2/token").header.Get("Deprecation"); got != "" {
			t.Errorf("v2 carries Deprecation %q", got)
		}
	})
	t.Run("2.8 the same token again within the window, but not in rfc", func(t *testing.T) {
		for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/auth/sntl/v1/token"} {
			first, second := s.grant(e, e.URL+path).json(t), s.grant(e, e.URL+path).json(t)
			if first["access_token"] != second["access_token"] {
				t.Errorf("%s gave another token at once", path)
			}
		}
		if first, second := s.token(e), s.token(e); first == second {
			t.Error("rfc gave the same token twice")
		}
	})
	t.Run("2.10 health beside each dialect", func(t *testing.T) {
		for path, version := range map[string]string{
			"/apip/auth/v1": "v1", "/apip/auth/v2": "v2", "/auth/sntl/v1": "v3", "/apip/auth/sntl/v1": "v3",
		} {
			a := s.do("GET", e.URL+path+"/healthcheck", nil, "")
			if diff := cmp.Diff(map[string]any{"status": "OK", "version": version}, a.json(t)); a.status != 200 || diff != "" {
				t.Errorf("%s: %d (-want +got)\n%s", path, a.status, diff)
			}
		}
	})
}

var v3Members = map[string]string{
	"access_token": "string", "expires_in": "float64", "refresh_expires_in": "float64",
	"token_type": "string", "not-before-policy": "float64", "scope": "string",
}

func TestTheAccessToken(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	header, payload := claims(t, s.grant(e, e.TokenURLs["v2"]).json(t)["access_token"].(string))
	t.Run("3.1 RS256 with a kid, typ JWT in v1 to v3, at+jwt in rfc", func(t *testing.T) {
		if header["alg"] != "RS256" || header["typ"] != "JWT" || header["kid"] == "" {
			t.Errorf("header %v", header)
		}
		if rfc, _ := claims(t, s.token(e)); rfc["typ"] != "at+jwt" {
			t.Errorf("rfc header %v", rfc)
		}
	})
	t.Run("3.2 the claims of S002's sample, with their types, and what is added", func(t *testing.T) {
		want := map[string]string{
			"iss": "string", "aud": "string", "iat": "float64", "nbf": "float64", "exp": "float64", "jti": "string",
			"access_token": "string", "api_product_list": "[]interface {}", "application_name": "string", "developer_email": "string",
			"sub": "string", "client_id": "string", "scope": "string", "org": "string", "env": "string", "cred": "string",
		}
		if diff := cmp.Diff(want, typesOf(payload)); diff != "" {
			t.Errorf("claims (-want +got)\n%s", diff)
		}
		if payload["iss"] != e.Issuer || payload["aud"] != "apiPlatform" || payload["nbf"] != payload["iat"] ||
			payload["sub"] != e.ClientID || payload["client_id"] != e.ClientID || payload["env"] != "sandbox" {
			t.Errorf("claims %v", payload)
		}
		if handle, _ := payload["access_token"].(string); !regexp.MustCompile(`^[A-Za-z0-9]{28}$`).MatchString(handle) {
			t.Errorf("access_token is not a handle of 28 letters and digits")
		}
		if jti, _ := payload["jti"].(string); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(jti) {
			t.Errorf("jti %q is not a UUID", jti)
		}
		products := fmt.Sprint(payload["api_product_list"])
		for _, name := range []string{"MN_Product_Eligibility_v3", "MN_Product_ClaimStatus_v2"} {
			if !strings.Contains(products, name) {
				t.Errorf("api_product_list %s lacks %s", products, name)
			}
		}
	})
	t.Run("a scope narrows the token", func(t *testing.T) {
		a := s.form(e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret, "scope", "MN_Product_Eligibility_v3")
		_, payload := claims(t, a.json(t)["access_token"].(string))
		if diff := cmp.Diff([]any{"MN_Product_Eligibility_v3"}, payload["api_product_list"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("1.1 environments have their own issuers and keys", func(t *testing.T) {
		kids := map[string]string{}
		for name, e := range s.Environments {
			a := s.do("GET", e.URL+"/.well-known/jwks.json", nil, "")
			var set struct{ Keys []map[string]any }
			if err := json.Unmarshal(a.body, &set); err != nil || len(set.Keys) == 0 {
				t.Fatalf("%s: %s, %v", name, a.body, err)
			}
			for _, key := range set.Keys {
				if key["d"] != nil || key["p"] != nil {
					t.Errorf("%s publishes private parts", name)
				}
				kid, _ := key["kid"].(string)
				if other, taken := kids[kid]; taken {
					t.Errorf("%s and %s share key %s", name, other, kid)
				}
				kids[kid] = name
			}
		}
	})
}

func TestTokenRefusals(t *testing.T) {
	s := start(t)
	e, other := s.Environments["sandbox"], s.Environments["production"]
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {e.ClientID}, "client_secret": {e.ClientSecret}}
	with := func(name, value string) string {
		changed := url.Values{}
		for k, v := range good {
			changed[k] = v
		}
		if value == "" {
			changed.Del(name)
		} else {
			changed.Set(name, value)
		}
		return changed.Encode()
	}
	basic := func(id, secret string) map[string]string {
		return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret)), "Content-Type": formType}
	}
	isForm := map[string]string{"Content-Type": formType}
	isJSON := map[string]string{"Content-Type": "application/json"}
	grant := "grant_type=client_credentials"
	object := func(more string) string {
		return fmt.Sprintf(`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q%s}`, e.ClientID, e.ClientSecret, more)
	}
	tests := []struct {
		name   string
		method string
		path   string
		header map[string]string
		body   string
		status int
		code   string
	}{
		{"no grant_type", "POST", "/apip/auth/v2/token", isForm, with("grant_type", ""), 400, "invalid_request"},
		{"an empty grant_type", "POST", "/oauth2/token", isForm, with("grant_type", "") + "&grant_type=", 400, "invalid_request"},
		{"nothing at all", "POST", "/oauth2/token", nil, "", 400, "invalid_request"},
		{"another grant", "POST", "/oauth2/token", isForm, with("grant_type", "password"), 400, "unsupported_grant_type"},
		{"a repeated parameter", "POST", "/oauth2/token", isForm, good.Encode() + "&grant_type=client_credentials", 400, "invalid_request"},
		{"a repeated unknown parameter", "POST", "/oauth2/token", isForm, good.Encode() + "&x=1&x=2", 400, "invalid_request"},
		{"a repeated member", "POST", "/apip/auth/v2/token", isJSON, object(`,"client_id":"x"`), 400, "invalid_request"},
		{"a member that is not a string", "POST", "/apip/auth/v2/token", isJSON, `{"grant_type":["client_credentials"]}`, 400, "invalid_request"},
		{"JSON that is not an object", "POST", "/apip/auth/v2/token", isJSON, `[]`, 400, "invalid_request"},
		{"JSON that is null", "POST", "/apip/auth/v2/token", isJSON, `null`, 400, "invalid_request"},
		{"broken JSON", "POST", "/apip/auth/v2/token", isJSON, `{"grant_type":`, 400, "invalid_request"},
		{"JSON where only forms go", "POST", "/auth/sntl/v1/token", isJSON, object(""), 415, "invalid_request"},
		{"JSON at rfc", "POST", "/oauth2/token", isJSON, object(""), 415, "invalid_request"},
		{"another media type", "POST", "/apip/auth/v2/token", map[string]string{"Content-Type": "text/plain"}, good.Encode(), 415, "invalid_request"},
		{"multipart", "POST", "/oauth2/token", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, "--x--", 415, "invalid_request"},
		{"another charset", "POST", "/oauth2/token", map[string]string{"Content-Type": formType + "; charset=utf-16"}, good.Encode(), 415, "invalid_request"},
		{"a coded body", "POST", "/oauth2/token", map[string]string{"Content-Type": formType, "Content-Encoding": "gzip"}, good.Encode(), 415, "invalid_request"},
		{"bad UTF-8", "POST", "/oauth2/token", isForm, "grant_type=\xff", 400, "invalid_request"},
		{"bad UTF-8, escaped", "POST", "/oauth2/token", isForm, "grant_type=%ff", 400, "invalid_request"},
		{"a NUL", "POST", "/oauth2/token", isForm, good.Encode() + "&scope=%00", 400, "invalid_request"},
		{"a broken escape", "POST", "/oauth2/token", isForm, "grant_type=%zz", 400, "invalid_request"},
		{"a body too large", "POST", "/oauth2/token", isForm, good.Encode() + "&x=" + strings.Repeat("y", 1<<17), 413, "invalid_request"},
		{"an unknown client", "POST", "/oauth2/token", isForm, with("client_id", "nobody"), 401, "invalid_client"},
		{"a wrong secret", "POST", "/oauth2/token", isForm, with("client_secret", "wrong"), 401, "invalid_client"},
		{"no secret", "POST", "/oauth2/token", isForm, with("client_secret", ""), 401, "invalid_client"},
		{"no client", "POST", "/oauth2/token", isForm, grant, 401, "invalid_client"},
		{"the other environment's credential", "POST", "/oauth2/token", isForm, url.Values{"grant_type": {"client_credentials"}, "client_id": {other.ClientID}, "client_secret": {other.ClientSecret}}.Encode(), 401, "invalid_client"},
		{"a wrong secret by Basic", "POST", "/oauth2/token", basic(e.ClientID, "wrong"), grant, 401, "invalid_client"},
		{"a Basic header that is none", "POST", "/oauth2/token", map[string]string{"Authorization": "Basic !!!", "Content-Type": formType}, grant, 401, "invalid_client"},
		{"a Bearer header", "POST", "/oauth2/token", map[string]string{"Authorization": "Bearer x", "Content-Type": formType}, grant, 401, "invalid_client"},
		{"two ways to authenticate", "POST", "/oauth2/token", basic(e.ClientID, e.ClientSecret), good.Encode(), 400, "invalid_request"},
		{"a client_id that is not Basic's", "POST", "/oauth2/token", basic(e.ClientID, e.ClientSecret), grant + "&client_id=x", 400, "invalid_request"},
		{"credentials in the URL", "POST", "/oauth2/token?client_id=" + e.ClientID + "&client_secret=" + e.ClientSecret, isForm, grant, 400, "invalid_request"},
		{"credentials in the URL beside good ones", "POST", "/oauth2/token?client_secret=x", isForm, good.Encode(), 400, "invalid_request"},
		{"a scope that is not the app's", "POST", "/oauth2/token", isForm, with("scope", "openid"), 400, "invalid_scope"},
		{"a scope with a quote", "POST", "/oauth2/token", isForm, with("scope", `a"b`), 400, "invalid_scope"},
		{"GET", "GET", "/oauth2/token", nil, "", 405, "invalid_request"},
		{"PUT", "PUT", "/apip/auth/v2/token", isForm, good.Encode(), 405, "invalid_request"},
		{"POST to a health check", "POST", "/apip/auth/v2/healthcheck", isForm, "", 405, "invalid_request"},
	}
	words, pages := map[string]bool{}, map[string]string{}
	for _, tt := range tests {
		t.Run("2.9 "+tt.name, func(t *testing.T) {
			a := s.do(tt.method, e.URL+tt.path, tt.header, tt.body)
			got := a.json(t)
			if a.status != tt.status || got["error"] != tt.code {
				t.Fatalf("got %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			description, _ := got["error_description"].(string)
			if !regexp.MustCompile(`^[\x20\x21\x23-\x5b\x5d-\x7e]+$`).MatchString(description) {
				t.Errorf("error_description %q", description)
			}
			trace, _ := got["trace_id"].(string)
			if trace == "" || trace != a.header.Get("X-Trace-Id") || len(got) != 4 {
				t.Errorf("members %v, want error, error_description, error_uri and trace_id %s", got, a.header.Get("X-Trace-Id"))
			}
			page, _ := got["error_uri"].(string)
			if !regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`).MatchString(page) {
				t.Errorf("error_uri %q", page)
			}
			pages[page] = tt.code
			for _, secret := range []string{e.ClientSecret, other.ClientSecret, e.ClientID} {
				if strings.Contains(string(a.body), secret) || strings.Contains(fmt.Sprint(a.header), secret) {
					t.Error("the answer echoes a credential")
				}
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", a.header)
			}
			if challenge := a.header.Get("WWW-Authenticate"); (tt.status == 401 && tt.header["Authorization"] != "") != strings.HasPrefix(challenge, "Basic ") {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
			if allow := a.header.Get("Allow"); tt.status == 405 && allow == "" {
				t.Error("no Allow")
			}
			if tt.code == "invalid_client" {
				words[description] = true
			}
		})
	}
	for page, code := range pages {
		if a := s.do("GET", page, nil, ""); a.status != http.StatusOK || !strings.Contains(string(a.body), code) {
			t.Errorf("2.9 the page that explains %s, %s: %d", code, page, a.status)
		}
	}
	if len(words) != 1 {
		t.Errorf("2.9: invalid_client is said in %d ways: %v", len(words), words)
	}
}

func TestDiscovery(t *testing.T) {
	s := start(t)
	for name, e := range s.Environments {
		a := s.do("GET", e.URL+"/.well-known/oauth-authorization-server", nil, "")
		got := a.json(t)
		if a.status != 200 || got["issuer"] != e.Issuer || got["token_endpoint"] != e.URL+"/oauth2/token" {
			t.Errorf("2.11 %s: %d %s", name, a.status, a.body)
		}
		if twin := s.do("GET", e.URL+"/.well-known/openid-configuration", nil, ""); string(twin.body) != string(a.body) {
			t.Errorf("2.11 %s: the openid-configuration twin differs", name)
		}
		if grants, _ := got["grant_types_supported"].([]any); !slices.Equal(grants, []any{"client_credentials"}) {
			t.Errorf("2.11 %s: grants %v", name, grants)
		}
		for _, member := range []string{"jwks_uri", "revocation_endpoint", "introspection_endpoint"} {
			target, _ := got[member].(string)
			if !strings.HasPrefix(target, e.URL) {
				t.Errorf("2.11 %s: %s is %q", name, member, target)
			}
		}
		jwks := s.do("GET", got["jwks_uri"].(string), nil, "")
		if etag := jwks.header.Get("ETag"); etag == "" || s.do("GET", got["jwks_uri"].(string), map[string]string{"If-None-Match": etag}, "").status != 304 {
			t.Errorf("2.11 %s: the JWKS has no ETag that works", name)
		}
		if resources, _ := got["protected_resources"].([]any); !slices.Contains(resources, any(e.URL)) || !slices.Contains(resources, any(e.URL+eligibilityPath)) {
			t.Errorf("RFC 9728 4 %s: protected_resources %v", name, resources)
		}
		resource := s.do("GET", e.URL+"/.well-known/oauth-protected-resource", nil, "").json(t)
		if resource["resource"] != e.URL {
			t.Errorf("2.11 %s: protected resource %v", name, resource)
		}
	}
}

func TestRevocationAndIntrospection(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	auth := func(pairs ...string) []string {
		return append([]string{"client_id", e.ClientID, "client_secret", e.ClientSecret}, pairs...)
	}
	stranger := []string{"client_id", e.Newcomer.ClientID, "client_secret", e.Newcomer.ClientSecret}
	token := s.token(e)
	call := e.api(t, "eligibility")

	if got := s.form(e.URL+"/oauth2/introspect", auth("token", token)...).json(t); got["active"] != true || got["client_id"] != e.ClientID {
		t.Errorf("RFC 7662: own live token: %v", got)
	}
	if got := s.form(e.URL+"/oauth2/introspect", append(stranger, "token", token)...).json(t); got["active"] != false || len(got) != 1 {
		t.Errorf("RFC 7662: another client learns %v", got)
	}
	if a := s.form(e.URL+"/oauth2/introspect", "token", token); a.status != 401 {
		t.Errorf("RFC 7662: without a client: %d", a.status)
	}
	if a := s.form(e.URL+"/oauth2/revoke", append(stranger, "token", token)...); a.status != 400 {
		t.Errorf("RFC 7009: another client's token: %d %s", a.status, a.body)
	}
	if a := s.call(call, token, nil); a.status != 200 {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	if a := s.form(e.URL+"/oauth2/revoke", auth("token", "rubbish")...); a.status != 200 {
		t.Errorf("RFC 7009 §2.2: rubbish: %d", a.status)
	}
	if a := s.form(e.URL+"/oauth2/revoke", auth("token", token)...); a.status != 200 {
		t.Fatalf("RFC 7009: %d %s", a.status, a.body)
	}
	took := eventually(t, "a revoked token is refused", func() bool {
		a := s.call(call, token, nil)
		return a.status == 401 && a.json(t)["error"] == "access_token_not_approved"
	})
	if took > time.Second {
		t.Errorf("a revoked token was taken for %v", took)
	}
	if got := s.form(e.URL+"/oauth2/introspect", auth("token", token)...).json(t); got["active"] != false {
		t.Errorf("RFC 7662: a revoked token: %v", got)
	}
}
