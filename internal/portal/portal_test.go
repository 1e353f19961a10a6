package portal_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/portal"
	"github.com/sallyport-dev/sallyport/internal/problem"
)

const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func demo(t *testing.T) *manifest.Catalog {
	t.Helper()
	c, err := manifest.Load(catalog.Files, manifest.Options{Vars: map[string]string{catalog.UpstreamVariable: "http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func environment(name, host string) portal.Environment {
	base := "https://" + host
	return portal.Environment{
		Name: name, BaseURL: base, Issuer: base,
		TokenURLs: []portal.TokenURL{
			{Dialect: "v1", URL: base + "/apip/auth/v1/token", Lifetime: time.Hour, JSON: true},
			{Dialect: "v2", URL: base + "/apip/auth/v2/token", Lifetime: time.Hour, JSON: true},
			{Dialect: "v3", URL: base + "/auth/sntl/v1/token", Lifetime: 2 * time.Hour},
			{Dialect: "rfc", URL: base + "/oauth2/token", Lifetime: time.Hour},
		},
	}
}

func config(c *manifest.Catalog) portal.Config {
	return portal.Config{
		Name:    "Sallyport",
		Catalog: func() *manifest.Catalog { return c },
		Environments: []portal.Environment{
			environment("sandbox", "sandbox.sallyport.example"), environment("production", "api.sallyport.example"),
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func newPortal(t *testing.T, c portal.Config) *portal.Portal {
	t.Helper()
	p, err := portal.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func serve(t *testing.T, h http.Handler, r *http.Request) (res *http.Response, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	data, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(data)
}

func get(t *testing.T, h http.Handler, path string) (res *http.Response, body string) {
	t.Helper()
	return serve(t, h, httptest.NewRequest(http.MethodGet, path, nil))
}

// paths lists every page of the portal with that catalogue.
func paths(c *manifest.Catalog) []string {
	list := []string{"/", "/errors", "/migrate/v1", "/no-such-page", "/apis/none", "/errors/none"}
	for _, api := range c.APIs {
		list = append(list, "/apis/"+api.Name)
	}
	for _, p := range problem.All() {
		list = append(list, "/errors/"+p.Code)
	}
	return list
}

func TestEveryPageHoldsTogether(t *testing.T) {
	c := demo(t)
	h := newPortal(t, config(c)).Handler()
	targets := map[string]*node{} // pages by path, for links
	for _, path := range paths(c) {
		res, body := get(t, h, path)
		if strings.Contains(path, "no") && strings.HasSuffix(path, "none") || path == "/no-such-page" {
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("%s: status %d; want 404", path, res.StatusCode)
			}
		} else if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d; want 200", path, res.StatusCode)
		}
		headers(t, path, res)
		page := parse(t, body)
		targets[path] = page
		structure(t, path, page)
		nothingInline(t, path, page)
	}
	for path, page := range targets {
		links(t, h, path, page, targets)
	}
}

func headers(t *testing.T, path string, res *http.Response) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": policy,
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Set-Cookie":              "",
	} {
		if have := strings.Join(res.Header.Values(name), ", "); have != want {
			t.Errorf("%s: %s is %q; want %q", path, name, have, want)
		}
	}
}

// A caller sends what no page is called by, in every form that a mux, a browser or a
// proxy might make another address of: each is the page that says so, and none leads on.
func TestAttackAPathThatLeadsElsewhere(t *testing.T) {
	c := config(demo(t))
	c.OverTLS = true
	h := newPortal(t, c).Handler()
	for _, target := range []string{
		"GET //evil.example/", "GET //evil.example/%2e%2e", "GET /\\evil.example//", "GET /%5cevil.example//", "GET /errors/../errors", "GET /./errors", "GET /errors/%2e%2e/", "GET /errors//",
		"GET http://evil.example//errors", "GET *", "GET /apis/<script>alert(1)</script>", "GET /apis/%3Cscript%3Ealert(1)%3C%2Fscript%3E/openapi.json", "GET /errors/%0d%0aSet-Cookie:a=b", "GET /errors/%00",
		"OPTIONS *", "CONNECT evil.example:443", "CONNECT /errors", "TRACE /errors", "POST /errors", "PRI *",
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(target + " HTTP/1.1\r\nHost: evil.example\r\n\r\n")))
		if err != nil {
			t.Fatal(target, err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		res, body := w.Result(), w.Body.String()
		want := http.StatusNotFound
		if !strings.HasPrefix(target, "GET") {
			want = http.StatusMethodNotAllowed
		}
		if res.StatusCode != want || res.Header.Get("Location") != "" || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v", target, res.StatusCode, res.Header)
		}
		if strings.Contains(body, "evil") || strings.Contains(body, "script") {
			t.Errorf("%s: it comes back in %s", target, body)
		}
		headers(t, target, res)
		if res.Header.Get("Strict-Transport-Security") == "" || res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", target, res.Header)
		}
	}
	c.OverTLS = false
	if res, _ := get(t, newPortal(t, c).Handler(), "/"); res.Header.Get("Strict-Transport-Security") != "" {
		t.Error("browsers are told to come by TLS where there may be none")
	}
}

// structure checks what a screen reader goes by.
func structure(t *testing.T, path string, page *node) {
	t.Helper()
	if page.one(t, "html").attrs["lang"] != "en" {
		t.Errorf("%s: the language is not said", path)
	}
	title, h1 := page.one(t, "title").content(), page.one(t, "h1").content()
	if !strings.Contains(title, "Sallyport") || h1 == "" {
		t.Errorf("%s: title %q, h1 %q", path, title, h1)
	}
	body := page.one(t, "body")
	if first := body.named("a")[0]; first.attrs["href"] != "#main" || page.byID("main") != page.one(t, "main") {
		t.Errorf("%s: the first link does not skip to <main>", path)
	}
	page.one(t, "footer")
	for _, nav := range page.named("nav") {
		if nav.attrs["aria-label"] == "" {
			t.Errorf("%s: a <nav> has no name", path)
		}
	}
	ids := map[string]bool{}
	for _, n := range page.all(func(n *node) bool { return n.attrs["id"] != "" }) {
		if ids[n.attrs["id"]] {
			t.Errorf("%s: the id %q stands twice", path, n.attrs["id"])
		}
		ids[n.attrs["id"]] = true
	}
	for _, n := range page.all(func(n *node) bool { return n.attrs["aria-labelledby"] != "" }) {
		if !ids[n.attrs["aria-labelledby"]] {
			t.Errorf("%s: nothing has the id %q that labels a <%s>", path, n.attrs["aria-labelledby"], n.name)
		}
	}
	level := 1
	for _, h := range page.all(func(n *node) bool {
		return len(n.name) == 2 && n.name[0] == 'h' && n.name[1] >= '1' && n.name[1] <= '6'
	}) {
		if l := int(h.name[1] - '0'); l > level+1 {
			t.Errorf("%s: <%s> %q follows a heading of level %d", path, h.name, h.content(), level)
		} else {
			level = l
		}
	}
}

// nothingInline checks that the policy has nothing to forbid.
func nothingInline(t *testing.T, path string, page *node) {
	t.Helper()
	for _, n := range page.all(func(*node) bool { return true }) {
		switch n.name {
		case "script", "style", "iframe", "object", "embed", "base", "form", "img":
			t.Errorf("%s: there is a <%s>", path, n.name)
		}
		for name, value := range n.attrs {
			if name == "style" || strings.HasPrefix(name, "on") || name == "src" || name == "srcset" {
				t.Errorf("%s: <%s> has the attribute %s", path, n.name, name)
			}
			if name == "href" && n.name != "a" && (!strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//")) {
				t.Errorf("%s: <%s> leads to %q", path, n.name, value)
			}
			if name == "href" && strings.Contains(strings.ToLower(value), "javascript:") {
				t.Errorf("%s: a link runs %q", path, value)
			}
		}
	}
}

// links checks that a page's links to the portal lead somewhere.
func links(t *testing.T, h http.Handler, path string, page *node, pages map[string]*node) {
	t.Helper()
	for _, n := range page.all(func(n *node) bool { return n.attrs["href"] != "" }) {
		target, fragment, _ := strings.Cut(n.attrs["href"], "#")
		if strings.Contains(target, ":") {
			continue // elsewhere
		}
		if target == "" {
			target = path
		}
		to := pages[target]
		if to == nil {
			if res, _ := get(t, h, target); res.StatusCode != http.StatusOK {
				t.Errorf("%s: the link %s has the status %d", path, target, res.StatusCode)
			}
			continue
		}
		if fragment != "" && to.byID(fragment) == nil {
			t.Errorf("%s: nothing on %s has the id %q", path, target, fragment)
		}
	}
}

func TestOtherMethodsAreRefusedWithAPage(t *testing.T) {
	h := newPortal(t, config(demo(t))).Handler()
	for _, path := range []string{"/", "/errors", "/healthz", "/no-such-page"} {
		res, body := serve(t, h, httptest.NewRequest(http.MethodPost, path, nil))
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: status %d, Allow %q", path, res.StatusCode, res.Header.Get("Allow"))
		}
		headers(t, path, res)
		structure(t, path, parse(t, body))
	}
}

func TestHealthIsTold(t *testing.T) {
	res, body := get(t, newPortal(t, config(demo(t))).Handler(), "/healthz")
	if res.StatusCode != http.StatusOK || body != "{\"status\":\"OK\"}\n" {
		t.Errorf("status %d, body %q", res.StatusCode, body)
	}
	headers(t, "/healthz", res)
}

func TestTheStylesheetMayBeKept(t *testing.T) {
	h := newPortal(t, config(demo(t))).Handler()
	_, body := get(t, h, "/")
	for _, link := range parse(t, body).named("link") {
		res, text := get(t, h, link.attrs["href"])
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, Cache-Control %q", link.attrs["href"], res.StatusCode, res.Header.Get("Cache-Control"))
		}
		headers(t, link.attrs["href"], res)
		if strings.Contains(text, "@import") || strings.Contains(text, "url(") {
			t.Errorf("%s fetches something", link.attrs["href"])
		}
	}
}

func TestAnErrorBecomesAPageWithoutItsText(t *testing.T) {
	p := newPortal(t, config(demo(t)))
	h := httpx.Record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Fail(w, r, errors.New("dial tcp 10.0.0.7:5432"))
	}), httpx.Recording{Logger: slog.New(slog.DiscardHandler), Surface: "portal", Now: time.Now, Fail: p.Fail})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	res, body := serve(t, h, r)
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(body, "10.0.0.7") {
		t.Errorf("status %d, body %s", res.StatusCode, body)
	}
	if !strings.Contains(body, "0af7651916cd43dd8448eb211c80319c") {
		t.Error("the trace id is not told")
	}
	headers(t, "/", res)
	structure(t, "/", parse(t, body))
}

func TestAConfigurationThatCannotBeShownIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*portal.Config){
		"no name":        func(c *portal.Config) { c.Name = "" },
		"no catalogue":   func(c *portal.Config) { c.Catalog = nil },
		"no logger":      func(c *portal.Config) { c.Logger = nil },
		"no environment": func(c *portal.Config) { c.Environments = nil },
		"no base URL":    func(c *portal.Config) { c.Environments[0].BaseURL = "" },
		"a script's URL": func(c *portal.Config) { c.Environments[0].TokenURLs[0].URL = "javascript:alert(1)" },
	} {
		c := config(nil)
		spoil(&c)
		if _, err := portal.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
