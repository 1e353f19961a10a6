package relay

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// sender sends a request's body while the answer is being read: a server may
// answer before it has all of it, or as it comes.
type sender struct {
	conn *conn
	done chan struct{}
	mu   sync.Mutex
	head bool  // the answer's head was read
	err  error // why it could not be sent; nil: it was, or it is still going on
}

// settle is how long an answer waits for a body that is about to have been sent,
// before its connection is given up.
const settle = 2 * time.Millisecond

// send starts to send r's body, behind its head.
func (cn *conn) send(r *Request) *sender {
	s := &sender{conn: cn, done: make(chan struct{})}
	_ = cn.readBy(time.Time{}) // nobody waits for the answer before the request is sent
	body, length := r.Body, r.Length
	go func() {
		defer close(s.done)
		s.end(s.copy(body, length))
	}()
	return s
}

// Before each part's data its size is written, after it CR LF and, if it is the
// last, the last chunk: everything in one write.
const (
	sizeRoom = 8
	tailRoom = len("\r\n0\r\n\r\n")
)

func (s *sender) copy(body io.Reader, length int64) error {
	b := lend()
	defer buffers.Put(b)
	room := b[sizeRoom : bufferSize-tailRoom]
	for left := length; ; {
		n, err := body.Read(room)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return &BodyError{err}
		}
		out := room[:n]
		if length < 0 {
			out = frameChunk(b, n, end)
		} else if left -= int64(n); left < 0 || end && left > 0 {
			return &BodyError{io.ErrUnexpectedEOF}
		}
		if len(out) > 0 {
			if err := s.conn.writeBy(after(s.conn.client.Timeout)); err != nil {
				return &StageError{Writing, err}
			}
			if _, err := s.conn.Write(out); err != nil {
				return &StageError{Writing, fmt.Errorf("sending the request's body: %w", err)}
			}
		}
		if end || left == 0 && length > 0 {
			return nil
		}
	}
}

// frameChunk returns b's n bytes of data as a chunk, followed by the end of the
// body if it is there.
func frameChunk(b *buffer, n int, end bool) []byte {
	from, to := sizeRoom, sizeRoom+n
	if n > 0 {
		var size [sizeRoom]byte
		line := append(strconv.AppendInt(size[:0], int64(n), 16), '\r', '\n')
		from -= copy(b[sizeRoom-len(line):], line)
		to += copy(b[to:], "\r\n")
	}
	if end {
		to += copy(b[to:], "0\r\n\r\n")
	}
	return b[from:to]
}

// end notes how sending ended. From now on the server is waited for, no longer
// than its timeout; not at all if it does not take, or cannot be given, the rest.
func (s *sender) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	var body *BodyError
	switch {
	case errors.As(err, &body), timedOut(err):
		_ = s.conn.Close()
	case !s.head:
		_ = s.conn.readBy(after(s.conn.client.Timeout))
	}
}

// answered tells that the answer's head was read: how long its body may take is
// no matter of the request's.
func (s *sender) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head = true
	_ = s.conn.readBy(time.Time{})
}

// failure returns why the connection was closed by s, if it was.
func (s *sender) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body *BodyError
	if errors.As(s.err, &body) || timedOut(s.err) {
		return s.err
	}
	return nil
}

// finished reports whether all of the body was sent.
func (s *sender) finished() bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
	default:
		timer := time.NewTimer(settle)
		defer timer.Stop()
		select {
		case <-s.done:
		case <-timer.C:
			return false
		}
	}
	return s.err == nil
}
