package httpx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// record serves one request by h and returns the answer and the log lines.
func record(h http.HandlerFunc, r *http.Request) (*httptest.ResponseRecorder, []map[string]any) {
	var log bytes.Buffer
	w := httptest.NewRecorder()
	httpx.Record(h, httpx.Recording{
		Logger: slog.New(slog.NewJSONHandler(&log, nil)), Surface: "test", Now: time.Now,
		Trace: httpx.TraceHeaders{Accept: []string{"X-Caller-Id"}, Answer: "X-Trace-Id"},
		Fail:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusInternalServerError) },
	}).ServeHTTP(w, r)
	var lines []map[string]any
	for line := range strings.Lines(log.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			panic(err)
		}
		lines = append(lines, v)
	}
	return w, lines
}

func TestEveryRequestLeavesOneRecordWithoutItsQuery(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/path?token=secret", http.NoBody)
	r.Header.Set("Authorization", "Bearer secret")
	w, lines := record(func(w http.ResponseWriter, r *http.Request) {
		httpx.Note(r.Context(), slog.String("fact", "noted"))
		w.WriteHeader(http.StatusTeapot)
	}, r)
	if len(lines) != 1 || lines[0]["status"] != 418.0 || lines[0]["fact"] != "noted" || lines[0]["trace_id"] != w.Header().Get("X-Trace-Id") {
		t.Errorf("got %v", lines)
	}
	if text, _ := json.Marshal(lines); strings.Contains(string(text), "secret") {
		t.Errorf("the record holds a secret: %s", text)
	}
}

func TestARecordHoldsAllThatIsNoted(t *testing.T) {
	for _, many := range []int{0, 1, 9, 10, 11, 40} {
		_, lines := record(func(w http.ResponseWriter, r *http.Request) {
			for i := range many {
				httpx.Note(r.Context(), slog.Int(fmt.Sprint("fact", i), i))
			}
			w.WriteHeader(http.StatusTeapot)
		}, httptest.NewRequest(http.MethodGet, "/path", http.NoBody))
		if len(lines) != 1 || lines[0]["surface"] != "test" || lines[0]["path"] != "/path" || lines[0]["status"] != 418.0 {
			t.Fatalf("%d facts: got %v", many, lines)
		}
		for i := range many {
			if lines[0][fmt.Sprint("fact", i)] != float64(i) {
				t.Errorf("%d facts: number %d is missing in %v", many, i, lines)
			}
		}
	}
}

func TestAPanicIsAnsweredAndRecordedOnce(t *testing.T) {
	w, lines := record(func(http.ResponseWriter, *http.Request) { panic("boom") }, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if w.Code != http.StatusInternalServerError || len(lines) != 2 || lines[0]["panic"] != "boom" || lines[1]["status"] != 500.0 {
		t.Errorf("got %d, %v", w.Code, lines)
	}
}

func TestATraceIDIsTakenOnlyIfItCanBeRepeated(t *testing.T) {
	tests := []struct {
		name, header, value string
		taken               bool
	}{
		{"a plain one", "X-Caller-Id", "abc-1.2_3:4", true},
		{"one with a space", "X-Caller-Id", "a b", false},
		{"one with markup", "X-Caller-Id", "<script>", false},
		{"one that is too long", "X-Caller-Id", strings.Repeat("a", 129), false},
		{"a traceparent that is none", "Traceparent", "00-xyz-1-01", false},
		{"a traceparent of zeros", "Traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header.Set(tt.header, tt.value)
			w, _ := record(func(http.ResponseWriter, *http.Request) {}, r)
			got := w.Header().Get("X-Trace-Id")
			if (got == tt.value) != tt.taken || !httpx.ValidTrace(got) {
				t.Errorf("answered %q", got)
			}
		})
	}
}

func TestReadBodyStopsAtItsLimit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		body    string
		chunked bool
		want    error
	}{
		{"at the limit", "12345", false, nil},
		{"over it, said ahead", "123456", false, httpx.ErrTooLarge},
		{"over it, in chunks", "123456", true, httpx.ErrTooLarge},
		{"empty", "", false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			if tt.chunked {
				r.ContentLength = -1
			}
			got, err := httpx.ReadBody(httptest.NewRecorder(), r, 5)
			if !errors.Is(err, tt.want) || err == nil && string(got) != tt.body {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestNetworkIsCoarse(t *testing.T) {
	for addr, want := range map[string]string{"192.0.2.77": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48"} {
		if got := httpx.Network(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestIsJSONTakesUTF8Only(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/json": true, "application/json;charset=UTF-8": true, "Application/JSON; charset=utf-8": true,
		"application/json; charset=utf-16": false, "text/json": false, "": false, "application/json;": true, "application/problem+json": false,
	} {
		if got := httpx.IsJSON(contentType); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
	}
}
