package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/catalog"
)

// plainDocument is an API that takes anything, in any size.
const plainDocument = `openapi: 3.1.0
info: {title: Plain, version: "1"}
paths:
  /{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get: {operationId: read, responses: {"200": {description: anything}}}
    post: {operationId: write, responses: {"200": {description: anything}}}
  /items/{name}/parts:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get: {operationId: parts, responses: {"200": {description: anything}}}
`

// plainManifest files it, at an upstream that is given in all environments. Only
// production lets connections be upgraded.
const plainManifest = `title: Plain
base_path: %s
products: [MN_Product_Eligibility_v3]
openapi: openapi.yaml
upstreams:
  sandbox: {url: %q, timeout: 500ms}
  production: {url: %q, timeout: 500ms, websocket: true}
request: {validate: "off"}
`

// upstreamWait is the timeout in plainManifest.
const upstreamWait = 500 * time.Millisecond

// plainBase is where the first of serveAPIs' upstreams is.
const plainBase = "/test/plain/v1"

// serveAPIs applies a catalogue that has the demo's APIs and one plain API for
// each upstream, at plainBase, and at plainBase with -1, -2 and so on.
func (s *site) serveAPIs(upstreams ...string) {
	s.t.Helper()
	files := map[string]string{}
	for i, upstream := range upstreams {
		name, base := "plain", plainBase
		if i > 0 {
			name, base = fmt.Sprintf("plain-%d", i), fmt.Sprintf("%s-%d", plainBase, i)
		}
		files[name+"/manifest.yaml"] = fmt.Sprintf(plainManifest, base, upstream, upstream)
		files[name+"/openapi.yaml"] = plainDocument
	}
	s.serveFiles(files, plainBase)
}

// serveFiles applies a catalogue that has the demo's APIs and those files, of
// which one is an API at base.
func (s *site) serveFiles(more map[string]string, base string) {
	s.t.Helper()
	files := maps.Clone(more)
	err := fs.WalkDir(catalog.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(catalog.Files, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	done, err := s.operator().ApplyCatalog(s.t.Context(), api.CatalogPut{Files: files})
	if err != nil || !done.Applied {
		s.t.Fatalf("%+v, %v", done, err)
	}
	for _, e := range s.Environments {
		eventually(s.t, "the gateway routes by the new catalogue", func() bool {
			return s.do("GET", e.URL+base+"/x", nil, "").status == http.StatusUnauthorized
		})
	}
}

// startBefore starts an upstream, and a demo whose gateway has it at plainBase.
func startBefore(t *testing.T, handler http.HandlerFunc) *site {
	t.Helper()
	upstream := httptest.NewServer(handler)
	t.Cleanup(upstream.Close)
	s := start(t)
	s.serveAPIs(upstream.URL)
	return s
}

// open sends a request with a token and returns the answer unread.
func (s *site) open(client *http.Client, e *environment, method, path, token string, body io.Reader) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, e.URL+plainBase+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	return res
}

// oneDotOne is a client for HTTP/1.1.
func (s *site) oneDotOne() *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots(), NextProtos: []string{"http/1.1"}},
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// flow is a body of so many bytes that are not all alike.
type flow struct{ left, at int64 }

func (f *flow) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), f.left)], pattern[f.at%4096:])
	f.at += int64(n)
	f.left -= int64(n)
	return n, nil
}

// pattern repeats every 4096 bytes, so that what a reader gets does not depend
// on where its buffers end.
var pattern = func() []byte {
	text := make([]byte, 64<<10)
	for i := range text {
		text[i] = byte(i % 4096 % 251)
	}
	return text
}()

// sum reads all of r, and returns its size and checksum.
func sum(r io.Reader) (string, error) {
	hash := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.CopyBuffer(hash, struct{ io.Reader }{r}, make([]byte, 64<<10))
	return fmt.Sprintf("%d bytes, %08x", n, hash.Sum32()), err
}

// heapWatch samples what is held of the heap until stopped, and returns its highest
// growth. What waits to be collected is not held, and may be as much again as all that
// other tests hold.
func heapWatch() (stop func() int64) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var highest atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			highest.Store(max(highest.Load(), heap()-before))
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return func() int64 {
		cancel()
		<-done
		return highest.Load()
	}
}

// Invariant of the gateway: a body that is not checked streams and is never held.
func TestLargeBodiesPassThroughASmallHeap(t *testing.T) {
	const size, heap = 256 << 20, 64 << 20
	want, err := sum(&flow{left: size})
	if err != nil {
		t.Fatal(err)
	}
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			_, _ = io.CopyBuffer(struct{ io.Writer }{w}, &flow{left: size}, make([]byte, 64<<10))
			return
		}
		got, err := sum(r.Body)
		fmt.Fprint(w, got, " ", err)
	})
	for name, way := range map[string]struct {
		environment string
		client      *http.Client
	}{
		"HTTP/1.1, production": {"production", s.oneDotOne()},
		"HTTP/2, sandbox":      {"sandbox", s.client},
	} {
		e := s.Environments[way.environment]
		token := s.token(e)
		t.Run("an upload, "+name, func(t *testing.T) {
			stop := heapWatch()
			res := s.open(way.client, e, "POST", "/upload", token, &flow{left: size})
			got, err := io.ReadAll(res.Body)
			if grown := stop(); grown > heap {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
			if err != nil || string(got) != want+" <nil>" {
				t.Errorf("%d: the upstream got %q, want %q (%v)", res.StatusCode, got, want, err)
			}
		})
		t.Run("a download, "+name, func(t *testing.T) {
			stop := heapWatch()
			res := s.open(way.client, e, "GET", "/download", token, nil)
			got, err := sum(res.Body)
			if grown := stop(); grown > heap {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
			if err != nil || got != want || res.ContentLength != size {
				t.Errorf("%d: got %q, want %q (%v)", res.StatusCode, got, want, err)
			}
		})
	}
}

func TestAnswersAndRequestsStream(t *testing.T) {
	heard := make(chan string)
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewReader(r.Body)
		flusher := http.NewResponseController(w)
		_ = flusher.EnableFullDuplex()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			select {
			case heard <- line:
			case <-r.Context().Done():
				return
			}
		}
		for i := range 3 {
			fmt.Fprintf(w, "part %d\n", i)
			_ = flusher.Flush()
			select {
			case heard <- "sent": // goes on when the test has read it
			case <-r.Context().Done():
				return
			}
		}
	})
	await := func(t *testing.T, want string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Fatalf("the upstream got %q, want %q", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("the upstream got nothing, want %q", want)
		}
	}
	e := s.Environments["production"]
	token := s.token(e)
	for name, client := range map[string]*http.Client{"HTTP/1.1": s.oneDotOne(), "HTTP/2": s.client} {
		t.Run("each part of a request arrives before the next is sent, and each of an answer, over "+name, func(t *testing.T) {
			body, request := io.Pipe()
			go func() {
				for i := range 3 {
					fmt.Fprintf(request, "line %d\n", i)
					await(t, fmt.Sprintf("line %d\n", i))
				}
				request.Close()
			}()
			res := s.open(client, e, "POST", "/chat", token, body)
			answer := bufio.NewReader(res.Body)
			for i := range 3 {
				got, err := answer.ReadString('\n')
				if want := fmt.Sprintf("part %d\n", i); got != want || err != nil {
					t.Fatalf("got %q, want %q (%v)", got, want, err)
				}
				await(t, "sent")
			}
			if rest, err := io.ReadAll(answer); err != nil || len(rest) > 0 {
				t.Errorf("then %q, %v", rest, err)
			}
		})
	}
}

// dial opens a connection to the environment's listener.
func (s *site) dial(t *testing.T, e *environment) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", host(t, e.URL), &tls.Config{RootCAs: s.roots(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAWebSocketPassesWithAToken(t *testing.T) {
	var reached atomic.Int64
	seen := make(chan http.Header, 1)
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != plainBase+"/socket" {
			return
		}
		reached.Add(1)
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		seen <- r.Header
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		_, _ = io.Copy(conn, buffer) // an echo, until the client goes
	})
	e := s.Environments["production"]
	handshake := func(authorization string) string {
		return "GET " + plainBase + "/socket HTTP/1.1\r\nHost: x\r\n" + authorization +
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	}
	t.Run("4.2 not without", func(t *testing.T) {
		conn := s.dial(t, e)
		fmt.Fprint(conn, handshake(""))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != 401 || reached.Load() != 0 {
			t.Fatalf("got %v, %v; the upstream was reached %d times", res, err, reached.Load())
		}
		res.Body.Close()
	})
	t.Run("what either side sends reaches the other", func(t *testing.T) {
		conn := s.dial(t, e)
		fmt.Fprint(conn, handshake("Authorization: Bearer "+s.token(e)+"\r\n"))
		reader := bufio.NewReader(conn)
		res, err := http.ReadResponse(reader, nil)
		if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Sec-Websocket-Accept") == "" {
			t.Fatalf("got %v, %v", res, err)
		}
		for i := range 3 {
			want := fmt.Sprintf("frame %d\n", i)
			fmt.Fprint(conn, want)
			if got, err := reader.ReadString('\n'); got != want || err != nil {
				t.Fatalf("got %q, want %q (%v)", got, want, err)
			}
		}
		header := <-seen
		if header.Get("Authorization") != "" || header.Get("X-Sallyport-Client-Id") != e.ClientID {
			t.Errorf("the upstream saw %v", header)
		}
	})
}

// An upstream need not work on for somebody who has gone.
func TestACallerWhoGoesAwayEndsTheUpstreamsWork(t *testing.T) {
	arrived, ended := make(chan struct{}, 1), make(chan struct{})
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
		close(ended)
	})
	e := s.Environments["production"]
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", e.URL+plainBase+"/long", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token(e))
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-arrived
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the upstream works on")
	}
	if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller got %v", err)
	}
}
