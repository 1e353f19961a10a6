package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// ask sends a form to an endpoint of production.
func (n *node) ask(path string, form url.Values) (status int, header http.Header, body map[string]any) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.production().URL+path, strings.NewReader(form.Encode()))
	must(n.t, err)
	r.Header.Set("Content-Type", formBody)
	res, err := n.client.Do(r)
	must(n.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(n.t, err)
	if len(text) > 0 {
		must(n.t, json.Unmarshal(text, &body))
	}
	return res.StatusCode, res.Header, body
}

// slowed reports whether an answer is the one to whoever sends too much.
func slowed(t *testing.T, status int, header http.Header, body map[string]any) bool {
	t.Helper()
	if status != http.StatusTooManyRequests {
		return false
	}
	wait, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || wait < 1 || body["error"] != "slow_down" || body["error_description"] == "" || body["trace_id"] == "" {
		t.Errorf("2.9: 429 with Retry-After %q and %v", header.Get("Retry-After"), body)
	}
	return true
}

// A secret that is guessed at one endpoint is guessed at all of them.
func TestFailuresAreCountedAtEveryEndpointThatAuthenticatesClients(t *testing.T) {
	n, clock, a, b, secret := behind(t)
	paths := []string{"/oauth2/introspect", "/oauth2/revoke", "/oauth2/credentials", "/oauth2/credentials/rotate", "/oauth2/token"}
	with := func(clientID, text string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {text}, "token": {"none"}}
	}
	answered := 0
	for ; answered < 1000; answered++ {
		status, header, body := n.ask(paths[answered%len(paths)], with(a.ClientID, "wrong"))
		if slowed(t, status, header, body) {
			break
		} else if status != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %d %v", answered, status, body)
		}
	}
	if answered != 300 {
		t.Errorf("2.15: %d wrong secrets were answered at all endpoints together, want 300", answered)
	}
	for _, path := range paths {
		if status, header, body := n.ask(path, with(a.ClientID, "wrong")); !slowed(t, status, header, body) {
			t.Errorf("2.9: %s: %d %v", path, status, body)
		}
		if status, _, body := n.ask(path, with(a.ClientID, secret)); status != http.StatusOK {
			t.Errorf("2.9: %s, the right secret: %d %v", path, status, body)
		}
		if status, _, body := n.ask(path, with(b.ClientID, "wrong")); status != http.StatusUnauthorized {
			t.Errorf("2.9: %s, another client's mistake: %d %v", path, status, body)
		}
		clock.forward(time.Second) // of which the limit gives back a few
		if status, _, body := n.ask(path, with(a.ClientID, "wrong")); status != http.StatusUnauthorized {
			t.Errorf("2.9: %s, after a while: %d %v", path, status, body)
		}
		for range 10 {
			_, _, _ = n.ask(path, with(a.ClientID, "wrong"))
		}
	}
}

// Who introspects every call has a limit of its own, and the tokens that it needs.
func TestEachEndpointHasALimitOfItsOwn(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].TokenRequests, c.Environments[market.Production].Introspections = 2, 5
	clock := newStill()
	n := runAt(t, c, clock.now)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, n.Market)
	_, other, otherText := customer(t, n.Market)
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app.ClientID}, "client_secret": {text.Reveal()}, "token": {"none"},
	}
	soon(t, "the secret is known", func() bool { // at an endpoint that refuses it, once known, for what it asks
		status, _, _ := n.ask("/oauth2/credentials/rotate", url.Values{"client_id": {app.ClientID}, "client_secret": {text.Reveal()}, "force": {"perhaps"}})
		return status == http.StatusBadRequest
	})
	clock.forward(time.Minute)
	for _, tt := range []struct {
		path string
		want int
	}{{"/oauth2/introspect", 10}, {"/oauth2/revoke", 4}, {"/oauth2/credentials", 100}, {"/oauth2/token", 4}} {
		passed := 0
		for ; passed < 1000; passed++ {
			status, header, body := n.ask(tt.path, form)
			if slowed(t, status, header, body) {
				break
			} else if status != http.StatusOK {
				t.Fatalf("%s: %d %v", tt.path, status, body)
			}
		}
		if passed != tt.want {
			t.Errorf("2.15: %s: %d requests passed at once, want %d", tt.path, passed, tt.want)
		}
	}
	if status, header, body := n.ask("/oauth2/credentials/rotate", form); !slowed(t, status, header, body) {
		t.Errorf("2.15: rotation counts with the list: %d %v", status, body)
	}
	theirs := url.Values{"client_id": {other.ClientID}, "client_secret": {otherText.Reveal()}, "token": {"none"}}
	soon(t, "another client is not slowed down", func() bool { status, _, _ := n.ask("/oauth2/introspect", theirs); return status == http.StatusOK })
	clock.forward(time.Second)
	passed := 0
	for ; passed < 1000; passed++ {
		if status, _, _ := n.ask("/oauth2/introspect", form); status != http.StatusOK {
			break
		}
	}
	if passed != 5 {
		t.Errorf("2.15: a second later %d introspections passed, want 5", passed)
	}
}

func TestNoEndpointIsLimitedWhereNoLimitIsSet(t *testing.T) {
	n, _, a, _, secret := behind(t)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.ClientID}, "client_secret": {secret}, "token": {"none"}}
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke", "/oauth2/token"} {
		for range 150 {
			if status, _, body := n.ask(path, form); status != http.StatusOK {
				t.Fatalf("%s: %d %v", path, status, body)
			}
		}
	}
}
