//go:build linux

package httpx_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// restSoon is how long a connection is idle in these tests before it goes to the lobby.
const restSoon = 20 * time.Millisecond

// lodge is a server with a lobby.
type lodge struct {
	t       *testing.T
	address string
	client  *tls.Config  // nil: plain
	held    atomic.Int64 // connections that net/http has
	begun   atomic.Int64 // and has had
	server  *http.Server
}

// newLodge starts a server that answers with the body of the request, or its path.
func newLodge(t *testing.T, secured bool, but ...func(*http.Server)) *lodge {
	t.Helper()
	return newLodgeAfter(t, restSoon, secured, but...)
}

func newLodgeAfter(t *testing.T, after time.Duration, secured bool, but ...func(*http.Server)) *lodge {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newLodgeAt(t, socket, after, secured, but...)
}

func newLodgeAt(t *testing.T, socket net.Listener, after time.Duration, secured bool, but ...func(*http.Server)) *lodge {
	t.Helper()
	l := &lodge{t: t}
	var config *tls.Config
	if secured {
		borrowed := httptest.NewTLSServer(nil)
		borrowed.Close()
		config = &tls.Config{Certificates: borrowed.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
		roots := x509.NewCertPool()
		roots.AddCert(borrowed.Certificate())
		l.client = &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	}
	l.server = httpx.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		if (r.TLS != nil) != secured {
			t.Errorf("TLS %v, want %v", r.TLS != nil, secured)
		}
		_, _ = fmt.Fprintf(w, "%s%s", strings.TrimPrefix(r.URL.Path, "/"), body)
	}), config, slog.New(slog.DiscardHandler))
	for _, f := range but {
		f(l.server)
	}
	rested := l.server.ConnState
	l.server.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			l.held.Add(1)
			l.begun.Add(1)
		case http.StateClosed, http.StateHijacked:
			l.held.Add(-1)
		case http.StateActive, http.StateIdle:
		}
		rested(c, state)
	}
	l.address = socket.Addr().String()
	done := make(chan error, 1)
	go func() { done <- l.server.Serve(httpx.NewLobby(socket, l.server, after)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-done
	})
	return l
}

func (l *lodge) dial() *visitor {
	l.t.Helper()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).Dial("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	if l.client != nil {
		conn = tls.Client(conn, l.client)
	}
	return l.over(conn)
}

// over returns a client that has a connection.
func (l *lodge) over(conn net.Conn) *visitor {
	l.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &visitor{l.t, conn, bufio.NewReader(conn)}
}

// settles waits until net/http has no connection.
func (l *lodge) settles() {
	l.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); l.held.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("net/http has %d connections", l.held.Load())
		}
	}
}

// visitor is a client with one connection.
type visitor struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (v *visitor) send(text string) {
	v.t.Helper()
	if _, err := io.WriteString(v, text); err != nil {
		v.t.Fatal(err)
	}
}

func (v *visitor) answered(want string) {
	v.t.Helper()
	res, err := http.ReadResponse(v.r, nil)
	if err != nil {
		v.t.Fatalf("%q: %v", want, err)
	}
	got, err := io.ReadAll(res.Body)
	if err != nil || string(got) != want || res.StatusCode != http.StatusOK {
		v.t.Fatalf("%d %q, %v, want %q", res.StatusCode, got, err, want)
	}
}

func get(path string) string { return "GET /" + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

func TestAConnectionThatDoesNothingLeavesAndComesBackUnnoticed(t *testing.T) {
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			l := newLodge(t, secured)
			v := l.dial()
			for n, request := range []string{
				get("0"), get("1"),
				"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2",
				"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n",
				"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
			} {
				v.send(request)
				if strings.Contains(request, "Expect") {
					if line, err := v.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
						t.Fatalf("%q, %v", line, err)
					}
					_, _ = v.r.ReadString('\n')
					v.send("4")
				}
				v.answered(fmt.Sprint(n))
				l.settles()
			}
			if l.begun.Load() != 5 {
				t.Errorf("net/http has begun with it %d times", l.begun.Load())
			}
		})
	}
}

// What has come of the next request is in net/http's buffer, and would be lost.
func TestAConnectionOnWhichARequestHasBegunStays(t *testing.T) {
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			l := newLodge(t, secured)
			for begun := 1; begun <= 5; begun++ {
				v := l.dial()
				next := get("second")
				v.send(get("first") + next[:begun])
				v.answered("first")
				time.Sleep(3 * restSoon)
				if begun < 4 && l.held.Load() == 0 {
					t.Errorf("it left with %d bytes of a request", begun)
				}
				v.send(next[begun:])
				v.answered("second")
				_ = v.Close()
				l.settles()
			}
		})
	}
}

// Requests that come just when their connection leaves.
func TestNoRequestIsLostOnTheWayToTheLobbyOrBack(t *testing.T) {
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			l := newLodge(t, secured)
			var wg sync.WaitGroup
			for who := range 32 {
				wg.Go(func() {
					for n := range 6 {
						v := l.dial() // whoever comes back at once leaves later
						for again := range 3 {
							v.send(get(fmt.Sprintf("%d-%d-%d", who, n, again)))
							v.answered(fmt.Sprintf("%d-%d-%d", who, n, again))
							time.Sleep(restSoon<<again + time.Duration(who-16)*100*time.Microsecond)
						}
						_ = v.Close()
					}
				})
			}
			wg.Wait()
			if l.begun.Load() == 32*6 {
				t.Error("no connection has been in the lobby")
			}
		})
	}
}

func TestAConnectionInTheLobbyEndsWithItsClientOrItsTimeOrTheServer(t *testing.T) {
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			short := newLodge(t, secured, func(s *http.Server) { s.IdleTimeout = 200 * time.Millisecond })
			v := short.dial()
			v.send(get("x"))
			v.answered("x")
			if _, err := v.r.ReadByte(); err != io.EOF {
				t.Errorf("after its time: %v", err)
			}
			l := newLodge(t, secured)
			gone := l.dial()
			gone.send(get("x"))
			gone.answered("x")
			l.settles()
			begun := l.begun.Load()
			_ = gone.Close()
			for deadline := time.Now().Add(10 * time.Second); l.begun.Load() == begun && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond) // net/http is given it, and sees that it has ended
			}
			l.settles()
			stays := l.dial()
			stays.send(get("x"))
			stays.answered("x")
			l.settles()
			if err := l.server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := stays.r.ReadByte(); err != io.EOF {
				t.Errorf("after the server's end: %v", err)
			}
		})
	}
}

func TestALobbySpeaksHTTP2AndSaysWhatTheOthersDoWrong(t *testing.T) {
	l := newLodge(t, true)
	transport := &http.Transport{TLSClientConfig: l.client, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for range 2 {
		res, err := (&http.Client{Transport: transport}).Get("https://" + l.address + "/two")
		if err != nil || res.ProtoMajor != 2 {
			t.Fatalf("%v, %v", res, err)
		}
		_ = res.Body.Close()
		time.Sleep(2 * restSoon)
	}
	if l.begun.Load() != 1 {
		t.Errorf("%d connections for HTTP/2", l.begun.Load())
	}
	l.client = nil
	v := l.dial()
	v.send(get("x"))
	res, err := http.ReadResponse(v.r, nil)
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Fatalf("HTTP to the port of HTTPS: %v, %v", res, err)
	}
	if text, _ := io.ReadAll(res.Body); !strings.Contains(string(text), "https://") {
		t.Errorf("it is told %q", text)
	}
	silent := l.dial()
	silent.send("\x16\x03\x01\x00")
	_ = silent.Close()
}

func TestAHijackedConnectionIsNobodysGuest(t *testing.T) {
	l := newLodge(t, false, func(s *http.Server) {
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Time{})
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_ = rw.Flush()
			_, _ = io.Copy(conn, rw)
		})
	})
	v := l.dial()
	v.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	for line := "-"; line != "\r\n"; {
		var err error
		if line, err = v.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		v.send("ping")
		got := make([]byte, 4)
		if _, err := io.ReadFull(v.r, got); err != nil || string(got) != "ping" {
			t.Fatalf("%q, %v", got, err)
		}
		time.Sleep(2 * restSoon)
	}
}
