package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is a server that speaks as a test tells it to, over the bare socket.
type upstream struct {
	net.Listener
	opened, open atomic.Int64
}

// serve starts one, which gives each connection to handle, with its number.
func serve(t testing.TB, handle func(n int, conn net.Conn, in *bufio.Reader)) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := int(u.opened.Add(1))
			u.open.Add(1)
			go func() {
				defer u.open.Add(-1)
				defer conn.Close()
				handle(n, conn, bufio.NewReader(conn))
			}()
		}
	}()
	return u
}

// answering gives every request of every connection those bytes for an answer.
func answering(answers ...string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, conn net.Conn, in *bufio.Reader) {
		for i := 0; ; i++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if _, err := io.WriteString(conn, answers[i%len(answers)]); err != nil {
				return
			}
			if answer := answers[i%len(answers)]; strings.Contains(answer, "close") || strings.HasPrefix(answer, "HTTP/1.0") {
				return
			}
		}
	}
}

const wait = 300 * time.Millisecond

func (u *upstream) client(t testing.TB) *Client {
	t.Helper()
	c := New(Config{
		Address: u.Addr().String(), Dial: time.Second, Timeout: wait, Silence: wait, Idle: time.Minute,
		MaxIdle: 8, MaxHead: 64 << 10, MaxFields: 100, MaxInterims: 3,
	})
	t.Cleanup(c.CloseIdle)
	return c
}

// got is an answer as its receiver has it.
type got struct {
	status   int
	header   http.Header
	trailers http.Header
	body     string
}

func header(fields []Field) http.Header {
	h := http.Header{}
	for _, f := range fields {
		h[f.Name] = append(h[f.Name], f.Value)
	}
	return h
}

// do sends a request and reads the answer.
func (c *Client) do(ctx context.Context, r *Request) (got, error) {
	a, err := c.Do(ctx, r)
	if err != nil {
		return got{}, err
	}
	defer a.Close()
	var body bytes.Buffer
	err = a.Copy(&body, nil)
	return got{a.Status(), header(a.Fields()), header(a.Trailers()), body.String()}, err
}

func get() *Request { return &Request{Method: "GET", Target: "/", Host: "x"} }

func post(body string) *Request {
	return &Request{Method: "POST", Target: "/", Host: "x", Body: strings.NewReader(body), Length: int64(len(body))}
}

func chunked(body io.Reader) *Request {
	return &Request{Method: "POST", Target: "/", Host: "x", Body: body, Length: -1}
}

func (c *Client) waiting() int {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return len(c.pool.conns)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not so after a while: %s", what)
}

// script is a connection to a server that has said all it will say.
type script struct {
	in  io.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (*script) Close() error                       { return nil }
func (*script) LocalAddr() net.Addr                { return nil }
func (*script) RemoteAddr() net.Addr               { return nil }
func (*script) SetDeadline(time.Time) error        { return nil }
func (*script) SetReadDeadline(time.Time) error    { return nil }
func (*script) SetWriteDeadline(t time.Time) error { return nil }

// scripted returns a client whose only connection is s.
func scripted(s *script) *Client {
	c := New(Config{Timeout: time.Second, MaxHead: 64 << 10, MaxFields: 100, MaxInterims: 3})
	c.connect = func(context.Context) (*conn, error) { return &conn{Conn: s, client: c}, nil }
	return c
}

var errGone = errors.New("gone")
