package e2e_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// echo is an upstream that says what it was sent.
func echo(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Seen-Authorization", r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnAPIWithoutADocumentIsProxiedWithAnyPathAndMethod(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	s.applyAlso(map[string]string{
		"raw/manifest.yaml": "title: Raw\nbase_path: /raw\nproducts: [MN_Product_Eligibility_v3]\nupstreams: {production: {url: \"" + echo(t) + "\"}}\n",
	})
	token := s.token(e)
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		a := s.call(apiCall{Method: method, URL: e.URL + "/raw/a/b.c?x=1&x=2", Body: "not JSON {"}, token, nil)
		if want := method + " /raw/a/b.c?x=1&x=2 not JSON {"; a.status != http.StatusAccepted || string(a.body) != want {
			t.Errorf("%s: %d %q, want %q", method, a.status, a.body, want)
		}
	}
	if a := s.call(apiCall{Method: "GET", URL: e.URL + "/raw/x"}, "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
	page := s.do(http.MethodGet, s.Portal+"/apis/raw", nil, "")
	if page.status != http.StatusOK || strings.Contains(string(page.body), "openapi.json") {
		t.Errorf("its page: %d, or it offers a document that is not there", page.status)
	}
	if a := s.do(http.MethodGet, s.Portal+"/apis/raw/openapi.json", nil, ""); a.status != http.StatusNotFound {
		t.Errorf("the document that is not there: %d", a.status)
	}
}

func TestACallThatTheDocumentDoesNotListPassesOnlyWhereTheManifestSaysSo(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	document := "openapi: 3.1.0\ninfo: {title: Half, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n      responses: {'202': {description: ok}}\n"
	half := func(request string) map[string]string {
		return map[string]string{"half/openapi.yaml": document, "half/manifest.yaml": "base_path: /half\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + echo(t) + "\"}}\nrequest: " + request + "\n"}
	}
	s.applyAlso(half("{}"))
	token := s.token(e)
	if a := s.call(apiCall{Method: "PUT", URL: e.URL + "/half/it"}, token, nil); a.status != http.StatusMethodNotAllowed {
		t.Errorf("refused: %d", a.status)
	}
	s.applyAlso(half("{unlisted: pass}"))
	for _, c := range []apiCall{{Method: "PUT", URL: e.URL + "/half/it"}, {Method: "GET", URL: e.URL + "/half/else"}, {Method: "GET", URL: e.URL + "/half/it"}} {
		if a := s.call(c, token, nil); a.status != http.StatusAccepted {
			t.Errorf("%s %s: %d %s", c.Method, c.URL, a.status, a.body)
		}
	}
}

func TestWhatBecomesPublicHasToBeMeant(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	document := "openapi: 3.1.0\ninfo: {title: Open, version: v1}\npaths:\n" +
		"  /news:\n    get:\n      operationId: news\n      responses: {'202': {description: ok}}\n" +
		"  /mine:\n    get:\n      operationId: mine\n      responses: {'202': {description: ok}}\n"
	files := s.catalogAnd(map[string]string{
		"open/openapi.yaml": document,
		"open/manifest.yaml": "base_path: /open\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + echo(t) + "\"}}\nrequest: {public: [news], rate: {per_second: 1, burst: 3}}\n",
	})
	_, err := s.operator().ApplyCatalog(t.Context(), api.CatalogPut{Files: files})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Problem.Code != api.CodeConflict || !slices.Contains(refused.Problem.Errors, "API open: GET /open/news") {
		t.Fatalf("a catalogue that opens an operation: %v", err)
	}
	plan, err := s.operator().ApplyCatalog(t.Context(), api.CatalogPut{Files: files, DryRun: true})
	if err != nil || !slices.Equal(plan.Opens, []string{"API open: GET /open/news"}) {
		t.Errorf("a dry run: %v, %v", plan.Opens, err)
	}
	if _, err := s.operator().ApplyCatalog(t.Context(), api.CatalogPut{Files: files, AllowPublic: true}); err != nil {
		t.Fatal(err)
	}
	a := s.call(apiCall{Method: "GET", URL: e.URL + "/open/news"}, "", map[string]string{"Authorization": "Bearer whatever"})
	if a.status != http.StatusAccepted || a.header.Get("Seen-Authorization") != "" {
		t.Errorf("public: %d, and the upstream was sent %q", a.status, a.header.Get("Seen-Authorization"))
	}
	if a := s.call(apiCall{Method: "GET", URL: e.URL + "/open/mine"}, "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("the other operation: %d", a.status)
	}
	limited := 0
	for range 10 {
		if a := s.call(apiCall{Method: "GET", URL: e.URL + "/open/news"}, "", nil); a.status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Error("nobody counts the calls of a public operation")
	}
	if _, err := s.operator().ApplyCatalog(t.Context(), api.CatalogPut{Files: files}); err != nil {
		t.Errorf("the same again: %v", err)
	}
}

// The first call to an API of one's own, before the subscription is approved, says
// why it did not arrive.
func TestACallWithoutMockDataSaysHowToGetLiveData(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	s.applyAlso(map[string]string{
		"raw/manifest.yaml": "title: Raw\nbase_path: /raw\nproducts: [MN_Product_Eligibility_v3]\nupstreams: {sandbox: {url: \"" + echo(t) + "\"}}\n",
	})
	newcomer := s.token(&environment{URL: e.URL, ClientID: e.Newcomer.ClientID, ClientSecret: e.Newcomer.ClientSecret})
	for _, is := range []struct {
		name, token string
		header      map[string]string
		says, next  string
	}{
		{"an organization that is not subscribed", newcomer, nil, "For live data, have the operator approve", "sallyport subscription approve"},
		{"the header environment", s.token(e), map[string]string{"environment": "sandbox"}, "For live data, leave the header out", "leave the header out"},
	} {
		t.Run(is.name, func(t *testing.T) {
			call := apiCall{Method: "GET", URL: e.URL + "/raw/x", Headers: is.header}
			a := s.call(call, is.token, nil)
			said := a.json(t)
			detail, _ := said["detail"].(string)
			if a.status != http.StatusNotImplemented || said["error"] != "not_implemented" ||
				!strings.Contains(detail, is.says) || said["type"] != s.Portal+"/errors/not_implemented" {
				t.Errorf("%d %s", a.status, a.body)
			}
			why, err := s.operator().Refusal(t.Context(), a.header.Get("X-Trace-Id"))
			if err != nil || !strings.Contains(why.Reason, "there is no mock data for other") || !strings.Contains(why.Next, is.next) {
				t.Errorf("kept as %+v, %v", why, err)
			}
			if told := s.explain(call, is.token); told.Allowed || told.Status != http.StatusNotImplemented {
				t.Errorf("explained, before it is made, as %+v", told)
			}
		})
	}
}

func TestAPublicOperationWithoutAnUpstreamIsMockedInTheSandboxAlone(t *testing.T) {
	s := start(t)
	document := "openapi: 3.1.0\ninfo: {title: Open, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n      responses: {'200': {description: ok, content: {application/json: {example: {a: 1}}}}}\n"
	if _, err := s.operator().ApplyCatalog(t.Context(), api.CatalogPut{AllowPublic: true, Files: s.catalogAnd(map[string]string{
		"open/openapi.yaml":  document,
		"open/manifest.yaml": "base_path: /open\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\nrequest: {public: [it]}\n",
	})}); err != nil {
		t.Fatal(err)
	}
	for env, status := range map[string]int{"sandbox": http.StatusOK, "production": http.StatusServiceUnavailable} {
		if a := s.call(apiCall{Method: "GET", URL: s.Environments[env].URL + "/open/it"}, "", nil); a.status != status {
			t.Errorf("%s: %d %s", env, a.status, a.body)
		}
	}
}
