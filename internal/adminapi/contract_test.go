package adminapi

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// contract is the OpenAPI document, to hold exchanges against.
type contract struct{ doc *openapi3.T }

func openContract(t testing.TB) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	return &contract{doc}
}

// check holds an exchange of a known route against the document: the answer
// always, and the request if it was taken.
func (c *contract) check(t testing.TB, h *Handler, req *http.Request, rec *httptest.ResponseRecorder) {
	t.Helper()
	_, pattern := h.private.Handler(req)
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || method != req.Method {
		return
	}
	item := c.doc.Paths.Value(path)
	if item == nil {
		t.Errorf("%s is not in the document", pattern)
		return
	}
	route := &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)}
	clone := req.Clone(req.Context())
	clone.Body = http.NoBody
	in := &openapi3filter.RequestValidationInput{Request: clone, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: true, IncludeResponseStatus: true,
	}}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Options: in.Options,
		Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())),
	}
	if rec.Code == http.StatusNoContent {
		return
	}
	if err := openapi3filter.ValidateResponse(req.Context(), out); err != nil {
		t.Errorf("%s: the answer %d does not match the document: %v\n%s", pattern, rec.Code, err, rec.Body)
	}
}

func TestTheDocumentIsValid(t *testing.T) {
	if err := openContract(t).doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRoutesAndDocumentListTheSameOperations(t *testing.T) {
	h := New(Config{})
	var served, written []string
	for _, r := range append(h.routes(), h.publicRoutes()...) {
		served = append(served, r.pattern)
	}
	for path, item := range openContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			written = append(written, method+" "+path)
		}
	}
	sort.Strings(served)
	sort.Strings(written)
	if diff := cmp.Diff(served, written); diff != "" {
		t.Errorf("served (-) and documented (+) operations differ:\n%s", diff)
	}
}

func TestEveryOperationTellsItsRefusals(t *testing.T) {
	h := New(Config{})
	doc := openContract(t).doc
	for _, r := range h.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		o := doc.Paths.Value(path).GetOperation(method)
		if o.Responses.Value("401") == nil || o.Responses.Value("default") == nil {
			t.Errorf("%s: has no 401 or no default", r.pattern)
		}
		if strings.Contains(path, "{") && o.Responses.Value("404") == nil {
			t.Errorf("%s: has no 404", r.pattern)
		}
		if o.RequestBody != nil && (o.Responses.Value("413") == nil || o.Responses.Value("415") == nil) {
			t.Errorf("%s: takes a body and has no 413 or 415", r.pattern)
		}
	}
}

// TestEnumerationsAreTheMarkets holds the words of the document to those of the
// domain.
func TestEnumerationsAreTheMarkets(t *testing.T) {
	schemas := openContract(t).doc.Components.Schemas
	tests := []struct {
		schema, property string
		want             []any
	}{
		{"Organization", "state", []any{market.OrgActive, market.OrgSuspended}},
		{"App", "state", []any{market.AppActive, market.AppDisabled}},
		{"Credential", "kind", words(market.CredentialKinds())},
		{"CreatedCredential", "kind", words(market.CredentialKinds())},
		{"Product", "state", []any{market.ProductActive, market.ProductRetired}},
		{"Product", "source", []any{market.FromCatalog, market.FromOperator}},
		{"Subscription", "state", words(subscriptionStates())},
		{"TIN", "state", words(tinStates())},
		{"Submitter", "kind", []any{market.SubmitterOwn, market.SubmitterHost}},
		{"Key", "algorithm", []any{keyring.RS256, keyring.ES256, keyring.EdDSA}},
		{"Key", "use", []any{keyring.UseToken, keyring.UseIdentity}},
		{"AuditRecord", "kind", words(auditKinds())},
	}
	for _, tt := range tests {
		t.Run(tt.schema+"."+tt.property, func(t *testing.T) {
			got := schemas[tt.schema].Value.Properties[tt.property].Value.Enum
			var want []any
			for _, w := range tt.want {
				want = append(want, reflect.ValueOf(w).String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	var actions []any
	for _, a := range market.SubscriptionActions() {
		actions = append(actions, string(a))
	}
	parameter := openContract(t).doc.Components.Parameters["action"].Value.Schema.Value.Enum
	if diff := cmp.Diff(actions, parameter); diff != "" {
		t.Error(diff)
	}
}

func words[T any](in []T) []any {
	out := make([]any, len(in))
	for i, w := range in {
		out[i] = w
	}
	return out
}

func TestEveryMarketCodeHasItsStatus(t *testing.T) {
	statuses := map[market.Code]int{
		market.InvalidInput: 400, market.NotFound: 404, market.Conflict: 409, market.Unavailable: 503,
	}
	for _, code := range market.Codes() {
		p := problemOf(&market.Error{Code: code, Public: "public", Hint: "hint", Field: "field", Err: io.ErrUnexpectedEOF})
		if got := titles[p.Code].status; got != statuses[code] || got == 0 {
			t.Errorf("%s: status %d, want %d", code, got, statuses[code])
		}
		if p.Detail != "public" || p.Hint != "hint" || p.Field != "field" {
			t.Errorf("%s: %+v", code, p)
		}
	}
	for _, code := range api.Codes() {
		if titles[code].status == 0 || titles[code].title == "" {
			t.Errorf("%s has no status or title", code)
		}
	}
	if !slices.Contains(api.Codes(), problemOf(io.EOF).Code) {
		t.Error("an unknown error has no known code")
	}
}
