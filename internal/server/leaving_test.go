package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// leaving is a node that has half a second to finish what runs.
func leaving(t *testing.T, upstream *rawUpstream) (f *faulty, end func() error) {
	t.Helper()
	f = &faulty{log: &journal{}}
	c := settings(t, t.TempDir(), "")
	c.Shutdown.Finish = config.Duration(500 * time.Millisecond)
	c.Log.Paths = true // by which requests are told apart
	f.node, end = runUntil(t, server.Options{Config: c, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(f.log, nil))})
	f.file(map[string]string{"http": fmt.Sprintf("url: \"http://%s\", websocket: true", upstream.Addr())})
	return f, end
}

// socket is an upstream that takes WebSockets, echoes text, and says what it hears.
func socket(heard chan<- []byte) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		in := bufio.NewReader(conn)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		if strings.HasSuffix(r.URL.Path, "/raw") { // and speak something else
			untilClosed(conn)
			return
		}
		for {
			opcode, text, err := readFrame(in)
			if err != nil {
				return
			}
			heard <- append([]byte{opcode}, text...)
			_, _ = conn.Write(append([]byte{0x80 | opcode, byte(len(text))}, text...))
			if opcode == 8 {
				untilClosed(conn)
				return
			}
		}
	}
}

// readFrame reads a short frame, masked or not.
func readFrame(in *bufio.Reader) (opcode byte, text []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(in, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	text = make([]byte, head[1]&0x7f)
	_, err = io.ReadFull(in, text)
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, text, err
}

var goingAway = []byte{3, 0xe9} // 1001

func TestWebSocketsAreToldThatANodeGoesAway(t *testing.T) {
	heard := make(chan []byte, 100)
	up := newRawUpstream(t, socket(heard))
	f, end := leaving(t, up)
	type peer struct {
		net.Conn
		in *bufio.Reader
	}
	begin := func(way string) peer {
		conn := f.dial("http/1.1")
		return peer{conn, f.upgraded(t, conn, "/"+way+"/http/socket")}
	}
	says := func(p peer, opcode byte, text string) {
		t.Helper()
		_, err := p.Write(clientFrame(opcode, text))
		must(t, err)
	}
	hears := func(p peer, what string, opcode byte, want []byte) {
		t.Helper()
		got, text, err := readFrame(p.in)
		if err != nil || got != opcode || !bytes.Equal(text, want) {
			t.Errorf("%s: the caller hears %d %q, %v", what, got, text, err)
		}
	}
	upstreamHears := func(what string, want string) {
		t.Helper()
		select {
		case got := <-heard:
			if string(got) != want {
				t.Errorf("%s: the upstream hears %q, want %q", what, got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the upstream hears nothing", what)
		}
	}
	idle, within := begin("relay"), begin("transport")
	for _, p := range []peer{idle, within} {
		says(p, 1, "hello")
		hears(p, "before", 1, []byte("hello"))
		upstreamHears("before", "\x01hello")
	}
	half := clientFrame(1, "a frame in two halves")
	_, err := within.Write(half[:9])
	must(t, err)
	soon(t, "half a frame is on its way", func() bool { return f.passed(within.Conn) })

	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- end() }()
	hears(idle, "idle", 8, goingAway)
	upstreamHears("idle", "\x08\x03\xe9")
	hears(within, "within a frame", 8, goingAway)
	_, err = within.Write(append(half[9:], clientFrame(1, "too late")...))
	must(t, err)
	upstreamHears("after a frame", "\x01a frame in two halves")
	upstreamHears("after a frame", "\x08\x03\xe9")
	for _, p := range []peer{idle, within} {
		says(p, 8, string(goingAway))
		if _, _, err := readFrame(p.in); err == nil {
			t.Error("something comes after a Close")
		}
	}
	if err := <-stopped; err != nil {
		t.Errorf("the node did not stop cleanly: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	until(t, "the upstream's connections are closed", 10*time.Second, func() bool { return up.open.Load() == 0 })
	for _, way := range []string{"relay", "transport"} {
		if record := f.record("/" + way + "/http/socket"); record["status"] != float64(101) {
			t.Errorf("the log has %v", record)
		}
	}
}

// passed gives what was written the time to arrive at the other end of the node: there
// is nothing to be seen of half a frame.
func (f *faulty) passed(net.Conn) bool {
	time.Sleep(50 * time.Millisecond)
	return true
}

// Who does not answer a Close, or speaks no WebSocket at all, is cut off in the end.
func TestAWebSocketThatDoesNotEndIsCutOff(t *testing.T) {
	up := newRawUpstream(t, socket(make(chan []byte, 100)))
	f, end := leaving(t, up)
	deaf, raw := f.dial("http/1.1"), f.dial("http/1.1")
	f.upgraded(t, deaf, "/relay/http/socket")
	in := f.upgraded(t, raw, "/relay/http/raw")
	_, err := io.WriteString(raw, "this is no frame")
	must(t, err)
	f.passed(raw)
	began := time.Now()
	if err := end(); err != nil {
		t.Errorf("the node did not stop cleanly: %v", err)
	}
	if took := time.Since(began); took < 400*time.Millisecond || took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	// Nothing that was not a frame is followed by one.
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 4 {
		t.Errorf("%x, %v", rest, err)
	}
	until(t, "the upstream's connections are closed", 10*time.Second, func() bool { return up.open.Load() == 0 })
}

// Events go on until there is no time left, and do not look finished then.
func TestStreamingAnswersAreFinishedOrLookUnfinished(t *testing.T) {
	up := newRawUpstream(t, func(conn *net.TCPConn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		if strings.HasSuffix(r.URL.Path, "/hang") {
			untilClosed(conn)
			return
		}
		_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for err == nil {
			time.Sleep(20 * time.Millisecond)
			_, err = io.WriteString(conn, "data: x\n\n")
		}
	})
	f, end := leaving(t, up)
	begin := func(way, version string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.production().URL+"/"+way+"/http/events", http.NoBody)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+f.token)
		res, err := f.over(t, version).Do(r)
		must(t, err)
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	answers := []*http.Response{begin("relay", "HTTP/1.1"), begin("transport", "HTTP/1.1"), begin("relay", "HTTP/2.0"), begin("transport", "HTTP/2.0")}
	old := f.dial("http/1.1") // HTTP/1.0 has no end of a body but the connection's
	fmt.Fprintf(old, "GET /relay/http/events HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n", f.token)
	oldest := bufio.NewReader(old)
	if line, err := oldest.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Fatalf("%q, %v", line, err)
	}
	waiting := make(chan int, 2)
	for _, way := range []string{"relay", "transport"} {
		go func() {
			res, _, err := f.ask(t.Context(), http.MethodGet, "/"+way+"/http/hang", nil)
			if err != nil {
				t.Error(err)
				waiting <- 0
				return
			}
			waiting <- res.StatusCode
		}()
	}
	soon(t, "the calls are under way", func() bool { return up.open.Load() == 7 })
	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- end() }()
	for range 2 {
		if status := <-waiting; status != http.StatusServiceUnavailable {
			t.Errorf("who waits for an answer gets %d", status)
		}
	}
	for _, res := range answers {
		text, err := io.ReadAll(res.Body)
		if err == nil {
			t.Errorf("%s: %d bytes look like all of it", res.Proto, len(text))
		}
		if took := time.Since(began); took < 400*time.Millisecond {
			t.Errorf("%s: it was cut off after %v", res.Proto, took)
		}
	}
	if _, err := io.Copy(io.Discard, oldest); err == nil {
		t.Error("HTTP/1.0: it looks like all of it")
	}
	if err := <-stopped; err == nil || !strings.Contains(err.Error(), "were cut off") {
		t.Errorf("the node says %v", err)
	}
	until(t, "the upstream's connections are closed", 10*time.Second, func() bool { return up.open.Load() == 0 })
}
