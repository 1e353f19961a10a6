package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// patience is how long an answer waits for its reader in these tests.
const patience = 400 * time.Millisecond

// stalling runs a node before an upstream that sends without end, or an event, a
// long silence, and another.
func stalling(t *testing.T) (n *node, token string, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Want") == "events" {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: first\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(3 * patience)
			fmt.Fprint(w, "data: second\n\n")
			return
		}
		part := make([]byte, 64<<10)
		for {
			if _, err := w.Write(part); err != nil {
				ended <- struct{}{}
				return
			}
		}
	}))
	t.Cleanup(upstream.Close)
	n = runHurried(t, settings(t, t.TempDir(), ""), server.Pace{Stall: patience})
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	_, app, text := customer(t, n.Market)
	soon(t, "the secret works", func() bool {
		var status int
		status, token = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	return n, token, ended
}

// dial opens a connection to production that speaks that protocol.
func (n *node) dial(protocol string) net.Conn {
	n.t.Helper()
	pem, err := os.ReadFile(n.Info().CA)
	must(n.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	u, err := url.Parse(n.production().URL)
	must(n.t, err)
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, NextProtos: []string{protocol}}}).DialContext(n.t.Context(), "tcp", u.Host)
	must(n.t, err)
	n.t.Cleanup(func() { conn.Close() })
	must(n.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

// The attack: ask for a large answer and stop reading it. Without a limit each such
// call holds a goroutine and a connection to the upstream for ever.
func TestAnAnswerThatNobodyReadsHoldsNoUpstream(t *testing.T) {
	t.Parallel()
	n, token, ended := stalling(t)
	gone := func(t *testing.T) {
		t.Helper()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Error("the upstream's connection is held")
		}
	}
	t.Run("over HTTP/1.1", func(t *testing.T) {
		fmt.Fprintf(n.dial("http/1.1"), "GET /thing/v1/it HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token)
		gone(t)
	})
	t.Run("over HTTP/2", func(t *testing.T) {
		conn := n.dial("h2")
		_, err := conn.Write(begunHTTP2("/thing/v1/it", token))
		must(t, err)
		go func() { _, _ = io.Copy(io.Discard, conn) }() // the frames are read, and no window is opened
		gone(t)
	})
	t.Run("a small one, over HTTP/2 without a window", func(t *testing.T) {
		conn := n.dial("h2")
		_, err := conn.Write(begunHTTP2("/nothing", token))
		must(t, err)
		in := bufio.NewReader(conn)
		for {
			var head [9]byte
			if _, err := io.ReadFull(in, head[:]); err != nil {
				t.Fatalf("no RST_STREAM: %v", err)
			}
			if head[3] == 3 {
				break
			}
			_, err := io.CopyN(io.Discard, in, int64(head[0])<<16|int64(binary.BigEndian.Uint16(head[1:])))
			must(t, err)
		}
	})
}

// begunHTTP2 is the preface, SETTINGS with a window of 0, and a GET.
func begunHTTP2(path, token string) []byte {
	b := bytes.NewBufferString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x06\x04\x00\x00\x00\x00\x00" + "\x00\x04\x00\x00\x00\x00")
	var block []byte
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"authorization", "Bearer " + token}} {
		block = append(block, 0)
		for _, s := range f {
			if n := len(s); n < 127 {
				block = append(block, byte(n))
			} else {
				block = binary.AppendUvarint(append(block, 127), uint64(n-127))
			}
			block = append(block, s...)
		}
	}
	b.Write([]byte{byte(len(block) >> 16), byte(len(block) >> 8), byte(len(block)), 1, 5, 0, 0, 0, 1})
	b.Write(block)
	return b.Bytes()
}

func TestAStreamOfEventsMayBeSilentForLong(t *testing.T) {
	t.Parallel()
	n, token, _ := stalling(t)
	old := n.client.Transport.(*http.Transport).Clone()
	old.ForceAttemptHTTP2 = true
	t.Cleanup(old.CloseIdleConnections)
	for version, client := range map[string]*http.Client{"HTTP/1.1": n.client, "HTTP/2": {Transport: old}} {
		for range 2 { // the second on the connection of the first
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.production().URL+"/thing/v1/it", http.NoBody)
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Want", "events")
			res, err := client.Do(r)
			must(t, err)
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(text) != "data: first\n\ndata: second\n\n" || res.Proto != version && res.Proto != version+".0" {
				t.Errorf("%s, %s: %q, %v", version, res.Proto, text, err)
			}
		}
	}
}

// net/http itself answers what is no request: also on a connection that has waited.
func TestAConnectionThatHasWaitedIsStillAnswered(t *testing.T) {
	t.Parallel()
	n, token, _ := stalling(t)
	conn := n.dial("http/1.1")
	in := bufio.NewReader(conn)
	fmt.Fprintf(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token)
	res, err := http.ReadResponse(in, nil)
	must(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	must(t, err)
	time.Sleep(2 * patience)
	fmt.Fprint(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\n bad\r\n\r\n")
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 400 ") {
		t.Errorf("%q, %v", line, err)
	}
}
