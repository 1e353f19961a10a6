package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
)

// planned is a catalogue of one more API, whose product has plans.
func planned(upstream string) map[string]string {
	return map[string]string{
		"planned/manifest.yaml": "title: Planned\nbase_path: /planned\nproducts: [P_Planned]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + upstream + "\"}, sandbox: {url: \"" + upstream + "\"}}\n",
		"planned/openapi.yaml": "openapi: 3.1.0\ninfo: {title: Planned, version: v1}\npaths:\n" +
			"  /cheap:\n    get:\n      operationId: cheap\n      responses: {'202': {description: ok}}\n" +
			"  /dear:\n    get:\n      operationId: dear\n      responses: {'202': {description: ok}}\n",
	}
}

const productWithPlans = `
- name: P_Planned
  title: Planned
  plans:
    - name: small
      rate: {per_second: 100, burst: 50}
      quota: {day: 4}
      operations: {dear: {quota: {day: 2}}}
    - {name: large, title: A lot, quota: {day: 6, month: 1000}}
`

func TestAPlanBoundsWhatAnAppCalls(t *testing.T) {
	data := t.TempDir()
	s := startIn(t, data)
	e := s.Environments["production"]
	files := planned(echo(t))
	files["products.yaml"] = s.catalogAnd(nil)["products.yaml"] + productWithPlans
	s.applyAlso(files)
	m := s.operator()
	app := s.app(m, e.ClientID)
	sub, err := m.CreateSubscription(t.Context(), api.NewSubscription{Org: app.Org, Product: "P_Planned"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.StepSubscription(t.Context(), sub.ID, "approve", api.SubscriptionStep{Contract: "C-1"}); err != nil {
		t.Fatal(err)
	}
	token := s.token(e)
	get := func(path string) answer {
		return s.call(apiCall{Method: "GET", URL: e.URL + "/planned" + path}, token, nil)
	}

	first := get("/dear")
	if first.status != http.StatusAccepted {
		t.Fatalf("%d %s", first.status, first.body)
	}
	if got := first.header.Get("RateLimit-Policy"); got != `"rate";q=50;w=1, "day";q=4;w=86400, "operation-day";q=2;w=86400` {
		t.Errorf("RateLimit-Policy: %s", got)
	}
	if got := first.header.Get("RateLimit"); !strings.HasPrefix(got, `"rate";r=49;t=1, "day";r=3;t=`) || !strings.Contains(got, `"operation-day";r=1;t=`) {
		t.Errorf("RateLimit: %s", got)
	}
	if a := get("/dear"); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	third := get("/dear")
	if third.status != http.StatusTooManyRequests || third.json(t)["error"] != "rate_limit_exceeded" || !strings.Contains(string(third.body), "of the day for this operation") || !strings.HasPrefix(third.header.Get("RateLimit"), `"operation-day";r=0;t=`) {
		t.Errorf("the third call of an operation that may be called twice: %d %s %s", third.status, third.body, third.header.Get("RateLimit"))
	}
	if seconds, err := strconv.Atoi(third.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 24*60*60 {
		t.Errorf("Retry-After: %q", third.header.Get("Retry-After"))
	}
	for range 2 {
		if a := get("/cheap"); a.status != http.StatusAccepted {
			t.Fatalf("what is refused is not counted: %d %s", a.status, a.body)
		}
	}
	if a := get("/cheap"); a.status != http.StatusTooManyRequests {
		t.Fatalf("the fifth call of four: %d", a.status)
	}

	large := "large"
	if got, err := m.UpdateSubscription(t.Context(), sub.ID, api.SubscriptionPatch{Plan: &large}); err != nil || got.Plan != large {
		t.Fatalf("%+v, %v", got, err)
	}
	if a := get("/dear"); a.status != http.StatusAccepted || !strings.Contains(a.header.Get("RateLimit"), `"day";r=1;t=`) {
		t.Errorf("on the larger plan, with what was counted: %d %s", a.status, a.header.Get("RateLimit"))
	}
	if _, err := m.UpdateSubscription(t.Context(), sub.ID, api.SubscriptionPatch{Plan: new("huge")}); err == nil || !strings.Contains(err.Error(), "there are: large, small") {
		t.Errorf("a plan that is not there: %v", err)
	}
	if _, err := m.ApplyCatalog(t.Context(), api.CatalogPut{Files: s.catalogAnd(map[string]string{
		"products.yaml":         strings.Replace(files["products.yaml"], "name: large", "name: larger", 1),
		"planned/manifest.yaml": files["planned/manifest.yaml"], "planned/openapi.yaml": files["planned/openapi.yaml"],
	})}); err == nil || !strings.Contains(err.Error(), "is on it") {
		t.Errorf("a plan taken away from under a subscription: %v", err)
	}
	page := s.do(http.MethodGet, s.Portal+"/apis/planned", nil, "")
	if !strings.Contains(string(page.body), "100 calls a second, 50 at once, 4 a day, dear 2 a day") {
		t.Error("the page of the API does not tell its plans")
	}

	s.client.CloseIdleConnections()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, data)
	e = s.Environments["production"]
	token = s.token(e)
	if a := get("/cheap"); a.status != http.StatusAccepted || !strings.Contains(a.header.Get("RateLimit"), `"day";r=0;t=`) {
		t.Errorf("after a restart: %d %s", a.status, a.header.Get("RateLimit"))
	}
	if a := get("/cheap"); a.status != http.StatusTooManyRequests {
		t.Errorf("after a restart the quota is forgotten: %d", a.status)
	}
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	release := make(chan struct{})
	upstream, entered := waiting(t, release)
	s.applyAlso(map[string]string{
		"narrow/manifest.yaml": "title: Narrow\nbase_path: /narrow\nproducts: [MN_Product_Eligibility_v3]\n" +
			"upstreams: {production: {url: \"" + upstream + "\"}}\nrequest: {concurrency: {app: 2}}\n",
	})
	token := s.token(e)
	done := make(chan int, 2)
	for range 2 {
		go func() { done <- s.call(apiCall{Method: "GET", URL: e.URL + "/narrow/a"}, token, nil).status }()
	}
	<-entered
	<-entered
	third := s.call(apiCall{Method: "GET", URL: e.URL + "/narrow/a"}, token, nil)
	if third.status != http.StatusTooManyRequests || third.header.Get("Retry-After") == "" {
		t.Errorf("a third call while two are under way: %d %s", third.status, third.body)
	}
	close(release)
	for range 2 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("a call that was let in: %d", status)
		}
	}
	if a := s.call(apiCall{Method: "GET", URL: e.URL + "/narrow/a"}, token, nil); a.status != http.StatusOK {
		t.Errorf("after they were answered: %d", a.status)
	}
}

// waiting is an upstream that answers once release is closed, and tells when a
// call has come.
func waiting(t *testing.T, release <-chan struct{}) (url string, entered <-chan struct{}) {
	t.Helper()
	came := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		came <- struct{}{}
		<-release
	}))
	t.Cleanup(server.Close)
	return server.URL, came
}
