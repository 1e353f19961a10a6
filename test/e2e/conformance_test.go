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

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

// The endpoints that read parameters; those that take JSON.
var (
	tokenPaths = []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/auth/sntl/v1/token", "/apip/auth/sntl/v1/token", "/oauth2/token"}
	jsonPaths  = []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/apip/auth/sntl/v1/token"}
	allPaths   = append(slices.Clone(tokenPaths), "/oauth2/introspect", "/oauth2/revoke")
	parameters = []string{
		"grant_type", "client_id", "client_secret", "scope", "resource", "audience", "client_assertion", "client_assertion_type",
		"token", "token_type_hint", "refresh_token", "username", "x",
	}
)

// goodForm is a request that every endpoint would take, by its parameters.
func goodForm(e *environment) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {e.ClientID}, "client_secret": {e.ClientSecret}, "token": {"rubbish"}}
}

var (
	// RFC 6749 §5.2.
	errorChars = regexp.MustCompile(`^[\x20\x21\x23-\x5b\x5d-\x7e]+$`)
	uriChars   = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)
)

// Whatever is sent in whichever parameter, an answer holds nothing of it, and no
// character that RFC 6749 §5.2 does not let into one.
func TestNothingOfARequestComesBackInARefusal(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	const mark = "evil7f3"
	hostile := []string{
		mark + `"`, mark + `\`, mark + "\x00", mark + "\r\nX-Evil: " + mark, mark + "é\u2028", mark + "\xff\xfe", "<script>" + mark + "</script>",
		mark + `","error":"` + mark, "${" + mark + "}", "%0d%0aX-Evil:" + mark, strings.Repeat(mark, 600), "https://" + mark + ".example/#" + mark,
	}
	check := func(t *testing.T, what string, a answer) {
		t.Helper()
		if strings.Contains(string(a.body), mark) || strings.Contains(fmt.Sprint(a.header), mark) || a.header.Get("X-Evil") != "" {
			t.Errorf("%s: the answer repeats what was sent: %v %s", what, a.header, a.body)
		}
		if a.status == http.StatusOK {
			return // an unknown parameter, or RFC 7009 §2.2
		}
		got := a.json(t)
		code, _ := got["error"].(string)
		description, _ := got["error_description"].(string)
		page, _ := got["error_uri"].(string)
		if a.status < 400 || a.status >= 500 || !errorChars.MatchString(code) || !errorChars.MatchString(description) || !uriChars.MatchString(page) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	for _, path := range allPaths {
		for _, name := range parameters {
			for i, value := range hostile {
				form := goodForm(e)
				form.Set(name, value)
				check(t, fmt.Sprintf("RFC 6749 5.2: %s, value %d of %s", path, i, name), s.do("POST", e.URL+path, map[string]string{"Content-Type": formType}, form.Encode()))
			}
		}
		for i, value := range hostile {
			form := goodForm(e)
			form.Set(value, "1")
			what := fmt.Sprintf("RFC 6749 5.2: %s, value %d", path, i)
			check(t, what+" as a name", s.do("POST", e.URL+path, map[string]string{"Content-Type": formType}, form.Encode()))
			check(t, what+" in the query", s.do("POST", e.URL+path+"?"+url.QueryEscape(value)+"="+url.QueryEscape(value), map[string]string{"Content-Type": formType}, form.Encode()))
			basic := base64.StdEncoding.EncodeToString([]byte(value + ":" + value))
			check(t, what+" by Basic", s.do("POST", e.URL+path, map[string]string{"Content-Type": formType, "Authorization": "Basic " + basic}, "grant_type=client_credentials"))
		}
	}
	for _, path := range jsonPaths {
		for _, name := range parameters {
			for i, value := range hostile {
				object := map[string]any{"grant_type": "client_credentials", "client_id": e.ClientID, "client_secret": e.ClientSecret}
				object[name] = value
				body, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				check(t, fmt.Sprintf("RFC 6749 5.2: %s, value %d of %s in JSON", path, i, name), s.do("POST", e.URL+path, map[string]string{"Content-Type": "application/json"}, string(body)))
			}
		}
	}
}

func TestNoParameterComesTwice(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	for _, path := range allPaths {
		for _, name := range parameters {
			if name == "resource" || name == "audience" { // RFC 8707 §2, RFC 8693 §2.1
				continue
			}
			form := goodForm(e)
			form.Set(name, "a")
			for _, second := range []string{"a", "b", ""} {
				a := s.do("POST", e.URL+path, map[string]string{"Content-Type": formType}, form.Encode()+"&"+name+"="+second)
				if a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_request" {
					t.Errorf("RFC 6749 3.2: %s, %s twice, then %q: %d %s", path, name, second, a.status, a.body)
				}
			}
		}
	}
	for _, path := range jsonPaths {
		for _, name := range parameters {
			body := fmt.Sprintf(`{%q:"a","grant_type":"client_credentials",%q:"b"}`, name, name)
			a := s.do("POST", e.URL+path, map[string]string{"Content-Type": "application/json"}, body)
			if a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_request" {
				t.Errorf("%s, %s twice in JSON: %d %s", path, name, a.status, a.body)
			}
		}
	}
}

func TestAClientIDAloneAuthenticatesNobody(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	basic := func(text string) map[string]string {
		return map[string]string{"Content-Type": formType, "Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(text))}
	}
	form := map[string]string{"Content-Type": formType}
	rest := "grant_type=client_credentials&token=rubbish"
	for _, path := range allPaths {
		for what, a := range map[string]answer{
			"in the body":              s.do("POST", e.URL+path, form, rest+"&client_id="+e.ClientID),
			"with an empty secret":     s.do("POST", e.URL+path, form, rest+"&client_secret=&client_id="+e.ClientID),
			"by Basic":                 s.do("POST", e.URL+path, basic(e.ClientID+":"), rest),
			"by Basic without a colon": s.do("POST", e.URL+path, basic(e.ClientID), rest),
			"as its own secret":        s.do("POST", e.URL+path, form, rest+"&client_id="+e.ClientID+"&client_secret="+e.ClientID),
		} {
			if a.status != http.StatusUnauthorized || a.json(t)["error"] != "invalid_client" {
				t.Errorf("RFC 6749 2.2: %s, %s: %d %s", path, what, a.status, a.body)
			}
			if challenged := strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm="); challenged != strings.Contains(what, "Basic") {
				t.Errorf("RFC 6749 5.2: %s, %s: challenge %q", path, what, a.header.Get("WWW-Authenticate"))
			}
		}
	}
}

func TestOneWayToAuthenticateInARequest(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	const assertion = "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(e.ClientID+":"+e.ClientSecret))
	secret := "&client_id=" + e.ClientID + "&client_secret=" + e.ClientSecret
	for _, path := range allPaths {
		for what, request := range map[string]struct{ authorization, more string }{
			"Basic and a secret in the body":            {basic, secret},
			"Basic and the secret alone":                {basic, "&client_secret=" + e.ClientSecret},
			"Basic and an assertion":                    {basic, assertion},
			"a secret in the body and an assertion":     {"", secret + assertion},
			"all three":                                 {basic, secret + assertion},
			"Bearer and a secret in the body":           {"Bearer x", secret},
			"Basic for one client and another's secret": {basic, "&client_id=" + e.Newcomer.ClientID + "&client_secret=" + e.Newcomer.ClientSecret},
		} {
			header := map[string]string{"Content-Type": formType}
			if request.authorization != "" {
				header["Authorization"] = request.authorization
			}
			a := s.do("POST", e.URL+path, header, "grant_type=client_credentials&token=rubbish"+request.more)
			if a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_request" {
				t.Errorf("RFC 6749 2.3: %s, %s: %d %s", path, what, a.status, a.body)
			}
		}
	}
}

// RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E, between spaces, in any order.
func TestAScopeIsMadeOfTheCharactersOfRFC6749(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	for c := range 256 {
		escaped := fmt.Sprintf("MN%%%02xX", c)
		a := s.do("POST", e.URL+"/oauth2/token", map[string]string{"Content-Type": formType},
			"grant_type=client_credentials&client_id="+e.ClientID+"&client_secret="+e.ClientSecret+"&scope="+escaped)
		got := a.json(t)
		description, _ := got["error_description"].(string)
		want, tells := "invalid_scope", "not one of the app's products"
		switch {
		case c < 0x20, c == 0x7f, c > 0x7e: // not text of one line, or not UTF-8
			want, tells = "invalid_request", ""
		case c == '"', c == '\\':
			tells = "a character that a scope cannot have"
		}
		if a.status != http.StatusBadRequest || got["error"] != want || !strings.Contains(description, tells) {
			t.Errorf("%%%02x: %d %s, want %s", c, a.status, a.body, want)
		}
	}
	a := s.grantFor(e, "scope", "MN_Product_Eligibility_é")
	if got := a.json(t); got["error"] != "invalid_scope" {
		t.Errorf("beyond ASCII: %d %s", a.status, a.body)
	}
	for _, scope := range []string{"mn_product_eligibility_v3", "MN_Product_Eligibility_v3,MN_Product_ClaimStatus_v2", "MN_Product_Eligibility_v"} {
		if a := s.grantFor(e, "scope", scope); a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_scope" {
			t.Errorf("%q: %d %s", scope, a.status, a.body)
		}
	}
	for _, scope := range []string{
		"MN_Product_ClaimStatus_v2 MN_Product_Eligibility_v3", "MN_Product_Eligibility_v3 MN_Product_ClaimStatus_v2",
		"  MN_Product_Eligibility_v3   MN_Product_ClaimStatus_v2 MN_Product_Eligibility_v3 ",
	} {
		if got := s.grantFor(e, "scope", scope).json(t)["scope"]; got != "MN_Product_ClaimStatus_v2 MN_Product_Eligibility_v3" {
			t.Errorf("%q grants %v", scope, got)
		}
	}
}

// RFC 6749 §5.1: a client that asked for less, or for nothing, is told what it got.
func TestTheGrantedScopeIsTold(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	for _, path := range []string{"/oauth2/token", "/auth/sntl/v1/token", "/apip/auth/sntl/v1/token"} {
		for _, more := range [][]string{nil, {"scope", "MN_Product_Eligibility_v3"}, {"scope", ""}, {"resource", e.URL + claimStatusPath}} {
			a := s.form(e.URL+path, append([]string{"grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret}, more...)...)
			_, payload := issued(t, a)
			products := []string{}
			for _, p := range payload["api_product_list"].([]any) {
				products = append(products, p.(string))
			}
			if got := a.json(t)["scope"]; got != payload["scope"] || got != strings.Join(products, " ") {
				t.Errorf("%s %v: scope %v, in the token %v and %v", path, more, got, payload["scope"], products)
			}
		}
	}
}

// RFC 6749 §2.2, §5.1: what docs/contract.md 3.1 and 6.3 say of sizes is so.
func TestWhatIsIssuedHasTheSizesThatAreTold(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	m, ctx := s.operator(), t.Context()
	org := s.app(m, e.ClientID).Org
	var names []string
	for i := range 130 {
		name := fmt.Sprintf("Wide_%03d_%s", i, strings.Repeat("x", 40))
		names = append(names, name)
		if _, err := m.CreateProduct(ctx, api.NewProduct{Name: name, Title: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.CreateSubscription(ctx, api.NewSubscription{Org: org, Product: name}); err != nil {
			t.Fatal(err)
		}
	}
	client := s.colleague(e, "wide", "own")
	if !regexp.MustCompile(`^[a-z2-7]{32}$`).MatchString(client.id) {
		t.Errorf("client_id %q: want 32 letters and digits", client.id)
	}
	if !regexp.MustCompile(`^spsbx_[0-9A-Za-z]{49}$`).MatchString(client.secret) {
		t.Errorf("a client_secret of %d characters: want the prefix, _, and 49 letters and digits", len(client.secret))
	}
	ask := func(more ...string) answer {
		return s.form(e.URL+"/oauth2/token", append([]string{"grant_type", "client_credentials", "client_id", client.id, "client_secret", client.secret}, more...)...)
	}
	a := ask()
	if description, _ := a.json(t)["error_description"].(string); a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_scope" || !strings.Contains(description, "more products than one token can hold") {
		t.Errorf("a token for all of them: %d %s", a.status, a.body)
	}
	token, _ := issued(t, ask("scope", strings.Join(names[:40], " ")))
	if len(token) > 8<<10 {
		t.Errorf("a token of %d bytes", len(token))
	}
	if got := s.about(e, "/oauth2/introspect", client, token).json(t); got["active"] != true {
		t.Errorf("its introspection: %v", got)
	}
}

// RFC 9068 §5: a client that chose another's name could pass for it.
func TestAClientCannotChooseItsClientID(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	m := s.operator()
	org := s.app(m, e.ClientID).Org
	body := encode(t, map[string]any{"org": org, "environment": "sandbox", "name": "me", "developer_email": "a@example.com", "client_id": e.ClientID})
	header := map[string]string{"Authorization": "Bearer " + s.Operator.Token, "Content-Type": "application/json"}
	if a := s.do("POST", s.Operator.URL+"/v1/apps", header, body); a.status != http.StatusBadRequest {
		t.Errorf("a new app with a client_id: %d %s", a.status, a.body)
	}
	seen := map[string]bool{}
	for i := range 50 {
		app, err := m.CreateApp(t.Context(), api.NewApp{Org: org, Environment: "sandbox", Name: fmt.Sprintf("app %d", i), DeveloperEmail: "a@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if seen[app.ClientID] || !regexp.MustCompile(`^[a-z2-7]{32}$`).MatchString(app.ClientID) {
			t.Errorf("client_id %q", app.ClientID)
		}
		seen[app.ClientID] = true
		if a := s.do("PATCH", s.Operator.URL+"/v1/apps/"+app.ID, header, `{"client_id":"me"}`); a.status != http.StatusBadRequest {
			t.Errorf("another client_id: %d %s", a.status, a.body)
		}
	}
}

// RFC 9700 §4.12: a redirect with 307 or 308 would make a client send its
// credentials once more, to wherever it leads. We redirect nowhere at all.
func TestNothingOfOursRedirects(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	body := goodForm(e).Encode()
	token := s.token(e)
	for _, path := range append(slices.Clone(allPaths),
		"/", "", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource", eligibilityPath,
		eligibilityPath+"/healthcheck", "/apip/auth/v2/healthcheck") {
		for _, spelled := range []string{path, path + "/", "/" + path, strings.ToUpper(path), path + "/.", path + "/..", path + "//", strings.Replace(path, "/", "/./", 1), path + "%2f", path + "?", path + ";a"} {
			for _, method := range []string{"GET", "POST", "HEAD", "OPTIONS"} {
				a := s.do(method, e.URL+"/"+strings.TrimPrefix(spelled, "/"), map[string]string{"Content-Type": formType, "Authorization": "Bearer " + token}, body)
				if a.status >= 300 && a.status < 400 || a.header.Get("Location") != "" {
					t.Errorf("%s %s: %d, Location %q", method, spelled, a.status, a.header.Get("Location"))
				}
			}
		}
	}
}

// RFC 6750 §3: every challenge can be read, and says each thing once.
func TestChallengesCanBeRead(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	call := e.api(t, "eligibility")
	narrow, _ := issued(t, s.grantFor(e, "scope", "MN_Product_ClaimStatus_v2"))
	other, _ := issued(t, s.grantFor(e, "resource", e.URL+claimStatusPath))
	parameter := regexp.MustCompile(`([a-z_]+)="([^"\\]*)"(?:, |$)`)
	for name, tt := range map[string]struct {
		token string
		error string
	}{
		"no token": {"", ""}, "rubbish": {"rubbish", "invalid_token"}, "another product": {narrow, "insufficient_scope"}, "another resource": {other, "invalid_token"},
	} {
		challenge := s.call(call, tt.token, nil).header.Get("WWW-Authenticate")
		rest, ok := strings.CutPrefix(challenge, "Bearer ")
		got := map[string]string{}
		for _, m := range parameter.FindAllStringSubmatch(rest, -1) {
			if _, twice := got[m[1]]; twice {
				t.Errorf("%s: %s stands twice in %q", name, m[1], challenge)
			}
			got[m[1]] = m[2]
		}
		if !ok || parameter.ReplaceAllString(rest, "") != "" || got["realm"] != "sandbox" || got["error"] != tt.error || got["resource_metadata"] == "" {
			t.Errorf("%s: %q", name, challenge)
		}
	}
}

// uris are the members of the metadata that are URLs, and what a GET of each gets.
var uris = map[string]int{
	"token_endpoint": 405, "revocation_endpoint": 405, "introspection_endpoint": 405, "jwks_uri": 200, "service_documentation": 200,
}

// RFC 8414 §2, member by member. What is published is so, and what is so is published.
func TestTheMetadataAreAsRFC8414HasThem(t *testing.T) {
	s := start(t)
	for name, e := range s.Environments {
		a := s.do("GET", e.URL+"/.well-known/oauth-authorization-server", nil, "")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
			t.Fatalf("RFC 8414 3.2 %s: %d %v", name, a.status, a.header)
		}
		got := a.json(t)
		issuer, err := url.Parse(got["issuer"].(string))
		if err != nil || issuer.Scheme != "https" || issuer.RawQuery != "" || issuer.Fragment != "" || got["issuer"] != e.Issuer {
			t.Errorf("RFC 8414 2, 3.3 %s: issuer %v", name, got["issuer"])
		}
		for member, value := range got {
			switch value := value.(type) {
			case nil:
				t.Errorf("%s: %s is null", name, member)
			case string:
				if status, known := uris[member]; known {
					if a := s.do("GET", value, nil, ""); a.status != status || !strings.HasPrefix(value, "https://") || strings.Contains(value, "#") {
						t.Errorf("%s: %s is %s, which answers %d", name, member, value, a.status)
					}
				} else if member != "issuer" && !strings.HasSuffix(member, "_endpoint") {
					t.Errorf("%s: %s is a text that this test does not know", name, member)
				}
			case []any:
				for _, item := range value {
					if _, ok := item.(string); !ok {
						t.Errorf("%s: %s holds %v", name, member, item)
					}
				}
				if len(value) == 0 && member != "response_types_supported" { // RFC 8414 §3.2
					t.Errorf("%s: %s is empty", name, member)
				}
			case bool, map[string]any:
			default:
				t.Errorf("%s: %s is a %T", name, member, value)
			}
		}
		texts := func(member string) (out []string) {
			list, _ := got[member].([]any)
			for _, item := range list {
				text, _ := item.(string)
				out = append(out, text)
			}
			return out
		}
		for member := range uris {
			if got[member] == nil {
				t.Errorf("%s: no %s", name, member)
			}
		}
		if diff := cmp.Diff([]string{"client_credentials"}, texts("grant_types_supported")); diff != "" {
			t.Errorf("%s: grant_types_supported %s", name, diff)
		}
		for _, endpoint := range []string{"token", "revocation", "introspection"} {
			methods := texts(endpoint + "_endpoint_auth_methods_supported")
			algorithms := texts(endpoint + "_endpoint_auth_signing_alg_values_supported")
			if !slices.Contains(methods, "client_secret_basic") || !slices.Contains(methods, "client_secret_post") || slices.Contains(methods, "none") {
				t.Errorf("%s: the methods of %s are %v", name, endpoint, methods)
			}
			if slices.Contains(methods, "private_key_jwt") != (len(algorithms) > 0) || slices.Contains(algorithms, "none") {
				t.Errorf("RFC 8414 2 %s: the algorithms of %s are %v, its methods %v", name, endpoint, algorithms, methods)
			}
		}
		want := []string{"MN_Product_ClaimStatus_v2", "MN_Product_Eligibility_v3", "PN_Product_PharmacyClaims_v1"}
		if diff := cmp.Diff(want, texts("scopes_supported")); diff != "" {
			t.Errorf("%s: scopes_supported (-want +got)\n%s", name, diff)
		}
		if got["authorization_endpoint"] != nil || got["op_policy_uri"] != nil || len(texts("response_types_supported")) != 0 {
			t.Errorf("%s: what we do not have: %v", name, got)
		}
	}
	e := s.Environments["sandbox"]
	s.applyAlso(map[string]string{
		"more-v1/manifest.yaml": "title: More\nsummary: More\nbase_path: /more/v1\nproducts: [More_v1]\nopenapi: openapi.yaml\n",
		"more-v1/openapi.yaml":  "openapi: 3.1.0\ninfo: {title: More, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n      responses: {'204': {description: ok}}\n",
		"products.yaml": "- {name: MN_Product_Eligibility_v3, title: Eligibility}\n- {name: MN_Product_ClaimStatus_v2, title: Claim Status}\n" +
			"- {name: PN_Product_PharmacyClaims_v1, title: Pharmacy Claims}\n- {name: More_v1, title: More}\n",
	})
	got := s.do("GET", e.URL+"/.well-known/oauth-authorization-server", nil, "").json(t)
	scopes, _ := got["scopes_supported"].([]any)
	resources, _ := got["protected_resources"].([]any)
	if !slices.Contains(scopes, any("More_v1")) || !slices.Contains(resources, any(e.URL+"/more/v1")) {
		t.Errorf("after another catalogue: scopes %v, resources %v", scopes, resources)
	}
}
