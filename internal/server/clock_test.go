package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock/clocktest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// legacy gets a token at an endpoint that gives the same one again (CONTRACT 2.8).
func (n *node) legacy(clientID string, text secret.String) string {
	n.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {text.Reveal()}}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.production().URL+"/apip/auth/v2/token", strings.NewReader(form.Encode()))
	must(n.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := n.do(r)
	token, _ := body["access_token"].(string)
	if status != http.StatusOK || token == "" {
		n.t.Fatalf("a token request gets %d %v", status, body)
	}
	return token
}

// The wall clock is set while the node serves, by hours and by more than a year, and
// back: what it says about instants is followed, and nothing is wrong for longer.
func TestWhileTheClockIsSetANodeServesAndThenAllIsAsBefore(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer upstream.Close()
	log, c := &journal{}, clocktest.Running()
	n := runWith(t, server.Options{
		Config: settings(t, t.TempDir(), ""), Now: c.Now, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Pace: server.Pace{Upkeep: 20 * time.Millisecond, Certificates: 10 * time.Millisecond},
	})
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	_, app, text := customer(t, n.Market)
	soon(t, "the secret works", func() bool { status, _ := n.token(app.ClientID, text); return status == http.StatusOK })
	before := n.legacy(app.ClientID, text)
	_, revoked := n.token(app.ClientID, text)
	if status, _ := n.post("/oauth2/revoke", "client_id", app.ClientID, "client_secret", text.Reveal(), "token", revoked); status != http.StatusOK {
		t.Fatalf("revoke: %d", status)
	}
	gets := func(when, token string, want int, code string) {
		t.Helper()
		if status, body := n.call(token); status != want || want >= 400 && body["error"] != code {
			t.Errorf("%s: %d %v, want %d %s", when, status, body, want, code)
		}
	}
	for _, step := range []time.Duration{-2 * time.Hour, 3 * time.Hour, 400 * 24 * time.Hour} {
		gets("before", before, http.StatusOK, "")
		seen := strings.Count(log.String(), "the clock was set")
		c.Step(step)
		soon(t, "the log says so", func() bool { return strings.Count(log.String(), "the clock was set") > seen })
		if step < 0 {
			gets("a token of a time to come", before, http.StatusUnauthorized, "invalid_access_token")
		} else {
			// Half a second may be needed: what is known may be old, if the machine has slept.
			soon(t, "calls are decided", func() bool { status, _ := n.call(before); return status == http.StatusUnauthorized })
			gets("a token of long ago", before, http.StatusUnauthorized, "access_token_expired")
		}
		there := n.legacy(app.ClientID, text)
		if there == before {
			t.Error("a token that is refused is given again")
		}
		gets("one of now", there, http.StatusOK, "")
		c.Step(-step)
		soon(t, "calls are decided again", func() bool { status, _ := n.call(before); return status == http.StatusOK })
		gets("what was revoked", revoked, http.StatusUnauthorized, "access_token_not_approved")
		back := n.legacy(app.ClientID, text)
		gets("a new one", back, http.StatusOK, "")
		if step > 0 {
			gets("one of the other time", there, http.StatusUnauthorized, "invalid_access_token")
		}
	}
	// Certificates that were made by the other clock are made again.
	n.client.CloseIdleConnections()
	soon(t, "new connections are trusted", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.production().URL+"/.well-known/jwks.json", http.NoBody)
		must(t, err)
		res, err := n.client.Do(r)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil
	})
	keys, err := n.operator().Keys(t.Context(), "")
	must(t, err)
	if len(keys.Items) != 2*len(n.Info().Environments) {
		t.Errorf("a clock that was set has made keys: %d", len(keys.Items))
	}
}
