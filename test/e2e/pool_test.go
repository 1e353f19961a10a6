package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// poolManifest files an API at an upstream of several targets, with further lines.
func poolManifest(more string, targets ...string) map[string]string {
	var list strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&list, "      - %s\n", t)
	}
	rules := ""
	for line := range strings.Lines(more) {
		rules += "    " + line
	}
	return map[string]string{
		"plain/openapi.yaml": plainDocument,
		"plain/manifest.yaml": "title: Plain\nbase_path: " + plainBase + "\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n" +
			"upstreams:\n  production:\n    targets:\n" + list.String() + rules + "\nrequest: {validate: \"off\"}\n",
	}
}

// server is an upstream that can be stopped, and started again where it was.
type server struct {
	*httptest.Server
	calls   atomic.Int64
	handler http.Handler
}

func newServer(t *testing.T, handle http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		handle(w, r)
	})
	s.Server = httptest.NewServer(s.handler)
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *server) restart(t *testing.T) {
	t.Helper()
	address := s.Listener.Addr().String()
	s.Server = httptest.NewUnstartedServer(s.handler)
	_ = s.Listener.Close()
	var err error
	if s.Listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	s.Start()
}

// repeat answers with the body that came.
func repeat(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

// cutOff takes the request and goes without a word.
func cutOff(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// ways runs a test by each of the two ways to an upstream, on one gateway.
func ways(t *testing.T, test func(t *testing.T, s *site, e *environment, token, more string)) {
	t.Helper()
	s := start(t)
	e := s.Environments["production"]
	token := s.token(e)
	for name, more := range map[string]string{"by relay": "", "by transport": "lenient: true\n"} {
		t.Run(name, func(t *testing.T) {
			here := *s
			here.t = t
			test(t, &here, e, token, more)
		})
	}
}

func (s *site) plain(e *environment, method, token, body string) answer {
	s.t.Helper()
	return s.do(method, e.URL+plainBase+"/x", map[string]string{"Authorization": "Bearer " + token}, body)
}

func TestCallsAreSharedOutByWeight(t *testing.T) {
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		a, b, drained := newServer(t, repeat), newServer(t, repeat), newServer(t, repeat)
		s.serveFiles(poolManifest(more, "{url: "+a.URL+", weight: 3}", "url: "+b.URL, "{url: "+drained.URL+", weight: 0}"), plainBase)
		for range 40 {
			if got := s.plain(e, "POST", token, "hello"); got.status != 200 || string(got.body) != "hello" {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
		if a.calls.Load() != 30 || b.calls.Load() != 10 || drained.calls.Load() != 0 {
			t.Errorf("%d, %d and %d calls", a.calls.Load(), b.calls.Load(), drained.calls.Load())
		}
	})
}

func TestATargetThatIsAwayIsNotNoticedByCallers(t *testing.T) {
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		a, b := newServer(t, repeat), newServer(t, repeat)
		s.serveFiles(poolManifest(more+"health: {eject_for: 100ms}\n", "url: "+a.URL, "url: "+b.URL), plainBase)
		a.Close()
		for range 20 {
			if got := s.plain(e, "POST", token, "hello"); got.status != 200 || string(got.body) != "hello" {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
		if b.calls.Load() != 20 {
			t.Errorf("%d calls", b.calls.Load())
		}
		a.restart(t)
		eventually(t, "the target that is back gets calls", func() bool {
			s.plain(e, "POST", token, "hello")
			return a.calls.Load() > 3
		})
	})
}

func TestWhatWasSentIsSentAgainOnlyWhereItDoesNoHarm(t *testing.T) {
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		for _, tt := range []struct {
			method, body, rules string
			handle              http.HandlerFunc
			status              int
			calls               int64
		}{
			{"GET", "", "retries: {attempts: 3}", cutOff, 502, 3},
			{"GET", "", "retries: {attempts: 1}", cutOff, 502, 1},
			{"POST", "hello", "retries: {attempts: 3, methods: [PUT]}", cutOff, 502, 1},
			{"GET", "", "retries: {attempts: 3}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 503, 1},
			{"GET", "", "retries: {attempts: 3, statuses: [503]}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 503, 3},
			{"GET", "", "retries: {attempts: 3, statuses: [503]}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 500, 1},
			{"GET", "", "timeout: 100ms\nretries: {attempts: 3}", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 504, 1},
		} {
			var calls atomic.Int64
			handle := func(w http.ResponseWriter, r *http.Request) { calls.Add(1); tt.handle(w, r) }
			a, b, c := newServer(t, handle), newServer(t, handle), newServer(t, handle)
			s.serveFiles(poolManifest(more+tt.rules+"\n", "url: "+a.URL, "url: "+b.URL, "url: "+c.URL), plainBase)
			got := s.plain(e, tt.method, token, tt.body)
			if got.status != tt.status || calls.Load() != tt.calls {
				t.Errorf("%s with %s: %d after %d calls, want %d after %d", tt.method, tt.rules, got.status, calls.Load(), tt.status, tt.calls)
			}
			for _, up := range []*server{a, b, c} {
				if strings.Contains(string(got.body), up.Listener.Addr().String()) {
					t.Errorf("the caller is told of an address: %s", got.body)
				}
			}
		}
	})
}

func TestADyingUpstreamIsNotAskedTwiceAsMuch(t *testing.T) {
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		a, b := newServer(t, cutOff), newServer(t, cutOff)
		s.serveFiles(poolManifest(more+"retries: {attempts: 5, budget: 10}\n", "url: "+a.URL, "url: "+b.URL), plainBase)
		const calls = 60
		for range calls {
			if got := s.plain(e, "GET", token, ""); got.status != 502 {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
		// Ten may be asked again within ten seconds, and it took less than twenty.
		if n := a.calls.Load() + b.calls.Load(); n < calls || n > calls+20 {
			t.Errorf("%d calls became %d", calls, n)
		}
	})
}

func TestAnOpenBreakerRefusesAndLetsPassAgain(t *testing.T) {
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		var ill atomic.Bool
		ill.Store(true)
		up := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if ill.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusTeapot) // a caller's mistake is none of the target's
		})
		s.serveFiles(poolManifest(more+"breaker: {failures: 5, open_for: 2s}\n", "url: "+up.URL), plainBase)
		for range 5 {
			s.plain(e, "GET", token, "")
		}
		got := s.plain(e, "GET", token, "")
		if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(string(got.body), "service_unavailable") || up.calls.Load() != 5 {
			t.Errorf("%d %v %s after %d calls", got.status, got.header, got.body, up.calls.Load())
		}
		ill.Store(false)
		eventually(t, "a call passes again", func() bool { return s.plain(e, "GET", token, "").status == http.StatusTeapot })
		for range 20 {
			if got := s.plain(e, "GET", token, ""); got.status != http.StatusTeapot {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
	})
}

func TestACatalogueThatLeavesATargetAloneLeavesWhatIsKnownOfIt(t *testing.T) {
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		up := newServer(t, cutOff)
		rules := more + "breaker: {failures: 2, open_for: 5m}\n"
		s.serveFiles(poolManifest(rules, "url: "+up.URL), plainBase)
		s.plain(e, "GET", token, "")
		s.plain(e, "GET", token, "")
		files := poolManifest(rules, "{url: "+up.URL+", weight: 7}")
		files["plain/overview.md"] = "# Changed\n"
		s.serveFiles(files, plainBase)
		if got := s.plain(e, "GET", token, ""); got.status != 503 || up.calls.Load() != 2 {
			t.Errorf("%d after %d calls", got.status, up.calls.Load())
		}
	})
}

func TestATargetThatIsIllByItsProbesGetsNoCalls(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	token := s.token(e)
	var ill atomic.Bool
	var probes, calls atomic.Int64
	probed := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/ready":
			calls.Add(1)
		case ill.Load():
			probes.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			probes.Add(1)
		}
	}
	a, b := newServer(t, probed), newServer(t, repeat)
	// What b says to a probe is well enough.
	s.serveFiles(poolManifest("health: {path: /ready, interval: 1s, healthy: 1, unhealthy: 1}\n", "url: "+a.URL, "url: "+b.URL), plainBase)
	standing := func(healthy int64) func() bool {
		return func() bool {
			status, err := s.operator().Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range status.Environments {
				for _, u := range one.Upstreams {
					if u.API == "plain" && one.Name == "production" {
						return u.Healthy == healthy && u.Total == 2 && len(u.Targets) == 2 && u.Targets[0].URL == a.URL && u.Targets[0].Healthy == (healthy == 2)
					}
				}
			}
			return false
		}
	}
	ill.Store(true)
	eventually(t, "it is found to be ill", standing(1))
	for range 10 {
		if got := s.plain(e, "POST", token, "hello"); got.status != 200 || string(got.body) != "hello" {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if calls.Load() != 0 {
		t.Errorf("it got %d calls", calls.Load())
	}
	ill.Store(false)
	eventually(t, "it is found to be well", standing(2))
	s.plain(e, "POST", token, "")
	s.plain(e, "POST", token, "")
	if calls.Load() != 1 {
		t.Errorf("it got %d of 2 calls", calls.Load())
	}

	s.serveFiles(poolManifest("health: {path: /ready, interval: 1s}\n", "url: "+b.URL), plainBase)
	before, witness := probes.Load(), b.calls.Load()
	eventually(t, "the server that is left is probed three times", func() bool { return b.calls.Load() >= witness+3 })
	if n := probes.Load() - before; n > 1 {
		t.Errorf("a server that no catalogue has was probed %d times", n)
	}
}
