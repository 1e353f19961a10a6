package httpx_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// seenFrom is the address that a surface behind proxies takes for the caller's.
func seenFrom(proxies httpx.Proxies, connection string, forwarded ...string) string {
	var seen netip.Addr
	h := httpx.Record(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = httpx.RemoteAddr(r) }),
		httpx.Recording{Logger: slog.New(slog.DiscardHandler), Now: time.Now, Proxies: proxies})
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = connection
	r.Header["X-Forwarded-For"] = forwarded
	h.ServeHTTP(httptest.NewRecorder(), r)
	return seen.String()
}

func TestTheCallerIsWhoCalledTheOutermostTrustedProxy(t *testing.T) {
	ours := httpx.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	tests := []struct {
		name       string
		proxies    httpx.Proxies
		connection string
		forwarded  []string
		want       string
	}{
		{"no proxy is trusted", nil, "10.0.0.1:99", []string{"192.0.2.1"}, "10.0.0.1"},
		{"a caller that is no proxy of ours", ours, "198.51.100.7:99", []string{"192.0.2.1"}, "198.51.100.7"},
		{"one proxy", ours, "10.0.0.1:99", []string{"192.0.2.1"}, "192.0.2.1"},
		{"what the caller wrote stands before it", ours, "10.0.0.1:99", []string{"10.9.9.9, 203.0.113.5, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", ours, "10.0.0.1:99", []string{"203.0.113.5, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"in two lines", ours, "10.0.0.1:99", []string{"203.0.113.5", "192.0.2.1,10.0.0.2"}, "192.0.2.1"},
		{"an invented line after it", ours, "10.0.0.1:99", []string{"203.0.113.5", ""}, "203.0.113.5"},
		{"all are ours", ours, "10.0.0.1:99", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no header", ours, "10.0.0.1:99", nil, "10.0.0.1"},
		{"no address", ours, "10.0.0.1:99", []string{"203.0.113.5, unknown"}, "10.0.0.1"},
		{"no address, behind a proxy", ours, "10.0.0.1:99", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		{"an empty element", ours, "10.0.0.1:99", []string{"203.0.113.5, "}, "10.0.0.1"},
		{"with a port", ours, "10.0.0.1:99", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{"IPv6", ours, "[2001:db8:1::5]:99", []string{"2001:db8:ffff::1"}, "2001:db8:ffff::1"},
		{"IPv6 in brackets, with a port", ours, "[2001:db8:1::5]:99", []string{"[2001:db8:ffff::1]:4711"}, "2001:db8:ffff::1"},
		{"IPv4 in IPv6", ours, "[::ffff:10.0.0.1]:99", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"IPv6 with a zone", ours, "10.0.0.1:99", []string{"fe80::1%eth0"}, "fe80::1"},
		{"longer than any chain", ours, "10.0.0.1:99", []string{"192.0.2.1" + strings.Repeat(",10.0.0.2", 1000)}, "10.0.0.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := seenFrom(tt.proxies, tt.connection, tt.forwarded...); got != tt.want {
				t.Errorf("from %s with %q: %s, want %s", tt.connection, tt.forwarded, got, tt.want)
			}
		})
	}
}

// Whatever a caller writes into the header, our proxy appends where it was called
// from, and that is the caller.
func TestNoHeaderOfACallerChangesWhoItIs(t *testing.T) {
	ours := httpx.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"10.0.0.9", "203.0.113.5", "10.0.0.9, 203.0.113.5", "", ",", ", ,"}))).Draw(t, "header")
		const caller = "192.0.2.1"
		for name, forwarded := range map[string][]string{
			"a line of its own":    append(lines[:len(lines):len(lines)], caller),
			"at the end of a line": {strings.Join(append(lines[:len(lines):len(lines)], caller), ", ")},
			"by two proxies":       append(lines[:len(lines):len(lines)], caller+", 10.0.0.2"),
		} {
			if got := seenFrom(ours, "10.0.0.1:99", forwarded...); got != caller {
				t.Fatalf("%s: %q: %s", name, forwarded, got)
			}
		}
	})
}
