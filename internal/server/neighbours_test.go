package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// One customer of two finds requests of its own that the upstream answers with 503, or
// not at all, and sends many of them at once. The other one is served as before.
func TestACustomersFailuresOpenNoBreakerForOthers(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/shared") {
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/gone":
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(upstream.Close)
	n := run(t, settings(t, t.TempDir(), ""))
	must(t, n.ApplyCatalog(t.Context(), market.System, fstest.MapFS{
		"products.yaml": {Data: []byte("- {name: " + product + ", title: Thing}\n")},
		"shared/manifest.yaml": {Data: fmt.Appendf(nil, "title: Shared\nbase_path: /shared\nproducts: [%s]\n"+
			"upstreams: {production: {url: %q, breaker: {failures: 3, open_for: 1m}, retries: {attempts: 1}}}\n", product, upstream.URL)},
	}))
	tokens := [2]string{}
	for i := range tokens {
		_, app, text := customer(t, n.Market)
		soon(t, "a customer's token", func() bool {
			var status int
			status, tokens[i] = n.token(app.ClientID, text)
			return status == http.StatusOK
		})
	}
	victim, attacker := tokens[0], tokens[1]
	for range 5 {
		if status, body := n.at("/shared/well", victim); status != http.StatusOK {
			t.Fatalf("the neighbour: %d %v", status, body)
		}
		for path, want := range map[string]int{"/shared/busy": http.StatusServiceUnavailable, "/shared/gone": http.StatusBadGateway} {
			for range 5 {
				if status, body := n.at(path, attacker); status != want || body["error"] == "service_unavailable" {
					t.Fatalf("%s: %d %v", path, status, body)
				}
			}
		}
	}
	// What fails for both is the upstream's.
	for range 3 {
		n.at("/shared/gone", attacker)
		n.at("/shared/gone", victim)
	}
	if status, body := n.at("/shared/well", victim); status != http.StatusServiceUnavailable || body["error"] != "service_unavailable" {
		t.Errorf("after failures of two: %d %v", status, body)
	}
}

// An organization that calls by itself is the same in both environments, and its quota
// is not: what it tries in the sandbox leaves production what it has.
func TestTheSandboxUsesUpNothingOfProduction(t *testing.T) {
	p := newProvider(t, "")
	n, _, app, _ := mapped(t, p, time.Now, func(i *config.Issuer) {
		i.ClientClaim, i.Clients, i.OrganizationClaim = "", nil, "org"
	})
	n.state("ciam", "ok")
	files := issuerAPIs(saw(t), "[ciam]")
	files["products.yaml"] = &fstest.MapFile{Data: []byte("- name: " + product + "\n  title: Thing\n  plans: [{name: small, quota: {day: 2}}]\n")}
	must(t, n.ApplyCatalog(t.Context(), market.System, files))
	raw := p.token(t, map[string]any{"org": app.Org})
	for range 4 {
		for _, e := range n.Info().Environments {
			if e.Name != string(market.Sandbox) {
				continue
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/api-0/x", http.NoBody)
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+raw)
			if status, _ := n.do(r); status == http.StatusUnauthorized || status == http.StatusForbidden {
				t.Fatalf("the sandbox: %d", status)
			}
		}
	}
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if status, body := n.at("/api-0/x", raw); status != want {
			t.Errorf("call %d of production: %d %v", i, status, body)
		}
	}
}
