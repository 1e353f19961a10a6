package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

func TestDiffTellsWhatChangesALineForEach(t *testing.T) {
	from := load(t, folder(map[string]*string{
		"books/manifest.yaml": new(books + "upstreams: {sandbox: {url: \"http://old\"}, staging: {url: \"http://s\"}}\nrequest: {tin: {header: tin}}\n"),
		"books/faq.md":        new("old"),
		"films/manifest.yaml": new("base_path: /films\nproducts: [P_Two]\nopenapi: openapi.yaml\n"),
		"films/openapi.yaml":  new(document),
	}), nil)
	to := load(t, folder(map[string]*string{
		"products.yaml":       new("- {name: P_One, title: Uno, token_lifetime: 2h}\n- {name: P_Three, title: Three}\n"),
		"books/manifest.yaml": new(strings.Replace(books, "[P_One]", "[P_One, P_Three]", 1) + "mock: mock.yaml\nupstreams: {sandbox: {url: \"http://new\"}, production: {url: \"http://p\"}}\nrequest: {validate: off}\n"),
		"books/openapi.yaml":  new(strings.Replace(document, "/: {get:", "/all: {get:", 1)),
		"books/mock.yaml":     new("rules: []"),
		"books/faq.md":        new("new"),
		"maps/manifest.yaml":  new("base_path: /maps\nproducts: [P_Three]\nopenapi: openapi.yaml\n"),
		"maps/openapi.yaml":   new(document),
	}), nil)
	want := []string{
		"product P_One: token lifetime changed from 1h0m0s to 2h0m0s",
		"product P_One: title or description changed",
		"product P_Three: added, token lifetime by dialect",
		"product P_Two: removed",
		"API books: products changed from P_One to P_One, P_Three",
		"API books: operation GET / removed",
		"API books: operation GET /all added",
		"API books: upstream of production added, http://p",
		"API books: upstream of sandbox changed from http://old to http://new",
		"API books: upstream of staging removed",
		"API books: validation changed from enforce to off",
		"API books: TIN rule changed from header tin, optional to none",
		"API books: page faq changed",
		"API books: mock rules added",
		"API films: removed from /films",
		"API maps: added at /maps with 1 operations, products P_Three",
	}
	got := manifest.Diff(from, to)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if same := manifest.Diff(to, to); len(same) != 0 {
		t.Errorf("a catalogue differs from itself: %q", same)
	}
	if first := manifest.Diff(nil, from); len(first) != 4 {
		t.Errorf("the first catalogue: %q", first)
	}
	if last := manifest.Diff(from, nil); len(last) != 4 {
		t.Errorf("no catalogue: %q", last)
	}
}

func TestDiffTellsOfADocumentThatChangesWithinItsOperations(t *testing.T) {
	from := load(t, folder(nil), nil)
	to := load(t, folder(map[string]*string{"books/openapi.yaml": new(strings.Replace(document, "books: []", "books: [1]", 1))}), nil)
	want := []string{"API books: OpenAPI document changed, with the same operations"}
	if diff := cmp.Diff(want, manifest.Diff(from, to)); diff != "" {
		t.Error(diff)
	}
}
