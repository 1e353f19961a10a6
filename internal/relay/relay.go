// Package relay is a client for HTTP/1.1 servers that does for a proxy what
// http.Transport does, at less cost: the goroutine that has the request writes
// it, in one write, and reads the answer, from a connection that nothing else
// watches.
//
// The flow: [Client.Do] takes a connection from the pool (pool.go) or opens one
// (dial.go), writes the request (request.go, send.go), and reads the head of the
// answer (head.go). [Answer.Copy] streams its body (body.go, chunk.go), and
// [Answer.Close] gives the connection back, or closes it.
//
// Invariants. A connection is used again only if the request was sent and the
// answer was read whole, to the byte, in a framing that leaves no doubt, and if
// nothing came on it since. What cannot be read in exactly one way is an error,
// never a guess: CL beside TE, two lengths, a bare CR or LF, a folded line, space
// before a colon. Whatever is accepted, net/http reads alike; the tests hold
// both to that. Everything has a deadline, which is the connection's: no timer
// and no goroutine for each request, but for one that sends a body too large for
// the first write.
//
// A request is sent again, once, on a new connection, if the one that it was sent
// on had been used before, and either not a byte of it was written, or the
// connection ended before a byte of an answer came and the request is one that
// net/http takes for idempotent too: GET, HEAD, OPTIONS, TRACE, or with an
// Idempotency-Key. Its body must have fit in the first write.
//
// It does not upgrade, tunnel, wait for 100 Continue, send trailers, speak
// HTTP/2, follow redirects or use proxies.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Config says how one server is reached. Address and Timeout are needed.
type Config struct {
	Address string      // host:port
	TLS     *tls.Config // nil: in the clear. It names the server
	Dial    time.Duration
	// Timeout bounds how long the server may take to begin its answer once it
	// has the request, and to take each part of a request.
	Timeout     time.Duration
	Silence     time.Duration // how long it may pause within an answer; 0: as long as it likes
	Idle        time.Duration // how long a connection may wait to be used again
	MaxIdle     int           // how many may
	MaxHead     int           // bytes of an answer's head
	MaxFields   int           // fields of an answer's head, and of its trailers
	MaxInterims int           // answers before the answer
	Connections *Connections  // counts those that are opened; nil: nothing does
}

// Client sends requests to one server. Create it with [New].
type Client struct {
	Config
	connect func(context.Context) (*conn, error)
	dialer  net.Dialer
	pool    pool
}

// New returns a client. It opens no connection yet.
func New(c Config) *Client {
	client := &Client{Config: c, dialer: net.Dialer{Timeout: c.Dial, KeepAlive: 30 * time.Second}}
	client.connect = client.dial
	client.pool.idle, client.pool.most = c.Idle, c.MaxIdle
	return client
}

// CloseIdle closes the connections that wait. Those in use are closed when they
// have been, and no more wait.
func (c *Client) CloseIdle() { c.pool.close() }

// Field is one line of a head.
type Field struct{ Name, Value string }

// Request is a request as it is to be sent.
type Request struct {
	Method string
	Target string // origin form: a path, with its query
	Host   string
	// Fields are sent in this order, but for User-Agent, which goes first. What
	// frames the message is not among them.
	Fields []Field
	// Body is sent, unless it is nil. Length is its length; -1: it is sent in
	// chunks. Whoever reads it may be another goroutine than the caller's, and may
	// be reading still when [Answer.Close] returns.
	Body   io.Reader
	Length int64
}

// ErrMalformed is in the chain of every error about an answer that breaks the
// rules of HTTP, or the limits here.
var ErrMalformed = errors.New("the answer is not HTTP as it should be")

// ErrUnsendable is in the chain of every error about a request that is not sent,
// because it would not be read as it is meant.
var ErrUnsendable = errors.New("the request cannot be sent")

// BodyError tells that the request's own body could not be read.
type BodyError struct{ Err error }

// Error implements error.
func (e *BodyError) Error() string { return "reading the request's body: " + e.Err.Error() }

// Unwrap returns what the body's reader said.
func (e *BodyError) Unwrap() error { return e.Err }

// bufferSize holds nearly every head with what comes in the same packet, and is
// what io.Copy would take for a body.
const bufferSize = 32 << 10

type buffer [bufferSize]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func lend() *buffer {
	b, _ := buffers.Get().(*buffer)
	return b
}

// Do sends r, and returns the answer once its head is there. The caller closes
// it. An error that is a timeout says so ([net.Error]); if ctx ended, the error is
// ctx's.
func (c *Client) Do(ctx context.Context, r *Request) (*Answer, error) {
	out := lend()
	defer buffers.Put(out)
	first, err := r.appendHead(out[:0])
	if err != nil {
		return nil, err
	}
	streams := r.Body != nil && r.Length != 0
	if streams && r.Length > 0 && r.Length <= int64(bufferSize-len(first)) && len(first) <= bufferSize {
		head := len(first)
		first = first[:head+int(r.Length)]
		if _, err := io.ReadFull(r.Body, first[head:]); err != nil {
			return nil, &BodyError{whole(err)}
		}
		streams = false
	}
	cn := c.pool.take()
	for {
		if cn == nil {
			if cn, err = c.connect(ctx); err != nil {
				return nil, cause(ctx, err)
			}
		}
		answer, err := cn.exchange(ctx, r, first, streams)
		switch {
		case err == nil:
			return answer, nil
		case streams || !cn.used || ctx.Err() != nil,
			!errors.Is(err, errNothingSent) && (!errors.Is(err, errNoAnswer) || !r.idempotent()):
			return nil, cause(ctx, err)
		}
		cn = nil // the next try is on a new one: no other is needed
	}
}

// cause prefers the end of ctx to what it did to the connection.
func cause(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil {
		return end
	}
	return err
}

// whole makes the end of a body that ends too early an error.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// after returns when d will have passed, on the network's clock.
func after(d time.Duration) time.Time {
	return time.Now().Add(d) //nolint:forbidigo // deadlines of connections are by the system's clock alone
}
