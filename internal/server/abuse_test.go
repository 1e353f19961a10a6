package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// still is a clock that stands until it is set forward, so that a limit gives
// nothing back while it is being reached.
type still struct{ at atomic.Int64 }

func newStill() *still {
	c := &still{}
	c.at.Store(time.Now().UnixNano())
	return c
}

func (c *still) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *still) forward(d time.Duration) { c.at.Add(int64(d)) }

// refusedAt asks for a token from an address, by way of a proxy that is believed.
func (n *node) refusedAt(from, clientID, secret string) (status int, header http.Header, body string) {
	n.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.production().URL+"/oauth2/token", strings.NewReader(form.Encode()))
	must(n.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if from != "" {
		r.Header.Set("X-Forwarded-For", from)
	}
	res, err := n.client.Do(r)
	must(n.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(n.t, err)
	return res.StatusCode, res.Header, string(text)
}

// attempts counts the wrong secrets that are answered before the limit is.
func (n *node) attempts(most int, from, clientID func(i int) string) int {
	n.t.Helper()
	for i := range most {
		switch status, _, body := n.refusedAt(from(i), clientID(i), "wrong"); status {
		case http.StatusUnauthorized:
		case http.StatusTooManyRequests:
			return i
		default:
			n.t.Fatalf("attempt %d: %d %s", i, status, body)
		}
	}
	return most
}

func always(s string) func(int) string { return func(int) string { return s } }

// behind runs a server behind a proxy, with two customers.
func behind(t *testing.T, trusted ...string) (n *node, clock *still, a, b market.App, secret string) {
	t.Helper()
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].TrustedProxies = trusted
	clock = newStill()
	n = runAt(t, c, clock.now)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, a, text := customer(t, n.Market)
	_, b, _ = customer(t, n.Market)
	return n, clock, a, b, text.Reveal()
}

func TestAFloodOfWrongSecretsSlowsDownWhoSendsItAndNobodyElse(t *testing.T) {
	n, clock, a, b, secret := behind(t, "127.0.0.1", "::1")
	if got := n.attempts(1000, always("192.0.2.1"), always(a.ClientID)); got != 300 {
		t.Fatalf("2.9: %d wrong secrets were answered, want 300", got)
	}
	for _, tt := range []struct {
		name, from, clientID, secret string
		want                         int
	}{
		{"the same again", "192.0.2.1", a.ClientID, "wrong", 429},
		{"its neighbour in the /24", "192.0.2.200", a.ClientID, "wrong", 429},
		{"the right secret, from there", "192.0.2.1", a.ClientID, secret, 200},
		{"the right secret, from elsewhere", "198.51.100.1", a.ClientID, secret, 200},
		{"a wrong one, from elsewhere", "198.51.100.1", a.ClientID, "wrong", 401},
		{"another client's mistake, from there", "192.0.2.1", b.ClientID, "wrong", 401},
		{"a client that there is not, from there", "192.0.2.1", "nobody", "wrong", 401},
	} {
		if status, _, body := n.refusedAt(tt.from, tt.clientID, tt.secret); status != tt.want {
			t.Errorf("2.9: %s: %d %s, want %d", tt.name, status, body, tt.want)
		}
	}
	_, header, _ := n.refusedAt("192.0.2.1", a.ClientID, "wrong")
	wait, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || wait < 1 {
		t.Fatalf("Retry-After is %q", header.Get("Retry-After"))
	}
	clock.forward(time.Duration(wait) * time.Second)
	soon(t, "the attempt after Retry-After is answered", func() bool {
		status, _, _ := n.refusedAt("192.0.2.1", a.ClientID, "wrong")
		return status == http.StatusUnauthorized
	})
}

func TestAnIPv6NetworkIsOneCallerWhateverAddressesItTakes(t *testing.T) {
	n, _, a, _, _ := behind(t, "127.0.0.1")
	within := func(i int) string { return fmt.Sprintf("2001:db8:1:%x::%x", i, i) } // a /64 each time
	if got := n.attempts(1000, within, always(a.ClientID)); got != 300 {
		t.Errorf("2.9: %d attempts from one /48, want 300", got)
	}
	if status, _, _ := n.refusedAt("2001:db8:2::1", a.ClientID, "wrong"); status != http.StatusUnauthorized {
		t.Errorf("from the next /48: %d", status)
	}
}

func TestATryOfManyClientsIsSlowedDownByItsNetwork(t *testing.T) {
	n, _, a, _, secret := behind(t, "127.0.0.1")
	guess := func(i int) string { return "guess" + strconv.Itoa(i) }
	from := func(i int) string { return "192.0.2." + strconv.Itoa(i%256) }
	if got := n.attempts(4000, from, guess); got != 3000 {
		t.Fatalf("2.9: %d guesses of one network were answered, want 3000", got)
	}
	if status, _, _ := n.refusedAt("198.51.100.1", "guess", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("another network's: %d", status)
	}
	if status, _, body := n.refusedAt("192.0.2.1", a.ClientID, secret); status != http.StatusOK {
		t.Errorf("a right secret from the network: %d %s", status, body)
	}
}

func TestXForwardedForOfNobodyInParticularIsNotBelieved(t *testing.T) {
	for name, trusted := range map[string][]string{"no proxy is trusted": nil, "another one is": {"10.0.0.0/8"}} {
		t.Run(name, func(t *testing.T) {
			n, _, a, _, _ := behind(t, trusted...)
			if got := n.attempts(1000, func(i int) string { return fmt.Sprintf("203.0.%d.1", i%256) }, always(a.ClientID)); got != 300 {
				t.Errorf("%d attempts under invented addresses were answered, want 300", got)
			}
		})
	}
	t.Run("what stands before the proxy's own word", func(t *testing.T) {
		n, _, a, _, _ := behind(t, "127.0.0.1")
		from := func(i int) string { return fmt.Sprintf("203.0.%d.1, 192.0.2.1", i%256) }
		if got := n.attempts(1000, from, always(a.ClientID)); got != 300 {
			t.Errorf("%d attempts under invented addresses were answered, want 300", got)
		}
	})
}

// Apart from its trace id and date a refusal tells nothing of why (RFC 6749 §10,
// CONTRACT 2.9). Whether its time does: make bench.
func TestAllWaysInWhichASecretFailsAreAnsweredByTheSameBytes(t *testing.T) {
	n, clock, a, b, _ := behind(t)
	ctx := t.Context()
	_, expired, err := n.Market.AddCredential(ctx, market.System, market.NewCredential{App: a.ID, Expires: clock.now().Add(time.Hour)})
	must(t, err)
	clock.forward(2 * time.Hour)
	gone, revoked, err := n.Market.AddCredential(ctx, market.System, market.NewCredential{App: a.ID})
	must(t, err)
	_, err = n.Market.RevokeCredential(ctx, market.System, gone.ID, true)
	must(t, err)
	elsewhere, err := n.Market.AddApp(ctx, market.System, market.NewApp{Org: a.Org, Environment: market.Sandbox, Name: "app", DeveloperEmail: "a@example.com"})
	must(t, err)
	_, sandbox, err := n.Market.AddCredential(ctx, market.System, market.NewCredential{App: elsewhere.ID})
	must(t, err)
	_, others, err := n.Market.AddCredential(ctx, market.System, market.NewCredential{App: b.ID})
	must(t, err)
	soon(t, "the model is fresh", func() bool { status, _, _ := n.refusedAt("", a.ClientID, "wrong"); return status == 401 })
	type seen struct {
		status int
		header http.Header
		body   string
	}
	trace := regexp.MustCompile(`"trace_id":"[^"]*"`)
	var first seen
	for i, tt := range []struct{ name, clientID, secret string }{
		{"a wrong secret", a.ClientID, "wrong"},
		{"an unknown client", "nobody", "wrong"},
		{"one that expired", a.ClientID, expired.Reveal()},
		{"a revoked one", a.ClientID, revoked.Reveal()},
		{"sandbox in production", elsewhere.ClientID, sandbox.Reveal()},
		{"another client's", a.ClientID, others.Reveal()},
		{"none", a.ClientID, ""},
	} {
		var got seen
		got.status, got.header, got.body = n.refusedAt("", tt.clientID, tt.secret)
		got.header.Del("Date")
		got.header.Del("X-Trace-Id")
		got.body = trace.ReplaceAllString(got.body, "")
		if i == 0 {
			first = got
			if got.status != http.StatusUnauthorized {
				t.Fatalf("%s: %d %s", tt.name, got.status, got.body)
			}
		}
		if got.status != first.status || got.body != first.body {
			t.Errorf("%s: %d %s, and a wrong secret %d %s", tt.name, got.status, got.body, first.status, first.body)
		}
		if diff := cmp.Diff(first.header, got.header); diff != "" {
			t.Errorf("%s: headers (-wrong +got)\n%s", tt.name, diff)
		}
	}
}
