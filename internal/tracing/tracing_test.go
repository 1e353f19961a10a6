package tracing_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/tracing"
)

const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// collector is a server that takes OTLP, and answers as it is told.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	header http.Header
	status []int // of the answers; then 200
}

func newCollector(t *testing.T, status ...int) *collector {
	t.Helper()
	c := &collector{status: status}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.header = r.Header
		c.bodies = append(c.bodies, string(body))
		if len(c.status) > 0 {
			w.WriteHeader(c.status[0])
			c.status = c.status[1:]
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// tracer returns one that records all and sends it to url; run ends when all was sent.
func tracer(url string, change func(*tracing.Config)) (t *tracing.Tracer, run func(context.Context)) {
	c := tracing.Config{
		URL: url + "/v1/traces", Sample: 1, Client: &http.Client{}, Version: "v1", Node: "node_a", Logger: slog.New(slog.DiscardHandler),
		Now:     func() time.Time { return time.Unix(1_800_000_000, 5) },
		Headers: func() (http.Header, error) { return http.Header{"Authorization": {"Bearer collector"}}, nil },
	}
	if change != nil {
		change(&c)
	}
	t = tracing.New(c)
	return t, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		cancel() // what is in the queue is sent, and that is all
		_ = t.Run(ctx)
	}
}

func TestWhatIsSentIsOTLP(t *testing.T) {
	c := newCollector(t)
	tr, run := tracer(c.URL, nil)
	root := tr.Start(http.Header{"Traceparent": {caller}, "Tracestate": {"a=1", "b=2"}}, "4bf92f3577b34da6a3ce929d0e0e4736")
	child := root.Child("upstream", tracing.Client)
	parent := child.Traceparent()
	child.Text("server.address", "upstream.example")
	child.Fail()
	child.End()
	root.Number("http.response.status_code", 200)
	root.Finish("GET it")
	run(t.Context())
	if len(c.bodies) != 1 || c.header.Get("Content-Type") != "application/json" || c.header.Get("Authorization") != "Bearer collector" {
		t.Fatalf("%d exports, %v", len(c.bodies), c.header)
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parts := strings.Split(parent, "-")
	var rootID string
	if before, after, ok := strings.Cut(c.bodies[0], `"spanId":"`); ok && before != "" {
		rootID = after[:16]
	}
	if parts[1] != trace || parts[3] != "01" || rootID == "00f067aa0ba902b7" {
		t.Errorf("the upstream is told %s; our span is %s", parent, rootID)
	}
	want := `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"sallyport"}},` +
		`{"key":"service.version","value":{"stringValue":"v1"}},{"key":"service.instance.id","value":{"stringValue":"node_a"}}]},` +
		`"scopeSpans":[{"scope":{"name":"sallyport","version":"v1"},"spans":[` +
		`{"traceId":"` + trace + `","spanId":"` + rootID + `","traceState":"a=1,b=2","parentSpanId":"00f067aa0ba902b7","name":"GET it","kind":2,` +
		`"startTimeUnixNano":"1800000000000000005","endTimeUnixNano":"1800000000000000005","attributes":[{"key":"http.response.status_code","value":{"intValue":"200"}}]},` +
		`{"traceId":"` + trace + `","spanId":"` + parts[2] + `","parentSpanId":"` + rootID + `","name":"upstream","kind":3,` +
		`"startTimeUnixNano":"1800000000000000005","endTimeUnixNano":"1800000000000000005",` +
		`"attributes":[{"key":"server.address","value":{"stringValue":"upstream.example"}}],"status":{"code":2}}]}]}]}`
	if diff := cmp.Diff(want, c.bodies[0]); diff != "" {
		t.Error(diff)
	}
	if got := tr.Counts(); got != (tracing.Counts{Sent: 1}) {
		t.Errorf("counted %+v", got)
	}
}

func TestACollectorThatHangsHoldsNothingUpAndWhatIsDroppedIsCounted(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hangs.Close()
	defer close(release)
	tr, _ := tracer(hangs.URL, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = tr.Run(ctx) }()
	const requests = 10_000
	for range requests { // it would hang here
		tr.Start(http.Header{}, "x").Finish("GET it")
	}
	if got := tr.Counts(); got.Dropped < requests-2048-256-1 || got.Dropped >= requests {
		t.Errorf("counted %+v of %d", got, requests)
	}
	stop()
	<-done // it gives up by itself
	if got := tr.Counts(); got.Sent != 0 || got.Failed+got.Dropped != requests {
		t.Errorf("at the end %+v of %d", got, requests)
	}
}

func TestABatchThatTheCollectorCannotTakeNowIsSentAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		status []int
		want   tracing.Counts
		sent   int
	}{
		"busy once":     {[]int{503}, tracing.Counts{Sent: 1}, 2},
		"not OTLP":      {[]int{400}, tracing.Counts{Failed: 1}, 1},
		"a redirection": {[]int{307}, tracing.Counts{Failed: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, tt.status...)
			tr, run := tracer(c.URL, nil)
			tr.Start(http.Header{}, "x").Finish("GET it")
			run(t.Context())
			if got := tr.Counts(); got != tt.want || len(c.bodies) != tt.sent {
				t.Errorf("%+v after %d", got, len(c.bodies))
			}
		})
	}
}

func TestWhichRequestsAreRecorded(t *testing.T) {
	unsampled := strings.TrimSuffix(caller, "1") + "0"
	for name, tt := range map[string]struct {
		sample float64
		follow bool
		parent string
		want   bool
	}{
		"all":                         {1, false, "", true},
		"none":                        {0, false, "", false},
		"a caller does not decide":    {0, false, caller, false},
		"nor against it":              {1, false, unsampled, true},
		"one that is followed does":   {0, true, caller, true},
		"against it, too":             {1, true, unsampled, false},
		"followed, and says nothing":  {1, true, "", true},
		"followed, and says rubbish":  {0, true, "rubbish", false},
		"the same, where all are":     {1, true, "rubbish", true},
		"of a later version":          {0, true, strings.Replace(caller, "00-", "01-", 1) + "-more", true},
		"of no version":               {0, true, strings.Replace(caller, "00-", "ff-", 1), false},
		"in capitals":                 {0, true, strings.ToUpper(caller), false},
		"of this version, and longer": {0, true, caller + "-more", false},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _ := tracer("http://unused", func(c *tracing.Config) { c.Sample, c.Follow = tt.sample, tt.follow })
			h := http.Header{}
			if tt.parent != "" {
				h.Set("Traceparent", tt.parent)
			}
			if got := tr.Start(h, "x") != nil; got != tt.want {
				t.Errorf("recorded: %v", got)
			}
		})
	}
	t.Run("a tenth", func(t *testing.T) {
		tr, _ := tracer("http://unused", func(c *tracing.Config) { c.Sample = 0.1 })
		n := 0
		for range 20_000 {
			if tr.Start(http.Header{"Traceparent": {caller}}, "x") != nil {
				n++
			}
		}
		if n < 1600 || n > 2400 {
			t.Errorf("%d of 20000", n)
		}
	})
	t.Run("nothing without a tracer", func(t *testing.T) {
		var tr *tracing.Tracer
		span := tr.Start(http.Header{"Traceparent": {caller}}, "x")
		child := span.Child("a", tracing.Internal)
		child.Text("a", "b")
		child.Number("a", 1)
		child.Fail()
		child.End()
		span.Finish("a")
		if span != nil || child != nil || tr.Counts() != (tracing.Counts{}) {
			t.Error("something was recorded")
		}
	})
}

func TestARequestHasABoundedNumberOfSpans(t *testing.T) {
	c := newCollector(t)
	tr, run := tracer(c.URL, nil)
	root := tr.Start(http.Header{}, "x")
	for range 1000 {
		root.Child("a", tracing.Internal).Text("k", strings.Repeat("x", 10_000))
	}
	root.Finish("GET it")
	run(t.Context())
	if n := strings.Count(c.bodies[0], `"spanId"`); n > 40 || len(c.bodies[0]) > 40_000 {
		t.Errorf("%d spans, %d bytes", n, len(c.bodies[0]))
	}
}

// A trace context of ours is one that we would take.
func TestABegunTraceHoldsTheTraceID(t *testing.T) {
	for id, trace := range map[string]string{
		"4bf92f3577b34da6a3ce929d0e0e4736": "4bf92f3577b34da6a3ce929d0e0e4736",
		"4BF92F3577B34DA6A3CE929D0E0E4736": "4bf92f3577b34da6a3ce929d0e0e4736",
		strings.Repeat("0", 32):            "",
		"my-own-id":                        "",
	} {
		one, two := tracing.Begin(id), tracing.Begin(id)
		if !tracing.Valid(one) || !tracing.Valid(two) || one[3:35] != two[3:35] || one == two || trace != "" && one[3:35] != trace {
			t.Errorf("%s: %s, %s", id, one, two)
		}
	}
}

func FuzzParentOf(f *testing.F) {
	for _, s := range []string{caller, "", "00-", strings.ToUpper(caller), caller + "-x"} {
		f.Add(s, "a=1")
	}
	f.Fuzz(func(t *testing.T, parent, state string) {
		p, ok := tracing.ParentOf(http.Header{"Traceparent": {parent}, "Tracestate": {state}})
		if ok != tracing.Valid(parent) || ok && (p.Trace == tracing.TraceID{} || p.Span == tracing.SpanID{}) || len(p.State) > 512 || strings.ContainsAny(p.State, "\r\n\x00") {
			t.Errorf("%q: %+v, %v", parent, p, ok)
		}
	})
}
