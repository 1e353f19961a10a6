package httpx_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// The attack: a length beside chunks. A proxy in front of us that goes by the length
// has put the bytes after the last chunk into its caller's body; net/http would take
// them for the next request, and the proxy its answer for another caller's.
func TestWhatFollowsADoubtfulRequestOnAProxysConnectionIsNotRead(t *testing.T) {
	for name, tt := range map[string]struct {
		request string
		answers int64
	}{
		"a length beside chunks":    {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1},
		"chunks in HTTP/1.0":        {"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1},
		"a length":                  {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n01234", 2},
		"no body":                   {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", 2},
		"chunks that come directly": {"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			var served atomic.Int64
			rec := httpx.Recording{Logger: slog.New(slog.DiscardHandler), Now: time.Now, Proxies: httpx.Proxies{netip.MustParsePrefix("127.0.0.0/8")}}
			if strings.HasSuffix(name, "directly") {
				rec.Proxies = nil
			}
			s := httptest.NewUnstartedServer(httpx.Record(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }), rec))
			s.StartTLS()
			defer s.Close()
			conn, err := httptestDial(s)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, tt.request+"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			in := bufio.NewReader(conn)
			for {
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					break
				}
				res.Body.Close()
			}
			if served.Load() != tt.answers {
				t.Errorf("%d requests were served, want %d", served.Load(), tt.answers)
			}
		})
	}
}

func httptestDial(s *httptest.Server) (net.Conn, error) {
	transport, _ := s.Client().Transport.(*http.Transport)
	config := transport.TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	return tls.Dial("tcp", s.Listener.Addr().String(), config)
}
