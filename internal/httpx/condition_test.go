package httpx_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// RFC 9110 §13.1.2.
func TestIfNoneMatchIsReadAsAListOfEntityTags(t *testing.T) {
	const etag = `"abc"`
	for field, want := range map[string]bool{
		"":                           false,
		`"abc"`:                      true,
		`W/"abc"`:                    true, // §8.8.3.2: weak comparison
		`"x", "abc"`:                 true,
		`"x" ,	W/"abc"	, "y"`:        true,
		`,, "abc" ,`:                 true, // §5.6.1.2: empty elements
		`*`:                          true,
		` * `:                        true,
		`"x,"abc"`:                   false, // not a list
		`"x abc"`:                    false,
		`abc`:                        false,
		`"abcd"`:                     false,
		`"xabc"`:                     false,
		`"x" "abc"`:                  false,
		`"abc`:                       false,
		`"*"`:                        false,
		`*, "abc"`:                   false, // * stands alone
		`w/"abc"`:                    false, // W is case-sensitive
		`"a,b", "abc"`:               true,  // a comma within a tag
		`"x,\"abc\""`:                false, // there are no escapes
		strings.Repeat(`"x",`, 1000): false,
	} {
		h := http.Header{"If-None-Match": {field}}
		if got := httpx.NoneMatch(h, etag); got != want {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
	if h := (http.Header{"If-None-Match": {`"x"`, etag}}); !httpx.NoneMatch(h, etag) {
		t.Error("the second of two lines is not read")
	}
	if httpx.NoneMatch(http.Header{}, etag) {
		t.Error("without the header")
	}
}

func FuzzIfNoneMatch(f *testing.F) {
	f.Add(`W/"a", "b"`)
	f.Add(`*`)
	f.Fuzz(func(t *testing.T, field string) {
		h := http.Header{"If-None-Match": {field}}
		if httpx.NoneMatch(h, `"abc"`) && strings.TrimSpace(field) != "*" && !strings.Contains(field, `"abc"`) {
			t.Errorf("%q matches", field)
		}
	})
}
