package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
)

// twice has one API that takes IMA-Token, and the same API without.
func (s *site) twice(t *testing.T) {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(upstream.Close)
	files := map[string]string{}
	for name, more := range map[string]string{"marked": "\nrequest: {ima_token: true}", "unmarked": ""} {
		files[name+"/manifest.yaml"] = fmt.Sprintf("title: %s\nbase_path: /%s\nproducts: [MN_Product_Eligibility_v3]\nupstreams: {sandbox: {url: %q}, production: {url: %q}}%s\n",
			name, name, upstream.URL, upstream.URL, more)
	}
	s.serveFiles(files, "/marked")
}

func TestIMATokenIsTakenWhereTheManifestSaysSo(t *testing.T) {
	s := start(t)
	s.twice(t)
	e := s.Environments["production"]
	token := s.token(e)
	bearer := "Bearer " + token
	for _, tt := range []struct {
		name, api string
		header    map[string]string
		status    int
		code      string
	}{
		{"4.4 with the scheme", "marked", map[string]string{"IMA-Token": bearer}, 200, ""},
		{"4.4 with the scheme in any case", "marked", map[string]string{"ima-token": "bEARER " + token}, 200, ""},
		{"4.4 without the scheme", "marked", map[string]string{"IMA-Token": token}, 200, ""},
		{"4.4 Authorization goes on working", "marked", map[string]string{"Authorization": bearer}, 200, ""},
		{"4.4 Authorization needs its scheme all the same", "marked", map[string]string{"Authorization": token}, 401, "invalid_request"},
		{"4.4 both, and the same token", "marked", map[string]string{"Authorization": bearer, "IMA-Token": token}, 400, "invalid_request"},
		{"4.4 both, and one is no token", "marked", map[string]string{"Authorization": bearer, "IMA-Token": ""}, 400, "invalid_request"},
		{"4.4 one that is none", "marked", map[string]string{"IMA-Token": "x"}, 401, "invalid_access_token"},
		{"4.4 another scheme", "marked", map[string]string{"IMA-Token": "Basic eDp5"}, 401, "invalid_request"},
		{"4.4 an API that is not marked", "unmarked", map[string]string{"IMA-Token": bearer}, 401, "invalid_request"},
		{"4.4 an API that is not marked looks at Authorization alone", "unmarked", map[string]string{"Authorization": bearer, "IMA-Token": "other"}, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do("GET", e.URL+"/"+tt.api+"/x", tt.header, "")
			body := a.json(t)
			if a.status != tt.status || tt.code != "" && body["error"] != tt.code {
				t.Fatalf("%d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			if tt.status == http.StatusOK && (strings.Contains(strings.ToLower(string(a.body)), "ima-token") || strings.Contains(string(a.body), token[:40])) {
				t.Errorf("4.4: it came through: %s", a.body)
			}
		})
	}
	t.Run("4.4 a call is explained by it too", func(t *testing.T) {
		for _, tt := range []struct {
			api, reason string
			allowed     bool
		}{
			{"marked", "", true},
			{"unmarked", "the token came in the header IMA-Token, which this API does not take", false},
		} {
			got, err := s.operator().Explain(t.Context(), api.Call{Method: "GET", URL: e.URL + "/" + tt.api + "/x", Headers: []string{"IMA-Token: " + token}})
			if err != nil || got.Allowed != tt.allowed || !strings.Contains(fmt.Sprint(got.Steps), tt.reason) {
				t.Errorf("%s: %+v, %v", tt.api, got, err)
			}
		}
	})
}
