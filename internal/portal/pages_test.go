package portal_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/mock"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/portal"
	"github.com/sallyport-dev/sallyport/internal/problem"
)

// commands returns the texts of a page's <pre>, unchanged.
func commands(page *node) []string {
	var texts []string
	for _, pre := range page.named("pre") {
		texts = append(texts, pre.children[0].children[0].text)
	}
	return texts
}

func TestTheFirstPageIsReadFromTheConfiguration(t *testing.T) {
	c := demo(t)
	shown := config(c)
	shown.Environments[0].MutualTLS = "https://certificates.example"
	shown.Environments[0].Issuer = "https://issuer.example/at/a/path"
	_, body := get(t, newPortal(t, shown).Handler(), "/")
	page := parse(t, body)
	text := page.content()
	for _, env := range shown.Environments {
		wants := []string{env.BaseURL, env.Issuer + "/.well-known/openid-configuration", env.MutualTLS}
		for _, u := range env.TokenURLs {
			wants = append(wants, u.URL)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not named", want)
			}
		}
	}
	if !strings.Contains(text, "3600 seconds (1 hour)") || !strings.Contains(text, "7200 seconds (2 hours)") {
		t.Error("the lifetimes are not told")
	}
	for _, api := range c.APIs {
		if !slices.ContainsFunc(page.named("a"), func(n *node) bool {
			return n.attrs["href"] == "/apis/"+api.Name && n.content() == api.Title
		}) {
			t.Errorf("there is no link to %s", api.Name)
		}
	}
}

// curl stands in for curl: it writes its arguments as lines.
const curl = `curl() { for a in "$@"; do printf '[%s]\n' "$a"; done; }; CLIENT_ID=id; CLIENT_SECRET=s; ACCESS_TOKEN=t; `

func shell(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-eu", "-c", curl+command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", command, err, out)
	}
	return string(out)
}

func TestTheFirstCommandsAreOnesThatAShellTakes(t *testing.T) {
	c := demo(t)
	_, body := get(t, newPortal(t, config(c)).Handler(), "/")
	pasted := commands(parse(t, body))
	if len(pasted) != 5 {
		t.Fatalf("the page has %d commands; want 5: %q", len(pasted), pasted)
	}
	if have, want := shell(t, pasted[2]), "[-sS]\n[https://sandbox.sallyport.example/oauth2/token]\n[-u]\n[id:s]\n[-d]\n[grant_type=client_credentials]\n"; have != want {
		t.Errorf("the token command asks\n%swant\n%s", have, want)
	}
	have := shell(t, pasted[4])
	for _, want := range []string{"[https://sandbox.sallyport.example" + c.APIs[0].BasePath, "[Authorization: Bearer t]", "[environment: sandbox]"} {
		if !strings.Contains(have, want) {
			t.Errorf("the call has no %s:\n%s", want, have)
		}
	}
	_, data, _ := strings.Cut(have, "[-d]\n[")
	if !json.Valid([]byte(strings.TrimSuffix(data, "]\n"))) {
		t.Errorf("the call's body is not JSON: %s", data)
	}
}

func TestWithALocalAuthorityCurlIsToldOfIt(t *testing.T) {
	c := config(demo(t))
	c.LocalCA = true
	_, body := get(t, newPortal(t, c).Handler(), "/")
	pasted := commands(parse(t, body))
	if len(pasted) != 6 || pasted[2] != "read -r CA" {
		t.Fatalf("the page has %q", pasted)
	}
	for _, command := range []string{pasted[3], pasted[5]} {
		if have := shell(t, "CA=/tmp/ca.pem; "+command); !strings.Contains(have, "[--cacert]\n[/tmp/ca.pem]\n") {
			t.Errorf("curl is not told:\n%s", have)
		}
	}
}

func TestAnAPISaysWhatItAsksFor(t *testing.T) {
	c := demo(t)
	h := newPortal(t, config(c)).Handler()
	for _, api := range c.APIs {
		_, body := get(t, h, "/apis/"+api.Name)
		page := parse(t, body)
		text := page.content()
		wants := []string{api.Title, api.Summary, "https://sandbox.sallyport.example" + api.BasePath, "https://api.sallyport.example" + api.BasePath}
		wants = append(wants, api.Products...)
		if rule := api.Request.TIN; rule != nil {
			wants = append(wants, rule.Header, rule.Pointer, "associated")
		}
		if rule := api.Request.Submitter; rule != nil {
			wants = append(wants, rule.Header, rule.HostHeader, rule.Pointer, "assigned")
		}
		for _, op := range api.Document.Operations {
			wants = append(wants, op.Method+" "+api.BasePath+op.Template, op.Summary)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not told", api.Name, want)
			}
		}
		for _, id := range []string{"overview", "access", "rules", "operations", "faq", "changelog"} {
			if page.byID(id) == nil {
				t.Errorf("%s: there is no section %s", api.Name, id)
			}
		}
	}
}

func TestTheDocumentIsDownloadedOnceAndKept(t *testing.T) {
	c := demo(t)
	h := newPortal(t, config(c)).Handler()
	for _, api := range c.APIs {
		path := "/apis/" + api.Name + "/openapi.json"
		res, body := get(t, h, path)
		if res.StatusCode != http.StatusOK || body != string(api.Source) || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, %s, %d bytes", path, res.StatusCode, res.Header.Get("Content-Type"), len(body))
		}
		if want := `attachment; filename="` + api.Name + `.openapi.json"`; res.Header.Get("Content-Disposition") != want {
			t.Errorf("%s: Content-Disposition %q", path, res.Header.Get("Content-Disposition"))
		}
		headers(t, path, res)
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", res.Header.Get("ETag"))
		if res, body := serve(t, h, r); res.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s with its ETag: status %d, %d bytes; want 304 and none", path, res.StatusCode, len(body))
		}
	}
	if res, _ := get(t, h, "/apis/none/openapi.json"); res.StatusCode != http.StatusNotFound {
		t.Errorf("of no API: status %d", res.StatusCode)
	}
}

func TestEveryCodeHasAPageWithItsNextStep(t *testing.T) {
	h := newPortal(t, config(demo(t))).Handler()
	for _, p := range problem.All() {
		_, body := get(t, h, "/errors/"+p.Code)
		text := parse(t, body).one(t, "main").content()
		for _, want := range slices.Concat([]string{p.Title, p.Meaning}, p.Causes, p.Next) {
			if !strings.Contains(text, want) {
				t.Errorf("%s, %s: %q is missing", p.Surface, p.Code, want)
			}
		}
	}
}

func TestMovingFromV1IsTold(t *testing.T) { // CONTRACT 2.6
	_, body := get(t, newPortal(t, config(demo(t))).Handler(), "/migrate/v1")
	text := parse(t, body).one(t, "main").content()
	for _, want := range []string{
		"https://sandbox.sallyport.example/apip/auth/v1/token", "https://sandbox.sallyport.example/apip/auth/v2/token",
		"https://api.sallyport.example/apip/auth/v1/token", "https://api.sallyport.example/apip/auth/v2/token",
		"accessToken", "access_token", `"expires_in": 3600`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told", want)
		}
	}
	c := config(nil)
	c.Environments[0].TokenURLs, c.Environments[1].TokenURLs = nil, nil
	if res, body := get(t, newPortal(t, c).Handler(), "/migrate/v1"); res.StatusCode != http.StatusOK || strings.Contains(body, "curl") {
		t.Errorf("without token URLs: status %d\n%s", res.StatusCode, body)
	}
}

func TestAnEmptyCatalogueHasAFirstPage(t *testing.T) {
	for _, c := range []*manifest.Catalog{nil, {}} {
		res, body := get(t, newPortal(t, config(c)).Handler(), "/")
		structure(t, "/", parse(t, body))
		if res.StatusCode != http.StatusOK || !strings.Contains(body, "No API is published yet") {
			t.Errorf("status %d\n%s", res.StatusCode, body)
		}
	}
}

// evil is markup that would act if a page repeated it as it is.
const evil = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`

// links that must not be followed, in Markdown's ways of writing them.
const evilMarkdown = evil + `

# Title

## Part

[a](javascript:alert(1)) [b](&#106;avascript:alert(1)) [c](java&#10;script:alert(1)) [d](data:text/html,x)
[e](JaVaScRiPt:alert(1)) [f][ref] <javascript:alert(1)> <vbscript:x> ![g](https://example.com/x.png) [![h](/x.png)](https://example.com/)
[i](<java script:alert(1)>) [j]( https://example.com/ok "t'\"x")

| a |
|:-:|
| b |

<div onclick="x">raw</div>

[ref]: javascript:alert(1)
`

func TestMarkupOfACatalogueStaysText(t *testing.T) {
	example := []openapi.Example{{Name: evil, Summary: evil, Status: 200, MediaType: "application/json", Value: []byte(`"` + "</pre>" + evil + `'"`)}}
	api := &manifest.API{
		Name: "evil", Title: evil, Summary: evil, Version: evil, BasePath: "/evil" + evil, Products: []string{"P" + evil},
		Document: &openapi.Document{Operations: []*openapi.Operation{{
			ID: "op" + evil, Method: "POST", Template: "/", Summary: evil, Description: evilMarkdown,
			Parameters: []openapi.Parameter{{Name: evil, In: "query", Description: evil, Example: evil}},
			Body:       &openapi.Body{MediaTypes: []string{evil}, Examples: example}, Examples: example,
		}}},
		Request: manifest.RequestRules{TIN: &manifest.TINRule{Header: evil, Pointer: evil}, Submitter: &manifest.SubmitterRule{Header: evil, HostHeader: evil, Pointer: evil}},
		Pages:   map[string]string{"overview": evilMarkdown, "faq": evilMarkdown, "changelog": evilMarkdown, "security": evilMarkdown},
		Mock:    &mock.Rules{},
	}
	callable := *api
	callable.Name, callable.Request.Submitter = "callable", nil
	c := config(&manifest.Catalog{
		APIs:     []*manifest.API{api, &callable},
		Products: []market.Product{{Name: "P" + evil, Title: evil, Description: evil}},
	})
	c.Name = "Sallyport" + evil
	c.Environments = append(c.Environments, portal.Environment{Name: evil, BaseURL: "https://x.example/" + evil, Issuer: "https://x.example", TokenURLs: []portal.TokenURL{{Dialect: evil, URL: "https://x.example/" + evil}}})
	h := newPortal(t, c).Handler()
	for _, path := range []string{"/", "/apis/evil", "/apis/callable", "/errors", "/migrate/v1", "/errors/" + "%3Cscript%3E", "/%3Cscript%3Ealert(1)%3C/script%3E"} {
		res, body := get(t, h, path)
		headers(t, path, res)
		nothingInline(t, path, parse(t, body))
		if strings.Contains(body, "<script") || strings.Contains(body, "onerror=alert(1)>") {
			t.Errorf("%s repeats markup as it is:\n%s", path, body)
		}
	}
	_, body := get(t, h, "/apis/evil")
	page := parse(t, body)
	var web []string
	for _, a := range page.byID("overview").parent.named("a") {
		web = append(web, a.attrs["href"])
	}
	if want := []string{"https://example.com/", "https://example.com/ok"}; !slices.Equal(web, want) {
		t.Errorf("the overview links to %q; want only %q", web, want)
	}
	_, body = get(t, h, "/")
	if call := commands(parse(t, body))[4]; !strings.Contains(shell(t, call), "[https://sandbox.sallyport.example/evil"+evil+"/]") {
		t.Errorf("the URL of the call is not one word of a shell: %s", call)
	}
}
