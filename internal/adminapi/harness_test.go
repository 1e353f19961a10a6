package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// world is a management API over a real store.
type world struct {
	http.Handler
	handler  *Handler
	config   Config
	token    string // a live operator token
	tokenID  string
	log      *lockedBuffer
	contract *contract // nil: exchanges are not held against the document
}

func clock() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// open returns a management API on a fresh SQLite store. Every exchange with it
// is held against the OpenAPI document.
func open(t testing.TB) *world {
	t.Helper()
	s := storetest.Open(t)
	out := &lockedBuffer{}
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	envs := []market.Environment{market.Sandbox, market.Production}
	sealer, err := keyring.NewSealer(secret.New("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="))
	if err != nil {
		t.Fatal(err)
	}
	rings := keyring.Rings{}
	for _, env := range envs {
		ring, err := keyring.Open(t.Context(), keyring.Config{
			Store: s, Sealer: sealer, Environment: env, Algorithm: keyring.ES256, TokenLifetime: 2 * time.Hour, Now: clock,
		})
		if err != nil {
			t.Fatal(err)
		}
		rings[env] = ring
	}
	rules := market.EnvironmentRules{SecretPrefix: "spsbx", MinTokenLifetime: time.Hour, MaxTokenLifetime: 24 * time.Hour}
	contracted := rules
	contracted.SecretPrefix, contracted.Contracted = "sppro", true
	m := &market.Market{
		Store: s, Hasher: market.NewHasher(secret.New("pepper")), Now: clock,
		Environments: map[market.Environment]market.EnvironmentRules{market.Sandbox: rules, market.Production: contracted},
	}
	operator, text, err := m.AddOperatorToken(t.Context(), market.System, "test", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Market: m, Keys: rings, Usage: s, Refusals: usage.NewRefusals(10, s), Environments: envs, Now: clock, Logger: logger,
		Catalogs: manifest.Options{Vars: map[string]string{"DEMO_UPSTREAM": "https://upstream.example.com"}},
		Healthy:  func() bool { return true },
		Status: func(context.Context) api.Status {
			return api.Status{Status: "ok", Version: "test", Started: clock(), Store: api.StoreStatus{State: "ok", Engine: "sqlite"}}
		},
	}
	handler := New(config)
	w := &world{handler: handler, config: config, token: text.Reveal(), tokenID: string(operator.ID), log: out, contract: openContract(t)}
	w.Handler = httpx.Record(handler, httpx.Recording{
		Logger: logger, Surface: "management", Trace: httpx.TraceHeaders{Accept: []string{"X-Trace"}, Answer: "X-Trace"},
		Now: clock, Fail: handler.Fail,
	})
	return w
}

// send sends a request with the operator's token; body may be nil, a string or
// what is encoded as JSON.
func (w *world) send(t testing.TB, method, target string, body any) *httptest.ResponseRecorder {
	t.Helper()
	req := request(t, method, target, body)
	req.Header.Set("Authorization", "Bearer "+w.token)
	return w.do(t, req)
}

func request(t testing.TB, method, target string, body any) *http.Request {
	t.Helper()
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		payload = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(data)
	}
	req := httptest.NewRequestWithContext(t.Context(), method, target, payload)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func (w *world) do(t testing.TB, req *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, req)
	if got := rec.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s %s: Cache-Control is %q, want no-store", req.Method, req.URL.Path, got)
	}
	if w.contract != nil {
		w.contract.check(t, w.handler, req, rec)
	}
	return rec
}

// want sends a request, wants that status, and decodes the answer.
func want[T any](t testing.TB, w *world, status int, method, target string, body any) (out T) {
	t.Helper()
	rec := w.send(t, method, target, body)
	if rec.Code != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, target, rec.Code, status, rec.Body)
	}
	if status == http.StatusNoContent {
		return out
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s %s: %v: %s", method, target, err, rec.Body)
	}
	return out
}

// refused wants a problem of that code.
func refused(t testing.TB, w *world, code api.Code, method, target string, body any) api.Problem {
	t.Helper()
	return problem(t, w.send(t, method, target, body), code)
}

func problem(t testing.TB, rec *httptest.ResponseRecorder, code api.Code) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("not a problem: %v: %q", err, rec.Body)
	}
	if p.Code != code || p.Status != rec.Code || p.TraceID == "" || p.Type != api.ProblemType(code) {
		t.Fatalf("problem %+v with status %d, want code %s", p, rec.Code, code)
	}
	return p
}

func addOrg(t testing.TB, w *world) api.Organization {
	t.Helper()
	return want[api.Organization](t, w, http.StatusCreated, "POST", "/v1/organizations", api.NewOrganization{Name: "Acme Health"})
}

func addApp(t testing.TB, w *world, org api.Organization, environment string) api.App {
	t.Helper()
	return want[api.App](t, w, http.StatusCreated, "POST", "/v1/apps", api.NewApp{
		Org: org.ID, Environment: environment, Name: "claims", DeveloperEmail: "dev@example.com",
	})
}

func addProduct(t testing.TB, w *world) {
	t.Helper()
	want[api.Product](t, w, http.StatusCreated, "POST", "/v1/products", api.NewProduct{Name: "P1", Title: "Product P1"})
}

func ptr[T any](v T) *T { return &v }

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
