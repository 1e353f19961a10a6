package server_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// several is an upstream of several servers, of which each notes what calls it has seen
// anything of.
type several struct {
	mu   sync.Mutex
	seen map[string][]string // by the call's path: the servers
}

func (s *several) note(server, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string][]string{}
	}
	s.seen[path] = append(s.seen[path], server)
}

func (s *several) by(path string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[path]
}

// answer is one of the servers.
func (s *several) answer(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.note(name, r.URL.Path)
		switch {
		case strings.Contains(r.URL.Path, "/breaks/"): // once it has a byte of the body
			_, _ = r.Body.Read(make([]byte, 1))
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		case strings.Contains(r.URL.Path, "/refuses/"): // and does not want the body
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusExpectationFailed)
		case r.Header.Get("Upgrade") != "":
			conn, buffer, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			_, _ = io.Copy(conn, buffer)
		case r.ProtoMajor == 2: // each part comes back
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			part := make([]byte, 1<<10)
			for {
				n, err := r.Body.Read(part)
				_, _ = w.Write(part[:n])
				_ = http.NewResponseController(w).Flush()
				if err != nil {
					break
				}
			}
			w.Header().Set("Grpc-Status", "0")
		default:
			h := sha256.New()
			n, err := io.Copy(h, r.Body)
			fmt.Fprintf(w, "%d %x %v", n, h.Sum(nil), err)
		}
	}
}

// Of several servers one refuses connections and is asked again and again, since it is
// never passed over. Whatever is sent reaches exactly one of the others.
func TestExactlyOneServerSeesABody(t *testing.T) {
	gone := newRawUpstream(t, nil)
	gone.Close()
	servers := &several{}
	targets := func(wrap func(string) string) string {
		urls := []string{"{url: \"http://" + gone.Addr().String() + "\"}"}
		for _, name := range []string{"a", "b"} {
			urls = append(urls, "{url: \""+wrap(name)+"\"}")
		}
		return "targets: [" + strings.Join(urls, ", ") + "], retries: {attempts: 3, budget: 100, methods: [PUT]}, health: {unhealthy: 1000}, timeout: 10s"
	}
	one := targets(func(name string) string {
		up := httptest.NewServer(servers.answer(name))
		t.Cleanup(up.Close)
		return up.URL
	})
	two := targets(func(name string) string {
		up := httptest.NewUnstartedServer(servers.answer(name))
		up.Config.Protocols = &http.Protocols{}
		up.Config.Protocols.SetUnencryptedHTTP2(true)
		up.Start()
		t.Cleanup(up.Close)
		return up.URL
	})
	f := newFaulty(t, map[string]string{"one": one + ", websocket: true", "two": two + ", http: h2c"})
	sees := func(t *testing.T, path string, want int) {
		t.Helper()
		if by := servers.by(path); len(by) != want {
			t.Errorf("%s was seen by %v, want %d", path, by, want)
		}
	}
	before, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	for i := range 2 {
		way := "/" + wayOf(i) + "/one/"
		t.Run("a body of 50 MB, by "+wayOf(i), func(t *testing.T) {
			const size = 50 << 20
			want := sha256.New()
			_, _ = io.CopyN(want, pattern{}, size)
			path := way + "large"
			res, got, err := f.ask(t.Context(), http.MethodPost, path, io.LimitReader(pattern{}, size))
			must(t, err)
			if text := fmt.Sprintf("%d %s <nil>", size, hex.EncodeToString(want.Sum(nil))); string(got) != text || res.StatusCode != http.StatusOK {
				t.Errorf("%d %s, want %s", res.StatusCode, got, text)
			}
			sees(t, path, 1)
			if record := f.record(res.Header.Get("X-Trace-Id")); record["upstream_attempts"] != float64(2) {
				t.Errorf("the one that is away was not asked first: %v", record)
			}
		})
		t.Run("a server that breaks off within it, by "+wayOf(i), func(t *testing.T) {
			for n, size := range []int{10, 100 << 10, 4 << 20} {
				for _, method := range []string{http.MethodPut, http.MethodPost} {
					path := fmt.Sprintf("%sbreaks/%s%d", way, method, n)
					res, got, err := f.ask(t.Context(), method, path, bytes.NewReader(make([]byte, size)))
					must(t, err)
					if res.StatusCode != http.StatusBadGateway {
						t.Errorf("%s of %d: %d %s", method, size, res.StatusCode, got)
					}
					sees(t, path, 1)
				}
			}
		})
		t.Run("Expect: 100-continue, by "+wayOf(i), func(t *testing.T) {
			f.expect(t, way+"expects/1", "200 OK", strings.Repeat("x", 64<<10))
			sees(t, way+"expects/1", 1)
			f.expect(t, way+"refuses/1", "417 Expectation Failed", "")
			sees(t, way+"refuses/1", 1)
		})
		t.Run("a WebSocket, by "+wayOf(i), func(t *testing.T) {
			for n := range 3 {
				path := fmt.Sprintf("%ssocket/%d", way, n)
				conn := f.dial("http/1.1")
				in := f.upgraded(t, conn, path)
				text := clientFrame(1, "hello")
				_, err := conn.Write(text)
				must(t, err)
				got := make([]byte, len(text))
				if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%x, %v", got, err)
				}
				conn.Close()
				sees(t, path, 1)
			}
		})
	}
	t.Run("gRPC", func(t *testing.T) {
		client := f.over(t, "HTTP/2.0")
		for n := range 4 {
			path := fmt.Sprintf("/relay/two/talk/%d", n)
			body, feed := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.production().URL+path, body)
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+f.token)
			r.Header.Set("Content-Type", "application/grpc")
			r.Header.Set("Te", "trailers")
			res, err := client.Do(r)
			must(t, err)
			for range 3 {
				_, err := feed.Write([]byte("part"))
				must(t, err)
				got := make([]byte, 4)
				if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "part" {
					t.Errorf("%q, %v", got, err)
				}
			}
			feed.Close()
			if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 || res.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("%q, %v, %v", rest, err, res.Trailer)
			}
			res.Body.Close()
			sees(t, path, 1)
		}
		client.CloseIdleConnections()
	})
	// Without the APIs nothing is kept open for them.
	f.apply(catalogue("http://127.0.0.1:1"))
	f.level(before)
	until(t, "as many descriptors are open as before", 10*time.Second, func() bool { return openDescriptors(t) <= descriptors })
}

// pattern is bytes of which no two parts are alike.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i>>8) ^ byte(i)*31
	}
	return len(p), nil
}

// expect sends a head, and its body once that is asked for.
func (f *faulty) expect(t *testing.T, path, want, body string) {
	t.Helper()
	conn := f.dial("http/1.1")
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, f.token, max(len(body), 1))
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	must(t, err)
	if body != "" {
		if res.StatusCode != http.StatusContinue {
			t.Fatalf("before the body: %s", res.Status)
		}
		_, err = io.WriteString(conn, body)
		must(t, err)
		res, err = http.ReadResponse(in, nil)
		must(t, err)
	}
	defer res.Body.Close()
	if res.Status != want {
		t.Errorf("%s, want %s", res.Status, want)
	}
}

// upgraded begins a WebSocket.
func (f *faulty) upgraded(t *testing.T, conn net.Conn, path string) *bufio.Reader {
	t.Helper()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", path, f.token)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	must(t, err)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no WebSocket: %s", res.Status)
	}
	return in
}

// clientFrame is a frame of a WebSocket as clients send it: masked.
func clientFrame(opcode byte, text string) []byte {
	frame := []byte{0x80 | opcode, 0x80 | byte(len(text)), 1, 2, 3, 4}
	for i := range text {
		frame = append(frame, text[i]^frame[2+i%4])
	}
	return frame
}
