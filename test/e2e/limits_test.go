package e2e_test

import (
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/catalog"
)

func TestTooManyFailuresAreSlowedDownAndTheRightSecretIsNot(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	wrong := *e
	wrong.ClientSecret = "wrong"
	var limited answer
	for i := 0; i < 1000 && limited.status != http.StatusTooManyRequests; i++ {
		limited = s.grant(&wrong, e.URL+"/oauth2/token")
		if limited.status != http.StatusUnauthorized && limited.status != http.StatusTooManyRequests {
			t.Fatalf("attempt %d: %d %s", i, limited.status, limited.body)
		}
	}
	if limited.status != http.StatusTooManyRequests {
		t.Fatal("2.9: a thousand wrong secrets in a row were all answered")
	}
	if seconds, err := strconv.Atoi(limited.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("2.9: Retry-After is %q", limited.header.Get("Retry-After"))
	}
	if limited.json(t)["error"] != "slow_down" {
		t.Errorf("got %s", limited.body)
	}
	if a := s.grant(e, e.URL+"/oauth2/token"); a.status != http.StatusOK {
		t.Errorf("the right secret, from where the flood came: %d %s", a.status, a.body)
	}
	other := wrong
	other.ClientID = e.Newcomer.ClientID
	if a := s.grant(&other, e.URL+"/oauth2/token"); a.status != http.StatusUnauthorized {
		t.Errorf("another client's first mistake: %d %s", a.status, a.body)
	}
}

func TestARateIsEnforcedAndTold(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("RateLimit", `"theirs";r=1`)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(upstream.Close)
	s.applyAlso(map[string]string{
		"slow-v1/manifest.yaml": "title: Slow\nsummary: Slow\nbase_path: /slow/v1\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + upstream.URL + "\"}}\nrequest: {rate: {per_second: 1, burst: 3}}\n",
		"slow-v1/openapi.yaml": "openapi: 3.1.0\ninfo: {title: Slow, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n      responses: {'204': {description: ok}}\n",
	})
	token := s.token(e)
	c := apiCall{Method: "GET", URL: e.URL + "/slow/v1/it"}
	for i := range 3 {
		a := s.call(c, token, nil)
		if a.status != http.StatusNoContent || a.header.Get("RateLimit-Policy") != `"app";q=3;w=3` || !strings.HasPrefix(a.header.Get("RateLimit"), `"app";r=`+strconv.Itoa(2-i)+";t=") {
			t.Errorf("4.2: call %d: %d, %v", i+1, a.status, a.header)
		}
		if len(a.header.Values("RateLimit")) != 1 {
			t.Errorf("the upstream's own field comes through: %v", a.header.Values("RateLimit"))
		}
	}
	a := s.call(c, token, nil)
	if a.status != http.StatusTooManyRequests || a.json(t)["error"] != "rate_limit_exceeded" || a.header.Get("Retry-After") == "" {
		t.Errorf("4.2: the fourth at once: %d %s %v", a.status, a.body, a.header)
	}
	if a := s.call(e.api(t, "eligibility"), token, nil); a.status != http.StatusOK || a.header.Get("RateLimit") != "" {
		t.Errorf("another API: %d, RateLimit %q", a.status, a.header.Get("RateLimit"))
	}
}

// applyAlso applies the demo's catalogue with more files.
func (s *site) applyAlso(more map[string]string) {
	s.t.Helper()
	if _, err := s.operator().ApplyCatalog(s.t.Context(), api.CatalogPut{Files: s.catalogAnd(more)}); err != nil {
		s.t.Fatal(err)
	}
}

// catalogAnd is the files of the demo's catalogue, and more.
func (s *site) catalogAnd(more map[string]string) map[string]string {
	s.t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(catalog.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(catalog.Files, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(files, more)
	return files
}
