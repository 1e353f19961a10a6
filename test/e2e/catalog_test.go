package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fenced returns the blocks of a section of a page, in order.
func fenced(t *testing.T, page, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```(?:yaml)?\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// folder writes a catalogue's files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheSmallestCatalogueOfThePageOpensAnAPI(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + " of " + r.Header.Get("X-Sallyport-Organization") + " by " + r.Header.Get("X-Sallyport-Application")))
	}))
	t.Cleanup(upstream.Close)
	blocks := fenced(t, "../../docs/catalog.md", "The smallest one")
	if len(blocks) != 4 {
		t.Fatalf("the section has %d blocks, want the product, the manifest, the commands and the calls", len(blocks))
	}
	mine := folder(t, map[string]string{
		"products.yaml":           blocks[0],
		"orders-v1/manifest.yaml": strings.ReplaceAll(blocks[1], "http://127.0.0.1:9000", upstream.URL),
	})
	printed := map[string]string{}
	for line := range strings.Lines(blocks[2]) {
		args := strings.Fields(strings.Replace(line, "apply mine", "apply "+mine, 1))
		out, complaint, code := s.command(args[1:]...)
		if code != 0 {
			t.Fatalf("%s: %s", line, complaint)
		}
		for row := range strings.Lines(out) {
			if cells := strings.Fields(row); len(cells) == 2 {
				printed[cells[0]] = cells[1]
			}
		}
	}
	token := s.token(&environment{URL: e.URL, ClientID: printed["client_id"], ClientSecret: printed["client_secret"]})
	a := s.call(apiCall{Method: "PUT", URL: e.URL + "/orders/v1/any/path"}, token, nil)
	if want := "PUT /orders/v1/any/path of org_"; a.status != http.StatusOK || !strings.HasPrefix(string(a.body), want) || !strings.HasSuffix(string(a.body), " by orders") {
		t.Errorf("got %d %q, want %q…", a.status, a.body, want)
	}
	if a := s.call(apiCall{Method: "GET", URL: e.URL + "/orders/v1/any/path"}, "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
}

func TestTheCatalogueOfThePageThatHasADocumentIsAnsweredByMockData(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	page := "../../docs/catalog.md"
	blocks := fenced(t, page, "With a document")
	hello := folder(t, map[string]string{
		"products.yaml":          blocks[0],
		"hello-v1/manifest.yaml": strings.ReplaceAll(blocks[1], "${HELLO_URL}", "http://127.0.0.1:9000") + "mock: mock.yaml\n",
		"hello-v1/openapi.yaml":  blocks[2],
		"hello-v1/mock.yaml":     fenced(t, page, "Mock data")[0],
	})
	for _, args := range [][]string{
		{"catalog", "apply", hello, "--yes"},
		{"subscription", "create", "Hello_v1", "--org", e.Organization},
	} {
		if _, complaint, code := s.command(args...); code != 0 {
			t.Fatalf("%v: %s", args, complaint)
		}
	}
	token := s.token(e)
	greet := apiCall{Method: "POST", URL: e.URL + "/hello/v1/greetings", Headers: map[string]string{"Content-Type": "application/json"}}
	for _, tt := range []struct {
		body, style, want string
		status            int
	}{
		{`{"name":"Bob"}`, "", `"to":"Bob"`, http.StatusOK},
		{`{"name":"Bob"}`, "formally", `"Good day"`, http.StatusOK},
		{`{"name":"nobody"}`, "", `"nobody"`, http.StatusNotFound},
		{`{}`, "", `name`, http.StatusBadRequest},
	} {
		greet.Body = tt.body
		if a := s.call(greet, token, map[string]string{"X-Style": tt.style}); a.status != tt.status || !strings.Contains(string(a.body), tt.want) {
			t.Errorf("%s, %q: got %d %s", tt.body, tt.style, a.status, a.body)
		}
	}
}
