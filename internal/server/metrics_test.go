package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// scraped runs a server with one API and a listener for Prometheus.
func scraped(t *testing.T) *node {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(upstream.Close)
	c := settings(t, t.TempDir(), "")
	c.Metrics = config.Listener{Listen: "127.0.0.1:0", Plain: true}
	must(t, c.Complete())
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	must(t, n.Reload(t.Context()))
	return n
}

// get returns what is at a URL.
func (n *node) get(where string, header http.Header) (int, string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, where, http.NoBody)
	must(n.t, err)
	r.Header = header
	res, err := n.client.Do(r)
	must(n.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(n.t, err)
	return res.StatusCode, string(text)
}

// series counts the series of ours in what is scraped.
func series(t *testing.T, text string) (n int) {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for name, family := range families {
		if strings.HasPrefix(name, "sallyport_") {
			n += len(family.GetMetric())
		}
	}
	return n
}

func TestMetricsAreForOperatorsOrAtAListenerOfTheirOwn(t *testing.T) {
	n := scraped(t)
	_, operator, err := n.Market.AddOperatorToken(t.Context(), market.System, "prometheus", time.Now().Add(time.Hour))
	must(t, err)
	management := n.Info().Management + "/metrics"
	if status, text := n.get(management, nil); status != http.StatusUnauthorized || strings.Contains(text, "sallyport_") {
		t.Errorf("without a token: %d", status)
	}
	status, text := n.get(management, http.Header{"Authorization": {"Bearer " + operator.Reveal()}})
	if status != http.StatusOK || !strings.Contains(text, `sallyport_build_info{go_version=`) {
		t.Errorf("an operator: %d %s", status, text)
	}
	status, text = n.get(n.Info().Metrics+"/metrics", nil)
	if status != http.StatusOK || !strings.Contains(text, "sallyport_store_up") {
		t.Errorf("the listener of its own: %d %s", status, text)
	}
	if status, _ := n.get(n.Info().Metrics+"/v1/status", nil); status != http.StatusNotFound {
		t.Errorf("something else is there: %d", status)
	}
	for _, e := range n.Info().Environments {
		if status, text := n.get(e.URL+"/metrics", nil); status != http.StatusNotFound || strings.Contains(text, "sallyport_store_up") {
			t.Errorf("at %s: %d", e.Name, status)
		}
	}
}

func TestMetricsTellWhatHappened(t *testing.T) {
	n := scraped(t)
	_, app, text := customer(t, n.Market)
	_, token := n.token(app.ClientID, text)
	for range 3 {
		if status, body := n.call(token); status != http.StatusOK {
			t.Fatalf("%d %v", status, body)
		}
	}
	n.token(app.ClientID, text)
	if status, _ := n.call("rubbish"); status != http.StatusUnauthorized {
		t.Fatal(status)
	}
	_, scrape := n.get(n.Info().Metrics+"/metrics", nil)
	for _, line := range []string{
		`sallyport_calls_total{api="thing-v1",environment="production",outcome="ok",source="live"} 3`,
		`sallyport_calls_total{api="thing-v1",environment="production",outcome="invalid_access_token",source=""} 1`,
		`sallyport_calls_duration_seconds_count{api="thing-v1",environment="production",source="live"} 3`,
		`sallyport_tokens_total{dialect="rfc",environment="production",method="client_secret_post",outcome="ok"} 2`,
		`sallyport_requests_duration_seconds_count{class="2xx",surface="production"} 5`,
		`sallyport_requests_duration_seconds_count{class="4xx",surface="production"} 1`,
		`sallyport_upstream_duration_seconds_count{api="thing-v1",environment="production"} 3`,
		`sallyport_upstream_requests_under_way{api="thing-v1",environment="production"} 0`,
		`sallyport_verified_tokens_total{environment="production",result="hit"} 3`,
		`sallyport_verified_tokens_total{environment="production",result="miss"} 1`,
		`sallyport_signing_turns_total 2`,
		`sallyport_store_up{engine="sqlite"} 1`,
		`sallyport_snapshot_lag_changes 0`,
		`sallyport_nodes{state="serving"} 1`,
		`sallyport_signing_keys_pending{environment="production",use="token"} 0`,
	} {
		if !strings.Contains(scrape, line+"\n") {
			t.Errorf("there is no line\n%s", line)
		}
	}
	for _, family := range []string{"sallyport_certificate_expiry_timestamp_seconds{listener=\"production\"}", "sallyport_signing_key_age_seconds{", "sallyport_upstream_connections_opened_total{environment=\"production\"", "go_goroutines", "process_cpu_seconds_total"} {
		if !strings.Contains(scrape, "\n"+family) {
			t.Errorf("there is no %s", family)
		}
	}
	if t.Failed() {
		t.Log(scrape)
	}
	for _, never := range []string{string(app.ID), string(app.Org), app.ClientID, app.Name + "@", "/thing/v1"} {
		if strings.Contains(scrape, never) {
			t.Errorf("the metrics name %s", never)
		}
	}
}

// Ten thousand requests with paths, methods, hosts, client_ids, scopes and trace ids of
// their own make no series that hundreds of such requests have not made.
func TestNoCallerCanMakeSeries(t *testing.T) {
	const marker = "hostile"
	n := scraped(t)
	base := n.production().URL
	word := func() string { return fmt.Sprintf("%s%x", marker, rand.Uint64()) }
	hostile := func() {
		target := base + [...]string{"/", "/thing/v1/", "/thing/v1/it/", "/oauth2/token/", "/apip/auth/v1/token", "/oauth2/token"}[rand.IntN(6)]
		if !strings.HasSuffix(target, "token") {
			target += word()
		}
		form := url.Values{"grant_type": {[...]string{"client_credentials", word()}[rand.IntN(2)]}, "client_id": {word()}, "client_secret": {word()}, "scope": {word()}}
		method := [...]string{"GET", "POST", "PUT", strings.ToUpper(word())}[rand.IntN(4)]
		r, err := http.NewRequestWithContext(t.Context(), method, target+"?"+word()+"="+word(), strings.NewReader(form.Encode()))
		must(t, err)
		r.Host = word() + ".example"
		r.Header = http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Bearer " + word()}, "X-Trace-Id": {word()}, "User-Agent": {word()},
			"Environment": {word()},
		}
		res, err := n.client.Do(r)
		must(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	for range 500 {
		hostile()
	}
	_, text := n.get(n.Info().Metrics+"/metrics", nil)
	before := series(t, text)
	for range 10_000 {
		hostile()
	}
	_, text = n.get(n.Info().Metrics+"/metrics", nil)
	if after := series(t, text); after > before+3 { // a rare mixture that the first did not have
		t.Errorf("%d series became %d", before, after)
	}
	if i := strings.Index(strings.ToLower(text), marker); i >= 0 {
		t.Errorf("what a caller sent is in the metrics: …%s…", text[max(0, i-200):i+40])
	}
}
