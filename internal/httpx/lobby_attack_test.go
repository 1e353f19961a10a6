//go:build linux

package httpx_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The attack: the beginning of a request comes with the one before, and the rest later
// than a connection leaves. If it left then, what is a body to whoever sent it would be
// a request to net/http.
func TestABodyIsNotARequestThoughItsConnectionWasIdle(t *testing.T) {
	const evil = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			l := newLodge(t, secured)
			for _, begun := range []string{
				fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(evil)),
				fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", len(evil)),
				"POST / HTTP/1.1\r\n",
			} {
				v := l.dial()
				v.send(get("first") + begun)
				v.answered("first")
				time.Sleep(3 * restSoon)
				switch {
				case strings.Contains(begun, "chunked"):
					v.send(evil + "\r\n0\r\n\r\n")
				case strings.Contains(begun, "Length"):
					v.send(evil)
				default:
					v.send(fmt.Sprintf("Host: x\r\nContent-Length: %d\r\n\r\n%s", len(evil), evil))
				}
				v.answered(evil)
			}
		})
	}
}

// The attack: an upgrade that comes with the request before it. What is said by the new
// protocol would be a request.
func TestAnUpgradeBehindARequestIsNobodysGuest(t *testing.T) {
	l := newLodge(t, false, func(s *http.Server) {
		plain := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") == "" {
				plain.ServeHTTP(w, r)
				return
			}
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_ = rw.Flush()
			_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
			_, _ = io.Copy(conn, rw)
		})
	})
	v := l.dial()
	v.send(get("first") + "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	v.answered("first")
	if res, err := http.ReadResponse(v.r, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	for range 2 {
		time.Sleep(3 * restSoon)
		v.send("ping")
		got := make([]byte, 4)
		if _, err := io.ReadFull(v.r, got); err != nil || string(got) != "ping" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// TestALobbyAnswersAsNetHTTPDoesAlone cuts what a client sends in two at each byte, so
// that the connection may go to the lobby there, and compares with a server that has
// none.
func TestALobbyAnswersAsNetHTTPDoesAlone(t *testing.T) {
	const post = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
	scripts := []string{
		get("a") + post + "01234" + get("b"),
		get("a") + "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\nX: y\r\n\r\n" + get("b"),
		get("a") + "HEAD /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("b"),
		get("a") + post + "01234GARBAGE\r\n\r\n" + get("b"),
		get("a") + "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + get("c"),
		get("a") + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		get("a") + "GET /h2c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n" + get("b"),
		get("a") + "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n1" + get("b"),
		get("a") + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get("b"),
	}
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			quick, alone := newLodgeAfter(t, time.Millisecond, secured), newLodgeAfter(t, time.Hour, secured)
			step := 1
			if secured {
				step = 4 // handshakes take their time
			}
			room := make(chan struct{}, 64)
			var wg sync.WaitGroup
			for n, script := range scripts {
				want := alone.says(script, len(script))
				if want == "" {
					t.Fatalf("script %d is not answered", n)
				}
				for at := 1; at <= len(script); at += step {
					wg.Go(func() {
						room <- struct{}{}
						defer func() { <-room }()
						if got := quick.says(script, at); got != want {
							t.Errorf("cut at %q:\n%q, want\n%q", script[:at], got, want)
						}
					})
				}
			}
			wg.Wait()
		})
	}
}

// says sends script, of it as much as at at once, and returns all that is answered.
func (l *lodge) says(script string, at int) string {
	v := l.dial()
	defer v.Close()
	_, _ = io.WriteString(v, script[:at])
	time.Sleep(5 * time.Millisecond)
	_, _ = io.WriteString(v, script[at:])
	if c, ok := v.Conn.(interface{ CloseWrite() error }); ok {
		time.Sleep(5 * time.Millisecond)
		_ = c.CloseWrite()
	}
	all, err := io.ReadAll(v.r)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		l.t.Errorf("%q: %v", script[:at], err)
	}
	return date.ReplaceAllString(string(all), "")
}

var date = regexp.MustCompile(`Date: [^\r]*\r\n`)
