package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// settings is a configuration with free ports over the given database.
func settings(t *testing.T, dir, postgres string) *config.Config {
	t.Helper()
	keys := map[string]string{"sealing": "6f7d0c1b2a394857", "hashing": "0918273645546372"}
	for name, text := range keys {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(text, 4)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &config.Config{
		Data:       dir,
		Keys:       config.Keys{Sealing: config.Secret{File: filepath.Join(dir, "sealing")}, Hashing: config.Secret{File: filepath.Join(dir, "hashing")}},
		Management: config.Listener{Listen: "127.0.0.1:0"}, Portal: config.Listener{Listen: "127.0.0.1:0"},
		Environments: map[market.Environment]*config.Environment{
			// One issuer for all nodes: a token of one is good at the other.
			market.Sandbox:    {Listener: config.Listener{Listen: "127.0.0.1:0"}, Issuer: "https://sandbox.example"},
			market.Production: {Listener: config.Listener{Listen: "127.0.0.1:0"}, Issuer: "https://production.example"},
		},
	}
	if postgres != "" {
		c.Database.Postgres = config.Secret{Env: "DSN"}
		t.Setenv("DSN", postgres)
	}
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	return c
}

// node is a running server.
type node struct {
	*server.Server
	t      *testing.T
	client *http.Client
	stop   func() // at the end of the test at the latest
}

func run(t *testing.T, c *config.Config) *node {
	t.Helper()
	return runWith(t, server.Options{Config: c, Now: time.Now})
}

// runAt runs a server by a clock of the test's.
func runAt(t *testing.T, c *config.Config, now func() time.Time) *node {
	t.Helper()
	return runWith(t, server.Options{Config: c, Now: now})
}

// runHurried runs a server at another pace.
func runHurried(t *testing.T, c *config.Config, pace server.Pace) *node {
	t.Helper()
	return runWith(t, server.Options{Config: c, Now: time.Now, Pace: pace})
}

func runWith(t *testing.T, o server.Options) *node {
	t.Helper()
	n, end := runUntil(t, o)
	n.stop = sync.OnceFunc(func() {
		if err := end(); err != nil {
			t.Errorf("the server did not stop cleanly: %v", err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// runUntil runs a server that the caller ends.
func runUntil(t *testing.T, o server.Options) (n *node, end func() error) {
	t.Helper()
	o.Getenv, o.Version = os.Getenv, "test"
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	up, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() error { close(up); return nil }) }()
	end = func() error { cancel(); return <-done }
	t.Cleanup(cancel)
	select {
	case <-up:
	case err := <-done:
		t.Fatal(err)
	}
	pem, err := os.ReadFile(s.Info().CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &node{s, t, &http.Client{Transport: transport, Timeout: 30 * time.Second}, cancel}, end
}

func (n *node) production() server.EnvironmentInfo {
	for _, e := range n.Info().Environments {
		if e.Name == string(market.Production) {
			return e
		}
	}
	n.t.Fatal("no production")
	return server.EnvironmentInfo{}
}

func (n *node) do(r *http.Request) (int, map[string]any) {
	n.t.Helper()
	res, err := n.client.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	var v map[string]any
	_ = json.Unmarshal(text, &v) // nil where it is not JSON
	return res.StatusCode, v
}

func (n *node) token(clientID string, text secret.String) (int, string) {
	n.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {text.Reveal()}}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.production().URL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := n.do(r)
	token, _ := body["access_token"].(string)
	return status, token
}

func (n *node) call(token string) (int, map[string]any) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.production().URL+"/thing/v1/it", http.NoBody)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return n.do(r)
}

const product = "MN_Product_Thing_v1"

// catalogue has one API, answered by upstream.
func catalogue(upstream string) fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"products.yaml":          file("- name: " + product + "\n  title: Thing\n"),
		"thing-v1/manifest.yaml": file("title: Thing\nsummary: A thing\nbase_path: /thing/v1\nproducts: [" + product + "]\nopenapi: openapi.yaml\nupstreams:\n  production: {url: " + upstream + "}\n"),
		"thing-v1/openapi.yaml": file("openapi: 3.1.0\ninfo: {title: Thing, version: v1}\npaths:\n  /it:\n    get:\n      operationId: it\n" +
			"      responses: {'200': {description: ok, content: {application/json: {example: {a: 1}}}}}\n"),
	}
}

// customer makes an organization with a production app and a secret.
func customer(t *testing.T, m *market.Market) (sub market.Subscription, app market.App, text secret.String) {
	t.Helper()
	ctx := t.Context()
	org, err := m.AddOrganization(ctx, market.System, "Customer")
	must(t, err)
	sub, err = m.Subscribe(ctx, market.System, org.ID, product)
	must(t, err)
	sub, err = m.ChangeSubscription(ctx, market.System, sub.ID, market.ActApprove, "C-1", "")
	must(t, err)
	app, err = m.AddApp(ctx, market.System, market.NewApp{Org: org.ID, Environment: market.Production, Name: "app", DeveloperEmail: "a@example.com"})
	must(t, err)
	_, text, err = m.AddCredential(ctx, market.System, market.NewCredential{App: app.ID})
	must(t, err)
	return sub, app, text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// soon waits for what must hold within a second of an acknowledged change.
func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > time.Second {
			t.Fatalf("%s: not within a second", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestTwoNodesOnOnePostgreSQLActAsOne(t *testing.T) {
	dsn := storetest.Postgres(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"from":"upstream"}`)
	}))
	defer upstream.Close()
	a, b := run(t, settings(t, t.TempDir(), dsn)), run(t, settings(t, t.TempDir(), dsn))

	must(t, a.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	sub, app, text := customer(t, a.Market)
	var token string
	soon(t, "the other node knows the new secret", func() bool {
		var status int
		status, token = b.token(app.ClientID, text)
		return status == http.StatusOK
	})
	for name, n := range map[string]*node{"the node that issued": b, "the other node": a} {
		soon(t, name+" passes the call", func() bool { status, _ := n.call(token); return status == http.StatusOK })
	}
	_, err := a.Market.ChangeSubscription(t.Context(), market.System, sub.ID, market.ActSuspend, "", "unpaid")
	must(t, err)
	soon(t, "the other node refuses the call", func() bool {
		status, body := b.call(token)
		return status == http.StatusForbidden && body["error"] == "invalid_product"
	})
}

func TestARevocationAtOneNodeHoldsAtTheOtherAndAfterARestart(t *testing.T) {
	dsn := storetest.Postgres(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	defer upstream.Close()
	a, b := run(t, settings(t, t.TempDir(), dsn)), run(t, settings(t, t.TempDir(), dsn))
	must(t, a.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	_, app, text := customer(t, a.Market)
	var dead, live string
	soon(t, "the other node knows the secret", func() bool { _, dead = b.token(app.ClientID, text); return dead != "" })
	_, live = b.token(app.ClientID, text)
	for _, token := range []string{dead, live} {
		soon(t, "the other node passes the call", func() bool { status, _ := b.call(token); return status == http.StatusOK })
	}
	status, _ := a.post("/oauth2/revoke", "client_id", app.ClientID, "client_secret", text.Reveal(), "token", dead)
	if status != http.StatusOK {
		t.Fatalf("revoke: %d", status)
	}
	refused := func(n *node) bool {
		status, body := n.call(dead)
		return status == http.StatusUnauthorized && body["error"] == "access_token_not_approved"
	}
	if !refused(a) {
		t.Error("the node that acknowledged the revocation passes the call")
	}
	soon(t, "the other node refuses the call", func() bool { return refused(b) })
	fresh := run(t, settings(t, t.TempDir(), dsn))
	if !refused(fresh) {
		t.Error("a node that starts after the revocation passes the call")
	}
	for _, n := range []*node{a, b, fresh} {
		if status, _ := n.call(live); status != http.StatusOK {
			t.Errorf("the token that was not revoked gets %d", status)
		}
	}
}

func TestAnyNodeExplainsWhatAnotherOneRefused(t *testing.T) {
	dsn := storetest.Postgres(t)
	a, b := run(t, settings(t, t.TempDir(), dsn)), run(t, settings(t, t.TempDir(), dsn))
	_, body := a.post("/oauth2/token", "grant_type", "client_credentials", "client_id", "nobody", "client_secret", "x")
	trace, _ := body["trace_id"].(string)
	m := b.operator()
	until(t, "the other node knows why", 30*time.Second, func() bool {
		got, err := m.Refusal(t.Context(), trace)
		return err == nil && got.Reason == "there is no such client_id"
	})
}

func TestStartingRefusesInOneSentence(t *testing.T) {
	start := func(c *config.Config) error {
		s, err := server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if err == nil {
			must(t, s.Close())
		}
		return err
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	tests := []struct {
		name  string
		spoil func(c *config.Config)
		want  string
	}{
		{"a port in use", func(c *config.Config) { c.Environments[market.Sandbox].Listen = taken.Addr().String() }, "is in use by another program"},
		{"a data folder below a file", func(c *config.Config) { c.Data = filepath.Join(c.Data, "sealing", "x") }, "is below, something that is not a folder"},
		{"a damaged database", func(c *config.Config) {
			must(t, os.WriteFile(c.Database.SQLite, []byte(strings.Repeat("this is no database ", 1000)), 0o600))
		}, "sallyport.db"},
		{"a key that is not there", func(c *config.Config) { c.Keys.Sealing.File += "x" }, "keys.sealing"},
		{"a short key", func(c *config.Config) { must(t, os.WriteFile(c.Keys.Hashing.File, []byte("short"), 0o600)) }, "keys.hashing: must be at least 32 random bytes"},
		{"a certificate that is not there", func(c *config.Config) { c.Portal.TLS = config.TLS{Certificate: "/none", Key: "/none"} }, "portal: read the certificate /none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := settings(t, t.TempDir(), "")
			tt.spoil(c)
			err := start(c)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestAKeyThatEverybodyCanReadIsToldInTheLog(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	must(t, os.Chmod(c.Keys.Hashing.File, 0o644))
	var log strings.Builder
	s, err := server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now})
	must(t, err)
	must(t, s.Close())
	if text := log.String(); strings.Count(text, "chmod 400") != 1 || !strings.Contains(text, `"setting":"keys.hashing"`) {
		t.Error(text)
	}
}

func TestAnotherSealingKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, dir, "")
	first, err := server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(t, err)
	must(t, first.Close())
	must(t, os.WriteFile(c.Keys.Sealing.File, []byte(strings.Repeat("fedcba9876543210", 4)), 0o600))
	_, err = server.New(t.Context(), server.Options{Config: c, Getenv: os.Getenv, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err == nil || errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

// kid returns the kid of a token's header.
func kid(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	must(t, err)
	var header struct {
		KID string `json:"kid"`
	}
	must(t, json.Unmarshal(text, &header))
	return header.KID
}
