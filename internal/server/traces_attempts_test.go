package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// spanFailed is the status of a span that stands for a failure, as OTLP has it.
const spanFailed = 2

// Each server that is asked has a span of its own, and is told that one as its parent.
// An error is what is answered with 5xx, and nothing else: a refusal says its code.
func TestEachAttemptAtAnUpstreamHasASpan(t *testing.T) {
	var mu sync.Mutex
	parents := map[string]int{} // by the traceparent that an upstream is told
	answering := func(status int) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			parents[r.Header.Get("Traceparent")] = status
			mu.Unlock()
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "{}")
		}))
		t.Cleanup(s.Close)
		return s
	}
	good, busy, missing := answering(http.StatusOK), answering(http.StatusServiceUnavailable), answering(http.StatusNotFound)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, way := range map[string]string{"relay": "", "transport": "    lenient: true\n"} {
		t.Run(name, func(t *testing.T) {
			n, _, stopped := traced(t, false)
			api := func(base, upstream string) *fstest.MapFile {
				return &fstest.MapFile{Data: []byte("title: A\nbase_path: /" + base + "\nproducts: [P]\nrequest: {public: [other]}\nupstreams:\n  production:\n" + upstream + way)}
			}
			must(t, n.ApplyCatalog(t.Context(), market.System, fstest.MapFS{
				"products.yaml": {Data: []byte("- name: P\n  title: P\n")},
				"pool/manifest.yaml": api("pool", "    targets: [{url: \""+gone.URL+"\"}, {url: \""+busy.URL+"\"}, {url: \""+good.URL+"\"}]\n"+
					"    retries: {attempts: 3, statuses: [503]}\n"),
				"busy/manifest.yaml":    api("busy", "    url: \""+busy.URL+"\"\n"),
				"missing/manifest.yaml": api("missing", "    url: \""+missing.URL+"\"\n"),
				"gone/manifest.yaml":    api("gone", "    url: \""+gone.URL+"\"\n"),
				"closed/manifest.yaml":  {Data: []byte("title: A\nbase_path: /closed\nproducts: [P]\nupstreams:\n  production: {url: \"" + good.URL + "\"}\n")},
			}))
			for path, want := range map[string]int{"/pool/x": 200, "/gone/x": 502, "/busy/x": 503, "/missing/x": 404, "/closed/x": 401} {
				if status, text := n.get(n.production().URL+path, http.Header{"Authorization": {"Bearer PATIENT-1"}}); status != want {
					t.Fatalf("%s: %d %s", path, status, text)
				}
			}
			spans, all := stopped()
			roots := map[string]exported{}
			for _, s := range spans {
				if s.Kind == 2 {
					roots[s.attribute("sallyport.api")] = s
				}
			}
			beneath := func(parent exported, name string) (found []exported) {
				for _, s := range spans {
					if s.ParentSpanID == parent.SpanID && s.Name == name {
						found = append(found, s)
					}
				}
				return found
			}
			if r := roots["closed"]; r.Status.Code != 0 || r.attribute("error.type") != "invalid_access_token" || r.attribute("http.response.status_code") != "401" {
				t.Errorf("a refusal has the span %+v", r)
			}
			if r := roots["gone"]; r.Status.Code != spanFailed || r.attribute("error.type") != "bad_gateway" {
				t.Errorf("a failure has the span %+v", r)
			}
			if v := beneath(roots["gone"], "upstream"); len(v) != 1 || v[0].Status.Code != spanFailed {
				t.Errorf("an upstream that gave no answer has the spans %+v", v)
			}
			if v := beneath(roots["busy"], "upstream"); len(v) != 1 || v[0].Status.Code != spanFailed || roots["busy"].Status.Code != spanFailed {
				t.Errorf("an upstream that answers 503 has the spans %+v", v)
			}
			if v := beneath(roots["missing"], "upstream"); len(v) != 1 || v[0].Status.Code != 0 || roots["missing"].Status.Code != 0 {
				t.Errorf("an upstream that answers 404 has the spans %+v", v)
			}
			if r := roots["pool"]; r.Status.Code != 0 || r.attribute("error.type") != "" {
				t.Errorf("a call that went well in the end has the span %+v", r)
			}
			visit := beneath(roots["pool"], "upstream")
			if len(visit) != 1 || visit[0].Status.Code != 0 {
				t.Fatalf("of the upstream there is %+v", visit)
			}
			attempts := beneath(visit[0], "attempt")
			if len(attempts) != 3 {
				t.Fatalf("the attempts are %+v", attempts)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, a := range attempts {
				again := ""
				if i > 0 {
					again = string(rune('0' + i))
				}
				told := parents["00-"+a.TraceID+"-"+a.SpanID+"-01"]
				status := a.attribute("http.response.status_code")
				switch at := a.attribute("server.address"); {
				case a.Kind != 3, a.attribute("http.request.resend_count") != again:
					t.Errorf("an attempt is %+v", a)
				case strings.HasSuffix(gone.URL, at) && (a.Status.Code != spanFailed || a.attribute("error.type") != "connect" || status != ""):
					t.Errorf("of the server that is gone: %+v", a)
				case strings.HasSuffix(busy.URL, at) && (a.Status.Code != spanFailed || status != "503" || told != 503):
					t.Errorf("of the server that is busy: %+v; it is told %d", a, told)
				case strings.HasSuffix(good.URL, at) && (a.Status.Code != 0 || status != "200" || told != 200):
					t.Errorf("of the server that answers: %+v; it is told %d", a, told)
				}
			}
			if strings.Contains(all, "PATIENT") || strings.Contains(all, "refused") {
				t.Error("what a header held, or the text of an error, is sent to the collector")
			}
		})
	}
}
