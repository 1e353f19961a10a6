package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Model: whatever is asked about, the explanation says what the gateway then does.
func TestWhatIsExplainedIsWhatHappens(t *testing.T) {
	s := start(t)
	up := newServer(t, repeat)
	files := poolManifest("", "url: "+up.URL)
	files["nowhere/manifest.yaml"] = "title: Nowhere\nbase_path: /nowhere\nproducts: [MN_Product_Eligibility_v3]\nupstreams: {sandbox: {url: \"" + up.URL + "\"}}\n"
	s.serveFiles(files, plainBase)
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	call := sandbox.Calls[0]
	path := strings.TrimPrefix(call.URL, sandbox.URL)
	tokens := map[string]string{"": "", "sandbox": s.token(sandbox), "production": s.token(production), "broken": "a.b.c"}
	paths := []string{
		path, path, path + "/", path + "?a=b", path + "?a=%zz", path + "?access_token=x", "/", path, "/" + path, path + "//x", path + "/../x", path + "/%2e%2e/x", path + "/%2F", path + ";a=b",
		plainBase + "/x", plainBase + "/x", plainBase + "/y", path, path, path, "//elsewhere.example" + plainBase + "/x", "/nowhere", "/nowhere/x", strings.ToUpper(path), path + "%20", path + "/healthcheck", "/oauth2", "/*",
	}
	headers := []map[string]string{
		nil, nil,
		{"environment": "sandbox"},
		{"Environment": "SANDBOX "},
		{"providerTaxId": "999999999"},
		{"providerTaxId": "1"},
		{"Content-Type": "text/plain"},
		{"Content-Encoding": "gzip"},
		{"X-Sallyport-Organization": "x"},
		{"IMA-Token": "x"},
		{"Accept": "text/html"},
	}
	bodies := []string{call.Body, call.Body, call.Body, "", "{", "[]", `{"a":1,"a":2}`, strings.Replace(call.Body, "{", `{"unknown":1,`, 1), strings.ReplaceAll(call.Body, `"`, "'")}
	pick := rand.New(rand.NewPCG(1, 2))
	one := func(n int) int { return pick.IntN(n) }
	outcomes := map[string]int{}
	for range 500 {
		e := []*environment{sandbox, production}[one(2)]
		which := slices.Sorted(maps.Keys(tokens))[one(4)]
		if one(3) > 0 {
			which = "sandbox"
			if e == production {
				which = "production"
			}
		}
		c := apiCall{Method: []string{call.Method, call.Method, "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "FROB"}[one(9)], URL: e.URL + paths[one(len(paths))], Headers: map[string]string{}}
		maps.Copy(c.Headers, headers[one(len(headers))])
		if one(2) > 0 {
			for name, value := range call.Headers {
				if _, there := c.Headers[name]; !there {
					c.Headers[name] = value
				}
			}
		}
		if c.Method != "GET" && c.Method != "HEAD" && c.Method != "TRACE" {
			c.Body = bodies[one(len(bodies))]
		}
		if _, there := c.Headers["Content-Type"]; !there && c.Body != "" {
			c.Headers["Content-Type"] = "application/json"
		}
		told := s.explain(c, tokens[which])
		send := maps.Clone(c.Headers)
		if tokens[which] != "" {
			send["Authorization"] = "Bearer " + tokens[which]
		}
		made := s.do(c.Method, c.URL, send, c.Body)
		what := fmt.Sprintf("%s %s %v %.60q with %q", c.Method, c.URL, c.Headers, c.Body, which)
		var problem struct{ Error, Detail string }
		if made.header.Get("Content-Type") == "application/problem+json" {
			_ = json.Unmarshal(made.body, &problem)
		}
		outcomes[told.Code]++
		switch {
		case told.Allowed && (problem.Error != "" || made.status == http.StatusNotFound):
			t.Errorf("%s: explained as allowed, answered %d %s", what, made.status, made.body)
		case !told.Allowed && int(told.Status) != made.status:
			t.Errorf("%s: explained as %d %s, answered %d %s", what, told.Status, told.Code, made.status, made.body)
		case !told.Allowed && c.Method != "HEAD" && (told.Code != problem.Error || told.Detail != problem.Detail):
			t.Errorf("%s: explained as %s %s, answered %s %s", what, told.Code, told.Detail, problem.Error, problem.Detail)
		case told.Allowed && told.Source != "live" && told.Source != made.header.Get("X-Sallyport-Source"):
			t.Errorf("%s: explained as %s, answered by %s", what, told.Source, made.header.Get("X-Sallyport-Source"))
		}
	}
	if len(outcomes) < 7 || outcomes[""] < 20 {
		t.Errorf("not enough was tried: %v", outcomes)
	}
}
