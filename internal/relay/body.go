package relay

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Answer is an answer whose head was read. Nothing of it is to be used after
// [Answer.Close].
type Answer struct {
	conn *conn
	head head

	framing  framing
	left     int64 // of the body, if its length is known
	chunks   chunks
	done     bool // it was read to its end
	keep     bool // the connection may be used again after it
	trailers []Field
	sender   *sender     // nil: the request is sent
	stop     func() bool // nil: the context has no end
	begun    bool        // reading the body has its own deadline by now
}

type framing int

const (
	byLength framing = iota
	byChunks
	byClose
)

// Status returns the status code, 200 to 999.
func (a *Answer) Status() int { return a.head.status }

// Fields returns the fields for the caller's client: none that is about this
// connection. Names are in canonical form.
func (a *Answer) Fields() []Field { return a.head.fields }

// Streams reports whether the body's length was not told: it may be that its
// parts are wanted as they come.
func (a *Answer) Streams() bool { return a.framing != byLength }

// Announced returns the names of the trailers that may follow the body, in
// canonical form.
func (a *Answer) Announced() []string {
	if a.framing != byChunks {
		return nil
	}
	return a.head.trailer
}

// Trailers returns what followed the body, once Copy has returned nil.
func (a *Answer) Trailers() []Field { return a.trailers }

// begin finds out how the body is framed (RFC 9112 §6.3).
func (a *Answer) begin(method string) {
	h := &a.head
	a.keep = !h.old && !h.close
	switch {
	case method == "HEAD" || h.status == 304:
		a.done = true
	case h.status == 204:
		a.done = true
		a.keep = a.keep && !h.chunked && h.length <= 0 // who says that there is a body may send it
	case h.chunked:
		a.framing = byChunks
	case h.lengths > 0:
		a.left = h.length
		a.done = a.left == 0
	default:
		a.framing, a.keep = byClose, false
	}
	if a.sender != nil {
		a.sender.answered()
	}
}

// Copy writes the body to w. Before it waits for more it calls flush, unless that
// is nil. An error of w or flush is in a [SinkError].
func (a *Answer) Copy(w io.Writer, flush func() error) error {
	pending := flush != nil // the head, at first
	for {
		part, err := a.next()
		if len(part) > 0 {
			if _, err := w.Write(part); err != nil {
				return &SinkError{err}
			}
			pending = flush != nil
		}
		switch {
		case err != nil:
			if pending {
				_ = flush() // what came before is not to be lost with the rest
			}
			return fmt.Errorf("reading the answer's body: %w", err)
		case a.done:
			return nil
		}
		if pending {
			if err := flush(); err != nil {
				return &SinkError{err}
			}
			pending = false
		}
		if err := a.more(); err != nil {
			return fmt.Errorf("reading the answer's body: %w", a.why(err))
		}
	}
}

// SinkError tells that an answer could not be passed on.
type SinkError struct{ Err error }

// Error implements error.
func (e *SinkError) Error() string { return "passing the answer on: " + e.Err.Error() }

// Unwrap returns what the writer said.
func (e *SinkError) Unwrap() error { return e.Err }

// next returns what of the body was received.
func (a *Answer) next() ([]byte, error) {
	cn := a.conn
	in := cn.in[cn.r:cn.w]
	switch {
	case a.done:
		return nil, nil
	case a.framing == byLength:
		n := int(min(a.left, int64(len(in))))
		a.left -= int64(n)
		cn.r += n
		a.done = a.left == 0
		return in[:n], nil
	case a.framing == byClose:
		cn.r = cn.w
		return in, nil
	default:
		data, read, err := a.chunks.decode(in, a.follow)
		cn.r += read
		a.done = a.chunks.state == ended
		return in[:data], err
	}
}

// follow reads the trailers. Those that would frame are not for anybody.
func (a *Answer) follow(b []byte) error {
	fields, err := appendFields(a.trailers[:0], b, a.conn.client.MaxFields)
	if err != nil {
		return err
	}
	a.trailers = fields[:0]
	for _, f := range fields {
		if !frames(f.Name) {
			a.trailers = append(a.trailers, f)
		}
	}
	return nil
}

// more waits for more of the body.
func (a *Answer) more() error {
	cn := a.conn
	if cn.r == cn.w {
		cn.r, cn.w = 0, 0
	}
	cn.until = time.Time{}
	if silence := cn.client.Silence; silence > 0 {
		if err := cn.readBy(after(silence)); err != nil {
			return err
		}
	} else if !a.begun {
		if err := cn.readBy(time.Time{}); err != nil {
			return err
		}
	}
	a.begun = true
	switch err := cn.fill(); {
	case errors.Is(err, io.EOF) && a.framing == byClose:
		a.done = true
		return nil
	default:
		return whole(err)
	}
}

// Close gives the connection back, if nothing speaks against it, or closes it.
func (a *Answer) Close() {
	cn := a.conn
	fit := a.done && a.keep && cn.r == cn.w && a.sender.finished()
	if a.stop != nil && !a.stop() {
		fit = false // its context has ended, and ends what is done with it
	}
	cn.release()
	if !fit {
		_ = cn.Close()
		return
	}
	cn.used = true
	cn.client.pool.put(cn)
}

// fail closes the connection for good, and returns why.
func (a *Answer) fail(err error) error {
	_ = a.conn.Close()
	err = a.why(err)
	if a.stop != nil {
		a.stop()
	}
	a.conn.release()
	return err
}

// why prefers what went wrong with sending to what that did to receiving.
func (a *Answer) why(err error) error {
	if a.sender != nil {
		if first := a.sender.failure(); first != nil {
			return first
		}
	}
	return err
}
