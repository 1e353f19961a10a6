package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// smuggle is one attack of the corpus: what a caller sends, byte for byte, and how
// the gateway answers.
type smuggle struct {
	name string // tells the attack
	raw  string // with the placeholders of told
	body string // that the upstream has to see, if it is asked
	ends bool   // the caller sends no more after raw
}

// told fills in the placeholders of a case: {base} is where the API is, {auth} the
// field with the token, {mark} one that tells the case; {get} and {post} the
// beginning of a request with all of that; {evil} a whole request that no case
// makes by itself, {n} its length and {x} that in hexadecimal digits.
func (c smuggle) told(base, token, mark string) string {
	begin := func(method, name, mark string) string {
		return method + " " + base + "/" + name + " HTTP/1.1\r\nHost: gateway.example\r\nAuthorization: Bearer " + token + "\r\nX-Mark: " + mark + "\r\n"
	}
	evil := begin("GET", "evil", "evil") + "\r\n"
	return strings.NewReplacer("{base}", base, "{auth}", "Authorization: Bearer "+token, "{token}", token, "{mark}", "X-Mark: "+mark,
		"{get}", begin("GET", "x", mark), "{post}", begin("POST", "x", mark), "{head}", begin("HEAD", "x", mark),
		"{evil}", evil, "{n}", strconv.Itoa(len(evil)), "{x}", strconv.FormatInt(int64(len(evil)), 16)).Replace(c.raw)
}

// recorded is a request as the upstream of the corpus read it: strictly, by itself.
type recorded struct {
	Trace, Mark, Target, Body string
	Fault                     string // of what the gateway sent; empty: none
}

// recorder is an upstream that writes down what it is sent, and answers each
// request with what it has written down of it.
type recorder struct {
	mu   sync.Mutex
	seen []recorded
}

func (u *recorder) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<20)
	for {
		got, err := u.read(in, conn)
		if errors.Is(err, io.EOF) && got.Target == "" {
			return
		}
		if err != nil {
			got.Fault += "broken off: " + err.Error()
		}
		u.mu.Lock()
		u.seen = append(u.seen, got)
		u.mu.Unlock()
		if err != nil {
			return
		}
		text, _ := json.Marshal(got)
		if strings.HasSuffix(got.Target, "head") {
			text = nil
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}
}

// read reads a request by the letter of RFC 9112, and knows no mercy.
func (u *recorder) read(in *bufio.Reader, out io.Writer) (got recorded, err error) {
	line := func() (string, error) {
		text, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		text, ended := strings.CutSuffix(text, "\r\n")
		if !ended || strings.ContainsAny(text, "\r\x00") {
			got.Fault += "a line with a bare CR, LF or NUL; "
		}
		return text, nil
	}
	first, err := line()
	if err != nil {
		return got, err
	}
	parts := strings.Split(first, " ")
	if len(parts) != 3 || parts[2] != "HTTP/1.1" {
		got.Fault += "no request line: " + first
		return got, errors.New(got.Fault)
	}
	got.Target = parts[0] + " " + parts[1]
	fields := map[string][]string{}
	for {
		text, err := line()
		if err != nil {
			return got, err
		}
		if text == "" {
			break
		}
		name, value, _ := strings.Cut(text, ": ")
		if name == "" || strings.ContainsAny(name, " \t:") || text[0] == ' ' || text[0] == '\t' {
			got.Fault += "no field: " + text + "; "
		}
		fields[strings.ToLower(name)] = append(fields[strings.ToLower(name)], value)
	}
	for name, values := range fields {
		if len(values) > 1 && slices.Contains([]string{"host", "content-length", "transfer-encoding", "x-sallyport-identity", "x-trace-id"}, name) {
			got.Fault += "twice " + name + "; "
		}
	}
	for name, values := range fields {
		if slices.Contains(values, "evil") && name != "x-mark" { // a caller's, and one that somebody would believe
			got.Fault += name + " as the caller has it; "
		}
	}
	if len(fields["x-sallyport-identity"]) != 1 || len(fields["authorization"]) > 0 || len(fields["host"]) != 1 {
		got.Fault += "not a request of the gateway's own; "
	}
	got.Trace, got.Mark = strings.Join(fields["x-trace-id"], "|"), strings.Join(fields["x-mark"], "|")
	if len(fields["expect"]) > 0 {
		_, _ = io.WriteString(out, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	length, chunks := strings.Join(fields["content-length"], "|"), strings.Join(fields["transfer-encoding"], "|")
	switch {
	case length != "" && chunks != "" || chunks != "" && chunks != "chunked":
		got.Fault += "framed in two ways; "
	case chunks != "":
		for {
			size, err := line()
			if err != nil {
				return got, err
			}
			n, err := strconv.ParseUint(size, 16, 31)
			if err != nil {
				return got, err
			}
			if n == 0 {
				break
			}
			part := make([]byte, n)
			if _, err := io.ReadFull(in, part); err != nil {
				return got, io.ErrUnexpectedEOF
			}
			got.Body += string(part)
			if end, err := line(); err != nil || end != "" {
				return got, errors.New("a chunk without an end")
			}
		}
		for {
			if trailer, err := line(); err != nil || trailer == "" {
				return got, err
			}
		}
	case length != "":
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil {
			return got, err
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(in, body); err != nil {
			return got, io.ErrUnexpectedEOF
		}
		got.Body = string(body)
	}
	return got, nil
}

// take returns what was seen since it was last asked.
func (u *recorder) take() []recorded {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := u.seen
	u.seen = nil
	return seen
}

// heard is an answer on the caller's connection.
type heard struct {
	status int
	trace  string
	told   recorded // what the upstream says that it was asked, if it answered
}

// hearAnswer reads the next final answer; nil once there is none.
func hearAnswer(t *testing.T, in *bufio.Reader, method string) *heard {
	t.Helper()
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return nil
		}
		if res.StatusCode < 200 {
			continue
		}
		a := &heard{status: res.StatusCode, trace: res.Header.Get("X-Trace-Id")}
		if res.StatusCode == 200 && len(body) > 0 {
			if err := json.Unmarshal(body, &a.told); err != nil {
				t.Errorf("an answer that is not the upstream's: %q", body)
			}
		}
		return a
	}
}

// ordinary makes a call on conn as any caller would, and reports whether there was
// an answer. It has to be the call's own.
func ordinary(t *testing.T, conn net.Conn, in *bufio.Reader, base, token, mark string) bool {
	t.Helper()
	fmt.Fprintf(conn, "POST %s/next HTTP/1.1\r\nHost: gateway.example\r\nAuthorization: Bearer %s\r\nX-Mark: %s\r\nContent-Length: %d\r\n\r\n%s", base, token, mark, len(mark), mark)
	a := hearAnswer(t, in, "POST")
	if a == nil {
		return false
	}
	if a.status != 200 || a.told.Mark != mark || a.told.Body != mark || a.told.Trace != a.trace || a.told.Fault != "" {
		t.Errorf("the next call on the connection got another's answer: %+v", *a)
	}
	return true
}

// What the upstream saw is what was authorized, request for request, whatever the
// caller sends; and whoever calls next gets an answer of their own.
func TestNoRequestIsSmuggledPastTheGateway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u := &recorder{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	s := start(t)
	files := map[string]string{}
	for base, more := range map[string]string{relayBase: "", standardBase: ", lenient: true"} {
		name := strings.Split(base, "/")[2]
		files[name+"/manifest.yaml"] = fmt.Sprintf("base_path: %s\nproducts: [MN_Product_Eligibility_v3]\nopenapi: openapi.yaml\n"+
			"upstreams: {production: {url: \"http://%s\"%s}}\nrequest: {validate: \"off\"}\n", base, l.Addr(), more)
		files[name+"/openapi.yaml"] = anyDocument
	}
	s.serveFiles(files, relayBase)
	e := s.Environments["production"]
	token := s.token(e)
	answers := corpusAnswers()
	for way, base := range map[string]string{"relay": relayBase, "ReverseProxy": standardBase} {
		for i, c := range corpus() {
			t.Run(way+", "+c.name, func(t *testing.T) {
				want, special := answers[c.name]
				if !special {
					want = "400"
				}
				mark := fmt.Sprint("case-", i)
				conn := s.dial(t, e)
				defer conn.Close()
				assail(t, u, c, conn, journey{base, token, mark, want})
				// Whoever is next at the upstream's connections.
				other := s.dial(t, e)
				defer other.Close()
				in := bufio.NewReader(other)
				for _, next := range []string{mark + "-other", mark + "-third"} {
					if !ordinary(t, other, in, base, token, next) {
						t.Error("another caller is not answered")
					}
				}
				for _, r := range u.take() {
					if r.Mark != mark+"-other" && r.Mark != mark+"-third" && !strings.HasPrefix(r.Fault, "broken off") {
						t.Errorf("the upstream saw, late: %+v", r)
					}
				}
			})
		}
	}
}

// journey is by which API a case goes, whose it is, and how it is answered.
type journey struct{ base, token, mark, want string }

// assail sends a case and compares what came back with what the upstream saw.
func assail(t *testing.T, u *recorder, c smuggle, conn *tls.Conn, way journey) {
	t.Helper()
	raw := c.told(way.base, way.token, way.mark)
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Logf("it was cut off: %v", err) // and may be
	}
	if c.ends {
		_ = conn.CloseWrite()
	}
	in := bufio.NewReader(conn)
	method, _, _ := strings.Cut(raw, " ")
	answered := map[string]*heard{}
	var statuses []string
	for range strings.Fields(way.want) {
		a := hearAnswer(t, in, method)
		if a == nil {
			break
		}
		statuses = append(statuses, strconv.Itoa(a.status))
		if a.trace != "" {
			answered[a.trace] = a
		}
		if a.status == 200 && a.told.Trace != a.trace && method != "HEAD" {
			t.Errorf("an answer to another request: %+v", *a)
		}
	}
	if got := strings.Join(statuses, " "); got != way.want {
		t.Errorf("answered %q, want %q", got, way.want)
	}
	if !c.ends {
		_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
		ordinary(t, conn, in, way.base, way.token, way.mark+"-next")
	}
	passed := 0
	for _, r := range u.take() {
		a := answered[r.Trace]
		switch {
		case r.Mark == way.mark+"-next":
			continue
		case strings.HasPrefix(r.Fault, "broken off") && (a == nil || a.status == 400):
			continue // no upstream takes that for a request
		case a == nil || a.status != 200:
			t.Errorf("the upstream saw a request that no answer stands for: %+v", r)
		case r.Fault != "":
			t.Errorf("the upstream was sent %s: %+v", r.Fault, r)
		case r.Mark == "evil" && len(statuses) > 1: // what the RFC has follow the first
		case r.Mark != way.mark:
			t.Errorf("the upstream saw a request of another mark: %+v", r)
		case r.Body != c.bodyOf(way.base, way.token, way.mark):
			t.Errorf("the upstream saw the body %q", r.Body)
		}
		passed++
		delete(answered, r.Trace)
	}
	if want := strings.Count(way.want, "200"); passed != want {
		t.Errorf("%d requests passed, want %d", passed, want)
	}
}

// bodyOf is body with its placeholders filled in.
func (c smuggle) bodyOf(base, token, mark string) string {
	return smuggle{raw: c.body}.told(base, token, mark)
}
