package server_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// post sends a form to a path of production.
func (n *node) post(path string, pairs ...string) (int, map[string]any) {
	n.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.production().URL+path, strings.NewReader(form.Encode()))
	must(n.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return n.do(r)
}

// operator is the management API, with a token of its own.
func (n *node) operator() *client.Management {
	n.t.Helper()
	_, text, err := n.Market.AddOperatorToken(n.t.Context(), market.System, "test", time.Time{})
	must(n.t, err)
	return &client.Management{BaseURL: n.Info().Management, Token: client.NewSecret(text.Reveal()), HTTP: n.client}
}

func TestAnOperatorsOptionsChangeWhatTheWireSays(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	p := c.Environments[market.Production]
	p.RotationOff = true
	p.V1.Off, p.V1.Alias, p.MissingTokenIs400, p.InvalidProduct401 = true, true, true, true
	p.TokenEndpoints = []config.Endpoint{
		{Path: "/apip/auth/v1/token", Dialect: "v1", JSON: true},
		{Path: "/elsewhere/token", Dialect: "v2"},
		{Path: "/oauth2/token", Dialect: "rfc"},
	}
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	sub, app, text := customer(t, n.Market)
	var token string
	soon(t, "the secret works", func() bool {
		var status int
		status, token = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	if status, body := n.post("/oauth2/credentials/rotate", "client_id", app.ClientID, "client_secret", text.Reveal()); status != http.StatusNotFound || body["client_secret"] != nil {
		t.Errorf("6.6 rotation is off: %d %v", status, body)
	}
	credentials := []string{"grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", text.Reveal()}
	if status, body := n.post("/apip/auth/v1/token", credentials...); status != http.StatusNotFound || body["error"] != "invalid_request" {
		t.Errorf("2.6: v1, switched off: %d %v", status, body)
	}
	status, body := n.post("/elsewhere/token", credentials...)
	if status != http.StatusOK || body["accessToken"] == nil || body["accessToken"] != body["access_token"] {
		t.Errorf("2.1, 2.6: v2 mounted elsewhere, with v1_alias: %d, members %d", status, len(body))
	}
	if status, body := n.post("/apip/auth/v2/token", credentials...); status != http.StatusNotFound || body["error"] != "not_found" {
		t.Errorf("2.1: the path that v2 is not mounted at: %d %v", status, body)
	}
	if status, body := n.call(""); status != http.StatusBadRequest || body["error"] != "invalid_request" {
		t.Errorf("4.2: no token, as 400: %d %v", status, body)
	}
	_, err := n.Market.ChangeSubscription(t.Context(), market.System, sub.ID, market.ActSuspend, "", "")
	must(t, err)
	soon(t, "invalid_product is a 401", func() bool {
		status, body := n.call(token)
		return status == http.StatusUnauthorized && body["error"] == "invalid_product"
	})
}

func TestLifetimesAndRefusalsFollowAppAndProducts(t *testing.T) {
	n := run(t, settings(t, t.TempDir(), ""))
	ctx := t.Context()
	must(t, n.ApplyCatalog(ctx, market.System, catalogue("http://127.0.0.1:1")))
	sub, app, text := customer(t, n.Market)
	grant := func(path string) (int, map[string]any) {
		status, body := n.post(path, "grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", text.Reveal())
		return status, body
	}
	life := func(path string) float64 {
		_, body := grant(path)
		seconds, _ := body["expires_in"].(float64)
		return seconds
	}
	soon(t, "2.7: v3's default", func() bool { return life("/auth/sntl/v1/token") == 7200 })

	_, err := n.Market.AddProduct(ctx, market.System, market.NewProduct{Name: "Real", Title: "Real", TokenLifetime: time.Hour})
	must(t, err)
	second, err := n.Market.Subscribe(ctx, market.System, app.Org, "Real")
	must(t, err)
	_, err = n.Market.ChangeSubscription(ctx, market.System, second.ID, market.ActApprove, "C-2", "")
	must(t, err)
	soon(t, "2.7: the shortest among the products", func() bool { return life("/auth/sntl/v1/token") == 3600 })

	own := 5000 * time.Second
	_, err = n.Market.ChangeApp(ctx, market.System, app.ID, market.AppPatch{TokenLifetime: &own})
	must(t, err)
	for _, path := range []string{"/apip/auth/v2/token", "/auth/sntl/v1/token", "/oauth2/token"} {
		soon(t, "2.7: the app's own, at "+path, func() bool { return life(path) == 5000 })
	}
	for _, id := range []market.Subscription{sub, second} {
		_, err = n.Market.ChangeSubscription(ctx, market.System, id.ID, market.ActSuspend, "", "")
		must(t, err)
	}
	soon(t, "2.9: no active product", func() bool {
		status, body := grant("/oauth2/token")
		return status == http.StatusBadRequest && body["error"] == "unauthorized_client"
	})
	_, err = n.Market.ChangeSubscription(ctx, market.System, sub.ID, market.ActResume, "", "")
	must(t, err)
	soon(t, "a product is active again", func() bool { status, _ := grant("/oauth2/token"); return status == http.StatusOK })
	off := market.AppDisabled
	_, err = n.Market.ChangeApp(ctx, market.System, app.ID, market.AppPatch{State: &off, Guard: market.Anyway})
	must(t, err)
	soon(t, "2.9: the app is disabled", func() bool {
		status, body := grant("/oauth2/token")
		return status == http.StatusBadRequest && body["error"] == "unauthorized_client"
	})
}

func TestAClientIsSlowedDownWhereTheOperatorSetALimit(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].TokenRequests = 3
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, n.Market)
	statuses := map[int]int{}
	for range 20 {
		status, _ := n.token(app.ClientID, text)
		statuses[status]++
	}
	if statuses[http.StatusOK] < 6 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("2.9: twenty requests at three a second: %v", statuses)
	}
}

func TestAnAppWithTooManyProductsForOneTokenIsToldSo(t *testing.T) {
	n := run(t, settings(t, t.TempDir(), ""))
	ctx := t.Context()
	must(t, n.ApplyCatalog(ctx, market.System, catalogue("http://127.0.0.1:1")))
	sub, app, text := customer(t, n.Market)
	for i := range 90 {
		name := fmt.Sprintf("Product_with_quite_a_long_name_number_%02d_v1", i)
		_, err := n.Market.AddProduct(ctx, market.System, market.NewProduct{Name: name, Title: "x"})
		must(t, err)
		s, err := n.Market.Subscribe(ctx, market.System, app.Org, name)
		must(t, err)
		_, err = n.Market.ChangeSubscription(ctx, market.System, s.ID, market.ActApprove, "C", "")
		must(t, err)
	}
	if status, body := n.post("/oauth2/token", "grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", text.Reveal()); status != http.StatusBadRequest || body["error"] != "invalid_scope" {
		t.Errorf("all of them: %d %v", status, body)
	}
	if status, _ := n.post("/oauth2/token", "grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", text.Reveal(), "scope", sub.Product); status != http.StatusOK {
		t.Errorf("one of them: %d", status)
	}
}

func TestAnotherHashingKeyIsNoticedAtTheStart(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	start := func() error {
		s, err := server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	must(t, start())
	must(t, os.WriteFile(c.Keys.Hashing.File, []byte(strings.Repeat("fedcba9876543210", 4)), 0o600))
	if err := start(); !errors.Is(err, market.Conflict) || !strings.Contains(err.Error(), "keys.hashing") {
		t.Errorf("got %v", err)
	}
	must(t, server.ResetHashing(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now}))
	must(t, start())
}

func TestALostSealingKeyIsReplacedByAReset(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	o := server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	first, err := server.New(t.Context(), o)
	must(t, err)
	must(t, first.Close())
	must(t, os.WriteFile(c.Keys.Sealing.File, []byte(strings.Repeat("fedcba9876543210", 4)), 0o600))
	if _, err := server.New(t.Context(), o); err == nil {
		t.Fatal("keys that cannot be opened went unnoticed")
	}
	for env := range c.Environments {
		must(t, server.ResetKeys(t.Context(), o, env))
	}
	again, err := server.New(t.Context(), o)
	must(t, err)
	must(t, again.Close())
}

func TestASigningKeyRotatesUnderTokensInUse(t *testing.T) {
	n := run(t, settings(t, t.TempDir(), ""))
	ctx := t.Context()
	must(t, n.ApplyCatalog(ctx, market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, n.Market)
	var before string
	soon(t, "the secret works", func() bool {
		var status int
		status, before = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	verifies := func(token string) bool { status, _ := n.call(token); return status != http.StatusUnauthorized }
	if !verifies(before) {
		t.Fatal("a fresh token does not verify")
	}
	// 3.4: a planned rotation publishes ahead, and changes nothing yet.
	rotate := func(emergency bool) {
		t.Helper()
		_, err := n.operator().RotateKey(ctx, api.KeyRotation{Environment: "production", Emergency: emergency})
		must(t, err)
	}
	rotate(false)
	_, during := n.token(app.ClientID, text)
	if kid(t, during) != kid(t, before) || !verifies(before) || !verifies(during) {
		t.Error("3.4: a key signed before its lead time was over, or a token failed")
	}
	// An emergency rotation ends the old key at once.
	rotate(true)
	_, after := n.token(app.ClientID, text)
	if kid(t, after) == kid(t, before) || !verifies(after) {
		t.Error("3.4: after an emergency rotation the new key does not sign")
	}
	if verifies(before) {
		t.Error("3.4: after an emergency rotation a token of the old key is taken")
	}
}
