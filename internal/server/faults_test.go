package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// short is every time that an upstream of these tests is given.
const short = 300 * time.Millisecond

// rawUpstream does with each connection what a test says, and counts those that are
// open.
type rawUpstream struct {
	net.Listener
	open atomic.Int64
}

func newRawUpstream(t *testing.T, handle func(conn *net.TCPConn)) *rawUpstream {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	u := &rawUpstream{Listener: l}
	var serving sync.WaitGroup
	t.Cleanup(func() { l.Close(); serving.Wait() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			u.open.Add(1)
			serving.Go(func() {
				defer u.open.Add(-1)
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			})
		}
	}()
	return u
}

// untilClosed waits for the other side to close.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// failing does what the last part of the path says, with each request.
func failing(conn *net.TCPConn) {
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	say := func(format string, args ...any) bool {
		_, err := fmt.Fprintf(conn, format, args...)
		return err == nil
	}
	_, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/do/")
	if what != "deaf" {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	switch what {
	case "fine":
		say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine")
	case "hang":
		untilClosed(conn)
	case "deaf": // it takes no more than the kernel does
		time.Sleep(6 * short)
	case "interims":
		for say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") {
		}
	case "interims, slowly":
		for say("HTTP/1.1 102 Processing\r\n\r\n") {
			time.Sleep(short / 6)
		}
	case "head":
		say("HTTP/1.1 200 OK\r\nX-Long: ")
		for say("%s", strings.Repeat("x", 8<<10)) {
		}
	case "fields":
		say("HTTP/1.1 200 OK\r\n")
		for say("X-Many: x\r\n") {
		}
	case "head, slowly":
		say("HTTP/1.1 200 OK\r\nX-Long: ")
		for say("x") {
			time.Sleep(short / 6)
		}
	case "long head":
		say("HTTP/1.1 200 OK\r\nX-Long: %s\r\nContent-Length: 4\r\n\r\nfine", strings.Repeat("x", 80<<10))
	case "silence":
		say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial")
		untilClosed(conn)
	case "silence within chunks":
		say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n")
		untilClosed(conn)
	case "silence before the end":
		say("HTTP/1.1 200 OK\r\n\r\npartial")
		untilClosed(conn)
	case "endless":
		say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for say("2000\r\n%s\r\n", strings.Repeat("x", 8<<10)) {
		}
	case "drip":
		say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n")
		for range 8 {
			say("x")
			time.Sleep(short / 3)
		}
	}
}

// faulty is a node before upstreams that go wrong, each reached in both ways: by
// relay, and by a transport of net/http.
type faulty struct {
	*node
	token string
	log   *journal
}

func wayOf(i int) string { return [...]string{"relay", "transport"}[i] }

// newFaulty files an API at /relay/NAME and one at /transport/NAME for each upstream.
func newFaulty(t *testing.T, upstreams map[string]string) *faulty {
	t.Helper()
	f := &faulty{log: &journal{}}
	c := settings(t, t.TempDir(), "")
	c.Log.Paths = true // by which requests are told apart
	f.node = runWith(t, server.Options{Config: c, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(f.log, nil))})
	f.file(upstreams)
	return f
}

// file files the APIs, and gets a token for them.
func (f *faulty) file(upstreams map[string]string) {
	t := f.t
	t.Helper()
	files := catalogue("http://127.0.0.1:1")
	for name, settings := range upstreams {
		for i, more := range []string{"", ", lenient: true"} {
			way := wayOf(i)
			if strings.Contains(settings, "http: ") { // which chooses the way
				more = ""
			}
			files[way+"-"+name+"/manifest.yaml"] = &fstest.MapFile{Data: []byte("title: Faulty\nsummary: x\nbase_path: /" + way + "/" + name + "\nproducts: [" + product + "]\n" +
				"upstreams:\n  production: {" + settings + more + "}\n")}
		}
	}
	f.apply(files)
	_, app, text := customer(t, f.Market)
	soon(t, "the secret works", func() bool {
		var status int
		status, f.token = f.node.token(app.ClientID, text)
		return status == http.StatusOK
	})
}

func (f *faulty) apply(files fs.FS) {
	f.t.Helper()
	must(f.t, f.ApplyCatalog(f.t.Context(), market.System, files.(fstest.MapFS)))
}

func times(target string) string {
	return fmt.Sprintf("url: %q, connect_timeout: %v, timeout: %v, idle_timeout: %v", target, short, short, short)
}

// ask calls, and returns the answer, its body as far as it came, and the trace id.
func (f *faulty) ask(ctx context.Context, method, path string, body io.Reader) (res *http.Response, got []byte, err error) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, f.production().URL+path, body)
	must(f.t, err)
	r.Header.Set("Authorization", "Bearer "+f.token)
	if res, err = f.client.Do(r); err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	got, err = io.ReadAll(res.Body)
	return res, got, err
}

// record is the access record of a request that has this.
func (f *faulty) record(mark string) (record map[string]any) {
	f.t.Helper()
	soon(f.t, "the request is in the log", func() bool {
		for line := range strings.Lines(f.log.String()) {
			if !strings.Contains(line, mark) {
				continue
			}
			must(f.t, json.Unmarshal([]byte(line), &record))
			if record["msg"] == "request" {
				return true
			}
		}
		return false
	})
	return record
}

// level waits until no more is open and under way than before.
func (f *faulty) level(goroutines int, upstreams ...*rawUpstream) {
	f.t.Helper()
	f.client.CloseIdleConnections()
	until(f.t, "all connections to upstreams are closed", 10*time.Second, func() bool {
		open := int64(0)
		for _, u := range upstreams {
			open += u.open.Load()
		}
		return open == 0
	})
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines {
		if time.Now().After(deadline) {
			var all bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
			f.t.Fatalf("%d goroutines, before it were %d:\n%s", runtime.NumGoroutine(), goroutines, &all)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Whatever an upstream does before its answer's head is whole, and in whichever way it
// is reached, the caller gets the contract's error in time, the log says at which
// stage, and nothing is left open.
func TestEveryFaultOfAnUpstreamHasItsAnswerAndItsStage(t *testing.T) {
	http1 := newRawUpstream(t, failing)
	mute := newRawUpstream(t, func(conn *net.TCPConn) { untilClosed(conn) })
	full := unacceptable(t)
	gone := newRawUpstream(t, nil)
	gone.Close()
	f := newFaulty(t, map[string]string{
		"http":  times("http://" + http1.Addr().String()),
		"mute":  times("https://" + mute.Addr().String()),
		"full":  times("http://" + full),
		"gone":  times("http://" + gone.Addr().String()),
		"plain": times("https://" + http1.Addr().String()), // it speaks HTTP where TLS is wanted
	})
	cases := []struct {
		name, api, do string
		body          int
		status        int
		code, stage   string
	}{
		{"nobody takes the connection", "full", "x", 0, 504, "gateway_timeout", "connect"},
		{"nobody is there", "gone", "x", 0, 502, "bad_gateway", "connect"},
		{"TLS is begun and never agreed on", "mute", "x", 0, 504, "gateway_timeout", "tls"},
		{"what comes is no TLS", "plain", "x", 0, 502, "bad_gateway", "tls"},
		{"the request is not taken", "http", "do/deaf", 24 << 20, 504, "gateway_timeout", "write"},
		{"no answer comes", "http", "do/hang", 0, 504, "gateway_timeout", "header"},
		{"no answer comes, with a body", "http", "do/hang", 1 << 20, 504, "gateway_timeout", "header"},
		{"interim answers without end", "http", "do/interims", 0, 502, "bad_gateway", "header"},
		{"interim answers without end, slowly", "http", "do/interims, slowly", 0, 504, "gateway_timeout", "header"},
		{"a line without end", "http", "do/head", 0, 502, "bad_gateway", "header"},
		{"fields without end", "http", "do/fields", 0, 502, "bad_gateway", "header"},
		{"a head that drips", "http", "do/head, slowly", 0, 504, "gateway_timeout", "header"},
		{"a head that is too long", "http", "do/long head", 0, 502, "bad_gateway", "header"},
	}
	if _, body, err := f.ask(t.Context(), http.MethodGet, "/relay/http/do/fine", nil); err != nil || string(body) != "fine" {
		t.Fatalf("%q, %v", body, err)
	}
	f.level(runtime.NumGoroutine(), http1)
	before, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	t.Run("all", func(t *testing.T) {
		for _, tt := range cases {
			for i := range 2 {
				way := wayOf(i)
				t.Run(tt.name+", by "+way, func(t *testing.T) {
					t.Parallel()
					f := &faulty{node: &node{f.Server, t, f.client, f.stop}, token: f.token, log: f.log}
					method, body := http.MethodGet, io.Reader(nil)
					if tt.body > 0 {
						method, body = http.MethodPost, bytes.NewReader(make([]byte, tt.body))
					}
					began := time.Now()
					res, text, err := f.ask(t.Context(), method, "/"+way+"/"+tt.api+"/"+strings.ReplaceAll(tt.do, " ", "%20"), body)
					must(t, err)
					took := time.Since(began)
					var got map[string]any
					must(t, json.Unmarshal(text, &got))
					if res.StatusCode != tt.status || got["error"] != tt.code || res.Header.Get("Content-Type") != "application/problem+json" {
						t.Errorf("got %d %s", res.StatusCode, text)
					}
					if took > 20*short {
						t.Errorf("it took %v", took)
					}
					record := f.record(res.Header.Get("X-Trace-Id"))
					if record["upstream_stage"] != tt.stage || record["upstream"] == nil || record["upstream_error"] == nil || record["error"] != tt.code {
						t.Errorf("want the stage %q; the log has %v", tt.stage, record)
					}
				})
			}
		}
	})
	f.level(before, http1, mute)
	until(t, "as many descriptors are open as before", 10*time.Second, func() bool { return openDescriptors(t) <= descriptors })
}

// Once the answer's head is out, its end is all that can tell a caller that something
// is missing: it does not look whole.
func TestAnAnswerThatStopsDoesNotLookWhole(t *testing.T) {
	up := newRawUpstream(t, failing)
	f := newFaulty(t, map[string]string{"http": times("http://" + up.Addr().String())})
	before := runtime.NumGoroutine()
	t.Run("all", func(t *testing.T) {
		for _, do := range []string{"silence", "silence within chunks", "silence before the end"} {
			for i := range 2 {
				for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
					t.Run(do+", by "+wayOf(i)+", over "+version, func(t *testing.T) {
						t.Parallel()
						f := &faulty{node: &node{f.Server, t, f.over(t, version), f.stop}, token: f.token, log: f.log}
						res, body, err := f.ask(t.Context(), http.MethodGet, "/"+wayOf(i)+"/http/do/"+strings.ReplaceAll(do, " ", "%20"), nil)
						if err == nil {
							t.Errorf("%s %q: it looks whole", res.Status, body)
						}
						if res != nil && (string(body) != "partial" || res.StatusCode != http.StatusOK || res.Proto != version) { // else it was cut off before its head was passed on
							t.Errorf("%s %q, %v", res.Status, body, err)
						}
						record := f.record(`"/` + wayOf(i) + "/http/do/" + do + `"`)
						if record["upstream_stage"] != "body" || record["upstream_error"] == nil {
							t.Errorf("the log has %v", record)
						}
					})
				}
			}
		}
		for i := range 2 {
			t.Run("what drips may, by "+wayOf(i), func(t *testing.T) {
				t.Parallel()
				f := &faulty{node: &node{f.Server, t, f.client, f.stop}, token: f.token, log: f.log}
				if _, body, err := f.ask(t.Context(), http.MethodGet, "/"+wayOf(i)+"/http/do/drip", nil); err != nil || string(body) != "xxxxxxxx" {
					t.Errorf("%q, %v", body, err)
				}
			})
			t.Run("an answer without end is passed on until the caller goes, by "+wayOf(i), func(t *testing.T) {
				t.Parallel()
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.production().URL+"/"+wayOf(i)+"/http/do/endless", http.NoBody)
				must(t, err)
				r.Header.Set("Authorization", "Bearer "+f.token)
				res, err := f.client.Do(r)
				must(t, err)
				defer res.Body.Close()
				if n, err := io.CopyN(io.Discard, res.Body, 8<<20); err != nil {
					t.Errorf("after %d bytes: %v", n, err)
				}
			})
		}
	})
	f.level(before, up)
}

// over returns a client that speaks that version.
func (n *node) over(t *testing.T, version string) *http.Client {
	transport := n.client.Transport.(*http.Transport).Clone()
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP1(version == "HTTP/1.1")
	transport.Protocols.SetHTTP2(version != "HTTP/1.1")
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// A caller that begins TLS and does not go on has no request yet, and no right to a
// descriptor for ever. Nor has one that is done with TLS and does not say what it wants.
func TestACallerThatDoesNotBeginIsNotWaitedFor(t *testing.T) {
	n := runHurried(t, settings(t, t.TempDir(), ""), server.Pace{Begin: short})
	u, err := url.Parse(n.production().URL)
	must(t, err)
	urls := []string{n.Info().Management, n.Info().Portal}
	for _, e := range n.Info().Environments {
		urls = append(urls, e.URL)
	}
	for _, u := range urls { // by then all that a node runs is running
		n.get(u+"/healthz", http.Header{})
	}
	before := runtime.NumGoroutine()
	hello := clientHello(t)
	var callers sync.WaitGroup
	for name, said := range map[string][]byte{"nothing": nil, "half a ClientHello": hello[:len(hello)/2], "a ClientHello": hello, "no TLS": []byte("GET / HTTP/1.1\r\n")} {
		callers.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			began := time.Now()
			_, _ = conn.Write(said)
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: after %v it is open still", name, time.Since(began))
			}
		})
	}
	for name, said := range map[string]string{"no head": "", "half a head": "GET /x HTTP/1.1\r\nHost: x\r\nX-Half: "} {
		conn := n.dial("http/1.1")
		callers.Go(func() {
			_, _ = io.WriteString(conn, said)
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: it is open still", name)
			}
		})
	}
	callers.Wait()
	(&faulty{node: n}).level(before)
}

// clientHello is how a client begins TLS.
func clientHello(t *testing.T) []byte {
	t.Helper()
	here, there := net.Pipe()
	go func() {
		_ = tls.Client(here, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
	}()
	b := make([]byte, 4096)
	n, err := there.Read(b)
	must(t, err)
	must(t, errors.Join(there.Close(), here.Close()))
	return b[:n]
}
