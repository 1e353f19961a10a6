package server_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// wire is a TCP relay that can be cut and mended: the network to a store.
type wire struct {
	listener net.Listener
	network  string
	to       string
	mu       sync.Mutex
	cut      bool
	open     map[net.Conn]bool
}

// wireTo puts a wire before the server that dsn names, which listens at an
// address or, like the tests' own, at a socket in a folder.
func wireTo(t *testing.T, dsn *url.URL) *wire {
	t.Helper()
	query := dsn.Query()
	network, to := "tcp", dsn.Host
	if folder := query.Get("host"); folder != "" {
		port := query.Get("port")
		if port == "" {
			port = "5432"
		}
		network, to = "unix", filepath.Join(folder, ".s.PGSQL."+port)
	}
	w := newWire(t, network, to)
	query.Del("host")
	query.Del("port")
	dsn.RawQuery, dsn.Host = query.Encode(), w.listener.Addr().String()
	return w
}

func newWire(t *testing.T, network, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: l, network: network, to: to, open: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); w.set(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.relay(c)
		}
	}()
	return w
}

func (w *wire) relay(c net.Conn) {
	defer c.Close()
	up, err := net.Dial(w.network, w.to)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.open[c], w.open[up] = true, true
	w.mu.Unlock()
	go func() { _, _ = io.Copy(up, c); up.Close() }()
	_, _ = io.Copy(c, up)
	w.mu.Lock()
	delete(w.open, c)
	delete(w.open, up)
	w.mu.Unlock()
}

// set cuts the wire, with all that is open, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for c := range w.open {
			c.Close()
		}
	}
}

// A node fails static, then closed.
func TestWithoutItsStoreANodeGoesOnAndThenRefuses(t *testing.T) {
	dsn, err := url.Parse(storetest.Postgres(t))
	must(t, err)
	w := wireTo(t, dsn)
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) }))
	defer upstream.Close()
	c := settings(t, t.TempDir(), dsn.String())
	c.MaxStale = config.Duration(3 * time.Second)
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	_, app, text := customer(t, n.Market)
	var token string
	soon(t, "the secret works", func() bool {
		var status int
		status, token = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	soon(t, "the call passes", func() bool { status, _ := n.call(token); return status == http.StatusNoContent })

	w.set(true)
	if status, _ := n.call(token); status != http.StatusNoContent {
		t.Errorf("right after the cut, a call: %d", status)
	}
	if status, _ := n.token(app.ClientID, text); status != http.StatusOK {
		t.Errorf("right after the cut, a token: %d", status)
	}
	until(t, "calls are refused", 10*time.Second, func() bool {
		status, body := n.call(token)
		return status == http.StatusServiceUnavailable && body["error"] == "service_unavailable"
	})
	if status, _ := n.token(app.ClientID, text); status != http.StatusServiceUnavailable {
		t.Errorf("when calls are refused, a token: %d", status)
	}
	w.set(false)
	until(t, "calls pass again", 30*time.Second, func() bool { status, _ := n.call(token); return status == http.StatusNoContent })
}

func until(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
