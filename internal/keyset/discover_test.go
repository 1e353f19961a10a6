package keyset_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyset"
)

// OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3.
func TestAnIssuerIsDiscoveredByADocumentThatNamesIt(t *testing.T) {
	const document = `{"issuer":%q,"jwks_uri":%q}`
	for _, tt := range []struct {
		name, path string // of the issuer
		at         string // where its document is
		body       func(issuer string) string
		problem    string // in the error; empty: it is found
	}{
		{"as OpenID Connect has it", "", "/.well-known/openid-configuration", nil, ""},
		{"below a path", "/realms/one", "/realms/one/.well-known/openid-configuration", nil, ""},
		{"an issuer that ends in a slash", "/", "/.well-known/openid-configuration", nil, ""},
		{"as RFC 8414 has it", "/realms/one", "/.well-known/oauth-authorization-server/realms/one", nil, ""},
		{"nowhere", "", "/elsewhere", nil, "status 404"},
		{"of another", "", "/.well-known/openid-configuration", func(string) string {
			return fmt.Sprintf(document, "https://other.example", "https://other.example/jwks")
		}, "another issuer"},
		{"with a slash more", "", "/.well-known/openid-configuration", func(issuer string) string { return fmt.Sprintf(document, issuer+"/", issuer+"/jwks") }, "another issuer"},
		{"in other letters", "/Realm", "/Realm/.well-known/openid-configuration", func(issuer string) string {
			return fmt.Sprintf(document, strings.Replace(issuer, "Realm", "realm", 1), issuer+"/jwks")
		}, "another issuer"},
		{"without keys", "", "/.well-known/openid-configuration", func(issuer string) string { return fmt.Sprintf(`{"issuer":%q}`, issuer) }, "no jwks_uri"},
		{"with keys in the clear", "", "/.well-known/openid-configuration", func(issuer string) string { return fmt.Sprintf(document, issuer, "http://keys.example/jwks") }, "not an https URL"},
		{"that is no JSON", "", "/.well-known/openid-configuration", func(string) string { return "<html>" }, "not the metadata"},
		{"with two readings", "", "/.well-known/openid-configuration", func(issuer string) string {
			return fmt.Sprintf(`{"issuer":"https://other.example","issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/jwks")
		}, "not the metadata"},
		{"that has no end", "", "/.well-known/openid-configuration", func(string) string { return strings.Repeat("[", 300<<10) }, "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := publish(t, http.NotFound)
			issuer := p.URL + tt.path
			p.now(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != tt.at {
					http.NotFound(w, r)
					return
				}
				body := fmt.Sprintf(document, issuer, issuer+"/jwks")
				if tt.body != nil {
					body = tt.body(issuer)
				}
				_, _ = w.Write([]byte(body))
			})
			s, _ := open(p, nil)
			got, err := s.Discover(t.Context(), issuer)
			if tt.problem == "" {
				if err != nil || got != issuer+"/jwks" {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("at an address that is not public", func(t *testing.T) {
		p := publish(t, http.NotFound)
		s, _ := open(p, func(c *keyset.Config) { c.Allow = nil })
		if _, err := s.Discover(t.Context(), p.URL); err == nil || p.asked.Load() != 0 {
			t.Errorf("got %v, %d requests", err, p.asked.Load())
		}
	})
}

// Whoever asks all the time is not kept waiting by a publisher that is away.
func TestAKeptSetIsGoneByWhileItIsReadAgainAndNoLongerThanItsBound(t *testing.T) {
	p := publish(t, keys("max-age=600", "a"))
	s, c := open(p, nil)
	if _, err := s.Kept(t.Context(), p.URL, "a"); err == nil {
		t.Fatal("what was never read was waited for")
	}
	kept := func(kid string) string {
		got, err := s.Kept(t.Context(), p.URL, kid)
		if err != nil {
			return "error"
		}
		text, _ := json.Marshal(got)
		return string(text)
	}
	<-p.noticed
	for kept("a") == "error" { // the reading ends beside us
		time.Sleep(time.Millisecond)
	}
	first := kept("a")
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	p.now(func(http.ResponseWriter, *http.Request) { <-hold })
	c.advance(11 * time.Minute)
	if got := kept("a"); got != first {
		t.Errorf("past its end, while the publisher does not answer: %s", got)
	}
	if state := s.State(p.URL); state.Keys != 1 || state.Read.IsZero() {
		t.Errorf("its state: %+v", state)
	}
	c.advance(time.Hour)
	if got := kept("a"); got != "error" {
		t.Errorf("past its bound: %s", got)
	}
	if state := s.State(p.URL); state.Keys != 0 {
		t.Errorf("its state: %+v", state)
	}
}

func TestAKeyThatAKeptSetLacksIsReadForOnceInAWhile(t *testing.T) {
	p := publish(t, keys("max-age=600", "a"))
	s, c := open(p, nil)
	if got := names(t, s, p.URL, "a"); got != "a" {
		t.Fatalf("got %s", got)
	}
	p.now(keys("max-age=600", "b"))
	c.advance(31 * time.Second)
	if got, err := s.Kept(t.Context(), p.URL, "b"); err != nil || len(got) != 1 || got[0].ID != "b" {
		t.Errorf("got %v, %v", got, err)
	}
	before := p.asked.Load()
	for i := range 100 {
		_, _ = s.Kept(t.Context(), p.URL, fmt.Sprint("unknown-", i))
	}
	if n := p.asked.Load() - before; n != 0 {
		t.Errorf("a flood of unknown kids: %d readings", n)
	}
}
