package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What frames of HTTP/2 are (RFC 9113 §6).
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9
	framePriorities   = 0x10 // PRIORITY_UPDATE (RFC 9218 §7.1)

	flagEnd     = 1 // of the stream; of SETTINGS and PING: an acknowledgement
	flagHeadEnd = 4
)

// framed speaks HTTP/2 frame by frame, and says what no client would.
type framed struct {
	*tls.Conn
	in  *bufio.Reader
	out []byte
}

// frames opens a connection and greets the server.
func (s *site) frames(t *testing.T, e *environment) *framed {
	t.Helper()
	conn, err := tls.Dial("tcp", host(t, e.URL), &tls.Config{RootCAs: s.roots(), NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	f := &framed{Conn: conn, in: bufio.NewReader(conn)}
	f.out = append(f.out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"...)
	f.put(frameSettings, 0, 0, nil)
	return f
}

// put adds a frame to what send sends.
func (f *framed) put(kind, flags byte, stream uint32, payload []byte) {
	f.out = append(f.out, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	f.out = append(binary.BigEndian.AppendUint32(f.out, stream), payload...)
}

func (f *framed) send() error {
	_, err := f.Write(f.out)
	f.out = f.out[:0]
	return err
}

// block is fields as HPACK has them at its plainest (RFC 7541 §6.2.2).
func block(fields ...string) []byte {
	var b []byte
	for i := 0; i+1 < len(fields); i += 2 {
		b = append(b, 0)
		for _, s := range fields[i : i+2] {
			if n := len(s); n < 127 {
				b = append(b, byte(n))
			} else {
				b = binary.AppendUvarint(append(b, 127), uint64(n-127))
			}
			b = append(b, s...)
		}
	}
	return b
}

// outcome returns what becomes of a stream: the status of its answer, or that it or
// the connection was ended.
func (f *framed) outcome(stream uint32) string {
	status := ""
	for {
		var head [9]byte
		if _, err := io.ReadFull(f.in, head[:]); err != nil {
			return status + "closed"
		}
		payload := make([]byte, int(head[0])<<16|int(binary.BigEndian.Uint16(head[1:])))
		if _, err := io.ReadFull(f.in, payload); err != nil {
			return status + "closed"
		}
		kind, flags, of := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameGoAway && binary.BigEndian.Uint32(payload[4:]) != 0:
			return status + "goaway"
		case kind == frameReset && of == stream:
			return status + "reset"
		case kind == frameHeaders && of == stream && status == "":
			status = statusOf(payload)
		}
		if of == stream && (kind == frameHeaders || kind == frameData) && flags&flagEnd != 0 {
			return status
		}
	}
}

// statusOf reads :status, which net/http writes first: indexed if it is one of
// HPACK's own, else as it is, since its Huffman code would be no shorter.
func statusOf(b []byte) string {
	for len(b) > 0 && b[0]&0xe0 == 0x20 {
		b = b[1:] // a change of the table's size
	}
	switch {
	case len(b) > 0 && b[0] >= 0x88 && b[0] <= 0x8e:
		return []string{"200", "204", "206", "304", "400", "404", "500"}[b[0]-0x88]
	case len(b) >= 5 && b[1] == 3:
		return string(b[2:5])
	}
	return "unreadable"
}

// What a caller sends over HTTP/2 becomes a request of HTTP/1.1: whatever would end
// a line there, or say where a body ends, must not arrive.
func TestNothingOfHTTP2ChangesTheRequestThatIsMadeOfIt(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			reached.Add(1)
		}
		fmt.Fprint(w, "ok")
	})
	e := s.Environments["production"]
	token := s.token(e)
	request := func(method, path string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "https", ":authority", "gateway.example", ":path", path, "authorization", "Bearer " + token}, more...)
	}
	x := plainBase + "/x"
	get := func(more ...string) []string { return request("GET", x, more...) }
	for _, tt := range []struct {
		name   string
		fields []string
		body   string // "": none
		want   string // what may become of it, in words; 200: it is passed on
	}{
		{"an ordinary request", get(), "", "200"},
		{"an ordinary body", request("POST", x, "content-length", "4"), "body", "200"},
		{"a body of unknown length", request("POST", x), "body", "200"},
		{"a length longer than the body", request("POST", x, "content-length", "40"), "body", "400 reset"},
		{"a length shorter than the body", request("POST", x, "content-length", "2"), "body", "400 reset"},
		{"a length without a body", request("POST", x, "content-length", "4"), "", "400 reset goaway"},
		{"two lengths", request("POST", x, "content-length", "4", "content-length", "5"), "body", "400 reset"},
		{"a length that is none", request("POST", x, "content-length", "+4"), "body", "400 reset"},
		{"a length in hexadecimal digits", request("POST", x, "content-length", "0x4"), "body", "400 reset"},
		{"Transfer-Encoding", request("POST", x, "transfer-encoding", "chunked"), "0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", "400 reset"},
		{"Transfer-Encoding behind a line end", request("POST", x, "x-a", "b\r\ntransfer-encoding: chunked"), "0\r\n\r\n", "400 reset"},
		{"Transfer-Encoding in a name", request("POST", x, "x-a: b\r\ntransfer-encoding", "chunked"), "0\r\n\r\n", "400 reset"},
		{"Transfer-Encoding in upper case", request("POST", x, "Transfer-Encoding", "chunked"), "0\r\n\r\n", "400 reset"},
		{"Connection", get("connection", "x-sallyport-identity"), "", "400 reset"},
		{"Upgrade", get("upgrade", "h2c"), "", "400 reset"},
		{"Keep-Alive", get("keep-alive", "5"), "", "400 reset"},
		{"Proxy-Connection", get("proxy-connection", "x"), "", "400 reset"},
		{"TE", get("te", "gzip"), "", "400 reset"},
		{"a path with a space", request("GET", x+" HTTP/1.1"), "", "400 reset"},
		{"a path with a line end", request("GET", x+" HTTP/1.1\r\nX: y"), "", "400 reset"},
		{"a path with a line feed", request("GET", x+"\nX: y"), "", "400 reset"},
		{"a path with a NUL", request("GET", x+"\x00"), "", "400 reset"},
		{"a path with a tab", request("GET", x+"\ty"), "", "400 reset"},
		{"a path with a fragment", request("GET", x+"#y"), "", "400 reset"},
		{"a path that is a URL", request("GET", "https://evil.example"+x), "", "400 reset"},
		{"a path that is a URL, with a user", request("GET", "https://u:p@evil.example"+x), "", "400 reset"},
		{"a path without a slash", request("GET", "x"), "", "400 reset"},
		{"a path of two slashes", request("GET", "/"+x), "", "400 reset"},
		{"a path of a star", request("GET", "*"), "", "400 reset"},
		{"no path", request("GET", ""), "", "400 reset"},
		{"two paths", append([]string{":path", "/evil"}, get()...), "", "400 reset"},
		{"two methods", append([]string{":method", "POST"}, get()...), "", "400 reset"},
		{"two authorities", append([]string{":authority", "evil"}, get()...), "", "400 reset"},
		{"two schemes", append([]string{":scheme", "http"}, get()...), "", "400 reset"},
		{"a pseudo field behind a field", get(":path", "/evil"), "", "400 reset"},
		{"a pseudo field that is none", append([]string{":evil", "x"}, get()...), "", "400 reset"},
		{"a pseudo field of answers", append([]string{":status", "200"}, get()...), "", "400 reset"},
		{"no method", get()[2:], "", "400 reset"},
		{"a method with a line end", request("GET /evil HTTP/1.1\r\nX: y\r\n\r\nGET", x), "", "400 405 reset"},
		{"a method with a space", request("GET x", x), "", "400 405 reset"},
		{"an empty method", request("", x), "", "400 405 reset"},
		{"a method in lower case", request("get", x), "", "405"},
		{"TRACE", request("TRACE", x), "", "405"},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "127.0.0.1:22"}, "", "400 405 reset"},
		{"CONNECT with a path", request("CONNECT", x), "", "400 405 reset"},
		{"extended CONNECT", append([]string{":protocol", "websocket"}, request("CONNECT", x)...), "", "400 405 reset"},
		{"a scheme that is none", append([]string{":scheme", "file"}, get()[4:]...), "", "400 reset"},
		{"an authority with a user", []string{":method", "GET", ":scheme", "https", ":authority", "u:p@x", ":path", x, "authorization", "Bearer " + token}, "", "400 reset"},
		{"an authority with a line end", []string{":method", "GET", ":scheme", "https", ":authority", "x\r\nX: y", ":path", x, "authorization", "Bearer " + token}, "", "400 reset"},
		{"an authority with a path", []string{":method", "GET", ":scheme", "https", ":authority", "x/y", ":path", x, "authorization", "Bearer " + token}, "", "400 reset"},
		{"a Host beside the authority", get("host", "evil.example"), "", "200 400 reset"},
		{"a name in upper case", get("X-A", "b"), "", "400 reset"},
		{"a name with a space", get("x a", "b"), "", "400 reset"},
		{"a name with a colon", get("x:a", "b"), "", "400 reset"},
		{"an empty name", get("", "b"), "", "400 reset"},
		{"a name with a NUL", get("x\x00a", "b"), "", "400 reset"},
		{"a value with a NUL", get("x-a", "b\x00"), "", "400 reset"},
		{"a value with a carriage return", get("x-a", "b\rc"), "", "400 reset"},
		{"two tokens", get("authorization", "Bearer "+token), "", "400"},
		{"an identity", get("x-sallyport-identity", "forged"), "", "200"},
		{"fields without end", get(strings.Split(strings.Repeat("x-a,"+strings.Repeat("b", 1000)+",", 60), ",")...), "", "431 goaway closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := reached.Load()
			f := s.frames(t, e)
			flags := byte(flagHeadEnd)
			if tt.body == "" {
				flags |= flagEnd
			}
			fields := block(tt.fields...)
			for first := true; first || len(fields) > 0; first = false {
				part := fields[:min(len(fields), 16<<10)]
				fields = fields[len(part):]
				kind, now := byte(frameContinuation), byte(0)
				if first {
					kind, now = frameHeaders, flags&flagEnd
				}
				if len(fields) == 0 {
					now |= flagHeadEnd
				}
				f.put(kind, now, 1, part)
			}
			if tt.body != "" {
				f.put(frameData, flagEnd, 1, []byte(tt.body))
			}
			if err := f.send(); err != nil {
				t.Logf("cut off: %v", err)
			}
			got := f.outcome(1)
			allowed := false
			for want := range strings.FieldsSeq(tt.want) {
				allowed = allowed || got == want || want == "reset" && got == "goaway" || want != "200" && got == "400"+want
			}
			if !allowed {
				t.Errorf("it became %q, want one of %s", got, tt.want)
			}
			if passed := reached.Load() - before; got == "200" && passed != 1 || got != "200" && passed != 0 {
				t.Errorf("%q, and the upstream was reached %d times", got, passed)
			}
		})
	}
}

// flood sends frames until it is cut off, or until so many were read.
func (f *framed) flood(most int, put func(i int)) (cut bool) {
	for i := range most {
		put(i)
		if len(f.out) > 64<<10 || i == most-1 {
			if f.send() != nil {
				return true
			}
		}
	}
	f.put(framePing, 0, 0, []byte("all done"))
	if f.send() != nil {
		return true
	}
	var head [9]byte
	for {
		if _, err := io.ReadFull(f.in, head[:]); err != nil {
			return true
		}
		payload := make([]byte, int(head[0])<<16|int(binary.BigEndian.Uint16(head[1:])))
		if _, err := io.ReadFull(f.in, payload); err != nil || head[3] == frameGoAway {
			return true
		}
		if head[3] == framePing && string(payload) == "all done" {
			return false
		}
	}
}

// One caller's flood is ended, or bounded in what it costs, and others go on.
func TestAFloodOverHTTP2IsBoundedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	var now, peak atomic.Int64
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Flood") != "" {
			n := now.Add(1)
			defer now.Add(-1)
			for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			}
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Fprint(w, "ok")
	})
	e := s.Environments["production"]
	token := s.token(e)
	fields := block(":method", "GET", ":scheme", "https", ":authority", "x", ":path", plainBase+"/x", "flood", "1", "authorization", "Bearer "+token)
	begin := func(f *framed, i int) uint32 {
		stream := uint32(2*i + 1)
		f.put(frameHeaders, flagEnd|flagHeadEnd, stream, fields)
		return stream
	}
	code := []byte{0, 0, 0, 8}
	// One large field in the table, and then as many references to it as fit.
	bomb := append(append(block(":method", "GET", ":scheme", "https", ":authority", "x", ":path", plainBase+"/x"), 0x40, 3), "x-a"...)
	bomb = append(binary.AppendUvarint(append(bomb, 127), 3000-127), strings.Repeat("b", 3000)...)
	bomb = append(bomb, strings.Repeat("\xbe", 10000)...)
	for _, tt := range []struct {
		name string
		most int
		ends bool // the connection; false: it may go on, since what is asked costs little
		put  func(f *framed, i int)
	}{
		{"requests that are reset at once", 10000, false, func(f *framed, i int) { f.put(frameReset, 0, begin(f, i), code) }},
		{"requests that the server is made to reset", 10000, false, func(f *framed, i int) { f.put(frameWindow, 0, begin(f, i), []byte{0, 0, 0, 0}) }},
		{"a head that goes on without end", 2000, true, func(f *framed, i int) {
			if i == 0 {
				f.put(frameHeaders, flagEnd, 1, fields)
				return
			}
			f.put(frameContinuation, 0, 1, block("x-a", strings.Repeat("b", 15<<10)))
		}},
		{"a head that goes on without end, in empty frames", 200000, true, func(f *framed, i int) {
			if i == 0 {
				f.put(frameHeaders, flagEnd, 1, fields)
				return
			}
			f.put(frameContinuation, 0, 1, nil)
		}},
		{"settings", 200000, false, func(f *framed, _ int) { f.put(frameSettings, 0, 0, []byte{0, 4, 0, 0, 1, 0}) }},
		{"pings", 2000000, true, func(f *framed, _ int) { f.put(framePing, 0, 0, []byte("12345678")) }},
		{"small fields that become large", 3, false, func(f *framed, i int) { f.put(frameHeaders, flagEnd|flagHeadEnd, uint32(2*i+1), bomb) }},
		{"priorities of streams that there are not", 40000, false, func(f *framed, i int) { f.put(framePriority, 0, uint32(2*i+1), []byte{0, 0, 0, 0, 255}) }},
		{"updates of priorities", 40000, false, func(f *framed, i int) {
			f.put(framePriorities, 0, 0, append(binary.BigEndian.AppendUint32(nil, uint32(2*i+1)), "u=0, i"...))
		}},
		{"frames that nobody knows", 2000, false, func(f *framed, _ int) { f.put(0xfe, 0xff, 0, make([]byte, 16<<10)) }},
		{"windows that open byte by byte", 40000, false, func(f *framed, _ int) { f.put(frameWindow, 0, 0, []byte{0, 0, 0, 1}) }},
		{"a body that comes in empty frames", 40000, false, func(f *framed, i int) {
			if i == 0 {
				f.put(frameHeaders, flagHeadEnd, 1, block(":method", "POST", ":scheme", "https", ":authority", "x", ":path", plainBase+"/x", "authorization", "Bearer "+token))
				return
			}
			f.put(frameData, 0, 1, nil)
		}},
		{"requests without a window for their answers", 2000, false, func(f *framed, i int) {
			if i == 0 {
				f.put(frameSettings, 0, 0, []byte{0, 4, 0, 0, 0, 0})
			}
			begin(f, i)
		}},
		{"windows that overflow", 3, true, func(f *framed, _ int) { f.put(frameWindow, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := s.frames(t, e)
			var others sync.WaitGroup
			done := make(chan struct{})
			others.Go(func() {
				for {
					if a := s.do("GET", e.URL+plainBase+"/x", map[string]string{"Authorization": "Bearer " + token}, ""); a.status != 200 {
						t.Errorf("another caller gets %d %s", a.status, a.body)
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
			_ = f.SetDeadline(time.Now().Add(20 * time.Second))
			began := time.Now()
			if cut := f.flood(tt.most, func(i int) { tt.put(f, i) }); tt.ends && !cut {
				t.Errorf("the connection goes on after %v", time.Since(began))
			}
			f.Close()
			close(done)
			others.Wait()
			if n := peak.Load(); n > 300 {
				t.Errorf("%d of its requests were under way at once", n)
			}
			eventually(t, "nothing of it is left", func() bool { return now.Load() == 0 })
			t.Logf("took %v, peak %d", time.Since(began), peak.Load())
		})
	}
}
