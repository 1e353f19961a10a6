package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestAConnectionIsUsedAgainOnlyAfterAnAnswerWithoutDoubt(t *testing.T) {
	for _, tt := range []struct {
		name, method, answer string
		again                bool
	}{
		{"a length", "GET", ok, true},
		{"no body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true},
		{"chunks and trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", true},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", true},
		{"HEAD of chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", true},
		{"204 that says zero", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true},
		{"304 that says how long it would be", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", true},
		{"interim answers before it", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + ok, true},
		{"keep-alive said", "GET", "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", true},
		{"close said", "GET", "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0\r\n\r\n", false},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false},
		{"more bytes than said", "GET", ok + "H", false},
		{"another answer behind it", "GET", ok + ok, false},
		{"204 that says it has a body", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", false},
		{"204 that says it has chunks", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"HEAD with a body", "HEAD", ok, false},
		{"304 with a body", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := serve(t, answering(tt.answer))
			c := u.client(t)
			for i := range 3 {
				r := get()
				r.Method = tt.method
				if _, err := c.do(t.Context(), r); err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
			}
			if again := u.opened.Load() == 1; again != tt.again {
				t.Errorf("%d connections for 3 requests", u.opened.Load())
			}
		})
	}
}

func TestAConnectionIsNotUsedAgainAfterAnAnswerThatWasLeft(t *testing.T) {
	u := serve(t, answering(ok))
	c := u.client(t)
	for range 3 {
		a, err := c.Do(t.Context(), get())
		if err != nil {
			t.Fatal(err)
		}
		a.Close() // without reading its body
	}
	if c.waiting() != 0 || u.opened.Load() != 3 {
		t.Errorf("%d connections, %d wait", u.opened.Load(), c.waiting())
	}
}

func TestWhatComesOnAnIdleConnectionIsNoAnswer(t *testing.T) {
	for name, late := range map[string]string{"an answer": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "a timeout": "HTTP/1.1 408 Request Timeout\r\n\r\n", "a byte": "x"} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan struct{})
			u := serve(t, func(n int, conn net.Conn, in *bufio.Reader) {
				if n > 1 {
					answering(ok)(n, conn, in)
					return
				}
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(conn, ok)
				time.Sleep(20 * time.Millisecond) // after the answer was read
				_, _ = io.WriteString(conn, late)
				close(sent)
				_, _ = io.Copy(io.Discard, in)
			})
			c := u.client(t)
			for i := range 2 {
				if answer, err := c.do(t.Context(), post("x")); err != nil || answer.body != "ok" {
					t.Fatalf("request %d: %v, %v", i, answer, err)
				}
				<-sent
				time.Sleep(20 * time.Millisecond)
			}
			if u.opened.Load() != 2 {
				t.Errorf("%d connections", u.opened.Load())
			}
		})
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	half := "HTTP/1.1 200"
	key := Field{"Idempotency-Key", "1"}
	for _, tt := range []struct {
		name    string
		request func() *Request
		last    string // what the used connection says before it ends
		again   bool
	}{
		{"a GET", get, "", true},
		{"a HEAD", func() *Request { r := get(); r.Method = "HEAD"; return r }, "", true},
		{"a GET with a small body", func() *Request { r := post("x"); r.Method = "GET"; return r }, "", true},
		{"a POST with a key", func() *Request { r := post("x"); r.Fields = []Field{key}; return r }, "", true},
		{"a POST", func() *Request { return post("x") }, "", false},
		{"a PUT", func() *Request { r := post("x"); r.Method = "PUT"; return r }, "", false},
		{"a DELETE", func() *Request { r := get(); r.Method = "DELETE"; return r }, "", false},
		{"a GET with a body that streams", func() *Request { r := chunked(strings.NewReader("x")); r.Method = "GET"; return r }, "", false},
		{"a GET whose answer had begun", get, half, false},
		{"a GET whose interim answer had come", get, "HTTP/1.1 100 Continue\r\n\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := serve(t, func(n int, conn net.Conn, in *bufio.Reader) {
				for i := 0; ; i++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					if n == 1 && i == 1 {
						_, _ = io.WriteString(conn, tt.last)
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			c := u.client(t)
			if _, err := c.do(t.Context(), get()); err != nil {
				t.Fatal(err)
			}
			_, err := c.do(t.Context(), tt.request())
			if (err == nil) != tt.again || (u.opened.Load() == 2) != tt.again {
				t.Errorf("%v, %d connections", err, u.opened.Load())
			}
		})
	}
	t.Run("nothing on a new connection", func(t *testing.T) {
		u := serve(t, func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = http.ReadRequest(in) })
		if _, err := u.client(t).do(t.Context(), get()); !errors.Is(err, errNoAnswer) || u.opened.Load() != 1 {
			t.Errorf("%v, %d connections", err, u.opened.Load())
		}
	})
}

func TestIdleConnectionsAreFewAndEnd(t *testing.T) {
	u := serve(t, answering(ok))
	c := u.client(t)
	c.pool.idle = 50 * time.Millisecond
	many := func() {
		var all sync.WaitGroup
		var answers []*Answer
		for range 20 {
			a, err := c.Do(t.Context(), get())
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, a)
		}
		for _, a := range answers {
			all.Go(func() {
				if err := a.Copy(io.Discard, nil); err != nil {
					t.Error(err)
				}
				a.Close()
			})
		}
		all.Wait()
	}
	many()
	if n := c.waiting(); n > c.MaxIdle {
		t.Errorf("%d wait", n)
	}
	eventually(t, "those that wait for too long are closed", func() bool { return c.waiting() == 0 && u.open.Load() == 0 })
	many()
	c.CloseIdle()
	many()
	eventually(t, "none waits once the client is not needed any more", func() bool { return c.waiting() == 0 && u.open.Load() == 0 })
}

// Whatever goes wrong, nothing is left behind.
func TestThousandsOfRequestsLeaveNothingBehind(t *testing.T) {
	u := serve(t, func(n int, conn net.Conn, in *bufio.Reader) {
		for i := 0; ; i++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			switch (n + i) % 7 {
			case 0: // gone at once
				return
			case 1:
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
				return
			case 2:
				_ = conn.(*net.TCPConn).SetLinger(0)
				return
			case 3: // early: the body is not read
				_, _ = io.WriteString(conn, ok)
			default:
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, ok)
			}
		}
	})
	c := u.client(t)
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				r := get()
				switch i % 4 {
				case 1:
					r = post("small")
				case 2:
					r = chunked(strings.NewReader(strings.Repeat("x", 100<<10)))
				case 3:
					r = chunked(io.MultiReader(strings.NewReader("x"), failing{}))
				}
				if (i+worker)%11 == 0 {
					time.AfterFunc(time.Millisecond, cancel)
				}
				_, _ = c.do(ctx, r)
				cancel()
			}
		})
	}
	all.Wait()
	c.CloseIdle()
	eventually(t, "no connection is open", func() bool { return u.open.Load() == 0 })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+2 })
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errGone }

func BenchmarkDo(b *testing.B) {
	u := serve(b, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n%s", strings.Repeat("x", 1024))))
	c := u.client(b)
	r := get()
	b.ReportAllocs()
	for b.Loop() {
		a, err := c.Do(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Copy(io.Discard, nil); err != nil {
			b.Fatal(err)
		}
		a.Close()
	}
}
