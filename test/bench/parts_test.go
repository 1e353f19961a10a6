package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPartsAreChosenByNameAndAllWithoutOne(t *testing.T) {
	b := &bench{many: 100}
	if got, err := b.chosen(""); err != nil || len(got) != len(b.all()) {
		t.Errorf("no name: %d parts, %v", len(got), err)
	}
	got, err := b.chosen("idle,costs")
	if err != nil || strings.Join(names(got), ",") != "costs,idle" {
		t.Errorf("two names: %v, %v", names(got), err)
	}
	if _, err := b.chosen("costs,cost"); err == nil || !strings.Contains(err.Error(), `"cost"`) || !strings.Contains(err.Error(), "half") {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestGrowthIsWhatIsLeftWhenTheMachineDrifts(t *testing.T) {
	measured := func(kind string, apps, secrets int, tls bool, times float64) cost {
		return cost{Kind: kind, Times: times, apps: apps, secrets: secrets, tls: tls}
	}
	few := []cost{measured("a", fewApps, fewSecrets, false, 2), measured("b", fewApps, fewSecrets, false, 1)}
	if got := growths(few); len(got) != 0 {
		t.Errorf("without a crowd: %+v", got)
	}
	got := growths(append(few,
		measured("a", fewApps, fewSecrets, true, 3), // what TLS costs is no growth
		measured("a", 1000, fewSecrets, true, 3),
		measured("a", 1000, fewSecrets, false, 2.2),
		measured("b", fewApps, 1000, false, 1.5),
	))
	want := []growth{
		{Kind: "a", Few: 2, Many: 2.2, Apps: 1000, Secrets: fewSecrets, Ratio: 1.1, Target: grows, Reached: true},
		{Kind: "b", Few: 1, Many: 1.5, Apps: fewApps, Secrets: 1000, Ratio: 1.5, Target: grows},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := growths(few[1:1]); got != nil {
		t.Errorf("crowds alone: %+v", got)
	}
}

func TestAMissedLatencyNamesWhoElseMissesIt(t *testing.T) {
	for want, l := range map[string]latency{
		"":                                  {},
		"ok":                                {Target: 3, Reached: true, Floor: floor{Ratio: 9}},
		"MISSED":                            {Target: 3, Floor: floor{Ratio: 2}, Bare: &floor{Ratio: 2.4}},
		"MISSED, and by the bare signature": {Target: 3, Floor: floor{Ratio: 2}, Bare: &floor{Ratio: 3.6}},
		"MISSED, and by the null server":    {Target: 3, Floor: floor{Ratio: 4}, Bare: &floor{Ratio: 3.6}},
	} {
		if got := l.verdict(); got != want {
			t.Errorf("%+v: %q, want %q", l, got, want)
		}
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	rows := []*call{
		{Server: "a", used: []float64{10, 20, 40}, perSec: []float64{1, 2, 3}, measures: true}, // the machine drifts
		{Server: "b", used: []float64{11, 22, 44}, perSec: []float64{1, 2, 3}, Target: 1.1},
		{Server: "c", used: []float64{20, 40, 80}, perSec: []float64{1, 2, 3}, Target: 1.1},
	}
	sumUp(rows)
	if rows[1].Ratio != 1.1 || !rows[1].Reached || rows[1].verdict() != "ok" || rows[1].Lowest != 11 || rows[1].Micros != 22 || rows[1].Highest != 44 {
		t.Errorf("%+v", *rows[1])
	}
	if rows[2].Ratio != 2 || rows[2].Reached || rows[2].verdict() != "MISSED" || rows[0].verdict() != "" {
		t.Errorf("%+v", *rows[2])
	}
	alone := []*call{{used: []float64{1}, perSec: []float64{1}, Target: 1.1}}
	if sumUp(alone); alone[0].verdict() != "not compared" || alone[0].Reached {
		t.Errorf("with nothing to compare with: %+v", *alone[0])
	}
	halves := []*half{
		{Server: "sallyport", Target: withinTwice, medians: []float64{1, 1}, p99s: []float64{3, 6}, lates: []float64{0, 0}},
		{Server: haproxyChecked, medians: []float64{1, 1}, p99s: []float64{2, 4}, lates: []float64{0, 0}},
	}
	if sumUpHalves(halves, 100); halves[0].Ratio != 1.5 || !halves[0].Reached || halves[0].Rate != 100 || !halves[1].Reached {
		t.Errorf("%+v", *halves[0])
	}
}

func TestExactlySendsEveryRequestOnce(t *testing.T) {
	var lock sync.Mutex
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		seen[r.Header.Get("Authorization")]++
		_, _ = w.Write([]byte(r.Header.Get("Authorization")))
	}))
	defer s.Close()
	tokens := make([]string, 200)
	for i := range tokens {
		tokens[i] = strings.Repeat("x", i+1)
	}
	l := load{address: s.Listener.Addr().String(), requests: calling(tokens, "/"), status: 200, at: 8}
	answers := make([]string, len(tokens))
	m, err := l.exactly(func(i int, body []byte) { answers[i] = string(body) })
	if err != nil || m.total != 200 || len(seen) != 200 {
		t.Fatalf("%d requests, %d of them different: %v", m.total, len(seen), err)
	}
	for i, token := range tokens {
		if seen["Bearer "+token] != 1 || answers[i] != "Bearer "+token {
			t.Errorf("token %d: sent %d times, answer %q", i, seen["Bearer "+token], answers[i])
		}
	}
	l.status = 401
	if _, err := l.exactly(nil); err == nil {
		t.Error("another status than it is to be is no error")
	}
}

func TestAllRoutesAreCalledInAsManyPairsAsOfFew(t *testing.T) {
	tokens := make([]string, 1000)
	for i := range tokens {
		tokens[i] = strconv.Itoa(i)
	}
	for _, routes := range []int{fewRoutes, 10_000} {
		all, pairs := map[string]bool{}, map[string]bool{}
		for _, r := range callingAll(tokens, routes, 10_000) {
			line, _, _ := bytes.Cut(r, []byte("\r\n"))
			all[string(line)], pairs[string(r)] = true, true
		}
		if len(all) != routes || len(pairs) != 10_000 || !all[fmt.Sprintf("GET /bench%d/v1/route%d/thing HTTP/1.1", (routes-1)/100, routes-1)] {
			t.Errorf("%d routes wanted: %d, in %d pairs of route and token", routes, len(all), len(pairs))
		}
	}
}

func TestConnectionsAreKeptFromSeveralAddresses(t *testing.T) {
	var lock sync.Mutex
	requests, from := map[string]int{}, map[string]bool{}
	closing := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		requests[r.RemoteAddr]++
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		from[host] = true
		if closing {
			w.Header().Set("Connection", "close")
		}
	}))
	defer s.Close()
	const n = fromEach + 100
	if err := allowFiles(2*n + 100); err != nil { // both ends are here
		t.Fatal(err)
	}
	l := load{address: s.Listener.Addr().String(), requests: calling([]string{"t"}, "/"), status: 200, at: n}
	k, err := l.keep()
	defer k.close()
	if err != nil || len(requests) != n || len(from) != 2 {
		t.Fatalf("%d connections from %d addresses: %v", len(requests), len(from), err)
	}
	if err := k.serve(&l); err != nil {
		t.Fatal(err)
	}
	if again := len(requests); again != n {
		t.Errorf("%d connections after the second request on some: they were not kept", again)
	}
	closing = true
	if err := k.serve(&l); err != nil {
		t.Fatal(err)
	}
	if err := k.serve(&l); err == nil {
		t.Error("connections that the server closed were taken for kept")
	}
}

func TestMemoryInUseIsRead(t *testing.T) {
	if n, err := resident(os.Getpid()); err != nil || n < 1<<20 || n > 1<<36 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := resident(1 << 30); err == nil {
		t.Error("a process that is none has memory")
	}
	if err := allowFiles(1 << 40); err == nil || !strings.Contains(err.Error(), "ulimit") {
		t.Errorf("more files than there can be: %v", err)
	}
}

func TestAPeerIsProbedBeforeItIsMeasured(t *testing.T) {
	token := "header.payload." + strings.Repeat("A", 40)
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer open.Close()
	checks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.URL.Path != onePath {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer checks.Close()
	if err := probe(checks.Listener.Addr().String(), token, true); err != nil {
		t.Errorf("one that checks: %v", err)
	}
	if err := probe(open.Listener.Addr().String(), token, false); err != nil {
		t.Errorf("one that need not check: %v", err)
	}
	if err := probe(open.Listener.Addr().String(), token, true); err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Errorf("one that does not check: %v", err)
	}
}

func TestKrakenDIsGivenJSON(t *testing.T) {
	g := gate{address: "127.0.0.1:8080", upstream: "127.0.0.1:9090", issuer: `https://a"b`, jwks: "http://127.0.0.1:1/keys"}
	for _, check := range []bool{false, true} {
		text, err := krakendConf(g, check)
		var conf struct {
			Port      int
			Endpoints []struct {
				Endpoint string
				Extra    map[string]struct{ Issuer string } `json:"extra_config"`
			}
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &conf)
		}
		if err != nil || conf.Port != 8080 || conf.Endpoints[0].Endpoint != onePath || (conf.Endpoints[0].Extra["auth/validator"].Issuer == g.issuer) != check {
			t.Errorf("%s: %+v, %v", text, conf, err)
		}
	}
}

func TestAServerThatEndsSaysWhy(t *testing.T) {
	p := &processes{folder: t.TempDir()}
	began := time.Now()
	if err := p.start(free(), "sh", "-c", "echo one; echo the reason >&2; exit 1"); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("%v", err)
	}
	if time.Since(began) > 9*time.Second {
		t.Error("it was waited for")
	}
	if err := p.stop(); err != nil {
		t.Errorf("to stop what has ended: %v", err)
	}
}

func TestTargetsAreListedInOnePlace(t *testing.T) {
	r := report{
		Costs:     []cost{{Server: "20 apps", Kind: "ES256 token", Floor: "ES256", Micros: 50, Ratio: 2, Target: 2.5, Reached: true}, {Server: "20 apps", Kind: "wrong secret", Micros: 50, Target: 40}},
		Growth:    []growth{{Kind: "wrong secret", Apps: 9, Secrets: 2, Ratio: 1, Target: grows, Reached: true}},
		Latencies: []latency{{What: "beside a flood", Ratio: 5, Reached: true}, {What: "half", Ratio: 2, Target: 3, Reached: true}},
		Against:   []against{{Server: "sallyport", Other: nginxPlain, Ratio: 2, Target: 1.8}, {Server: relayAlone, Other: nginxPlain, Ratio: 1.5}},
		Fresh:     []*call{{Server: haproxyChecked, Ratio: 1, Reached: true}, {Server: "ours", Ratio: 2, Target: asHAProxy}},
		Crowd:     []*call{{Server: "not compared", Target: same}},
		Changes:   []change{{What: "keys", Ratio: 1.5, Target: changeTarget, Reached: true}},
		Idle:      []idle{{Server: "sallyport", Resident: 100, Target: 150, Reached: true}},
		Half:      []*half{{Server: "sallyport", Ratio: 3, Target: withinTwice}},
	}
	want := []judged{
		{"costs", "20 apps: ES256 token", "ratio", 2, 2.5, true},
		{"costs", "20 apps: wrong secret", "cpu_us", 50, 40, false},
		{"growth", "9 apps of 2 secrets: wrong secret", "growth", 1, grows, true},
		{"latencies", "half", "p99_over_p50", 2, 3, true},
		{"calls", "sallyport / " + nginxPlain, "ratio", 2, 1.8, false},
		{"fresh", "ours", "ratio", 2, asHAProxy, false},
		{"changes", "keys", "ratio", 1.5, changeTarget, true},
		{"idle", "sallyport", "rss_mb", 100, 150, true},
		{"half", "sallyport", "p99_ratio", 3, withinTwice, false},
	}
	if got := r.targets(); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var out bytes.Buffer
	b := &bench{out: &out, report: r}
	if b.tellTargets(); !strings.Contains(out.String(), "5 of 9 targets are reached") || strings.Count(out.String(), "MISSED") != 4 {
		t.Error(out.String())
	}
}
