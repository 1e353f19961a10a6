package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Two APIs at one upstream: calls to one pass by relay, to the other by
// httputil.ReverseProxy, because its manifest says lenient.
const (
	relayBase    = "/test/relay/v1"
	standardBase = "/test/standard/v1"

	anyDocument = `openapi: 3.1.0
info: {title: Any, version: "1"}
paths:
  /{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get: {operationId: read, responses: {"200": {description: anything}}}
    head: {operationId: peek, responses: {"200": {description: anything}}}
    post: {operationId: write, responses: {"200": {description: anything}}}
    put: {operationId: put, responses: {"200": {description: anything}}}
    patch: {operationId: patch, responses: {"200": {description: anything}}}
    delete: {operationId: remove, responses: {"200": {description: anything}}}
    options: {operationId: ask, responses: {"200": {description: anything}}}
`
)

// seenRequest is a request as an upstream got it: its head byte for byte.
type seenRequest struct {
	Head, Body, Trailer, Err string
	conn                     int // which connection it came on
}

// seenAnswer is an answer as a caller got it.
type seenAnswer struct {
	Status    int
	Header    http.Header
	Body, Err string
	Trailer   http.Header
	Close     bool
	Length    int64
}

// passage is a request, and what the upstream does about it.
type passage struct {
	name    string
	request string // from the method on; %s: the API's base path, with an authorization field where the head ends
	body    string
	act     func(conn net.Conn, body func() string)
	race    bool // whether the caller's connection lives on depends on who is faster
	// framing tells that the answer's parts come at once: relay may say how long
	// all of it is, where ReverseProxy does not.
	framing bool
}

// twoWays is an upstream that does as the current passage says.
type twoWays struct {
	s            *site
	token        string
	passes       int
	mu           sync.Mutex
	act          func(conn net.Conn, body func() string)
	seen, second chan seenRequest
}

func startTwoWays(t *testing.T) *twoWays {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &twoWays{s: start(t), seen: make(chan seenRequest, 1000), second: make(chan seenRequest, 1000)}
	go func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(n, conn)
		}
	}()
	files := map[string]string{}
	for base, more := range map[string]string{relayBase: "", standardBase: ", lenient: true"} {
		name := strings.Split(base, "/")[2]
		files[name+"/manifest.yaml"] = fmt.Sprintf(`base_path: %s
products: [MN_Product_Eligibility_v3]
openapi: openapi.yaml
upstreams: {production: {url: "http://%s/up", timeout: 500ms, keep_prefix: false%s}}
request: {validate: "off"}
`, base, l.Addr(), more)
		files[name+"/openapi.yaml"] = anyDocument
	}
	w.s.serveFiles(files, relayBase)
	w.token = w.s.token(w.s.Environments["production"])
	return w
}

func (w *twoWays) serve(n int, conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var head strings.Builder
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
			if line == "\r\n" {
				break
			}
		}
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head.String()), in)))
		if err != nil {
			w.seen <- seenRequest{Head: head.String(), Err: err.Error()}
			return
		}
		seen := seenRequest{Head: head.String(), conn: n}
		var once sync.Once
		body := func() string {
			once.Do(func() {
				text, err := io.ReadAll(r.Body)
				seen.Body, seen.Trailer = string(text), fmt.Sprint(r.Trailer)
				if err != nil {
					seen.Err = "broken off"
				}
			})
			return seen.Body
		}
		w.mu.Lock()
		act := w.act
		w.mu.Unlock()
		act(conn, body)
		if strings.Contains(seen.Head, "/second ") {
			w.second <- seen
		} else {
			w.seen <- seen
		}
	}
}

// identityText is what differs between two requests that are alike otherwise.
var identityText = regexp.MustCompile(`(?m)^(X-Sallyport-Identity|X-Trace-Id|X-Pass): .*\r$`)

// begunTrace is a trace context that the gateway has made.
var begunTrace = regexp.MustCompile(`(?m)^Traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r$`)

// pass sends p by one of the ways, and a plain call after it on the same
// connection if there is one still.
func (w *twoWays) pass(t *testing.T, base string, p passage) (seenRequest, seenAnswer) {
	t.Helper()
	w.mu.Lock()
	w.act = p.act
	w.mu.Unlock()
	w.passes++
	conn := w.s.dial(t, w.s.Environments["production"])
	defer conn.Close()
	request := strings.Replace(p.request, "%s", base, 1)
	line, fields, _ := strings.Cut(request, "\r\n")
	mark := fmt.Sprintf("X-Pass: %d\r\n", w.passes)
	fmt.Fprint(conn, line+"\r\nHost: x\r\nAuthorization: Bearer "+w.token+"\r\n"+mark+fields+"\r\n"+p.body)
	method, _, _ := strings.Cut(request, " ")
	in := bufio.NewReader(conn)
	answer := w.hear(in, method, base)
	for i, cookie := range answer.Header["Set-Cookie"] { // each API's own
		answer.Header["Set-Cookie"][i] = strings.ReplaceAll(cookie, "Path="+base, "Path=BASE")
	}
	seen := arrived(w.seen, mark)
	seen.Head = identityText.ReplaceAllString(seen.Head, "$1: *\r")
	seen.Head = begunTrace.ReplaceAllString(seen.Head, "Traceparent: *\r")
	if answer.Err == "" && !answer.Close {
		w.mu.Lock()
		w.act = simple("second")
		w.mu.Unlock()
		fmt.Fprintf(conn, "GET %s/second HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", base, w.token)
		if second := w.hear(in, "GET", base); second.Body != "second" {
			t.Errorf("%s: the call after it got %+v", base, second)
		}
		arrived(w.second, "")
	}
	return seen, answer
}

// arrived returns the next request that the upstream has had and that is marked
// so: some are sent twice, some are over before it has done with them.
func arrived(of chan seenRequest, mark string) seenRequest {
	for {
		select {
		case seen := <-of:
			if strings.Contains(seen.Head, mark) {
				return seen
			}
		case <-time.After(2 * time.Second):
			return seenRequest{Err: "nothing came"}
		}
	}
}

func (w *twoWays) hear(in *bufio.Reader, method, base string) (a seenAnswer) {
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	for err == nil && res.StatusCode < 200 {
		res, err = http.ReadResponse(in, &http.Request{Method: method})
	}
	if err != nil {
		a.Err = "no answer"
		return a
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		a.Err = "cut off"
	}
	trace := res.Header.Get("X-Trace-Id")
	a.Status, a.Header, a.Trailer, a.Close, a.Length = res.StatusCode, res.Header, res.Trailer, res.Close, res.ContentLength
	a.Body = strings.NewReplacer(trace, "TRACE", base, "BASE").Replace(string(body))
	for _, name := range []string{"Date", "X-Trace-Id"} {
		res.Header.Del(name)
	}
	return a
}

func simple(body string) func(net.Conn, func() string) {
	return say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

// say answers once the body has come.
func say(parts ...string) func(net.Conn, func() string) {
	return func(conn net.Conn, body func() string) {
		body()
		for i, part := range parts {
			if i > 0 {
				time.Sleep(30 * time.Millisecond)
			}
			_, _ = io.WriteString(conn, part)
		}
	}
}

// then ends the connection after act.
func then(act func(net.Conn, func() string), reset bool) func(net.Conn, func() string) {
	return func(conn net.Conn, body func() string) {
		act(conn, body)
		if reset {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
	}
}

func passages() []passage {
	chunks := func(body string) string {
		var b strings.Builder
		for i := 0; i < len(body); i += 7000 {
			part := body[i:min(len(body), i+7000)]
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		}
		return b.String() + "0\r\n\r\n"
	}
	large := strings.Repeat("0123456789abcdef", 200<<10)
	long := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	const te = "Transfer-Encoding: chunked\r\n"
	get, post := "GET %s/x HTTP/1.1\r\n", "POST %s/x HTTP/1.1\r\n"
	ok := simple("ok")
	all := []passage{
		{name: "a query", request: "GET %s/a%%20b?c=%%2F&d=&e&c=x HTTP/1.1\r\n", act: ok},
		{name: "fields of every shape", request: get + "x-lower: 1\r\nX-MANY: a\r\nx-many:b\r\nX-Empty:\r\nX-Space:  \t a  b \t\r\nAccept: text/csv\r\nAccept-Encoding: br\r\nUser-Agent: u/1\r\nCookie: a=b\r\nCookie: c=d\r\nX-Latin: \xe9\r\n!odd#: 1\r\n", act: ok},
		{name: "two user agents", request: get + "User-Agent: a\r\nUser-Agent: b\r\n", act: ok},
		{name: "an empty user agent", request: get + "User-Agent:\r\n", act: ok},
		{name: "fields about the connection", request: get + "Connection: keep-alive, TE\r\nTE: trailers, deflate\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTrailer: X\r\n", act: ok},
		{name: "fields that are the gateway's to set", request: get + "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=x\r\nX_Sallyport_Identity: x\r\nX-Sallyport-Client-Id: x\r\nTraceparent: bad\r\nTracestate: a=1\r\n", act: ok},
		{name: "a trace context", request: get + "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nTracestate: a=1\r\n", act: ok},
		{name: "a caller that closes", request: get + "Connection: close\r\n", act: ok},
		{name: "HTTP/1.0", request: "GET %s/x HTTP/1.0\r\n", act: ok},
		{name: "HTTP/1.0, kept alive", request: "GET %s/x HTTP/1.0\r\nConnection: keep-alive\r\n", act: ok},
		{name: "HTTP/1.0, an answer of unknown length", request: "GET %s/x HTTP/1.0\r\n", act: say("HTTP/1.1 200 OK\r\n" + te + "\r\n2\r\nok\r\n0\r\n\r\n"), framing: true},
		{name: "a body of a GET", request: get + long(4), body: "body", act: ok},
		{name: "no body of a POST", request: post + long(0), act: ok},
		{name: "nothing said of a POST's body", request: post, act: ok},
		{name: "one byte", request: post + long(1), body: "b", act: ok},
		{name: "a large body", request: post + long(len(large)), body: large, act: ok},
		{name: "chunks", request: post + te, body: chunks("body"), act: ok},
		{name: "no chunks", request: post + te, body: chunks(""), act: ok},
		{name: "chunks of a GET", request: get + te, body: chunks("body"), act: ok},
		{name: "no chunks of a GET", request: get + te, body: chunks(""), act: ok},
		{name: "many chunks", request: post + te, body: chunks(large), act: ok},
		{name: "trailers of a request", request: post + te + "Trailer: X-Sum\r\n", body: "1\r\nb\r\n0\r\nX-Sum: 1\r\n\r\n", act: ok},
		{name: "trailers of a request that nobody announced", request: post + te, body: "1\r\nb\r\n0\r\nX-Sum: 1\r\n\r\n", act: ok},
		{name: "100-continue", request: post + long(4) + "Expect: 100-continue\r\n", body: "body", act: ok},
		{name: "a chunk that is none", request: post + te, body: "zz\r\nbody\r\n0\r\n\r\n", act: ok},
		{name: "a large answer", request: get, act: simple(large)},
		{name: "an answer to HEAD", request: "HEAD %s/x HTTP/1.1\r\n", act: say("HTTP/1.1 200 OK\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n")},
		{name: "an answer to HEAD of unknown length", request: "HEAD %s/x HTTP/1.1\r\n", act: say("HTTP/1.1 200 OK\r\n" + te + "\r\n")},
		{name: "204", request: get, act: say("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n")},
		{name: "204 that says zero", request: "DELETE %s/x HTTP/1.1\r\n", act: say("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")},
		{name: "304", request: get, act: say("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 10\r\nContent-Type: a/b\r\n\r\n")},
		{name: "interim answers", request: get, act: say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")},
		{name: "many cookies", request: get, act: say("HTTP/1.1 200 OK\r\n" + strings.Repeat("Set-Cookie: a=b; Path=/\r\nset-cookie: c=d\r\n", 40) + "Content-Length: 0\r\n\r\n")},
		{name: "fields of an answer in every shape", request: get, act: say("HTTP/1.1 299 Odd\r\nx-lower: 1\r\nX-MANY:a\r\nx-many: b\r\nX-Empty:\r\nX-Space: \t a  b \t\r\nX-Latin: \xe9\r\nVary: *\r\nPragma: no-cache\r\nWarning: 299 - \"x\"\r\nContent-Length: 0\r\n\r\n")},
		{name: "fields about the upstream's connection", request: get, act: say("HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n")},
		{name: "compressed", request: get + "Accept-Encoding: gzip\r\n", act: say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08")},
		{name: "no media type", request: get, act: say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>a</")},
		{name: "a place", request: get, act: say("HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/x\r\nContent-Location: /y\r\nContent-Length: 0\r\n\r\n")},
		{name: "two places", request: get, act: say("HTTP/1.1 302 Found\r\nLocation: /x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n")},
		{name: "what the upstream is made of", request: get, act: say("HTTP/1.1 200 OK\r\nServer: x\r\nVia: x\r\nX-Powered-By: x\r\nX-Sallyport-Source: mock\r\nX-Trace-Id: x\r\nContent-Length: 0\r\n\r\n")},
		{name: "chunks of an answer, at once", request: get, act: say("HTTP/1.1 200 OK\r\n" + te + "\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n"), framing: true},
		{name: "no chunk of an answer", request: get, act: say("HTTP/1.1 200 OK\r\n" + te + "\r\n0\r\n\r\n"), framing: true},
		{name: "chunks of an answer, one by one", request: get, act: say("HTTP/1.1 200 OK\r\n"+te+"\r\n", "1\r\no\r\n", "1\r\nk\r\n", "0\r\n\r\n")},
		{name: "a large answer in chunks", request: get, act: say("HTTP/1.1 200 OK\r\n" + te + "\r\n" + chunks(large))},
		{name: "trailers", request: get, act: say("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n" + te + "\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")},
		{name: "trailers that nobody announced", request: get, act: say("HTTP/1.1 200 OK\r\n" + te + "\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nVia: x\r\n\r\n")},
		{name: "a trailer that was announced and does not come", request: get, act: say("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n" + te + "\r\n2\r\nok\r\n0\r\n\r\n")},
		{name: "events", request: get, act: say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+te+"\r\n", "9\r\ndata: a\n\n\r\n", "9\r\ndata: b\n\n\r\n", "0\r\n\r\n")},
		{name: "an answer up to the end", request: get, act: then(say("HTTP/1.1 200 OK\r\n\r\n", "all of it"), false)},
		{name: "an answer in HTTP/1.0", request: get, act: then(say("HTTP/1.0 200 OK\r\n\r\nall of it"), false), framing: true},
		{name: "an upstream that closes after it", request: get, act: then(say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), false)},
		{name: "an upstream that closes unsaid", request: get, act: then(ok, false)},
		{name: "more than it said", request: get, act: then(say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"), false)},
		{name: "an answer before the body is read", request: post + te, body: chunks("body"), race: true, act: func(conn net.Conn, body func() string) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			body()
		}},
		{name: "a reset before anything", request: get, act: then(say(), true)},
		{name: "an end before anything", request: post + long(4), body: "body", act: then(say(), false)},
		{name: "a reset within the head", request: get, act: then(say("HTTP/1.1 200 O"), true)},
		{name: "an end within the head", request: get, act: then(say("HTTP/1.1 200 OK\r\nX: "), false)},
		{name: "an end within the body", request: get, act: then(say("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"+strings.Repeat("x", 9000)), false)},
		{name: "a reset between chunks", request: get, act: then(say("HTTP/1.1 200 OK\r\n"+te+"\r\n2\r\nok\r\n", ""), true)},
		{name: "an end between chunks", request: get, act: then(say("HTTP/1.1 200 OK\r\n"+te+"\r\n2\r\nok\r\n"), false)},
		{name: "a chunk that is not", request: get, act: then(say("HTTP/1.1 200 OK\r\n"+te+"\r\n", "2\r\nok\r\nzz\r\n"), false)},
		{name: "two lengths", request: get, act: then(say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"), false)},
		{name: "garbage", request: get, act: then(say("rubbish\r\n\r\n"), false)},
		{name: "an upgrade unasked", request: get, act: then(say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), false)},
		{name: "no answer in time", request: get, act: then(func(net.Conn, func() string) { time.Sleep(2 * upstreamWait) }, false)},
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		all = append(all, passage{name: "a " + method, request: method + " %s/x HTTP/1.1\r\n", act: say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")})
	}
	return all
}

// Callers and upstreams cannot tell by which way a call has passed.
func TestBothWaysToAnUpstreamAreAlike(t *testing.T) {
	w := startTwoWays(t)
	for _, p := range passages() {
		t.Run(p.name, func(t *testing.T) {
			theirs, callers := w.pass(t, standardBase, p)
			ours, mine := w.pass(t, relayBase, p)
			if p.race {
				callers.Close, mine.Close = false, false
			}
			if p.framing {
				for _, a := range []*seenAnswer{&callers, &mine} {
					a.Length = 0
					a.Header.Del("Content-Length")
				}
			}
			if diff := cmp.Diff(theirs, ours, cmpopts.IgnoreUnexported(seenRequest{})); diff != "" {
				t.Errorf("the upstream sees (-ReverseProxy +relay)\n%.2000s", diff)
			}
			if diff := cmp.Diff(callers, mine); diff != "" {
				t.Errorf("the caller sees (-ReverseProxy +relay)\n%.2000s", diff)
			}
		})
	}
}

// A guess of ours would be taken for the upstream's word.
func TestAMediaTypeThatAnUpstreamDoesNotTellIsNotGuessed(t *testing.T) {
	w := startTwoWays(t)
	for _, base := range []string{relayBase, standardBase} {
		_, got := w.pass(t, base, passage{request: "GET %s/x HTTP/1.1\r\n", act: say("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<html>a</ht>")})
		if types, there := got.Header["Content-Type"]; there || got.Body != "<html>a</ht>" {
			t.Errorf("%s: the caller is told %q: %+v", base, types, got)
		}
	}
}

// What relay refuses for being ambiguous passes where the manifest says lenient.
func TestALenientUpstreamMayBeAmbiguous(t *testing.T) {
	w := startTwoWays(t)
	for name, answer := range map[string]string{
		"lines that end with LF":      "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"a length said twice":         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"a folded line":               "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
		"a length beside chunks":      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"two spaces in the first one": "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			p := passage{request: "GET %s/x HTTP/1.1\r\n", act: then(say(answer), false)}
			if _, got := w.pass(t, standardBase, p); got.Body != "ok" {
				t.Errorf("lenient: %+v", got)
			}
			if _, got := w.pass(t, relayBase, p); got.Status != http.StatusBadGateway {
				t.Errorf("strict: %+v", got)
			}
		})
	}
}

// An upstream that answers early, and goes on to read, is not told that the body
// has ended where it has not.
func TestABodyIsNotCutShortByAnEarlyAnswer(t *testing.T) {
	w := startTwoWays(t)
	const parts = 20
	for _, base := range []string{relayBase, standardBase} {
		t.Run(base, func(t *testing.T) {
			w.act = func(conn net.Conn, body func() string) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
				got := body()
				fmt.Fprintf(conn, "%x\r\n%s\r\n0\r\n\r\n", len(got), got)
			}
			conn := w.s.dial(t, w.s.Environments["production"])
			fmt.Fprintf(conn, "POST %s/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n", base, w.token)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			for range parts {
				fmt.Fprint(conn, "1\r\nb\r\n")
				time.Sleep(time.Millisecond)
			}
			fmt.Fprint(conn, "0\r\n\r\n")
			body, err := io.ReadAll(res.Body)
			if want := "a" + strings.Repeat("b", parts+1); err != nil || string(body) != want {
				t.Errorf("the upstream had %q, %v; want %q", body, err, want)
			}
			arrived(w.seen, "")
		})
	}
}

// Callers that leave in the middle leave nothing behind.
func TestCallersThatLeaveLeaveNothingBehind(t *testing.T) {
	w := startTwoWays(t)
	e := w.s.Environments["production"]
	w.act = func(conn net.Conn, body func() string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		body()
	}
	leave := func() {
		conn := w.s.dial(t, e)
		fmt.Fprintf(conn, "POST %s/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n", relayBase, w.token)
		_, _ = conn.Read(make([]byte, 100))
		conn.Close()
	}
	leave()
	time.Sleep(100 * time.Millisecond)
	before := runtime.NumGoroutine()
	for range 100 {
		leave()
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+10 })
}
