package httpx

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// ErrTooLarge is what ReadBody returns for a body over its limit.
var ErrTooLarge = errors.New("the body is too large")

// A body has a deadline from the start, also one that nobody reads: the server
// reads the rest of it before it answers. Whoever reads it says how long it may
// take from then on: whole ([ReadBody]), or at a stretch ([StreamBody]).
const (
	unreadTimeout = 10 * time.Second
	wholeTimeout  = 30 * time.Second
	stallTimeout  = time.Minute
	usualBody     = 4 << 10
)

// deadline bounds how long the rest of the request may take to come; zero: as
// long as it likes. A writer without deadlines is a test's: it has no network.
func deadline(w http.ResponseWriter, d time.Duration) {
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d) //nolint:forbidigo // the network's clock, not ours
	}
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

// ReadBody reads a body of at most limit bytes; a larger one is [ErrTooLarge].
// A body that drips longer than half a minute is cut off.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	deadline(w, wholeTimeout)
	var buf bytes.Buffer
	// Room for what is usual; more as it arrives, not as it is announced.
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, usualBody)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		deadline(w, unreadTimeout)
		return nil, ErrTooLarge
	}
	deadline(w, 0)
	return buf.Bytes(), nil
}

// StreamBody makes r's body one that may be of any size and take any time, as
// long as it does not stall for a minute.
func StreamBody(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &stream{ReadCloser: r.Body, w: w}
	}
}

// stream moves the deadline on while the body moves on.
type stream struct {
	io.ReadCloser
	w     http.ResponseWriter
	moved time.Time
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	// Not at every read: over HTTP/2 it costs a message to the connection.
	if now := time.Now(); now.Sub(s.moved) > stallTimeout/10 { //nolint:forbidigo // the network's clock, not ours
		s.moved = now
		deadline(s.w, stallTimeout)
	}
	n, err := s.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		deadline(s.w, 0) // the answer may take its time
	}
	return n, err
}
