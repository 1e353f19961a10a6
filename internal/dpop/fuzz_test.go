package dpop

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever is sent, the answer is a proof or words of ours.
func FuzzCheck(f *testing.F) {
	k := New(Config{Bases: []string{"https://api.example"}, Key: []byte("key"), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	for _, s := range []string{
		"", "a.b.c", "..", "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7fX0.e30.AA",
		"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjpudWxsfQ.e30.AA", "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUifQ.e30.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := k.Check([]string{raw}, Request{Method: "GET", Path: "/"})
		var refused *Error
		if err == nil || !errors.As(err, &refused) {
			t.Fatalf("%q: %v", raw, err) // nobody guesses a signature
		}
		if strings.ContainsFunc(refused.Reason, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
			t.Fatalf("words that cannot be sent: %q", refused.Reason)
		}
	})
}

// A URL has one normal spelling, and writing it again changes nothing.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"https://a.example/b", "https://A:443/%7e/../c?d#e", "http://[::1]:80/", "https://a/%2e%2e/", "https://u@a/", "https://a%2eb/", "https://a:0443/", "https://a/%", "https://a/.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, ok := normalize(text)
		if !ok {
			return
		}
		if strings.ContainsAny(once, "?#@\\ ") && !strings.Contains(text, "@") {
			t.Fatalf("%q became %q", text, once)
		}
		again, ok := normalize(once)
		if !ok || again != once {
			t.Fatalf("%q became %q, and that %q (%t)", text, once, again, ok)
		}
	})
}
