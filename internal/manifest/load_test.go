package manifest_test

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const (
	products = "- {name: P_One, title: One, token_lifetime: 3600}\n- {name: P_Two, title: Two}\n"
	document = `openapi: 3.1.0
info: {title: Books, version: 1.2.3, summary: All of them}
paths:
  /: {get: {operationId: list, responses: {"200": {description: d, content: {application/json: {example: {books: []}}}}}}}
`
	books = `base_path: /library/books
products: [P_One]
openapi: openapi.yaml
`
)

// folder is a catalogue with one API and what a test changes in it; a nil value
// takes a file away.
func folder(change map[string]*string) fstest.MapFS {
	out := fstest.MapFS{
		"products.yaml":       {Data: []byte(products)},
		"books/manifest.yaml": {Data: []byte(books)},
		"books/openapi.yaml":  {Data: []byte(document)},
	}
	for name, text := range change {
		if text == nil {
			delete(out, name)
		} else {
			out[name] = &fstest.MapFile{Data: []byte(*text)}
		}
	}
	return out
}

func load(t *testing.T, fsys fs.FS, vars map[string]string) *manifest.Catalog {
	t.Helper()
	c, err := manifest.Load(fsys, manifest.Options{Vars: vars})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadReadsEverythingThatAManifestSays(t *testing.T) {
	c := load(t, folder(map[string]*string{
		"books/manifest.yaml": new(`
title: The books
base_path: /library/books
products: [P_Two, P_One]
openapi: openapi.yaml
mock: rules.yaml
upstreams:
  sandbox: {url: "${LIB}/sandbox/", timeout: 5s, forward_token: true, keep_prefix: false}
  production: {url: "https://lib.example:8443", websocket: true}
request:
  validate: off
  max_body: 256KiB
  body_timeout: 2h
  tin: {header: providerTaxId, pointer: /providers/*/taxId, required: true}
  submitter: {header: submitterID, host_header: hostSubmitterID, pointer: /headers}
  public_health: true
  public: [other, list]
  unlisted: pass
  ima_token: true
`),
		"books/rules.yaml":   new("rules: []"),
		"books/overview.md":  new("# Books\n"),
		"books/changelog.md": new("# Changes\n"),
		"README.md":          new("how to edit this\n"),
	}), map[string]string{"LIB": "http://lib.internal:8080"})
	if len(c.APIs) != 1 {
		t.Fatalf("got %d APIs", len(c.APIs))
	}
	got := *c.APIs[0]
	if got.Document == nil || len(got.Document.Operations) != 1 || got.Mock == nil || !strings.HasPrefix(string(got.Source), "{") {
		t.Errorf("document, mock or source is missing")
	}
	type api struct {
		Name, Title, Version, Summary, BasePath string
		Products                                []string
		Upstreams                               map[market.Environment]manifest.Upstream
		Request                                 manifest.RequestRules
		Pages                                   map[string]string
	}
	want := api{
		"books", "The books", "1.2.3", "All of them", "/library/books",
		[]string{"P_Two", "P_One"},
		map[market.Environment]manifest.Upstream{
			"sandbox":    {URL: "http://lib.internal:8080/sandbox", Timeout: 5 * time.Second, ForwardToken: true},
			"production": {URL: "https://lib.example:8443", KeepPrefix: true, WebSocket: true},
		},
		manifest.RequestRules{
			Validate: manifest.ValidateOff, MaxBody: 256 << 10, BodyTimeout: 2 * time.Hour, PublicHealth: true, IMAToken: true,
			Public: []string{"list", "other"}, Unlisted: manifest.PassUnlisted,
			TIN:       &manifest.TINRule{Header: "providerTaxId", Pointer: "/providers/*/taxId", Required: true},
			Submitter: &manifest.SubmitterRule{Header: "submitterID", HostHeader: "hostSubmitterID", Pointer: "/headers"},
		},
		map[string]string{"overview": "# Books\n", "changelog": "# Changes\n"},
	}
	if diff := cmp.Diff(want, api{got.Name, got.Title, got.Version, got.Summary, got.BasePath, got.Products, got.Upstreams, got.Request, got.Pages}); diff != "" {
		t.Error(diff)
	}
	wantProducts := []market.Product{
		{Name: "P_One", Title: "One", TokenLifetime: time.Hour, State: market.ProductActive, Source: market.FromCatalog},
		{Name: "P_Two", Title: "Two", State: market.ProductActive, Source: market.FromCatalog},
	}
	if diff := cmp.Diff(wantProducts, c.Products); diff != "" {
		t.Error(diff)
	}
}

func TestAManifestThatSaysLittleGetsTheSafeDefaults(t *testing.T) {
	a := load(t, folder(nil), nil).APIs[0]
	if a.Request.Validate != manifest.ValidateEnforce || a.Request.PublicHealth || a.Request.IMAToken || a.Mock == nil || a.Title != "Books" {
		t.Errorf("got %+v, title %q", a.Request, a.Title)
	}
}

func TestEachMistakeIsOneClearLine(t *testing.T) {
	file := func(name, text string) map[string]*string { return map[string]*string{name: &text} }
	api := func(text string) map[string]*string { return file("books/manifest.yaml", text) }
	more := func(text string) map[string]*string { return api(books + text) }
	upstream := func(url string) map[string]*string { return more("upstreams:\n  sandbox: {url: \"" + url + "\"}") }
	tests := []struct {
		name   string
		change map[string]*string
		want   string
	}{
		{"no products", map[string]*string{"products.yaml": nil}, `products.yaml:1: is missing; a catalogue lists its products there`},
		{"products that are no list", file("products.yaml", "name: P_One"), `products.yaml:1: the file is a map; it must be a list`},
		{"a product's member that is not known", file("products.yaml", products+"- {name: P, title: P, lifetime: 3600}"), `products.yaml:3: a product has no member "lifetime"; allowed are: description, name, plans, title, token_lifetime`},
		{"a product without a name", file("products.yaml", products+"- {title: P}"), `products.yaml:3: the product has no name`},
		{"a product without a title", file("products.yaml", products+"- {name: P}"), `products.yaml:3: the product "P" has no title`},
		{"a product that is no scope token", file("products.yaml", products+"- {name: \"P \\\"x\\\"\", title: P}"), `products.yaml:3: the product name "P \"x\"" cannot be used; allowed are letters`},
		{"a product twice", file("products.yaml", products+"- {name: P_One, title: P}"), `products.yaml:3: the product "P_One" is listed twice; the first is in line 1`},
		{"a lifetime that is too short", file("products.yaml", products+"- {name: P, title: P, token_lifetime: 30}"), `products.yaml:3: token_lifetime is 30s; it must be from 1m0s to 24h0m0s`},
		{"a lifetime that is none", file("products.yaml", products+"- {name: P, title: P, token_lifetime: an hour}"), `products.yaml:3: token_lifetime "an hour" is not a duration; write it as`},
		{"a folder without a manifest", map[string]*string{"books/manifest.yaml": nil}, `books/manifest.yaml:1: is missing; every folder of a catalogue is an API`},
		{"a manifest that is a list", api("- a"), `books/manifest.yaml:1: the manifest is a list; it must be a map`},
		{"a member that is not known", more("basepath: /x"), `books/manifest.yaml:4: the manifest has no member "basepath"; allowed are: answer, base_path, mock, openapi, products, request, summary, title, upstreams`},
		{"a member of the wrong type", more("title: [a]"), `books/manifest.yaml:4: title is a list; it must be a text`},
		{"a member twice", more("products: [P_Two]"), `books/manifest.yaml:4: the key "products" stands here for the second time; the first is in line 2`},
		{"no base path", api("products: [P_One]\nopenapi: openapi.yaml"), `books/manifest.yaml:1: the manifest has no member "base_path"`},
		{"a base path with a slash at its end", api("base_path: /a/\nproducts: [P_One]\nopenapi: openapi.yaml"), `books/manifest.yaml:1: the base path "/a/" cannot be used`},
		{"a base path that climbs", api("base_path: /a/../b\nproducts: [P_One]\nopenapi: openapi.yaml"), `the base path "/a/../b" cannot be used`},
		{"the base path of discovery", api("base_path: /.well-known/x\nproducts: [P_One]\nopenapi: openapi.yaml"), `belongs to the discovery documents`},
		{"a product that is not there", api("base_path: /a\nproducts: [P_One, P_Three]\nopenapi: openapi.yaml"), `books/manifest.yaml:2: there is no product "P_Three" in products.yaml; there are: P_One, P_Two`},
		{"no document and no title", api("base_path: /a\nproducts: [P_One]"), `books/manifest.yaml:1: the manifest has no title and no OpenAPI document`},
		{"checks without a document", api("title: A\nbase_path: /a\nproducts: [P_One]\nrequest:\n  validate: enforce"), `books/manifest.yaml:5: validate needs an OpenAPI document`},
		{"a public operation that is not there", more("request: {public: [lists]}"), `books/manifest.yaml:4: public names "lists", and there is no operation of that operationId; there are: list`},
		{"the rest public, and refused", more("request: {public: [other]}"), `books/manifest.yaml:4: public names "other", the calls that the document does not list, and those are refused`},
		{"an unknown word for the rest", more("request: {unlisted: yes}"), `books/manifest.yaml:4: unlisted is "yes"; it must be "refuse" or "pass"`},
		{"no product at all", api("base_path: /a\nproducts: []\nopenapi: openapi.yaml"), `books/manifest.yaml:2: products is empty`},
		{"a document that is not there", api("base_path: /a\nproducts: [P_One]\nopenapi: other.yaml"), `books/manifest.yaml:3: there is no file "other.yaml" in this folder`},
		{"a document elsewhere", api("base_path: /a\nproducts: [P_One]\nopenapi: ../openapi.yaml"), `books/manifest.yaml:3: openapi is "../openapi.yaml"; it must be the name of a file in this folder`},
		{"rules that are not there", more("mock: mock.yaml"), `books/manifest.yaml:4: there is no file "mock.yaml" in this folder`},
		{"a mistake in the document", file("books/openapi.yaml", strings.Replace(document, "operationId: list, ", "", 1)), `books/openapi.yaml:4: GET / has no operationId`},
		{"a file that nothing uses", file("books/notes.txt", "x"), `books/notes.txt:1: is used by nothing; in this folder stand manifest.yaml`},
		{"a page that is not known", file("books/pricing.md", "x"), `books/pricing.md:1: is used by nothing`},
		{"a page that is no text", file("books/faq.md", "\xff"), `books/faq.md:1: is not UTF-8 text`},
		{"a file beside the folders", file("notes.txt", "x"), `notes.txt:1: is not part of a catalogue`},
		{"a folder with a bad name", file("My Books/manifest.yaml", books), `My Books/manifest.yaml:1: the folder "My Books" cannot name an API`},
		{"a folder of a folder", file("books/v1/openapi.yaml", document), `books/v1/openapi.yaml:1: is in a folder of a folder`},
		{"the same base path", file("again/manifest.yaml", books), `books/manifest.yaml:1: the base path /library/books is that of again/manifest.yaml:1 too`},
		{"an overlapping base path", file("again/manifest.yaml", strings.Replace(books, "/books", "", 1)), `books/manifest.yaml:1: the base path /library/books overlaps with /library of again/manifest.yaml:1`},
		{"a large file", file("books/faq.md", strings.Repeat("x", manifest.MaxFile+1)), `books/faq.md:1: is too large; a file may have at most 2 MiB`},
		{"an environment with a bad name", more("upstreams:\n  Sand Box: {url: \"http://a\"}"), `books/manifest.yaml:5: "Sand Box" cannot name an environment`},
		{"a URL and targets", more("upstreams:\n  sandbox: {url: \"http://a\", targets: [{url: \"http://b\"}]}"), `books/manifest.yaml:5: the upstream of sandbox has a url and targets`},
		{"TLS settings that nobody has", more("upstreams:\n  sandbox: {url: \"https://a\", tls: inner}"), `books/manifest.yaml:5: tls is "inner", and upstream_tls of the configuration has no such name; there are: none`},
		{"HTTP/2 in the clear that is not said to be", more("upstreams:\n  sandbox: {url: \"http://a\", http: 2}"), `books/manifest.yaml:5: http is "2", which is for https`},
		{"HTTP/2 in the clear over TLS", more("upstreams:\n  sandbox: {targets: [{url: \"https://a\"}], http: h2c}"), `books/manifest.yaml:5: http is "h2c", which is for http`},
		{"HTTP/3", more("upstreams:\n  sandbox: {url: \"https://a\", http: 3}"), `books/manifest.yaml:5: http is "3"; it must be 1.1, 2, h2c or auto`},
		{"WebSocket over HTTP/2", more("upstreams:\n  sandbox: {url: \"https://a\", http: 2, websocket: true}"), `books/manifest.yaml:5: http is "2", and WebSocket needs 1.1`},
		{"a path of probes that is none", more("upstreams:\n  sandbox: {url: \"http://a\", health: {path: \"health?x\"}}"), `books/manifest.yaml:5: "health?x" is not a path that can be asked for`},
		{"probes of nothing", more("upstreams:\n  sandbox: {url: \"http://a\", health: {interval: 5s}}"), `books/manifest.yaml:5: health has interval, which is about probes, and no path`},
		{"no targets", more("upstreams:\n  sandbox: {targets: []}"), `books/manifest.yaml:5: targets has 0 targets; it must have from 1 to 32`},
		{"targets that are all drained", more("upstreams:\n  sandbox: {targets: [{url: \"http://b\", weight: 0}]}"), `books/manifest.yaml:5: every target has the weight 0`},
		{"a target without a URL", more("upstreams:\n  sandbox: {targets: [{weight: 1}]}"), `books/manifest.yaml:5: the target has no url`},
		{"a target that is named twice", more("upstreams:\n  sandbox: {targets: [{url: \"http://b\"}, {url: \"http://b\"}]}"), `books/manifest.yaml:5: the target is named twice`},
		{"a method that may not be done twice", more("upstreams:\n  sandbox: {url: \"http://a\", retries: {methods: [POST]}}"), `books/manifest.yaml:5: methods names "POST"; only PUT and DELETE`},
		{"a status that is not asked again", more("upstreams:\n  sandbox: {url: \"http://a\", retries: {statuses: [500]}}"), `it must be a whole number from 502 to 504`},
		{"a breaker that never opens", more("upstreams:\n  sandbox: {url: \"http://a\", breaker: {open_for: 5s}}"), `books/manifest.yaml:5: breaker does not say when it opens`},
		{"an upstream without a URL", more("upstreams:\n  sandbox: {timeout: 1s}"), `books/manifest.yaml:5: the upstream of sandbox has no url`},
		{"a URL of another scheme", upstream("ftp://a/b"), `books/manifest.yaml:5: "ftp://a/b" is not the URL of an upstream; it must be http:// or https://`},
		{"a URL with a password", upstream("http://u:p@a/b"), `is not the URL of an upstream`},
		{"a URL with a query", upstream("http://a/b?c"), `is not the URL of an upstream`},
		{"a URL without a host", upstream("http:///b"), `is not the URL of an upstream`},
		{"a URL with a bad port", upstream("http://a:99999"), `is not the URL of an upstream`},
		{"a variable without a value", upstream("${LIVE}/x"), `books/manifest.yaml:5: the variable ${LIVE} has no value; values are given for: BAD`},
		{"a variable with a bad name", upstream("${a b}/x"), `books/manifest.yaml:5: "a b" cannot name a variable`},
		{"a variable with a bad value, which is not told", upstream("${BAD}/x"), `books/manifest.yaml:5: "${BAD}/x" is not the URL of an upstream`},
		{"a timeout that is too long", more("upstreams:\n  sandbox: {url: \"http://a\", timeout: 1h}"), `books/manifest.yaml:5: timeout is 1h0m0s; it must be from 100ms to 5m0s`},
		{"validation that is not known", more("request: {validate: warn}"), `books/manifest.yaml:4: validate is "warn"; it must be "enforce", "report" or "off"`},
		{"a body that is too large", more("request: {max_body: 65MiB}"), `books/manifest.yaml:4: max_body is 65MiB; at most 64 MiB are allowed`},
		{"a body that may take for ever", more("request: {body_timeout: 1000h}"), `books/manifest.yaml:4: body_timeout is 1000h0m0s; it must be from 100ms to 168h0m0s`},
		{"a size that is none", more("request: {max_body: 1 MB}"), `books/manifest.yaml:4: max_body is "1 MB"; write it as 256KiB`},
		{"a rate without its number", more("request: {rate: {burst: 5}}"), `books/manifest.yaml:4: rate has no per_second`},
		{"a rate of none", more("request: {rate: {per_second: 0}}"), `books/manifest.yaml:4: per_second is 0; it must be a whole number from 1 to 1000000`},
		{"a negative size", more("request: {max_body: -1}"), `books/manifest.yaml:4: max_body is -1; it must be a whole number from 1 to 67108864`},
		{"a TIN nowhere", more("request: {tin: {required: true}}"), `books/manifest.yaml:4: tin does not say where the TIN travels`},
		{"a TIN in the token", more("request: {tin: {header: Authorization}}"), `books/manifest.yaml:4: the header Authorization has a meaning of its own`},
		{"a TIN at no pointer", more("request: {tin: {pointer: provider.taxId}}"), `books/manifest.yaml:4: "provider.taxId" is not a JSON pointer`},
		{"a TIN at a pointer with half a star", more("request: {tin: {pointer: /providers*/taxId}}"), `books/manifest.yaml:4: "/providers*/taxId" has a * within a segment`},
		{"a submitter at every item", more("request: {submitter: {header: id, pointer: /batches/*/headers}}"), `books/manifest.yaml:4: "/batches/*/headers" stands for several values`},
		{"a submitter without a header", more("request: {submitter: {pointer: /headers}}"), `books/manifest.yaml:4: submitter has no header`},
		{"a header with a space", more("request: {submitter: {header: my id}}"), `books/manifest.yaml:4: "my id" is not a header's name`},
		{"a flag that is no flag", more("request: {public_health: \"yes\"}"), `books/manifest.yaml:4: public_health is a text; it must be true or false`},
	}
	line := regexp.MustCompile(`^[^:\n]+:[1-9][0-9]*: .+$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			change := tt.change
			if _, ok := change["again/manifest.yaml"]; ok {
				change["again/openapi.yaml"] = new(document)
			}
			_, err := manifest.Load(folder(change), manifest.Options{Vars: map[string]string{"BAD": "s3cret value"}})
			if err == nil {
				t.Fatalf("loaded; want %s", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			for text := range strings.SplitSeq(err.Error(), "\n") {
				if !line.MatchString(text) {
					t.Errorf("not one line with file and line: %q", text)
				}
			}
			var problem *manifest.Problem
			if !errors.As(err, &problem) {
				t.Error("not a Problem")
			}
		})
	}
}

func TestAllMistakesAreToldAtOnceByFileAndLine(t *testing.T) {
	_, err := manifest.Load(folder(map[string]*string{
		"products.yaml":       new(products + "- {name: P}\n"),
		"books/manifest.yaml": new("base_path: books\nproducts: [P_None]\nopenapi: openapi.yaml\nmock: mock.yaml\nrequest:\n  validate: maybe\n"),
		"books/openapi.yaml":  new(document),
		"books/mock.yaml":     new("rules:\n  - {name: a}\n  - {answer: {example: x}}\n"),
		"films/manifest.yaml": new("base_path: /films\nproducts: [P_One]\nopenapi: missing.yaml\n"),
	}), manifest.Options{})
	want := []string{
		"books/manifest.yaml:1:", "books/manifest.yaml:2:", "books/manifest.yaml:6:",
		"books/mock.yaml:2:", "books/mock.yaml:3:", "books/mock.yaml:3:", "films/manifest.yaml:3:", "products.yaml:3:",
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d problems:\n%v", len(lines), err)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("problem %d is %q, want it at %s", i, lines[i], want[i])
		}
	}
}

func TestLoadRefusesLinks(t *testing.T) {
	fsys := folder(nil)
	fsys["books/faq.md"] = &fstest.MapFile{Data: []byte("/etc/passwd"), Mode: fs.ModeSymlink}
	if _, err := manifest.Load(fsys, manifest.Options{}); err == nil || !strings.Contains(err.Error(), "books/faq.md:1: is not a plain file") {
		t.Errorf("got %v", err)
	}
}

func TestLoadRefusesTooManyFiles(t *testing.T) {
	fsys := folder(nil)
	for i := range manifest.MaxFiles {
		fsys["books/"+strings.Repeat("x", i+1)] = &fstest.MapFile{}
	}
	if _, err := manifest.Load(fsys, manifest.Options{}); err == nil || !strings.Contains(err.Error(), "too many files; at most 1000") {
		t.Errorf("got %v", err)
	}
}

// FuzzManifest holds that no text of a file makes Load panic, and that every
// refusal is made of lines that name a file and a line.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(books), []byte(products), []byte("rules: []"))
	f.Add([]byte(books+"mock: mock.yaml\nupstreams: {sandbox: {url: \"${A}/x\", timeout: 5}}\n"), []byte("- {name: P_One, title: x, token_lifetime: 1h}"), []byte("set: {/a: {$trace: true}}"))
	f.Add([]byte(books+"request: {validate: off, max_body: 1MiB, tin: {pointer: /a~0}, submitter: {header: x, pointer: /}}\n"), []byte(products), []byte(""))
	line := regexp.MustCompile(`^[^:\n]+:[1-9][0-9]*: .+$`)
	f.Fuzz(func(t *testing.T, text, list, rules []byte) {
		fsys := folder(nil)
		fsys["books/manifest.yaml"].Data = text
		fsys["products.yaml"].Data = list
		fsys["books/mock.yaml"] = &fstest.MapFile{Data: rules}
		c, err := manifest.Load(fsys, manifest.Options{Vars: map[string]string{"A": "http://a"}})
		if err != nil {
			for text := range strings.SplitSeq(err.Error(), "\n") {
				if !line.MatchString(text) {
					t.Errorf("not one line with file and line: %q", text)
				}
			}
			return
		}
		if a := c.APIs[0]; a.BasePath == "" || a.BasePath[0] != '/' || strings.HasSuffix(a.BasePath, "/") || len(a.Products) == 0 {
			t.Errorf("loaded %q with products %q", a.BasePath, a.Products)
		}
	})
}
