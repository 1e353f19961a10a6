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

// sent returns what a request is on the wire.
func sent(t testing.TB, r *Request) (string, error) {
	t.Helper()
	s := &script{in: strings.NewReader("HTTP/1.1 204 No Content\r\n\r\n")}
	a, err := scripted(s).Do(t.Context(), r)
	if err != nil {
		return "", err
	}
	if a.sender != nil {
		<-a.sender.done
		if a.sender.err != nil {
			return "", a.sender.err
		}
	}
	a.Close()
	return s.out.String(), nil
}

func TestARequestIsSentAsNetHTTPSendsIt(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 10<<10)
	for name, r := range map[string]*Request{
		"nothing but a path":    {Method: "GET", Target: "/", Host: "x"},
		"fields":                {Method: "GET", Target: "/a%20b?c=d&e", Host: "x:8080", Fields: []Field{{"Accept", "*/*"}, {"User-Agent", "u"}, {"X-Empty", ""}, {"X-Many", "1"}, {"X-Many", "2"}}},
		"a body":                {Method: "POST", Target: "/", Host: "x", Body: strings.NewReader("body"), Length: 4},
		"a body of a GET":       {Method: "GET", Target: "/", Host: "x", Body: strings.NewReader("body"), Length: 4},
		"a body of one byte":    {Method: "PUT", Target: "/", Host: "x", Body: strings.NewReader("b"), Length: 1},
		"a large body":          {Method: "POST", Target: "/", Host: "x", Body: strings.NewReader(large), Length: int64(len(large))},
		"no body of a POST":     {Method: "POST", Target: "/", Host: "x"},
		"no body of a DELETE":   {Method: "DELETE", Target: "/", Host: "x"},
		"a body in chunks":      {Method: "POST", Target: "/", Host: "x", Body: strings.NewReader("body"), Length: -1},
		"an empty body, chunks": {Method: "POST", Target: "/", Host: "x", Body: strings.NewReader(""), Length: -1},
	} {
		t.Run(name, func(t *testing.T) {
			body := ""
			if r.Body != nil {
				text, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = string(text)
				r.Body = strings.NewReader(body)
			}
			ours, err := sent(t, r)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := http.NewRequestWithContext(t.Context(), r.Method, "http://"+r.Host+r.Target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Body != nil {
				theirs.Body, theirs.ContentLength = io.NopCloser(strings.NewReader(body)), r.Length
				if r.Length < 0 {
					theirs.TransferEncoding = []string{"chunked"}
				}
			}
			theirs.Header["User-Agent"] = nil
			for _, f := range r.Fields {
				theirs.Header[f.Name] = append(theirs.Header[f.Name], f.Value)
			}
			var want bytes.Buffer
			if err := theirs.Write(&want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), ours); diff != "" && len(diff) < 1000 {
				t.Errorf("(-net/http +relay)\n%s", diff)
			} else if diff != "" {
				t.Error("it is not what net/http sends")
			}
		})
	}
}

func TestARequestThatWouldBeReadOtherwiseIsNotSent(t *testing.T) {
	for name, change := range map[string]func(*Request){
		"no method":                 func(r *Request) { r.Method = "" },
		"a method with a space":     func(r *Request) { r.Method = "GET /" },
		"CONNECT":                   func(r *Request) { r.Method = "CONNECT" },
		"no path":                   func(r *Request) { r.Target = "" },
		"a target with a space":     func(r *Request) { r.Target = "/ HTTP/1.1" },
		"a target with a line end":  func(r *Request) { r.Target = "/\r\nX: 1" },
		"a target with a fragment":  func(r *Request) { r.Target = "/#x" },
		"a target that is not ours": func(r *Request) { r.Target = "http://x/" },
		"a target beyond ASCII":     func(r *Request) { r.Target = "/é" },
		"no host":                   func(r *Request) { r.Host = "" },
		"a host with a line end":    func(r *Request) { r.Host = "x\r\nX: 1" },
		"a name with a colon":       func(r *Request) { r.Fields = []Field{{"X:", "1"}} },
		"no name":                   func(r *Request) { r.Fields = []Field{{"", "1"}} },
		"a value with a line end":   func(r *Request) { r.Fields = []Field{{"X", "1\r\nY: 2"}} },
		"a value with NUL":          func(r *Request) { r.Fields = []Field{{"X", "\x00"}} },
		"a User-Agent with LF":      func(r *Request) { r.Fields = []Field{{"User-Agent", "a\nb"}} },
		"a length of its own":       func(r *Request) { r.Fields = []Field{{"content-length", "1"}} },
		"chunks of its own":         func(r *Request) { r.Fields = []Field{{"Transfer-Encoding", "chunked"}} },
		"a host of its own":         func(r *Request) { r.Fields = []Field{{"HOST", "y"}} },
		"a Connection of its own":   func(r *Request) { r.Fields = []Field{{"Connection", "close"}} },
		"an Upgrade":                func(r *Request) { r.Fields = []Field{{"Upgrade", "h2c"}} },
		"an Expect":                 func(r *Request) { r.Fields = []Field{{"Expect", "100-continue"}} },
	} {
		t.Run(name, func(t *testing.T) {
			r := get()
			change(r)
			if text, err := sent(t, r); !errors.Is(err, ErrUnsendable) {
				t.Errorf("sent: %q, %v", text, err)
			}
		})
	}
}

func TestABodyThatIsNotAsLongAsItSaysIsNotSentWhole(t *testing.T) {
	large := strings.Repeat("x", 100<<10)
	for name, r := range map[string]*Request{
		"shorter":             {Method: "POST", Target: "/", Host: "x", Body: strings.NewReader("1234"), Length: 5},
		"shorter, and large":  {Method: "POST", Target: "/", Host: "x", Body: strings.NewReader(large), Length: int64(len(large)) + 1},
		"broken":              {Method: "POST", Target: "/", Host: "x", Body: io.MultiReader(strings.NewReader("x"), failing{}), Length: 5},
		"broken, and large":   {Method: "POST", Target: "/", Host: "x", Body: io.MultiReader(strings.NewReader(large), failing{}), Length: 1 << 20},
		"broken, and chunked": {Method: "POST", Target: "/", Host: "x", Body: io.MultiReader(strings.NewReader("x"), failing{}), Length: -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sent(t, r)
			var body *BodyError
			if !errors.As(err, &body) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What relay writes, net/http reads as it was meant.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a?b", "x", "X-Name", "value", []byte(nil), false, false)
	f.Add("POST", "/", "x:1", "User-Agent", " u ", []byte("body"), true, true)
	f.Add("PATCH", "/%20", "[::1]:80", "Idempotency-Key", "\xff", bytes.Repeat([]byte("x"), 70<<10), false, true)
	f.Fuzz(func(t *testing.T, method, target, host, name, value string, body []byte, chunks, slow bool) {
		r := &Request{Method: method, Target: target, Host: host, Fields: []Field{{name, value}, {"X-After", "it"}}}
		if body != nil {
			r.Body, r.Length = bytes.NewReader(body), int64(len(body))
			if slow && len(body) < 1<<10 {
				r.Body = iotest.OneByteReader(r.Body)
			}
			if chunks {
				r.Length = -1
			}
		}
		text, err := sent(t, r)
		if err != nil {
			if !errors.Is(err, ErrUnsendable) {
				t.Fatal(err)
			}
			return
		}
		in := bufio.NewReader(strings.NewReader(text))
		read, err := http.ReadRequest(in)
		if err != nil {
			if strings.Contains(err.Error(), "invalid URI") || strings.Contains(err.Error(), "parse") || strings.Contains(err.Error(), "Host") {
				return // net/http looks into it, and finds it wanting; it finds nothing else there
			}
			t.Fatalf("%q: %v", text, err)
		}
		got, err := io.ReadAll(read.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("the body is %d bytes, not %d (%v)", len(got), len(body), err)
		}
		if read.Method != method || read.RequestURI != target || read.Host != host {
			t.Errorf("%q is read as %s %s of %s", text, read.Method, read.RequestURI, read.Host)
		}
		for _, frame := range []string{"Content-Length", "Transfer-Encoding"} {
			read.Header.Del(frame)
		}
		want := http.Header{"X-After": {"it"}}
		if key := canonical(name); key != "User-Agent" || value != "" {
			want[key] = append([]string{trim(value)}, want[key]...)
		}
		if diff := cmp.Diff(want, read.Header); diff != "" {
			t.Errorf("%q\n%s", text, diff)
		}
		if in.Buffered() > 0 {
			t.Errorf("%q: something is left behind it", text)
		}
	})
}

func TestAValueIsOneWhereverItsBytesAre(t *testing.T) {
	for b := range 256 {
		want := (b >= ' ' || b == '\t') && b != 0x7f
		for at := range 20 {
			for _, around := range []byte{' ', '\t', '~', 0x80, 0xff} {
				value := bytes.Repeat([]byte{around}, 20)
				value[at] = byte(b)
				if isValue(value) != want || isValue(string(value)) != want {
					t.Fatalf("%q: %v, want %v", value, !want, want)
				}
			}
		}
	}
}
