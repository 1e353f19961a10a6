package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// exported is a span as a collector gets it.
type exported struct {
	TraceID, SpanID, ParentSpanID, TraceState, Name string
	Kind                                            int
	Status                                          struct{ Code int }
	Attributes                                      []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

func (e exported) attribute(key string) string {
	for _, a := range e.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// traced runs a server that records all, at a collector. seen is what the upstream is
// sent; stopped stops the server and returns what the collector has got.
func traced(t *testing.T, follow bool) (n *node, seen *[]http.Header, stopped func() ([]exported, string)) {
	t.Helper()
	var mu sync.Mutex
	var bodies []string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(body))
	}))
	t.Cleanup(collector.Close)
	seen = &[]http.Header{}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		*seen = append(*seen, r.Header.Clone())
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(upstream.Close)
	c := settings(t, t.TempDir(), "")
	all := 1.0
	c.Tracing = config.Tracing{OTLP: collector.URL, Sample: &all, Follow: follow}
	must(t, c.Complete())
	n = run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	must(t, n.Reload(t.Context()))
	return n, seen, func() (spans []exported, text string) {
		n.stop()
		for _, body := range bodies {
			var v struct {
				ResourceSpans []struct{ ScopeSpans []struct{ Spans []exported } }
			}
			must(t, json.Unmarshal([]byte(body), &v))
			for _, r := range v.ResourceSpans {
				for _, s := range r.ScopeSpans {
					spans = append(spans, s.Spans...)
				}
			}
		}
		return spans, strings.Join(bodies, "\n")
	}
}

const theirTrace, theirSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// From the caller's span to ours, to that of the upstream: one trace, each the parent
// of the next. And nothing in it that is not for the collector.
func TestACallIsFollowedFromTheCallerToTheUpstream(t *testing.T) {
	n, seen, stopped := traced(t, false)
	_, app, text := customer(t, n.Market)
	status, token := n.token(app.ClientID, text)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.production().URL+"/thing/v1/it?member=PATIENT-1", http.NoBody)
	must(t, err)
	r.Header = http.Header{
		"Authorization": {"Bearer " + token}, "Traceparent": {"00-" + theirTrace + "-" + theirSpan + "-01"}, "Tracestate": {"their=state"},
		"X-Member": {"PATIENT-2"},
	}
	if status, body := n.do(r); status != http.StatusOK {
		t.Fatal(status, body)
	}
	r, err = http.NewRequestWithContext(t.Context(), "PATIENT3", n.production().URL+"/thing/v1/PATIENT-4", strings.NewReader("PATIENT-5"))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token+"x")
	n.do(r)
	spans, all := stopped()
	var root, visit, sign exported
	for _, s := range spans {
		switch {
		case s.TraceID == theirTrace && s.Kind == 2:
			root = s
		case s.TraceID == theirTrace && s.Name == "upstream":
			visit = s
		case s.Name == "sign":
			sign = s
		}
	}
	if root.ParentSpanID != theirSpan || root.Name != "GET it" || root.TraceState != "their=state" || root.attribute("http.response.status_code") != "200" ||
		root.attribute("sallyport.api") != "thing-v1" || root.attribute("sallyport.app_id") != string(app.ID) || root.attribute("sallyport.source") != "live" {
		t.Errorf("our span is %+v", root)
	}
	if visit.ParentSpanID != root.SpanID || visit.Kind != 3 || visit.attribute("http.response.status_code") != "200" {
		t.Errorf("that of the upstream is %+v", visit)
	}
	if sign.ParentSpanID == "" {
		t.Error("the signature has no span")
	}
	got := (*seen)[0]
	if got.Get("Traceparent") != "00-"+theirTrace+"-"+visit.SpanID+"-01" || got.Get("Tracestate") != "their=state" || got.Get("X-Trace-Id") != theirTrace {
		t.Errorf("the upstream is told %v", got)
	}
	for _, never := range []string{"PATIENT", "member", token, strings.Split(token, ".")[2], text.Reveal(), app.ClientID, app.DeveloperEmail, "127.0.0.1:" /* callers */} {
		if i := strings.Index(strings.ReplaceAll(all, visit.attribute("server.address"), ""), never); i >= 0 {
			t.Errorf("%q is sent to the collector", never)
		}
	}
}

// What is not recorded goes on as it came: a parent that nobody ever sees would tear
// the caller's trace.
func TestTheTraceContextOfACallThatIsNotRecorded(t *testing.T) {
	n, seen, stopped := traced(t, true)
	_, app, text := customer(t, n.Market)
	_, token := n.token(app.ClientID, text)
	parent := "00-" + theirTrace + "-" + theirSpan + "-00"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.production().URL+"/thing/v1/it", http.NoBody)
	must(t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "Traceparent": {parent}}
	n.do(r)
	spans, _ := stopped()
	for _, s := range spans {
		if s.TraceID == theirTrace {
			t.Errorf("it was recorded: %+v", s)
		}
	}
	if got := (*seen)[0].Get("Traceparent"); got != parent {
		t.Errorf("the upstream is told %s", got)
	}
}
