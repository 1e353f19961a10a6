package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endless is a body that goes on for as long as it is read.
type endless struct{ n atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.n.Add(int64(len(p)))
	return len(p), nil
}

// stuck is a body that never comes.
type stuck struct{ until <-chan struct{} }

func (s stuck) Read([]byte) (int, error) {
	<-s.until
	return 0, io.EOF
}

// Each stage at which a server can leave its client waiting.
var stalls = map[string]struct {
	handle  func(int, net.Conn, *bufio.Reader)
	request func() *Request
	tls     bool
}{
	"before TLS":      {func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = io.Copy(io.Discard, in) }, get, true},
	"before the head": {func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = io.Copy(io.Discard, in) }, get, false},
	"before the head, with a body sent": {func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = io.Copy(io.Discard, in) }, func() *Request {
		return chunked(strings.NewReader(strings.Repeat("x", 100<<10)))
	}, false},
	"within the head": {func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent")
		_, _ = io.Copy(io.Discard, in)
	}, get, false},
	"after an interim answer": {func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.1 102 Processing\r\n\r\n")
		_, _ = io.Copy(io.Discard, in)
	}, get, false},
	"within the body": {func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12")
		_, _ = io.Copy(io.Discard, in)
	}, get, false},
	"within a chunk": {func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12")
		_, _ = io.Copy(io.Discard, in)
	}, get, false},
	"while it is sent a body": {func(_ int, _ net.Conn, _ *bufio.Reader) { time.Sleep(10 * wait) }, func() *Request { return chunked(&endless{}) }, false},
}

func TestAServerThatStallsIsNotWaitedForLongerThanItMayTake(t *testing.T) {
	for name, stall := range stalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, stall.handle).client(t)
			if stall.tls {
				c.TLS, c.Dial = &tls.Config{ServerName: "x", MinVersion: tls.VersionTLS12}, wait
			}
			began := time.Now()
			_, err := c.do(t.Context(), stall.request())
			if !timedOut(err) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took < wait || took > 20*wait {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestWhoGoesAwayIsNotWaitedFor(t *testing.T) {
	for name, stall := range stalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := serve(t, stall.handle)
			c := u.client(t)
			c.Dial, c.Timeout, c.Silence = time.Hour, time.Hour, time.Hour
			if stall.tls {
				c.TLS = &tls.Config{ServerName: "x", MinVersion: tls.VersionTLS12}
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			a, err := c.Do(ctx, stall.request())
			if err == nil {
				err = a.Copy(io.Discard, nil)
				a.Close()
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if err == nil || c.waiting() > 0 {
				t.Errorf("got %v; %d wait", err, c.waiting())
			}
		})
	}
}

func TestAnAnswerMayComeBeforeTheBodyIsSent(t *testing.T) {
	for name, answer := range map[string]string{"and be all": ok, "and be the last": "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(conn, answer)
				_, _ = io.Copy(io.Discard, in)
			})
			c := u.client(t)
			until := make(chan struct{})
			defer close(until)
			for body, r := range map[string]io.Reader{"stuck": stuck{until}, "endless": &endless{}} {
				if answer, err := c.do(t.Context(), chunked(r)); err != nil || answer.body != "ok" {
					t.Errorf("%s: %v, %v", body, answer, err)
				}
			}
			if c.waiting() != 0 {
				t.Error("a connection on which a request is half sent is used again")
			}
			eventually(t, "the connections are closed", func() bool { return u.open.Load() == 0 })
		})
	}
	t.Run("as parts of one after parts of the other", func(t *testing.T) {
		u := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				var b [1]byte
				for err == nil {
					var n int
					if n, err = r.Body.Read(b[:]); n > 0 {
						_, _ = io.WriteString(conn, "1\r\n"+string(b[:])+"\r\n")
					}
				}
				_, _ = io.WriteString(conn, "0\r\n\r\n")
			}
		})
		c := u.client(t)
		for range 3 {
			body, feed := io.Pipe()
			a, err := c.Do(t.Context(), chunked(body))
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(feed, "a") }()
			var heard strings.Builder
			err = a.Copy(writer(func(p []byte) (int, error) {
				if heard.Write(p); heard.Len() == 5 {
					return len(p), feed.Close()
				}
				go func() { _, _ = io.WriteString(feed, "b") }()
				return len(p), nil
			}), nil)
			if err != nil || heard.String() != "abbbb" {
				t.Fatalf("%q, %v", heard.String(), err)
			}
			a.Close()
		}
		if u.opened.Load() != 1 {
			t.Errorf("%d connections", u.opened.Load())
		}
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestAServerMayStopListeningAndAnswer(t *testing.T) {
	u := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_ = conn.(*net.TCPConn).CloseRead()
		_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		time.Sleep(wait)
	})
	if answer, err := u.client(t).do(t.Context(), chunked(stuck{t.Context().Done()})); err != nil || answer.body != "no" {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestAPartIsFlushedBeforeTheNextIsWaitedFor(t *testing.T) {
	next := make(chan struct{}, 3)
	u := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, part := range []string{"1\r\na\r\n", "1\r\nb\r\n", "1\r\nc\r\n0\r\n\r\n"} {
			<-next // which the flush of what came before gives
			_, _ = io.WriteString(conn, part)
		}
		_, _ = io.Copy(io.Discard, in)
	})
	a, err := u.client(t).Do(t.Context(), get())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var body strings.Builder
	if err := a.Copy(&body, func() error { next <- struct{}{}; return nil }); err != nil || body.String() != "abc" {
		t.Errorf("%q, %v", body.String(), err)
	}
}

func TestWhoTakesTheAnswerMayFail(t *testing.T) {
	u := serve(t, answering(ok))
	c := u.client(t)
	a, err := c.Do(t.Context(), get())
	if err != nil {
		t.Fatal(err)
	}
	var sink *SinkError
	if err := a.Copy(writer(func([]byte) (int, error) { return 0, errGone }), nil); !errors.As(err, &sink) || !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
	a.Close()
}

func TestOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf of it")
			_ = conn.(*tls.Conn).NetConn().Close() // without a word
			return
		}
		_, _ = io.Copy(w, r.Body)
	}))
	var opened atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	client := func(name string) *Client {
		c := New(Config{
			Address: server.Listener.Addr().String(), TLS: &tls.Config{ServerName: name, RootCAs: trust, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
			Dial: time.Second, Timeout: time.Second, Idle: time.Minute, MaxIdle: 8, MaxHead: 64 << 10, MaxFields: 100,
		})
		t.Cleanup(c.CloseIdle)
		return c
	}
	c := client("example.com")
	for range 3 {
		if answer, err := c.do(t.Context(), post("secret")); err != nil || answer.body != "secret" {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections", opened.Load())
	}
	cut := get()
	cut.Target = "/cut"
	if answer, err := c.do(t.Context(), cut); err == nil {
		t.Errorf("an answer that was cut off is taken for whole: %v", answer)
	}
	if answer, err := client("another.example").do(t.Context(), get()); err == nil {
		t.Errorf("another's certificate is taken: %v", answer)
	}
}

// A deadline that was set for one exchange serves the next, as long as it gives it
// all of its time.
func TestEveryExchangeHasAllOfItsTime(t *testing.T) {
	u := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if r.URL.Path == "/stall" {
				_, _ = io.Copy(io.Discard, in)
				return
			}
			time.Sleep(wait / 4)
			_, _ = io.WriteString(conn, ok)
		}
	})
	c := u.client(t)
	for range 6 { // together longer than one may take
		if _, err := c.do(t.Context(), get()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2 * wait) // the deadline passes while the connection waits
	if _, err := c.do(t.Context(), get()); err != nil {
		t.Fatal(err)
	}
	r := get()
	r.Target = "/stall"
	began := time.Now()
	if _, err := c.do(t.Context(), r); !timedOut(err) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took < wait || took > 20*wait {
		t.Errorf("it took %v", took)
	}
	if u.opened.Load() != 1 {
		t.Errorf("%d connections", u.opened.Load())
	}
}
