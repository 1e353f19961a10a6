package e2e_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func TestACallIsExplainedAsItWouldBeAnswered(t *testing.T) {
	s := start(t)
	for _, env := range []string{"sandbox", "production"} {
		e := s.Environments[env]
		token := s.token(e)
		for _, call := range e.Calls {
			made := s.call(call, token, nil)
			told := s.explain(call, token)
			if !told.Allowed || made.status >= http.StatusBadRequest || told.Environment != env {
				t.Errorf("%s: answered %d, explained %+v", call.API, made.status, told)
			}
			if env == "sandbox" && told.Source != made.header.Get("X-Sallyport-Source") {
				t.Errorf("%s: answered by %q, explained as %q", call.API, made.header.Get("X-Sallyport-Source"), told.Source)
			}
		}
	}
}

func TestARefusalIsExplainedAsItWouldBeAnswered(t *testing.T) {
	s := start(t)
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	call := sandbox.Calls[0]
	withTIN := func(tin string) apiCall {
		c := call
		c.Headers = maps.Clone(call.Headers)
		c.Headers["providerTaxId"] = tin
		c.Body = strings.ReplaceAll(call.Body, call.Headers["providerTaxId"], tin)
		return c
	}
	elsewhere := call
	elsewhere.URL = sandbox.URL + "/nowhere"
	for name, c := range map[string]struct {
		call  apiCall
		token string
		says  string // in the steps or what to do next
	}{
		"no token":                {call, "", "missing"},
		"no token of ours":        {call, "abc", "not three segments"},
		"of the other world":      {call, s.token(production), "production token was sent to sandbox"},
		"no such route":           {elsewhere, s.token(sandbox), "no API at this path"},
		"an unreadable path":      {apiCall{Method: "GET", URL: sandbox.URL + "/a/../b"}, s.token(sandbox), "empty segment"},
		"a body that is no JSON":  {func() apiCall { c := call; c.Body = "{"; return c }(), s.token(sandbox), "JSON value"},
		"a TIN of somebody else":  {withTIN("999999999"), s.token(sandbox), "not associated"},
		"a TIN that is not a TIN": {withTIN("12-345678"), s.token(sandbox), "9 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			made, told := s.call(c.call, c.token, nil), s.explain(c.call, c.token)
			if told.Allowed || int(told.Status) != made.status || told.Code != made.json(t)["error"] || told.Detail != made.json(t)["detail"] {
				t.Errorf("answered %d %s\nexplained %+v", made.status, made.body, told)
			}
			if all := told.Next + told.Steps[len(told.Steps)-1].Says; !strings.Contains(all, c.says) {
				t.Errorf("says %q, want %q in it", all, c.says)
			}
		})
	}
}

func TestAskingAboutACallCostsNothing(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	reached := false
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached = true
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(upstream.Close)
	s.applyAlso(map[string]string{
		"slow-v1/manifest.yaml": "title: Slow\nsummary: Slow\nbase_path: /slow/v1\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + upstream.URL + "\"}}\nrequest: {rate: {per_second: 1, burst: 2}}\n",
		"slow-v1/openapi.yaml": "openapi: 3.1.0\ninfo: {title: Slow, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n      responses: {'204': {description: ok}}\n",
	})
	call := apiCall{Method: "GET", URL: e.URL + "/slow/v1/it"}
	token := s.token(e)
	for range 5 {
		if told := s.explain(call, token); !told.Allowed || told.Source != "live" {
			t.Fatalf("got %+v", told)
		}
	}
	if reached {
		t.Error("the upstream was called")
	}
	for range 2 {
		if a := s.call(call, token, nil); a.status != http.StatusNoContent {
			t.Fatalf("asking used the rate up: %d %s", a.status, a.body)
		}
	}
	if told := s.explain(call, token); told.Allowed || told.Code != "rate_limit_exceeded" {
		t.Errorf("got %+v", told)
	}
}

// explain asks the management API what would become of a call.
func (s *site) explain(c apiCall, token string) api.Explanation {
	s.t.Helper()
	ask := api.Call{Method: c.Method, URL: c.URL, Body: c.Body}
	if token != "" {
		text := client.NewSecret(token)
		ask.Token = &text
	}
	for name, value := range c.Headers {
		ask.Headers = append(ask.Headers, name+": "+value)
	}
	e, err := s.operator().Explain(s.t.Context(), ask)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}
