package gateway

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestCanonicalPathTakesPlainPathsAsTheyAre(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/": "/a/", "/a/b.c/~d": "/a/b.c/~d", "/a%20b/%C3%A9": "/a b/é", "/a/...": "/a/...", "/.well-known/x": "/.well-known/x",
	} {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := canonicalPath(u); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestCanonicalPathRefusesWhatHasTwoReadings(t *testing.T) {
	for _, raw := range []string{
		"//", "//a", "/a//b", "/./a", "/a/.", "/a/..", "/../a", "/a/../b", "/%2e%2e/a", "/a/%2E", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b",
		"/a%00", "/a%0a", "/a%7f", "/a%25b", "/a%252e", "/a%3fb", "/a%23b", "/a;b", "/a%3bb", "/a/%c0%af", "/%ff",
	} {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			continue // net/http refuses it before us
		}
		if got, err := canonicalPath(u); err == nil {
			t.Errorf("%s was taken as %q", raw, got)
		}
	}
}

func TestAQueryIsOneByTheRFCAndNothingElse(t *testing.T) {
	for _, query := range []string{"", "a=1&b", "q=a+b%20c", "next=https://a.example/?x", "a=%2F%3B%e2%82%AC", "a=(b)*!$',:@~._-"} {
		if !plainQuery(query) {
			t.Errorf("%q is refused", query)
		}
	}
	for _, query := range []string{
		"a b", "a\"b", "a<b", "a>b", "a\\b", "a^b", "a`b", "a{b", "a|b", "a}b", "a#b", "a[b]", "a;b", "a\tb", "a\r\nb", "a\x00", "a\x7f", "a=\xc3\xa9", "%", "%2", "%zz", "%00", "%0a", "%0D",
		strings.Repeat("a&", maxQueryParameters),
	} {
		if plainQuery(query) {
			t.Errorf("%q is taken", query)
		}
	}
}

func TestATokenIsTakenOutOfTheQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                                "",
		"a=1&b=%2F":                       "a=1&b=%2F",
		"access_token=x":                  "",
		"a=1&access_token=x&b&c=%20":      "a=1&b&c=%20",
		"ACCESS_TOKEN=x&a":                "a",
		"access%5Ftoken=x&%61ccess_token": "",
		"my_access_token=x":               "my_access_token=x",
		"a=access_token":                  "a=access_token",
	} {
		if got := withoutToken(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}

// FuzzCanonicalPath holds that a path which is taken means the same to whoever
// cleans it, splits it or decodes it once more, and survives being sent on.
func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a%20b", "/%2e%2e", "//", "/a/%2f", "/a;b", "/%", "/é", "/a//", "/a/./b", "*", "http://x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			return
		}
		got, err := canonicalPath(u)
		if err != nil {
			return
		}
		if cleaned := path.Clean(got); cleaned != got && cleaned+"/" != got {
			t.Fatalf("%q was taken as %q, which cleans to %q", raw, got, cleaned)
		}
		if strings.ContainsAny(got, "\\\x00;%") {
			t.Fatalf("%q was taken as %q", raw, got)
		}
		sent := (&url.URL{Path: got}).EscapedPath()
		back, err := url.ParseRequestURI(sent)
		if err != nil || back.Path != got {
			t.Fatalf("%q is sent on as %q, which reads %v, %v", got, sent, back, err)
		}
	})
}

func TestTheHostOfARequestIsOneOrNone(t *testing.T) {
	read := func(target, host string) *http.Request {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u, Host: host}
	}
	for _, host := range []string{"", "x", "X.example", "a-b_c.example.", "1.2.3.4:8443", "x:1", "x:", "[::1]", "[2001:db8::1]:443"} {
		if !plainAuthority(read("/x", host)) {
			t.Errorf("%q is refused", host)
		}
	}
	for _, host := range []string{"a@b", "a b", "a,b", "a/b", "a?b", "a#b", "x:y", "x:1:2", "x:999999", "[::1", "::1", "[1.2.3.4]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "x%00y", "a;b", "<a>", "é", "[]", "[x]", "[::1]x", "http://x"} {
		if plainAuthority(read("/x", host)) {
			t.Errorf("%q is taken", host)
		}
	}
	for target, takes := range map[string]bool{
		"https://x/y": true, "http://x/y": true, "https://u@x/y": false, "https://u:p@x/y": false, "https:///y": false, "http:/y": false, "file:///y": false, "gopher://x/y": false,
	} {
		r := read(target, "x")
		if plainAuthority(r) != takes {
			t.Errorf("%s: taken is %v", target, !takes)
		}
	}
}
