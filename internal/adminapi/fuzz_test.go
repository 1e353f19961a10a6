package adminapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
)

// FuzzRequests sends anything to a real handler over a real store: it is never
// a fault of ours, a refusal is always a problem document, and the operator's
// token never comes back.
func FuzzRequests(f *testing.F) {
	w := open(f)
	org := addOrg(f, w)
	app := addApp(f, w, org, "sandbox")
	addProduct(f, w)
	seeds := []struct{ method, target, body string }{
		{"GET", "/v1/organizations?limit=2&after=x", ""},
		{"POST", "/v1/organizations", `{"name":"x"}`},
		{"PATCH", "/v1/organizations/" + org.ID, `{"state":"suspended","not_before":"now"}`},
		{"POST", "/v1/organizations/" + org.ID + "/tins", `{"tin":"123456789"}`},
		{"PUT", "/v1/organizations/" + org.ID + "/tins/123456789", `{"state":"associated"}`},
		{"POST", "/v1/organizations/" + org.ID + "/submitters", `{"kind":"host","value":"\u0000"}`},
		{"DELETE", "/v1/organizations/" + org.ID + "/submitters/host/%00", ""},
		{"POST", "/v1/apps", `{"org":"` + org.ID + `","environment":"sandbox","name":"a","developer_email":"a@b","products":["\u0000"]}`},
		{"PATCH", "/v1/apps/" + app.ID, `{"token_lifetime":9223372036854775807,"reuse_window":-1}`},
		{"POST", "/v1/apps/" + app.ID + "/credentials", `{"expires":"9999-12-31T23:59:59-23:59"}`},
		{"PATCH", "/v1/products/P1", `{"title":"\ufffd"}`},
		{"POST", "/v1/subscriptions", `{"org":"` + org.ID + `","product":"P1\u0000"}`},
		{"POST", "/v1/subscriptions/sub_1/approve", `{"contract":"c","note":"n"}`},
		{"GET", "/v1/audit?id=%FF&after=%00", ""},
		{"GET", "/v1/audit?after=-9999999999999999999&limit=1", ""},
		{"GET", "/v1/usage?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59-23:59", ""},
		{"GET", "/v1/refusals/%2e%2e?limit=9", ""},
		{"PUT", "/v1/not-before/platform", `{"not_before":-9223372036854775808}`},
		{"PUT", "/v1/catalog", `{"files":{"products.yaml":"- name: x","a/b/../c":"","a":"","a/b":""}}`},
		{"POST", "/v1/tokens/revoke", `{"jti":"\u0000","expires":"2030-01-01T00:00:00Z"}`},
		{"POST", "/v1/keys/none/revoke", ""},
		{"POST", "/v1/operator-tokens", `{"label":"x","expires":"-0001-01-01T00:00:00Z"}`},
		{"OPTIONS", "*", ""},
		{"CONNECT", "//", ""},
		{"BREW", "/v1/../../etc/passwd", "\xff"},
		{"GET", "/v1/%zz", ""},
	}
	for _, s := range seeds {
		f.Add(s.method, s.target, s.body)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || strings.Contains(method, " ") {
			t.Skip("no server would read this request")
		}
		// Keys are slow to make, and rotating for hours would fill the store.
		if strings.Contains(u.Path, "/rotate") {
			t.Skip("rotates")
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		req.Method, req.URL, req.RequestURI = method, u, target
		req.Header.Set("Authorization", "Bearer "+w.token)
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, req)
		if strings.Contains(rec.Body.String(), w.token) {
			t.Fatalf("the token comes back: %s", rec.Body)
		}
		if rec.Code >= 500 || rec.Code < 200 || rec.Code >= 300 && rec.Code < 400 {
			t.Fatalf("status %d: %s\n%s", rec.Code, rec.Body, w.log)
		}
		if rec.Code >= 400 {
			var p api.Problem
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Status != rec.Code || p.Detail == "" ||
				rec.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("not a problem: %q", rec.Body)
			}
		}
		if strings.Contains(target, w.tokenID) && rec.Code < 300 && strings.Contains(u.Path, "revoke") {
			t.Skip("the fuzzer revoked its own token")
		}
	})
}
