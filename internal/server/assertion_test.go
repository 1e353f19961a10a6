package server_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// keyed is a production app that authenticates by a key.
type keyed struct {
	t        *testing.T
	clientID string
	key      ed25519.PrivateKey
}

// giveKey lets an app authenticate by a new key.
func giveKey(t *testing.T, m *market.Market, app market.App) keyed {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	_, _, err = m.AddCredential(t.Context(), market.System, market.NewCredential{
		App: app.ID, Kind: market.PublicKey, Material: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	})
	must(t, err)
	return keyed{t, app.ClientID, private}
}

// assertion returns a good assertion for an audience.
func (k keyed) assertion(aud any) string {
	k.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.key}, nil)
	must(k.t, err)
	payload, err := json.Marshal(map[string]any{
		"iss": k.clientID, "sub": k.clientID, "aud": aud, "jti": rand.Text(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	must(k.t, err)
	signed, err := signer.Sign(payload)
	must(k.t, err)
	text, err := signed.CompactSerialize()
	must(k.t, err)
	return text
}

// assert asks for a token with an assertion.
func (n *node) assert(text string) (int, map[string]any) {
	n.t.Helper()
	return n.post("/oauth2/token", "grant_type", "client_credentials",
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", text)
}

const productionIssuer = "https://production.example"

func TestAnAssertionIsUsedOnceAtAllNodes(t *testing.T) {
	dsn := storetest.Postgres(t)
	a, b := run(t, settings(t, t.TempDir(), dsn)), run(t, settings(t, t.TempDir(), dsn))
	must(t, a.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, _ := customer(t, a.Market)
	k := giveKey(t, a.Market, app)
	for name, n := range map[string]*node{"the node that made it": a, "the other node": b} {
		soon(t, name+" takes the key", func() bool { status, _ := n.assert(k.assertion(productionIssuer)); return status == http.StatusOK })
	}
	for range 5 {
		used := k.assertion(productionIssuer)
		statuses := make(chan int)
		for i := range 20 {
			go func() {
				status, _ := []*node{a, b}[i%2].assert(used)
				statuses <- status
			}()
		}
		passed := 0
		for range 20 {
			switch status := <-statuses; status {
			case http.StatusOK:
				passed++
			case http.StatusUnauthorized:
			default:
				t.Errorf("status %d", status)
			}
		}
		if passed != 1 {
			t.Errorf("%d of 20 uses at two nodes passed", passed)
		}
	}
}

func TestWithoutItsStoreANodeTakesNoAssertion(t *testing.T) {
	dsn, err := url.Parse(storetest.Postgres(t))
	must(t, err)
	w := wireTo(t, dsn)
	n := run(t, settings(t, t.TempDir(), dsn.String()))
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, n.Market)
	k := giveKey(t, n.Market, app)
	used := k.assertion(productionIssuer)
	soon(t, "the key works", func() bool { status, _ := n.assert(used); return status == http.StatusOK })
	w.set(true)
	unused := k.assertion(productionIssuer)
	if status, body := n.assert(unused); status != http.StatusServiceUnavailable || body["error"] != "temporarily_unavailable" {
		t.Errorf("without the store: %d %v", status, body)
	}
	if status, _ := n.assert(used); status != http.StatusUnauthorized {
		t.Errorf("without the store, what the node saw used: %d", status)
	}
	if status, _ := n.token(app.ClientID, text); status != http.StatusOK {
		t.Errorf("without the store, by secret: %d", status)
	}
	w.set(false)
	until(t, "assertions are taken again", 30*time.Second, func() bool { status, _ := n.assert(k.assertion(productionIssuer)); return status == http.StatusOK })
}

func TestTheTokenURLIsAnAudienceOnlyWhereItIsConfigured(t *testing.T) {
	for _, configured := range []bool{false, true} {
		c := settings(t, t.TempDir(), "")
		c.Environments[market.Production].TokenURLAudience = configured
		n := run(t, c)
		must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
		_, app, _ := customer(t, n.Market)
		k := giveKey(t, n.Market, app)
		soon(t, "the key works", func() bool { status, _ := n.assert(k.assertion(productionIssuer)); return status == http.StatusOK })
		want := http.StatusUnauthorized
		if configured {
			want = http.StatusOK
		}
		base := n.production().URL
		for _, aud := range []any{base + "/oauth2/token", []string{base + "/oauth2/token"}, base + "/apip/auth/v2/token"} {
			if status, body := n.assert(k.assertion(aud)); status != want {
				t.Errorf("configured %t: %v: %d %v", configured, aud, status, body)
			}
		}
		for _, aud := range []any{
			"https://attacker.example/oauth2/token", base + ".attacker.example/oauth2/token",
			[]string{productionIssuer, base + "/oauth2/token"},
			base + "/oauth2/revoke", base + "/thing/v1/token", productionIssuer + "/oauth2/token",
		} {
			if status, _ := n.assert(k.assertion(aud)); status != http.StatusUnauthorized {
				t.Errorf("configured %t: %v: %d", configured, aud, status)
			}
		}
	}
}

// By default a URL of an app leads nowhere in our own network.
func TestKeySetsAreNotFetchedFromOurOwnNetwork(t *testing.T) {
	asked := make(chan struct{}, 100)
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer inside.Close()
	n := run(t, settings(t, t.TempDir(), ""))
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, _ := customer(t, n.Market)
	_, _, err := n.Market.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID, Kind: market.KeySetURL, Material: inside.URL})
	must(t, err)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	soon(t, "the refusal names the address", func() bool {
		status, body := n.assert(keyed{t, app.ClientID, key}.assertion(productionIssuer))
		trace, _ := body["trace_id"].(string)
		refusal, err := n.operator().Refusal(t.Context(), trace)
		return err == nil && status == http.StatusUnauthorized && strings.HasSuffix(refusal.Reason, "it is at an address that is not public")
	})
	if len(asked) > 0 {
		t.Error("a request arrived there")
	}
}

// A client that asks for more than it may writes nothing to the store: what is
// refused for its number was not used, and may be sent again.
func TestAnAssertionBeyondTheLimitIsNotSpent(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].TokenRequests = 1
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, _ := customer(t, n.Market)
	k := giveKey(t, n.Market, app)
	soon(t, "the key works", func() bool { status, _ := n.assert(k.assertion(productionIssuer)); return status == http.StatusOK })
	one := k.assertion(productionIssuer)
	refused := false
	for range 50 {
		if status, _ := n.assert(one); status == http.StatusTooManyRequests {
			refused = true
			break
		}
		one = k.assertion(productionIssuer)
	}
	if !refused {
		t.Fatal("fifty requests at one a second were all answered")
	}
	until(t, "the same assertion is taken", 30*time.Second, func() bool {
		status, _ := n.assert(one)
		if status == http.StatusUnauthorized {
			t.Fatal("it was spent when it was refused")
		}
		return status == http.StatusOK
	})
	if status, _ := n.assert(one); status != http.StatusUnauthorized {
		t.Errorf("used, it is taken again, or counts: %d", status)
	}
}
