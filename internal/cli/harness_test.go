package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/adminapi"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// world is a management API over TLS and SQLite, and the command line beside it.
type world struct {
	server   *httptest.Server
	token    string
	ca       string // file
	ready    string // file
	refusals *usage.Refusals
	store    usage.Store
	env      map[string]string
	stdin    string
	terminal bool
}

func openWorld(t *testing.T) *world {
	t.Helper()
	s := storetest.Open(t)
	now := func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
	envs := []market.Environment{market.Sandbox, market.Production}
	sealer, err := keyring.NewSealer(secret.New("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="))
	if err != nil {
		t.Fatal(err)
	}
	rings := keyring.Rings{}
	rules := map[market.Environment]market.EnvironmentRules{}
	for _, env := range envs {
		rings[env], err = keyring.Open(t.Context(), keyring.Config{
			Store: s, Sealer: sealer, Environment: env, Algorithm: keyring.ES256, TokenLifetime: 2 * time.Hour, Now: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		rules[env] = market.EnvironmentRules{
			SecretPrefix: "sp" + string(env[:3]), MinTokenLifetime: time.Hour, MaxTokenLifetime: 24 * time.Hour,
			Contracted: env == market.Production,
		}
	}
	m := &market.Market{Store: s, Hasher: market.NewHasher(secret.New("pepper")), Now: now, Environments: rules}
	_, token, err := m.AddOperatorToken(t.Context(), market.System, "test", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	refusals := usage.NewRefusals(10, s)
	handler := adminapi.New(adminapi.Config{
		Market: m, Keys: rings, Usage: s, Refusals: refusals, Environments: envs, Now: now, Logger: logger,
		Catalogs: manifest.Options{Vars: map[string]string{"DEMO_UPSTREAM": "https://upstream.example.com"}},
		Healthy:  func() bool { return true },
		Status: func(context.Context) api.Status {
			return api.Status{
				Status: "ok", Version: "v9", Store: api.StoreStatus{State: "ok", Engine: "sqlite"},
				Environments: []api.EnvironmentStatus{{Name: "sandbox", Issuer: "https://sandbox.example.com", URLs: []string{"https://sandbox.example.com"}}},
			}
		},
	})
	server := httptest.NewUnstartedServer(httpx.Record(handler, httpx.Recording{Logger: logger, Surface: "management", Now: now, Fail: handler.Fail}))
	server.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	w := &world{server: server, token: token.Reveal(), refusals: refusals, store: s, ca: filepath.Join(dir, "ca.pem"), ready: filepath.Join(dir, "ready.json")}
	write(t, w.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	ready, err := json.Marshal(map[string]any{"operator": map[string]string{"url": server.URL, "token": w.token}, "ca": "ca.pem", "more": 1})
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.ready, string(ready))
	w.env = map[string]string{"SALLYPORT_READY": w.ready}
	return w
}

// use notes that a credential was used just now.
func (w *world) use(t *testing.T, credential string) {
	t.Helper()
	if err := w.store.AddUsage(t.Context(), usage.Batch{Uses: []usage.LastUse{{Credential: id.Credential(credential), At: clock(), From: "192.0.2.0/24"}}}); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// result is what a run left.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command line as a user would.
func (w *world) run(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &Program{
		Env: func(name string) string { return w.env[name] }, Stdin: strings.NewReader(w.stdin), Stdout: &stdout, Stderr: &stderr,
		Terminal: w.terminal, Now: clock, Version: "test", Commands: ManagementCommands(),
	}
	code := p.Run(t.Context(), args)
	if out := stdout.String() + stderr.String(); w.token != "" && strings.Contains(out, w.token) {
		t.Errorf("%q prints the operator's token: %s", args, out)
	}
	return result{code, stdout.String(), stderr.String()}
}

// ok wants a run to succeed, and returns its stdout.
func (w *world) ok(t *testing.T, args ...string) string {
	t.Helper()
	r := w.run(t, args...)
	if r.code != ExitOK {
		t.Fatalf("%q: exit %d: %s", args, r.code, r.stderr)
	}
	return r.stdout
}

// get wants a run with -o json to succeed, and decodes its stdout strictly.
func get[T any](t *testing.T, w *world, args ...string) (out T) {
	t.Helper()
	text := w.ok(t, append([]string{"-o", "json"}, args...)...)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%q: %v: %s", args, err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("%q: something follows the JSON: %s", args, text)
	}
	return out
}

// fails wants a run to end with code, and stderr to hold every part.
func (w *world) fails(t *testing.T, code int, parts []string, args ...string) {
	t.Helper()
	r := w.run(t, args...)
	if r.code != code || r.stdout != "" {
		t.Errorf("%q: exit %d with stdout %q, want %d and nothing: %s", args, r.code, r.stdout, code, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("%q: stderr lacks %q:\n%s", args, part, r.stderr)
		}
	}
	if !strings.HasPrefix(r.stderr, "sallyport: ") {
		t.Errorf("%q: stderr is\n%s", args, r.stderr)
	}
}
