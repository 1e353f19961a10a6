package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

func TestNoUnknownExpiredOrRevokedTokenGetOneAnswer(t *testing.T) {
	w := open(t)
	revoked := want[api.CreatedOperatorToken](t, w, http.StatusCreated, "POST", "/v1/operator-tokens", api.NewOperatorToken{Label: "old"})
	want[api.OperatorToken](t, w, http.StatusOK, "POST", "/v1/operator-tokens/"+revoked.ID+"/revoke", nil)
	expired := want[api.CreatedOperatorToken](t, w, http.StatusCreated, "POST", "/v1/operator-tokens",
		api.NewOperatorToken{Label: "short", Expires: clock().Add(time.Second)})
	time.Sleep(1100 * time.Millisecond)

	headers := map[string][]string{
		"none":           nil,
		"unknown":        {"Bearer spop_0000000000000000000000000000000000000000000000000"},
		"empty":          {"Bearer "},
		"basic":          {"Basic " + w.token},
		"bare":           {w.token},
		"two headers":    {"Bearer " + w.token, "Bearer " + w.token},
		"two tokens":     {"Bearer " + w.token + " " + w.token},
		"revoked":        {"Bearer " + revoked.Token.Reveal()},
		"expired":        {"Bearer " + expired.Token.Reveal()},
		"not even ASCII": {"Bearer \xff\x00"},
	}
	var first string
	for name, values := range headers {
		for _, target := range []string{"/v1/organizations", "/v1/nothing", "/", "/v1/apps/app_x"} {
			req := request(t, "GET", target, nil)
			req.Header["Authorization"] = values
			req.Header.Set("X-Trace", "trace-1")
			rec := w.do(t, req)
			p := problem(t, rec, api.CodeUnauthorized)
			if got := rec.Header().Get("WWW-Authenticate"); got != `Bearer realm="sallyport management"` {
				t.Errorf("%s: challenge %q", name, got)
			}
			p.Instance = ""
			text := fmt.Sprintf("%+v", p)
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("%s, %s: answers %s\nothers: %s", name, target, text, first)
			}
		}
	}
}

func TestTheSchemeIsCaseInsensitive(t *testing.T) {
	w := open(t)
	req := request(t, "GET", "/v1/status", nil)
	req.Header.Set("Authorization", "bEARER "+w.token)
	if rec := w.do(t, req); rec.Code != http.StatusOK {
		t.Errorf("status %d: %s", rec.Code, rec.Body)
	}
}

func TestHealthAndDocumentNeedNoToken(t *testing.T) {
	w := open(t)
	for target, part := range map[string]string{"/healthz": `"ok"`, "/v1/openapi.yaml": "openapi: 3.1.0"} {
		rec := w.do(t, request(t, "GET", target, nil))
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), part) {
			t.Errorf("%s: %d %s", target, rec.Code, rec.Body)
		}
	}
	problem(t, w.do(t, request(t, "POST", "/healthz", "{}")), api.CodeMethodNotAllowed)
}

func TestWhatIsNotRoutedIsAProblem(t *testing.T) {
	w := open(t)
	for _, target := range []string{
		"/", "/v1", "/v2/organizations", "/v1/organizations/", "/v1//organizations", "/v1/../v1/organizations",
		"/v1/organizations/org_1/apps", "/v1/subscriptions/sub_1/approve/now",
	} {
		refused(t, w, api.CodeNotFound, "GET", target, nil)
	}
	rec := w.send(t, "DELETE", "/v1/organizations", nil)
	problem(t, rec, api.CodeMethodNotAllowed)
	if got := rec.Header().Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow is %q", got)
	}
}

func TestAnIdentifierOfAnotherFormIsNotFound(t *testing.T) {
	w := open(t)
	for _, target := range []string{
		"/v1/organizations/acme", "/v1/organizations/org_", "/v1/organizations/org_ABC", "/v1/organizations/org_a%00b",
		"/v1/apps/org_1", "/v1/credentials/1", "/v1/subscriptions/%2e%2e", "/v1/operator-tokens/op", "/v1/products/%00",
		"/v1/refusals/none", "/v1/not-before/moon",
	} {
		refused(t, w, api.CodeNotFound, "GET", target, nil)
	}
}

func TestWhatThereIsNoneOfIsToldWhereToLookForIt(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	for target, where := range map[string]string{
		"/v1/organizations/org_none":                             "GET /v1/organizations",
		"/v1/apps/app_none":                                      "GET /v1/apps",
		"/v1/credentials/cred_none":                              "GET /v1/credentials",
		"/v1/products/none":                                      "GET /v1/products",
		"/v1/subscriptions/sub_none":                             "GET /v1/subscriptions",
		"/v1/operator-tokens/op_none":                            "GET /v1/operator-tokens",
		"/v1/organizations/" + org.ID + "/tins/123456789":        "GET /v1/tins",
		"/v1/organizations/" + org.ID + "/submitters/host/NONE1": "GET /v1/organizations",
	} {
		if p := refused(t, w, api.CodeNotFound, "GET", target, nil); !strings.HasPrefix(p.Hint, where) {
			t.Errorf("%s: the hint is %q, want %q", target, p.Hint, where)
		}
	}
}

func TestABodyThatCannotBeReadSaysWhatIsWrong(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	tests := []struct {
		name, method, target, body string
		code                       api.Code
		field, part                string
	}{
		{"not JSON", "POST", "/v1/organizations", `name=x`, api.CodeMalformed, "", "well-formed"},
		{"a repeated member", "POST", "/v1/organizations", `{"name":"a","name":"b"}`, api.CodeMalformed, "", "repeated"},
		{"two values", "POST", "/v1/organizations", `{} {}`, api.CodeMalformed, "", "no well-formed JSON value: it cannot be read from line 1"},
		{"not UTF-8", "POST", "/v1/organizations", "{\"name\":\"\xff\"}", api.CodeMalformed, "", "UTF-8"},
		{"too deep", "POST", "/v1/organizations", strings.Repeat("[", 99) + strings.Repeat("]", 99), api.CodeMalformed, "", "deep"},
		{"an array", "POST", "/v1/organizations", `[]`, api.CodeMalformed, "", "object"},
		{"null", "POST", "/v1/organizations", `null`, api.CodeInvalid, "name", "empty"},
		{"an unknown member", "POST", "/v1/organizations", `{"nam":"x"}`, api.CodeMalformed, "nam", "no such member"},
		{"another case", "POST", "/v1/organizations", `{"Name":"x"}`, api.CodeMalformed, "Name", "no such member"},
		{"two cases", "POST", "/v1/organizations", `{"name":"x","NAME":"y"}`, api.CodeMalformed, "NAME", "no such member"},
		{"a number for a name", "POST", "/v1/organizations", `{"name":1}`, api.CodeMalformed, "name", "a string"},
		{"a text for seconds", "POST", "/v1/apps", `{"token_lifetime":"1h"}`, api.CodeMalformed, "token_lifetime", "whole number"},
		{"a fraction of seconds", "POST", "/v1/apps", `{"token_lifetime":1.5}`, api.CodeMalformed, "token_lifetime", "whole number"},
		{"a bad time", "POST", "/v1/operator-tokens", `{"label":"x","expires":"tomorrow"}`, api.CodeMalformed, "expires", "RFC 3339"},
		{"a time beyond time", "POST", "/v1/operator-tokens", `{"label":"x","expires":"9999-12-31T23:59:59-23:59"}`, api.CodeInvalid, "expires", "9000"},
		{"a bad not-before", "PATCH", "/v1/organizations/" + org.ID, `{"not_before":"soon"}`, api.CodeMalformed, "not_before", `"now"`},
		{"a negative not-before", "PATCH", "/v1/organizations/" + org.ID, `{"not_before":-1}`, api.CodeMalformed, "not_before", "since 1970"},
		{"nothing to change", "PATCH", "/v1/organizations/" + org.ID, `{}`, api.CodeInvalid, "", "nothing"},
		{"a duration that overflows", "POST", "/v1/products", `{"name":"p","title":"p","token_lifetime":9223372036854775807}`, api.CodeInvalid, "token_lifetime", "seconds"},
		{"too large", "POST", "/v1/organizations", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, api.CodeTooLarge, "", "64 KiB"},
		{"a call too large to explain", "POST", "/v1/explain", `{"body":"` + strings.Repeat("x", maxCallBody) + `"}`, api.CodeTooLarge, "", "2 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := refused(t, w, tt.code, tt.method, tt.target, tt.body)
			if p.Field != tt.field || !strings.Contains(p.Detail, tt.part) {
				t.Errorf("field %q, detail %q; want %q and %q", p.Field, p.Detail, tt.field, tt.part)
			}
		})
	}
	for _, mediaType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"} {
		req := request(t, "POST", "/v1/organizations", `{"name":"x"}`)
		req.Header.Set("Content-Type", mediaType)
		req.Header.Set("Authorization", "Bearer "+w.token)
		problem(t, w.do(t, req), api.CodeMediaType)
	}
}

func TestAParameterThatIsWrongIsNamed(t *testing.T) {
	w := open(t)
	for target, field := range map[string]string{
		"/v1/organizations?limit=0":         "limit",
		"/v1/organizations?limit=1001":      "limit",
		"/v1/organizations?limit=1&limit=2": "limit",
		"/v1/organizations?page=2":          "",
		"/v1/organizations?%zz":             "",
		"/v1/apps?org=acme":                 "org",
		"/v1/subscriptions?state=open":      "state",
		"/v1/tins?state=open":               "state",
		"/v1/keys?environment=moon":         "environment",
		"/v1/audit?kind=thing":              "kind",
		"/v1/audit?id=%00":                  "id",
		"/v1/usage?from=yesterday":          "from",
		"/v1/usage?from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00%2B01:00": "to",
	} {
		if p := refused(t, w, api.CodeInvalid, "GET", target, nil); p.Field != field {
			t.Errorf("%s: field %q, want %q", target, p.Field, field)
		}
	}
}

func TestAnUnknownErrorIsShownByItsTraceAlone(t *testing.T) {
	w := open(t)
	w.handler.Market = &market.Market{Store: brokenStore{w.config.Market.Store}, Hasher: w.config.Market.Hasher, Now: clock}
	req := request(t, "GET", "/v1/organizations", nil)
	req.Header.Set("Authorization", "Bearer "+w.token)
	rec := w.do(t, req)
	p := problem(t, rec, api.CodeInternal)
	if strings.Contains(rec.Body.String(), "disk") {
		t.Errorf("the answer tells the cause: %s", rec.Body)
	}
	if log := w.log.String(); !strings.Contains(log, "disk on fire") || !strings.Contains(log, p.TraceID) {
		t.Errorf("the log does not: %s", log)
	}
}

// brokenStore fails to list organizations.
type brokenStore struct{ market.Store }

func (s brokenStore) View(ctx context.Context, read func(market.Reader) error) error {
	return s.Store.View(ctx, func(r market.Reader) error { return read(brokenReader{r}) })
}

type brokenReader struct{ market.Reader }

func (brokenReader) Orgs(market.Page) ([]market.Organization, string, error) {
	return nil, "", errors.New("disk on fire")
}

func TestALostStoreSaysWhenToTryAgain(t *testing.T) {
	w := open(t)
	w.handler.Market = &market.Market{Store: lostStore{w.config.Market.Store}, Hasher: w.config.Market.Hasher, Now: clock}
	rec := w.send(t, "GET", "/v1/organizations", nil)
	problem(t, rec, api.CodeUnavailable)
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

type lostStore struct{ market.Store }

func (lostStore) View(context.Context, func(market.Reader) error) error {
	return &market.Error{Code: market.Unavailable, Public: "the store is away"}
}

// TestTheTokenIsNeverRepeated puts the operator's token everywhere into a
// request that is refused.
func TestTheTokenIsNeverRepeated(t *testing.T) {
	w := open(t)
	requests := []*http.Request{
		request(t, "GET", "/v1/products/"+w.token, nil),
		request(t, "GET", "/v1/"+w.token, nil),
		request(t, "GET", "/v1/%73"+w.token[1:], nil),
		request(t, "GET", "/v1/keys?environment="+w.token, nil),
		request(t, "GET", "/v1/keys?"+w.token+"=1", nil),
		request(t, "POST", "/v1/organizations", `{"`+w.token+`":1}`),
		request(t, "POST", "/v1/apps", `{"org":"org_1","environment":"`+w.token+`"}`),
		request(t, "PUT", "/v1/catalog", `{"files":{"`+w.token+`":"x"}}`),
	}
	for _, req := range requests {
		req.Header.Set("Authorization", "Bearer "+w.token)
		rec := w.do(t, req)
		if rec.Code < 400 {
			t.Errorf("%s %s: status %d", req.Method, req.URL, rec.Code)
		}
		if strings.Contains(rec.Body.String(), w.token) {
			t.Errorf("%s %s: repeats the token: %s", req.Method, req.URL, rec.Body)
		}
	}
}

func TestSecretsAreInOneAnswerAndInNoLog(t *testing.T) {
	w := open(t)
	app := addApp(t, w, addOrg(t, w), "sandbox")
	c := want[api.CreatedCredential](t, w, http.StatusCreated, "POST", "/v1/apps/"+app.ID+"/credentials", nil)
	o := want[api.CreatedOperatorToken](t, w, http.StatusCreated, "POST", "/v1/operator-tokens", api.NewOperatorToken{Label: "ci"})
	everything := w.log.String()
	for _, target := range []string{
		"/v1/apps/" + app.ID, "/v1/apps/" + app.ID + "/credentials", "/v1/credentials/" + c.ID, "/v1/audit",
		"/v1/operator-tokens", "/v1/operator-tokens/" + o.ID,
	} {
		everything += w.send(t, "GET", target, nil).Body.String()
	}
	for _, text := range []string{c.ClientSecret.Reveal(), o.Token.Reveal(), w.token} {
		if text == "" || strings.Contains(everything, text) {
			t.Errorf("a secret is shown again, or was not at all")
		}
	}
}

func TestARefusalIsExplainedByItsTrace(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	w.config.Refusals.Add(usage.Refusal{
		Trace: "abc", At: clock(), Environment: market.Sandbox, Surface: "call", Method: "POST", Path: "/x", Status: 401,
		Code: "access_token_expired", Reason: "it expired four minutes ago", Next: "fetch a new one", Org: "org_other",
		Parameter: "Authorization", Skew: 4 * time.Minute, App: "app_a", Credential: "cred_a", Label: "ci", Hint: "spsbx_AB",
	})
	w.config.Refusals.Add(usage.Refusal{Trace: "def", At: clock(), Environment: market.Production, Surface: "token", Code: "invalid_client", Status: 401})
	lists := func(query string, traces ...string) {
		t.Helper()
		got := want[api.List[api.Refusal]](t, w, http.StatusOK, "GET", "/v1/refusals"+query, nil)
		var found []string
		for _, r := range got.Items {
			found = append(found, r.TraceID)
		}
		slices.Sort(found)
		if got.Items == nil || !slices.Equal(found, traces) {
			t.Errorf("%s: got %+v, want %q", query, got, traces)
		}
	}
	check := func(when string) {
		t.Helper()
		got := want[api.Refusal](t, w, http.StatusOK, "GET", "/v1/refusals/abc", nil)
		if got.Reason != "it expired four minutes ago" || got.Parameter != "Authorization" || got.SkewSeconds != 240 || got.Label != "ci" || got.Hint != "spsbx_AB" {
			t.Errorf("%s: got %+v", when, got)
		}
		if got := want[api.Refusal](t, w, http.StatusOK, "GET", "/v1/refusals/def", nil); got.Next == "" {
			t.Errorf("%s: what comes next is not told: %+v", when, got)
		}
		lists("", "abc", "def")
		lists("?org=" + org.ID)
		for _, query := range []string{
			"?org=org_other", "?app=app_a", "?credential=cred_a", "?surface=call", "?code=access_token_expired", "?environment=sandbox", "?trace=abc",
		} {
			lists(query, "abc")
		}
		lists("?to=" + clock().Add(-time.Hour).Format(time.RFC3339))
	}
	check("in memory")
	if _, err := w.config.Refusals.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("in memory and in the store")
	store, ok := w.config.Usage.(usage.RefusalStore)
	if !ok {
		t.Fatal("no store of refusals")
	}
	w.handler.Refusals = usage.NewRefusals(10, store) // a restart
	check("in the store alone")
	first := want[api.List[api.Refusal]](t, w, http.StatusOK, "GET", "/v1/refusals?limit=1", nil)
	if len(first.Items) != 1 || first.Next == "" {
		t.Fatalf("a page of one: %+v", first)
	}
	second := want[api.List[api.Refusal]](t, w, http.StatusOK, "GET", "/v1/refusals?limit=1&after="+first.Next, nil)
	if len(second.Items) != 1 || second.Next != "" || second.Items[0].TraceID == first.Items[0].TraceID {
		t.Errorf("the next page: %+v", second)
	}
	refused(t, w, api.CodeInvalid, "GET", "/v1/refusals?surface=x", nil)
	refused(t, w, api.CodeInvalid, "GET", "/v1/refusals?from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z", nil)
	refused(t, w, api.CodeNotFound, "GET", "/v1/refusals/nothing", nil)
}

func TestEverythingDoneIsAuditedAsTheOperators(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	page := want[api.List[api.AuditRecord]](t, w, http.StatusOK, "GET", "/v1/audit?limit=1&kind=organization&org="+org.ID, nil)
	if len(page.Items) != 1 {
		t.Fatalf("got %+v", page)
	}
	r := page.Items[0]
	if r.Actor.Kind != "operator" || r.Actor.ID != w.tokenID || r.Actor.From != "192.0.2.1" || r.Action != "create" || r.ID != org.ID {
		t.Errorf("got %+v", r)
	}
	var detail map[string]any
	if err := json.Unmarshal(r.Detail, &detail); err != nil || detail["name"] != org.Name {
		t.Errorf("detail is %s", r.Detail)
	}
	// Pages follow one another, newest first.
	first := want[api.List[api.AuditRecord]](t, w, http.StatusOK, "GET", "/v1/audit?limit=1", nil)
	second := want[api.List[api.AuditRecord]](t, w, http.StatusOK, "GET", "/v1/audit?limit=1&after="+first.Next, nil)
	if len(second.Items) != 1 || second.Items[0].Seq >= first.Items[0].Seq {
		t.Errorf("pages: %+v, %+v", first, second)
	}
	refused(t, w, api.CodeInvalid, "GET", "/v1/audit?after=nonsense", nil)
}
