package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
)

// shelves is an API with parameters and a body.
func shelves(upstream, validate string) map[string]string {
	return map[string]string{
		"shelves/manifest.yaml": "base_path: /shelves\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams: {production: {url: \"" + upstream + "\"}}\nrequest: {validate: " + validate + "}\n",
		"shelves/openapi.yaml": `openapi: 3.1.0
info: {title: Shelves, version: v1}
paths:
  /{id}/books:
    post:
      operationId: add
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer}}
        - {name: sort, in: query, schema: {type: string, enum: [title, year]}}
        - {name: X-Lang, in: header, required: true, schema: {type: string, minLength: 2}}
      requestBody: {content: {application/json: {schema: {type: object, required: [title]}}}}
      responses: {'202': {description: ok}}
`,
	}
}

func TestParametersAndBodiesAreHeldToTheDocument(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	s.applyAlso(shelves(echo(t), "enforce"))
	token := s.token(e)
	for name, c := range map[string]struct {
		path, lang, body string
		status           int
		field            string
	}{
		"as it should be":     {"/7/books?sort=year", "en", `{"title":"a"}`, 202, ""},
		"no number":           {"/seven/books", "en", `{"title":"a"}`, 400, "path id"},
		"not in the list":     {"/7/books?sort=pages", "en", `{"title":"a"}`, 400, "query sort"},
		"sent twice":          {"/7/books?sort=year&sort=title", "en", `{"title":"a"}`, 400, "query sort"},
		"a header too short":  {"/7/books", "e", `{"title":"a"}`, 400, "header X-Lang"},
		"a header missing":    {"/7/books", "", `{"title":"a"}`, 400, "header X-Lang"},
		"a member missing":    {"/7/books", "en", `{}`, 400, "/title"},
		"an unknown one more": {"/7/books?x=1", "en", `{"title":"a","more":1}`, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			header := map[string]string{"Content-Type": "application/json"}
			if c.lang != "" {
				header["X-Lang"] = c.lang
			}
			a := s.call(apiCall{Method: "POST", URL: e.URL + "/shelves" + c.path, Headers: header, Body: c.body}, token, nil)
			if a.status != c.status {
				t.Fatalf("got %d %s, want %d", a.status, a.body, c.status)
			}
			if a.status == http.StatusBadRequest && (a.json(t)["field"] != c.field || a.json(t)["error"] != "invalid_request") {
				t.Errorf("got %s, want the field %q", a.body, c.field)
			}
		})
	}
}

func TestAReportTellsWhatWouldHaveBeenRefused(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	s.applyAlso(shelves(echo(t), "report"))
	token := s.token(e)
	call := apiCall{Method: "POST", URL: e.URL + "/shelves/seven/books", Headers: map[string]string{"Content-Type": "application/json"}, Body: `{"title":1`}
	a := s.call(call, token, nil)
	if a.status != http.StatusAccepted || !strings.HasSuffix(string(a.body), `{"title":1`) {
		t.Fatalf("a call that does not match did not pass as it was: %d %s", a.status, a.body)
	}
	why, err := s.operator().Refusal(t.Context(), a.header.Get("X-Trace-Id"))
	if err != nil || why.Surface != "report" || !strings.Contains(why.Reason, "path id must be a whole number") {
		t.Errorf("told as %+v, %v", why, err)
	}
	eventually(t, "the usage counts it", func() bool {
		all, err := s.operator().Usage(t.Context(), api.UsageFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range all.Items {
			if u.API == "shelves" && u.Source == "report" && u.Outcome == "invalid_request" && u.Count == 1 {
				return true
			}
		}
		return false
	})
}

func TestAnswersAreHeldToTheDocument(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		status, body, _ := strings.Cut(r.URL.Query().Get("say"), " ")
		code, _ := strconv.Atoi(status)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(upstream.Close)
	apply := func(validate string) {
		s.applyAlso(map[string]string{
			"said/manifest.yaml": "base_path: /said\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
				"upstreams: {production: {url: \"" + upstream.URL + "\"}}\nrequest: {max_body: 1KiB}\nanswer: {validate: " + validate + "}\n",
			"said/openapi.yaml": `openapi: 3.1.0
info: {title: Said, version: v1}
paths:
  /it:
    get:
      operationId: it
      responses:
        '200': {description: ok, content: {application/json: {schema: {type: object, required: [title], properties: {title: {type: string}}}}}}
        4XX: {description: no, content: {application/json: {schema: {type: object}}}}
`,
		})
	}
	token := s.token(e)
	get := func(say string) answer {
		return s.call(apiCall{Method: "GET", URL: e.URL + "/said/it?say=" + url.QueryEscape(say)}, token, nil)
	}
	long := `200 {"title":"` + strings.Repeat("x", 2000) + `"}`
	bad := map[string]string{
		`200 {"title":7}`: "/title must be a text", `200 {}`: "/title is required", `200 {"title":"a","title":"b"}`: "each member once",
		`201 {"title":"a"}`: "no answer of status 201", long: "larger than max_body",
	}
	good := []string{`200 {"title":"a"}`, `404 {}`, `500 whatever`}
	for _, validate := range []string{"enforce", "report", "off"} {
		apply(validate)
		for _, say := range good {
			_, body, _ := strings.Cut(say, " ")
			if a := get(say); string(a.body) != body || !strings.HasPrefix(say, strconv.Itoa(a.status)) {
				t.Errorf("%s: %s became %d %s", validate, say, a.status, a.body)
			}
		}
		for say, reason := range bad {
			a := get(say)
			_, body, _ := strings.Cut(say, " ")
			if refused := a.status == http.StatusBadGateway; refused != (validate == "enforce") || !refused && string(a.body) != body {
				t.Errorf("%s: %.40s became %d %.60s", validate, say, a.status, a.body)
			}
			if validate == "off" {
				continue
			}
			why, err := s.operator().Refusal(t.Context(), a.header.Get("X-Trace-Id"))
			if err != nil || !strings.Contains(why.Reason, reason) {
				t.Errorf("%s: %.40s is told as %+v, %v", validate, say, why, err)
			}
		}
	}
}
