package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// value returns that of a series of what is scraped, as its labels are written there.
func (n *node) value(series string) (v float64, there bool) {
	n.t.Helper()
	_, text := n.get(n.Info().Metrics+"/metrics", nil)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(found[1], 64)
	must(n.t, err)
	return v, true
}

// want has a series be what it should be, by and by.
func (n *node) want(series string, v float64) {
	n.t.Helper()
	until(n.t, series+" is "+strconv.FormatFloat(v, 'g', -1, 64), 20*time.Second, func() bool {
		got, there := n.value(series)
		return there && got == v
	})
}

// What an operator is woken by: servers of upstreams that fail, issuers that are away,
// certificates and keys that end.
func TestMetricsTellHowTheServersOfOthersAre(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer good.Close()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	ciam, away := newProvider(t, ""), newProvider(t, "")
	gone := away.configured(t, "away")
	away.Close()
	c := trusting(t, ciam.configured(t, "ciam"), gone)
	c.Metrics = config.Listener{Listen: "127.0.0.1:0", Plain: true}
	gateways, err := localca.OpenNamed(t.TempDir(), "gateways", time.Now)
	must(t, err)
	cert, key := filepath.Join(t.TempDir(), "gateway.pem"), filepath.Join(t.TempDir(), "gateway.key")
	must(t, gateways.IssueClient("gateway", cert, key))
	c.UpstreamTLS = map[string]*config.UpstreamTLS{"inner": {Certificate: cert, Key: key}}
	must(t, c.Complete())
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, fstest.MapFS{
		"products.yaml": {Data: []byte("- name: P\n  title: P\n")},
		"pool/manifest.yaml": {Data: []byte("title: Pool\nbase_path: /pool\nproducts: [P]\nrequest: {public: [other]}\n" +
			"upstreams:\n  production:\n    targets: [{url: \"" + good.URL + "\"}, {url: \"" + dead.URL + "\"}]\n    breaker: {failures: 2, open_for: 5m}\n")},
	}))
	must(t, n.Reload(t.Context()))
	for range 12 {
		if status, text := n.get(n.production().URL+"/pool/x", nil); status != http.StatusOK {
			t.Fatal(status, text)
		}
	}
	target := func(name, place, more string) string {
		return "sallyport_upstream_" + name + `{api="pool",environment="production",` + more + `target="` + place + `"}`
	}
	n.want(target("target_healthy", "1", ""), 1)
	n.want(target("target_healthy", "2", ""), 0)
	n.want(target("breaker_state", "2", `state="open",`), 1)
	n.want(target("breaker_state", "2", `state="closed",`), 0)
	n.want(target("breaker_state", "1", `state="closed",`), 1)
	if passed, _ := n.value(target("target_passed_over_total", "2", "")); passed < 1 {
		t.Errorf("passed over %g times", passed)
	}
	n.want(`sallyport_issuer_keys{issuer="ciam"}`, float64(len(ciam.keys)))
	n.want(`sallyport_issuer_keys{issuer="away"}`, 0)
	if _, there := n.value(`sallyport_issuer_keys_read_timestamp_seconds{issuer="away"}`); there {
		t.Error("an issuer that was never read says when it was")
	}
	if read, _ := n.value(`sallyport_issuer_keys_read_timestamp_seconds{issuer="ciam"}`); time.Since(time.UnixMilli(int64(read*1000))).Abs() > time.Minute {
		t.Errorf("read at %f", read)
	}
	if failed, _ := n.value(`sallyport_issuer_fetches_total{issuer="away",result="failed"}`); failed == 0 {
		t.Error("no fetch failed")
	}
	if ok, _ := n.value(`sallyport_issuer_fetches_total{issuer="ciam",result="ok"}`); ok == 0 {
		t.Error("no fetch succeeded")
	}
	if expires, _ := n.value(`sallyport_upstream_tls_certificate_expiry_timestamp_seconds{tls="inner"}`); expires < float64(time.Now().Unix()) {
		t.Errorf("the client certificate expires at %f", expires)
	}
	period := 90 * 24 * time.Hour
	if next, _ := n.value(`sallyport_signing_key_next_seconds{environment="production",use="token"}`); next > period.Seconds() || next < period.Seconds()-600 {
		t.Errorf("the next key signs in %g s", next)
	}
	n.want(`sallyport_sealed_signing_keys{environment="production",under="present"}`, 2)
	n.want(`sallyport_sealed_signing_keys{environment="production",under="unknown"}`, 0)
	if _, text := n.get(n.Info().Metrics+"/metrics", nil); regexp.MustCompile(`(?m)^sallyport_upstream_(target|breaker).*127\.0\.0\.1`).MatchString(text) {
		t.Error("a target's address is told")
	}
}
