package e2e_test

import (
	"strings"
	"testing"
)

// The answer alone has to say what to do next: most who get it ask nobody.
func TestARefusalSaysWhatToDo(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	token := s.token(e)
	bearer := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
	call := e.api(t, "eligibility")
	base := strings.TrimSuffix(call.URL, "/")
	with := func(body string) answer { c := call; c.Body = body; return s.call(c, token, nil) }
	for name, tt := range map[string]struct {
		answer answer
		says   []string
	}{
		"no API there":             {s.do("POST", e.URL+"/oauth/token", bearer, ""), []string{"no API at this path, and no token URL", s.Portal + "/"}},
		"no operation there":       {s.do("POST", base+"/nothing", bearer, "{}"), []string{"Eligibility has no operation at this path", s.Portal + "/apis/eligibility-v3"}},
		"a body that ends early":   {with(`{"controlNumber": "1`), []string{"no well-formed JSON value: it ends too early"}},
		"a body with a comma":      {with("{\n  \"controlNumber\": \"123456789\",\n}"), []string{"line 3, column 1"}},
		"a member twice":           {with(`{"a": 1, "a": 2}`), []string{"each member once"}},
		"a TIN twice":              {s.call(call, token, map[string]string{"providerTaxId": "999999999"}), []string{"with different values. Send the same one in the header and in the body"}},
		"JSON that is called form": {s.doWith(s.client, "POST", e.URL+"/oauth2/token", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, `{"grant_type":"client_credentials"}`), []string{"looks like JSON", "application/x-www-form-urlencoded"}},
	} {
		for _, text := range tt.says {
			if !strings.Contains(string(tt.answer.body), text) {
				t.Errorf("%s: %d %s lacks %q", name, tt.answer.status, tt.answer.body, text)
			}
		}
	}
	page := s.do("GET", s.Portal+"/apis/eligibility-v3", nil, "")
	if page.status != 200 {
		t.Errorf("the page that a refusal names: %d", page.status)
	}
	foreign := s.form(e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret, "scope", "openid")
	if why := s.why(foreign); !strings.Contains(why.Reason, "the app's products here are MN_Product_") {
		t.Errorf("a scope that the app has not: %q", why.Reason)
	}
}
