package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Tokens are remembered to be given again by the words in which they were asked for,
// and there is no end of words for one thing: sixty thousand long ones were gigabytes.
func TestAttackATokenIsRememberedUnderKilobytes(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	target := e.TokenURLs["v2"]
	given := func(scope string) string {
		a := s.form(target, "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret, "scope", scope)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		token, _ := a.json(t)["access_token"].(string)
		return token
	}
	product := "MN_Product_Eligibility_v3"
	if first, again := given(product), given(product); first != again {
		t.Error("the same words, and another token")
	}
	long := product + strings.Repeat(" ", 4000-len(product))
	if first, again := given(long), given(long); first == again {
		t.Error("four kilobytes were remembered")
	}
}

// A document says what a list holds, and what a number may be. The list that comes has
// half a million items, none of which is that, and each would be complained about; the
// number has a billion digits.
func TestAttackChecksCostMoreThanWhatIsChecked(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	s.applyAlso(map[string]string{
		"prices/manifest.yaml": "base_path: /prices\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + echo(t) + "\"}}\n",
		"prices/openapi.yaml": `openapi: 3.1.0
info: {title: Prices, version: v1}
paths:
  /:
    post:
      operationId: add
      parameters: [{name: above, in: query, schema: {type: number, minimum: 1}}]
      requestBody: {content: {application/json: {schema: {type: array, items: {oneOf: [{type: object, required: [price]}, {type: string}]}}}}}
      responses: {'202': {description: ok}}
`,
	})
	token := s.token(e)
	for _, c := range []struct {
		name, above, body string
		status            int
	}{
		{"one item", "1", `["a"]`, 202},
		{"a large list, in order", "1", `["` + strings.Repeat(`0123456789abcdef","`, 40_000) + `"]`, 202},
		{"half a million items that are not in order", "1", "[" + strings.Repeat("0,", 500_000) + "0]", 413},
		{"sixty thousand numbers that take ten microseconds each", "1", "[" + strings.Repeat("5e-324,", 60_000) + "0]", 400},
		{"fewer of them", "1", "[" + strings.Repeat("0,", 500) + "0]", 400},
		{"a number that cannot be counted", "1e-999999999", `["a"]`, 400},
		{"a number that can be, in a while", "1e-999999", `["a"]`, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := e.URL + "/prices/?above=" + url.QueryEscape(c.above)
			a := s.call(apiCall{Method: "POST", URL: target, Headers: map[string]string{"Content-Type": "application/json"}, Body: c.body}, token, nil)
			if a.status != c.status {
				t.Errorf("got %d %.200s, want %d", a.status, a.body, c.status)
			}
		})
	}
}
