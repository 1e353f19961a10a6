package httpx_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

func TestAPathThatNoRouteHasKeepsItsShape(t *testing.T) {
	known := func(word string) bool { return word == "v1" || word == "memberStatus" }
	for path, want := range map[string]string{
		"/": "/", "/foo": "/foo", "/foo/": "/foo/", "/foo-bar/v1": "/foo-bar/v1", "/v12": "/v12", "": "*", "*": "*", "foo": "*",
		"/foo/bar": "/foo/*", "/foo/v1/123": "/foo/v1/*", "/memberStatus/v1/x/v1": "/memberStatus/v1/*", "/foo/memberStatus": "/foo/memberStatus",
		"/v123": "/*", "/Smith": "/*", "/m1": "/*", "/é": "/*", "/a.b": "/*", "/foo//123": "/foo//*", "//123": "//*",
		"/abcdefghijklmnopqrstuvwxyz": "/*", "/foo/\x00": "/foo/*", "/foo/%2F": "/foo/*",
	} {
		if got := httpx.Shape(path, known); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	if got := httpx.Shape("/foo/v1", nil); got != "/foo/*" {
		t.Errorf("without words: %q", got)
	}
}

func TestARecordHasThePlaceThatWasSaidLast(t *testing.T) {
	_, lines := record(func(_ http.ResponseWriter, r *http.Request) {
		httpx.Place(r.Context(), "/members/{name}")
		httpx.Place(r.Context(), "/members/{id}")
		httpx.Place(r.Context(), "")
	}, httptest.NewRequest(http.MethodGet, "/members/smith", http.NoBody))
	if len(lines) != 1 || lines[0]["path"] != "/members/{id}" {
		t.Errorf("got %v", lines)
	}
	_, lines = record(func(http.ResponseWriter, *http.Request) { panic("broken") }, httptest.NewRequest(http.MethodGet, "/members/smith", http.NoBody))
	if len(lines) != 2 || lines[1]["path"] != "/members/*" {
		t.Errorf("got %v", lines)
	}
}
