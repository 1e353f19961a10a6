package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestAnAnswerThatHasMoreThanOneReadingIsNone(t *testing.T) {
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, answer := range map[string]string{
		"no status line":                   "\r\n\r\n",
		"garbage":                          "rubbish\r\n\r\n",
		"another protocol":                 "ICY 200 OK\r\n\r\n",
		"HTTP/2.0":                         "HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.12":                        "HTTP/1.12 200 OK\r\n\r\n",
		"two spaces":                       "HTTP/1.1  200 OK\r\n\r\n",
		"a status of two digits":           "HTTP/1.1 20 OK\r\n\r\n",
		"a status of four digits":          "HTTP/1.1 2000 OK\r\n\r\n",
		"a signed status":                  "HTTP/1.1 +20 OK\r\n\r\n",
		"a status below 100":               "HTTP/1.1 099 OK\r\n\r\n",
		"NUL in the reason":                "HTTP/1.1 200 O\x00K\r\n\r\n",
		"a bare LF after the status line":  "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
		"a bare LF after a field":          "HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\n\r\n",
		"a bare LF at the end":             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
		"a bare CR in a value":             "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\n",
		"CR CR LF":                         "HTTP/1.1 200 OK\r\nX: a\r\r\n\r\n",
		"NUL in a value":                   "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
		"a folded line":                    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
		"a folded line at first":           "HTTP/1.1 200 OK\r\n X: a\r\n\r\n",
		"space before the colon":           "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"a name with a space":              "HTTP/1.1 200 OK\r\nX Y: 0\r\n\r\n",
		"no name":                          "HTTP/1.1 200 OK\r\n: 0\r\n\r\n",
		"no colon":                         "HTTP/1.1 200 OK\r\nX\r\n\r\n",
		"a name that is not ASCII":         "HTTP/1.1 200 OK\r\nX\xc3\xa9: 0\r\n\r\n",
		"length and chunks":                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and length":                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"two lengths":                      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
		"two lengths that agree":           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"two lengths in one":               "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
		"a signed length":                  "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
		"a negative length":                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
		"a length in hexadecimal":          "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na",
		"an empty length":                  "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"a length beyond 2^63":             "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\na",
		"chunks twice":                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"gzip and chunks":                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"identity":                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		"chunks with a vertical tab":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"chunks in HTTP/1.0":               "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a trailer that frames":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: content-length\r\n\r\n0\r\n\r\n",
		"an upgrade that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"an interim answer with a body":    "HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\na" + ok,
		"too many interim answers":         strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 5) + ok,
		"too many fields":                  "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: 1\r\n", 101) + "\r\n",
		"a head that is too large":         "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"a head without end":               "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"a chunk size that is none":        chunks + "x\r\na\r\n0\r\n\r\n",
		"a chunk size with 0x":             chunks + "0x1\r\na\r\n0\r\n\r\n",
		"a signed chunk size":              chunks + "+1\r\na\r\n0\r\n\r\n",
		"a chunk size with a space before": chunks + " 1\r\na\r\n0\r\n\r\n",
		"a chunk size with _":              chunks + "1_0\r\naaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
		"no chunk size":                    chunks + "\r\na\r\n0\r\n\r\n",
		"a chunk size with a bare LF":      chunks + "1\na\r\n0\r\n\r\n",
		"a bare CR in an extension":        chunks + "1;a\rb\r\na\r\n0\r\n\r\n",
		"a bare LF in an extension":        chunks + "1;a\n2\r\na\r\n0\r\n\r\n",
		"a chunk size beyond 2^63":         chunks + "10000000000000001\r\na\r\n0\r\n\r\n",
		"a chunk longer than it says":      chunks + "1\r\nab\r\n0\r\n\r\n",
		"a chunk that ends with LF":        chunks + "1\r\na\n0\r\n\r\n",
		"a long extension":                 chunks + "1;" + strings.Repeat("x", 2<<10) + "\r\na\r\n0\r\n\r\n",
		"more extensions than data":        chunks + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 30) + "0\r\n\r\n",
		"a trailer that is none":           chunks + "0\r\nX Y\r\n\r\n",
		"a trailer with a bare LF":         chunks + "0\r\nX: 1\n\r\n",
		"trailers without end":             chunks + "0\r\n" + strings.Repeat("X: 1\r\n", 2000) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, answering(answer))
			c := u.client(t)
			if answer, err := c.do(t.Context(), get()); !errors.Is(err, ErrMalformed) {
				t.Errorf("taken: %v, %v", answer, err)
			}
			eventually(t, "the connection is closed", func() bool { return u.open.Load() == 0 })
		})
	}
}

func TestWhatOfAnAnswerIsPassedOn(t *testing.T) {
	for _, tt := range []struct {
		name, method, answer string
		want                 got
	}{
		{
			"fields in any case, of any value, in their order", "GET",
			"HTTP/1.1 299 Whatever it is\r\nx-aBc: 1\r\nX-Empty:\r\nX-ABC:  \t2, 3\t \r\nset-cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 2\r\n!x#: \xff\"\r\n\r\nok",
			got{299, http.Header{"X-Abc": {"1", "2, 3"}, "X-Empty": {""}, "Set-Cookie": {"a=b", "c=d"}, "Content-Length": {"2"}, "!x#": {"\xff\""}}, http.Header{}, "ok"},
		},
		{
			"none about the connection, or named by it", "GET",
			"HTTP/1.1 200\r\nConnection: X-Hop, keep-alive\r\nConnection: y\r\nX-Hop: 1\r\nY: 2\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTE: x\r\nContent-Length: 0\r\n\r\n",
			got{200, http.Header{"Content-Length": {"0"}}, http.Header{}, ""},
		},
		{
			"chunks of all sizes", "GET",
			"HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\nTrailer: X-Sum, X-None\r\n\r\n1\r\na\r\nA;ext=\"v\"\r\n0123456789\r\n002  \r\nbc\r\n0;end\r\nX-Sum: 9\r\nContent-Length: 5\r\nx-sum: 10\r\nX-More: 1\r\n\r\n",
			got{200, http.Header{}, http.Header{"X-Sum": {"9", "10"}, "X-More": {"1"}}, "a0123456789bc"},
		},
		{"up to its end", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it", got{200, http.Header{}, http.Header{}, "all of it"}},
		{"up to its end, in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n\r\nall of it", got{200, http.Header{}, http.Header{}, "all of it"}},
		{"no-cache in the old words", "GET", "HTTP/1.1 204 No Content\r\nPragma: no-cache\r\n\r\n", got{204, http.Header{"Pragma": {"no-cache"}, "Cache-Control": {"no-cache"}}, http.Header{}, ""}},
		{"the length of what HEAD does not bring", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", got{200, http.Header{"Content-Length": {"12345"}}, http.Header{}, ""}},
	} {
		for way, cut := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			t.Run(tt.name+", "+way, func(t *testing.T) {
				r := get()
				r.Method = tt.method
				answer, err := scripted(&script{in: cut(strings.NewReader(tt.answer))}).do(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, answer, cmp.AllowUnexported(got{})); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestAnAnswerThatBreaksOffIsNotWhole(t *testing.T) {
	whole := map[string]string{
		"a length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345",
		"chunks":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\nX: 1\r\n\r\n",
	}
	for name, answer := range whole {
		for n := range len(answer) {
			if got, err := scripted(&script{in: strings.NewReader(answer[:n])}).do(t.Context(), get()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: after %d bytes: %v, %v", name, n, got, err)
			}
		}
		if got, err := scripted(&script{in: strings.NewReader(answer)}).do(t.Context(), get()); err != nil || got.body != "12345" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// What relay takes, net/http takes as the same: status, fields, body, trailers,
// and where it ends.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		ok, "HTTP/1.1 100 Continue\r\n\r\n" + ok, "HTTP/1.0 200 OK\r\n\r\nbody", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nrest",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: 1\r\n\r\nrest",
		"HTTP/1.1 200 OK\r\nConnection: close, X\r\nx: 1\r\nPragma: no-cache\r\n\r\n", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 007\r\nX-a: \t1 \r\n\r\n1234567890", "HTTP/1.1 200 \r\nSet-Cookie: a\r\nset-cookie:b\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(answer), false, false)
		f.Add([]byte(answer), true, true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, head, slow bool) {
		r := get()
		if head {
			r.Method = "HEAD"
		}
		var in io.Reader = bytes.NewReader(answer)
		if slow {
			in = iotest.OneByteReader(in)
		}
		a, err := scripted(&script{in: in}).Do(t.Context(), r)
		if err != nil {
			return
		}
		var body bytes.Buffer
		if err := a.Copy(&body, nil); err != nil {
			return
		}
		ours := got{a.Status(), header(a.Fields()), header(a.Trailers()), body.String()}
		announced := a.Announced()
		keep, left := a.keep, a.conn.w-a.conn.r

		buf := bufio.NewReaderSize(bytes.NewReader(answer), 1<<20)
		var res *http.Response
		for {
			if res, err = http.ReadResponse(buf, &http.Request{Method: r.Method}); err != nil {
				t.Fatalf("we take it, net/http does not: %v", err)
			}
			if res.StatusCode >= 200 {
				break
			}
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("we take its body, net/http does not: %v", err)
		}
		for _, named := range res.Header["Connection"] {
			for option := range strings.SplitSeq(named, ",") {
				res.Header.Del(strings.Trim(option, " \t"))
			}
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Upgrade"} {
			res.Header.Del(name)
		}
		theirs := got{res.StatusCode, res.Header, http.Header{}, string(text)}
		for name, values := range res.Trailer {
			if values != nil && !frames(name) {
				theirs.trailers[name] = values
			}
		}
		if bytes.Contains(answer, []byte("onnection")) && res.Close && keep {
			t.Error("net/http closes after it")
		}
		// A close option makes net/http drop Connection, and with it what else it
		// names: those fields it would pass on.
		if res.Close {
			for name := range theirs.header {
				if _, there := ours.header[name]; !there && named(answer, name) {
					delete(theirs.header, name)
				}
			}
		}
		if diff := cmp.Diff(theirs, ours, cmp.AllowUnexported(got{})); diff != "" {
			t.Errorf("net/http reads it otherwise (-net/http +relay)\n%s", diff)
		}
		for _, name := range announced {
			if _, there := res.Trailer[name]; !there && body.Len() > 0 {
				t.Errorf("net/http knows nothing of the trailer %s", name)
			}
		}
		if keep && !slow && left != buf.Buffered() {
			t.Errorf("%d bytes are left, net/http leaves %d", left, buf.Buffered())
		}
	})
}

// named reports whether the answer's Connection may name a field.
func named(answer []byte, name string) bool {
	return bytes.Contains(bytes.ToLower(answer), []byte(strings.ToLower(name)))
}
