package httpx_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// However a request ends, it has one record, is counted once, and holds nothing that
// the caller sent but its method and path.
func TestEveryEndOfARequestIsRecordedOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		class   string
	}{
		"an answer":              {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, "4xx"},
		"no answer":              {func(http.ResponseWriter, *http.Request) {}, "2xx"},
		"two answers":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.WriteHeader(500) }, "2xx"},
		"an interim one first":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, "4xx"},
		"a panic":                {func(http.ResponseWriter, *http.Request) { panic("SECRET") }, "5xx"},
		"a panic after it began": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")); panic(1) }, "2xx"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("x"))
			panic(http.ErrAbortHandler)
		}, "2xx"},
		"an upgrade": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
		}, "1xx"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			var served httpx.Served
			logged := make(chan struct{})
			recorded := httpx.Record(tt.handler, httpx.Recording{
				Logger: slog.New(slog.NewJSONHandler(&log, nil)), Surface: "sandbox", Now: time.Now, Served: &served,
				Fail: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusInternalServerError) },
			})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(logged)
				recorded.ServeHTTP(w, r)
			}))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/path?q=QUERY", strings.NewReader("BODY"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Secret", "HEADER")
			if res, err := server.Client().Do(r); err == nil {
				_ = res.Body.Close()
			}
			<-logged
			if n := strings.Count(log.String(), `"msg":"request"`); n != 1 {
				t.Errorf("%d records: %s", n, &log)
			}
			for _, class := range served.Classes() {
				if n := class.Took.Count(); (class.Name == tt.class) != (n == 1) || n > 1 {
					t.Errorf("%d requests are counted as %s", n, class.Name)
				}
			}
			for _, never := range []string{"QUERY", "BODY", "HEADER"} {
				if strings.Contains(log.String(), never) {
					t.Errorf("the log has the %s", never)
				}
			}
		})
	}
}
