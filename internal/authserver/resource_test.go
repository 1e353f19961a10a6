package authserver

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzResource holds that whatever names a resource names it in one spelling: an
// absolute URI, which spelled again stays what it is.
func FuzzResource(f *testing.F) {
	for _, s := range []string{
		"https://api.example/thing/v1", "HTTPS://API.example:443/thing/v1/", "https://api.example#", "https://me@api.example", "urn:a:b", "/thing",
		"https://api.example/%74hing", "https://[::1]:8443/a", "https://api.example?a=b", "http://api.example:80", "https://api.example:443.", "https://:443",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, ok := spelled(s)
		if !ok {
			return
		}
		u, err := url.Parse(key)
		if err != nil || u.Scheme == "" || strings.Contains(s, "#") || u.User != nil {
			t.Fatalf("%q became %q: %v", s, key, err)
		}
		if again, ok := spelled(key); ok && again != key && !strings.HasSuffix(key, "/") && u.RawQuery == "" {
			t.Fatalf("%q became %q, and that %q", s, key, again)
		}
	})
}

// Two spellings that name one resource, and two that do not.
func TestAResourceHasOneSpelling(t *testing.T) {
	const thing = "https://api.example/thing/v1"
	want, _ := spelled(thing)
	for _, same := range []string{thing + "/", "HTTPS://api.example/thing/v1", "https://API.Example/thing/v1", "https://api.example:443/thing/v1"} {
		if got, ok := spelled(same); !ok || got != want {
			t.Errorf("%s is %q, want %q", same, got, want)
		}
	}
	for _, other := range []string{
		"http://api.example/thing/v1", "https://api.example/Thing/v1", "https://api.example:8443/thing/v1", thing + "?a=b", thing + "?", thing + "/it",
		"https://api.example/thing/v1/../v1", "https://api.example/thing%2fv1", "https://api.example./thing/v1",
	} {
		if got, ok := spelled(other); ok && got == want {
			t.Errorf("%s is taken for %s", other, thing)
		}
	}
}

func TestWhoAsksForAJWT(t *testing.T) {
	for accept, want := range map[string]bool{
		introspectionType: true, introspectionType + ", */*;q=0.1": true, introspectionType + ";q=0.001": true, "": false, "*/*": false,
		introspectionType + ";q=0": false, "application/json, " + introspectionType + ";q=0.9": false, introspectionType + ";q=NaN": false,
		";;;," + introspectionType: true, "application/json;q=NaN, " + introspectionType: true,
	} {
		if got := wantsJWT([]string{accept}); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
}
