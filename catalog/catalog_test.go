package catalog_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/mock"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

func load(t *testing.T) *manifest.Catalog {
	t.Helper()
	c, err := manifest.Load(catalog.Files, manifest.Options{
		Vars: map[string]string{catalog.UpstreamVariable: "http://127.0.0.1:8089"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// api returns the API with that name, and the value of a request body.
func api(t *testing.T, c *manifest.Catalog, name string) *manifest.API {
	t.Helper()
	for _, a := range c.APIs {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("there is no API %q", name)
	return nil
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := strictjson.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func TestTheDemoCatalogueLoadsWithoutAProblem(t *testing.T) {
	c := load(t)
	type summary struct {
		Base, Product, Sandbox, Production string
		Operations                         []string
	}
	got := map[string]summary{}
	for _, a := range c.APIs {
		s := summary{
			Base: a.BasePath, Product: strings.Join(a.Products, " "),
			Sandbox: a.Upstreams[market.Sandbox].URL, Production: a.Upstreams[market.Production].URL,
		}
		for _, op := range a.Document.Operations {
			s.Operations = append(s.Operations, op.Method+" "+op.Template)
		}
		got[a.Name] = s
		for _, page := range []string{"overview", "changelog", "faq"} {
			if a.Pages[page] == "" {
				t.Errorf("%s has no page %s", a.Name, page)
			}
		}
	}
	sandbox, production := "http://127.0.0.1:8089/sandbox", "http://127.0.0.1:8089/production"
	want := map[string]summary{
		"eligibility-v3": {
			"/medicalnetwork/eligibility/v3", "MN_Product_Eligibility_v3", sandbox, production,
			[]string{"POST /", "POST /raw-x12", "GET /healthcheck"},
		},
		"claim-status-v2": {
			"/medicalnetwork/claimstatus/v2", "MN_Product_ClaimStatus_v2", sandbox, production,
			[]string{"POST /", "POST /raw-x12", "GET /healthcheck"},
		},
		"pharmacy-claims-v1": {
			"/pharmacynetwork/submitter/v1", "PN_Product_PharmacyClaims_v1", sandbox, production,
			[]string{"POST /pharmacy-claims", "GET /healthcheck"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, p := range c.Products {
		if p.TokenLifetime != 0 {
			t.Errorf("%s sets a token lifetime; in the demo the dialect decides", p.Name)
		}
	}
}

func TestEachCanonicalCallMatchesPassesItsSchemaAndIsMocked(t *testing.T) {
	c := load(t)
	calls := catalog.Calls("SUB01", "HOST01", "123456789")
	if len(calls) != len(c.APIs) {
		t.Errorf("there are %d calls for %d APIs", len(calls), len(c.APIs))
	}
	for _, call := range append(calls, catalog.Calls("SUB01", "", "")...) {
		t.Run(call.API, func(t *testing.T) {
			a := api(t, c, call.API)
			rest, ok := strings.CutPrefix(call.Path, a.BasePath)
			if !ok {
				t.Fatalf("%s is not below %s", call.Path, a.BasePath)
			}
			op, params, _, ok := a.Document.Match(call.Method, rest)
			if !ok {
				t.Fatalf("%s %s matches no operation", call.Method, rest)
			}
			body := decode(t, call.Body)
			if v := op.Body.JSON.Check(body); v != nil {
				t.Fatal(v)
			}
			response := a.Mock.Answer(a.Document, op, request(call, op, params, body))
			if response.Status != http.StatusOK || response.Rule == "predefined" {
				t.Fatalf("answered with %d by %q: %s", response.Status, response.Rule, response.Body)
			}
			answer := decode(t, string(response.Body))
			for _, pointer := range []string{"/errors", "/errorResponse"} {
				if _, bad := strictjson.At(answer, pointer); bad {
					t.Errorf("the answer has %s: %s", pointer, response.Body)
				}
			}
			if trace, ok := strictjson.At(answer, "/meta/traceId"); ok && trace != "trace-1" {
				t.Errorf("traceId is %v, want the call's", trace)
			}
			if rule := a.Request.TIN; rule != nil && call.Headers[rule.Header] != "" {
				first := strings.ReplaceAll(rule.Pointer, manifest.EachItem, "0")
				if inBody, _ := strictjson.At(body, first); inBody != call.Headers[rule.Header] {
					t.Errorf("the TIN is %v in the body and %s in the header", inBody, call.Headers[rule.Header])
				}
			}
			if rule := a.Request.Submitter; rule != nil && call.Headers[rule.Header] != "SUB01" {
				t.Error("the submitter id is missing")
			}
		})
	}
}

func request(call catalog.Call, op *openapi.Operation, params map[string]string, body any) mock.Request {
	header := make(http.Header)
	for name, value := range call.Headers {
		header.Set(name, value)
	}
	return mock.Request{
		Operation: op.ID, Method: call.Method, Path: call.Path, Params: params,
		Header: header, Body: body, Trace: "trace-1", App: "demo",
	}
}

// answer sends body to the operation at path of an API.
func answer(t *testing.T, name, path, body string, header http.Header) mock.Response {
	t.Helper()
	a := api(t, load(t), name)
	op, _, _, ok := a.Document.Match("POST", path)
	if !ok {
		t.Fatalf("no operation at %s", path)
	}
	value := decode(t, body)
	if v := op.Body.JSON.Check(value); v != nil {
		t.Fatal(v)
	}
	response := a.Mock.Answer(a.Document, op, mock.Request{
		Operation: op.ID, Method: "POST", Path: a.BasePath + path, Header: header, Body: value, Trace: "trace-1", App: "demo",
	})
	if !json.Valid(response.Body) {
		t.Fatalf("the answer is not JSON: %s", response.Body)
	}
	return response
}

func TestScenariosAreChosenAsThePagesSay(t *testing.T) {
	subscriber := `"subscriber":{"memberId":"0000000000","firstName":"JOHNONE","lastName":"doeOne"}`
	claim := `{"controlNumber":"000000007","providers":[{"providerType":"BillingProvider"}],` + subscriber + `,"tradingPartnerServiceId":`
	eligibility := `{"controlNumber":"000000007",` + subscriber + `,"tradingPartnerServiceId":`
	trace := func(id string) http.Header { return http.Header{"X-Chng-Trace-Id": {id}} }
	tests := []struct {
		name, api, path, body string
		header                http.Header
		rule, contains        string
		status                int
	}{
		{"claim status 00001", "claim-status-v2", "/", claim + `"00001"}`, nil, "response not possible", `"RESPONSENOTPOSSIBLE"`, 200},
		{"claim status 000002", "claim-status-v2", "", claim + `"000002"}`, nil, "denied, dependent", `"F2"`, 200},
		{"claim status 00003", "claim-status-v2", "/", claim + `"00003"}`, nil, "accepted and paid", `"F1"`, 200},
		{"claim status 00004", "claim-status-v2", "/", claim + `"00004"}`, nil, "rejected", `"A3"`, 200},
		{"claim status of another payer", "claim-status-v2", "/", claim + `"9"}`, nil, "received, any other payer", `"A1"`, 200},
		{"eligibility 000041", "eligibility-v3", "/", eligibility + `"000041"}`, nil, "inactive coverage, by payer", `"Inactive"`, 200},
		{"eligibility 000047", "eligibility-v3", "/", eligibility + `"000047"}`, nil, "active coverage, by payer", `"payorIdentification":"000047"`, 200},
		{"eligibility of another payer", "eligibility-v3", "/", eligibility + `"9"}`, nil, "example activeCoverage", `"controlNumber":"000000007"`, 200},
		{"a payer that is away", "eligibility-v3", "/", eligibility + `"9"}`, trace("test_payer-unavailable-1"), "payer unavailable, by trace id", `"42"`, 200},
		{"a processor that is away", "pharmacy-claims-v1", "/pharmacy-claims", `{"messageData":"QUJD"}`, trace("test_processor-unavailable"), "processor unavailable, by trace id", `"traceId":"trace-1"`, 503},
		{"a rejected claim", "pharmacy-claims-v1", "/pharmacy-claims", `{"messageData":"QUJD"}`, trace("test_rejected"), "rejected, by trace id", `"R"`, 200},
		{"a claim", "pharmacy-claims-v1", "/pharmacy-claims", `{"messageData":"QUJD"}`, nil, "paid", `"P"`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := answer(t, tt.api, tt.path, tt.body, tt.header)
			if got.Rule != tt.rule || got.Status != tt.status || !strings.Contains(string(got.Body), tt.contains) {
				t.Errorf("answered with %d by %q, want %d by %q with %s:\n%s", got.Status, got.Rule, tt.status, tt.rule, tt.contains, got.Body)
			}
		})
	}
}

func TestAValueThatIsNotPredefinedIsToldWhatIsAllowed(t *testing.T) {
	const born = "19990909"
	eligibility := answer(t, "eligibility-v3", "/",
		`{"controlNumber":"000000007","subscriber":{"memberId":"0000000000","dateOfBirth":"`+born+`"},"dependents":[{"firstName":"JaneOne"},{"firstName":"Someone"}]}`, nil)
	want := map[string]any{
		"meta":          map[string]any{"senderId": "SALLYPORT", "applicationMode": "test", "traceId": "trace-1"},
		"controlNumber": "000000007",
		"errors": []any{
			map[string]any{
				"field":         "subscriber",
				"description":   "Please use predefined canned users for non-prod environments: dateOfBirth was not predefined.",
				"allowedValues": []any{"18800101", "18800102", "18160421", "19800101", "19800102", "20000101", "20000102"},
			},
			map[string]any{
				"field":         "dependents.1",
				"description":   "Please use predefined canned users for non-prod environments: firstName was not predefined.",
				"allowedValues": []any{"johnone", "johntwo", "janeone", "janetwo"},
			},
			map[string]any{"field": "AAA", "description": "Transaction contained a AAA rejection"},
		},
	}
	if diff := cmp.Diff(want, decode(t, string(eligibility.Body))); diff != "" || eligibility.Status != 200 || eligibility.Rule != "predefined" {
		t.Errorf("%d by %q: %s", eligibility.Status, eligibility.Rule, diff)
	}
	claims := answer(t, "claim-status-v2", "/",
		`{"controlNumber":"000000007","providers":[{"providerType":"BillingProvider"}],"subscriber":{"memberId":"0000000000","firstName":"johnone","lastName":"doeone","dateOfBirth":"`+born+`"}}`, nil)
	if _, ok := strictjson.At(decode(t, string(claims.Body)), "/errorResponse/errors/0/allowedValues/6"); !ok || claims.Rule != "predefined" {
		t.Errorf("no allowed values in errorResponse, by %q: %s", claims.Rule, claims.Body)
	}
	for _, body := range [][]byte{eligibility.Body, claims.Body} {
		if strings.Contains(string(body), born) || strings.Contains(string(body), "Someone") {
			t.Errorf("the answer repeats a value that was sent: %s", body)
		}
	}
}

func TestHealthChecksAnswerWithStatusAndVersion(t *testing.T) {
	c := load(t)
	for name, version := range map[string]string{"eligibility-v3": "v3", "claim-status-v2": "v2", "pharmacy-claims-v1": "v1"} {
		a := api(t, c, name)
		op, _, _, ok := a.Document.Match("HEAD", "/healthcheck/")
		if !ok {
			t.Fatalf("%s has no health check", name)
		}
		got := a.Mock.Answer(a.Document, op, mock.Request{Operation: op.ID, Method: "GET"})
		if want := `{"status":"OK","version":"` + version + `"}`; string(got.Body) != want || got.Status != 200 {
			t.Errorf("%s: %d %s, want %s", name, got.Status, got.Body, want)
		}
	}
}

func TestEveryMockAnswerFromAnExampleMatchesWhatTheDocumentPromises(t *testing.T) {
	// Load holds the examples as they are written against their schemas. Here
	// they are held once more with a request's values put into them.
	for _, call := range catalog.Calls("SUB01", "HOST01", "123456789") {
		a := api(t, load(t), call.API)
		op, _, _, _ := a.Document.Match(call.Method, strings.TrimPrefix(call.Path, a.BasePath))
		body := decode(t, call.Body)
		for _, e := range op.Examples {
			if e.Status >= 300 {
				continue
			}
			before := decode(t, string(e.Value))
			rules, err := mock.ParseRules([]byte("set: {/controlNumber: {$from: /controlNumber}, /subscriber/memberId: {$from: /subscriber/memberId}}\n"+
				"rules: [{name: it, answer: {example: "+e.Name+"}}]"), a.Document)
			if err != nil {
				t.Fatal(err)
			}
			after := decode(t, string(rules.Answer(a.Document, op, request(call, op, nil, body)).Body))
			if shape(before) != shape(after) {
				t.Errorf("%s %s changes its shape: %s, %s", call.API, e.Name, shape(before), shape(after))
			}
		}
	}
}

// shape is a value with its scalars replaced by their types.
func shape(v any) string {
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for name, member := range v {
				out[name] = walk(member)
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i])
			}
			return out
		case string:
			return "text"
		case float64:
			return 0
		}
		return v
	}
	text, _ := json.Marshal(walk(v))
	return string(text)
}

func TestTheCatalogueNamesNoCompanyAndNobody(t *testing.T) {
	bundle, _, err := manifest.Bundle(catalog.Files)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(string(bundle)) // stored, not compressed
	for _, word := range []string{"optum", "change healthcare", "changehealthcare"} {
		if strings.Contains(text, word) {
			t.Errorf("the catalogue contains %q", word)
		}
	}
}
