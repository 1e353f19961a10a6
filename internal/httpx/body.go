package httpx

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
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

// StreamBody makes r's body one that may be of any size, as long as whoever reads it is
// not kept waiting for a minute at once, nor, before the answer has begun, for longer than
// most in all. What the reader does between two reads is not the sender's fault, and does
// not count. It reports whether there is a body.
func StreamBody(w http.ResponseWriter, r *http.Request, most time.Duration) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	deadline(w, 0)
	s := &stream{ReadCloser: r.Body, most: most}
	s.stall.bite = func() { s.cut(w) }
	r.Body = s
	return true
}

// Answering says that the answer to a body that streams has begun: from now on it is a
// conversation, which takes as long as both sides like.
func Answering(body io.ReadCloser) {
	if s, ok := body.(*stream); ok {
		s.answering.Store(true)
	}
}

// StopBody ends a read of a streamed body that is under way.
func StopBody(w http.ResponseWriter) { deadline(w, time.Nanosecond) }

// LeaveBody bounds how long the server may wait for the rest of a body that was
// streamed and that nobody reads any more.
func LeaveBody(w http.ResponseWriter) { deadline(w, unreadTimeout) }

// stream cuts off a body that lets a read wait too long, or all of them.
type stream struct {
	io.ReadCloser
	most, waited time.Duration
	last         bool // the read under way has what is left of most
	answering    atomic.Bool
	stall        watchdog
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	// Not a deadline set before: over HTTP/2 one that passes ends the body for good,
	// also while nobody reads.
	limit := stallTimeout
	left := s.most - s.waited
	if s.last = left < limit && !s.answering.Load(); s.last {
		limit = max(left, 0)
	}
	began := time.Now() //nolint:forbidigo // the network's clock, not ours
	s.stall.start(limit)
	defer func() {
		s.stall.stop()
		s.waited += time.Now().Sub(began) //nolint:forbidigo,staticcheck // as above
	}()
	return s.ReadCloser.Read(p)
}

// cut is what the watchdog does. A read that had what was left waits on if the answer
// has begun meanwhile.
func (s *stream) cut(w http.ResponseWriter) {
	if s.last && s.answering.Load() {
		s.last = false
		s.stall.timer.Reset(stallTimeout)
		return
	}
	deadline(w, time.Nanosecond)
}
