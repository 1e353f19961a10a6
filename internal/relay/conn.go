package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection to the server. While it has a request it is its
// exchange's alone; else it is the pool's.
type conn struct {
	net.Conn
	raw    syscall.RawConn // of the TCP connection, to look at
	client *Client
	used   bool        // it has had an answer before
	since  time.Time   // when it began to wait
	cut    atomic.Bool // the exchange's context has ended
	onEnd  func()      // interrupt, made once
	until  time.Time   // the deadline of reading and writing, if it is that of an exchange

	small *buffer // on loan while it has a request
	in    []byte  // small, or larger for a head that needs it
	r, w  int     // in[r:w] was received and is not read yet
	heard bool    // something was received

	answer Answer
}

var (
	// errNothingSent tells that not a byte of the request was written.
	errNothingSent = errors.New("the connection was closed before the request was sent")
	// errNoAnswer tells that the connection ended before a byte of an answer.
	errNoAnswer = errors.New("the connection was closed before an answer")
)

// past is a deadline that ends what waits now.
var past = time.Unix(1, 0)

// exchange writes the request, whose beginning, or all of it, is first, and reads
// the head of its answer.
func (cn *conn) exchange(ctx context.Context, r *Request, first []byte, streams bool) (*Answer, error) {
	a := &cn.answer
	*a = Answer{conn: cn, head: head{fields: a.head.fields, named: a.head.named, trailer: a.head.trailer}, trailers: a.trailers[:0]}
	cn.small = lend()
	cn.in, cn.r, cn.w, cn.heard = cn.small[:], 0, 0, false
	if err := cn.give(cn.client.Timeout); err != nil {
		return nil, a.fail(&StageError{Writing, fmt.Errorf("%w: %w", errNothingSent, err)})
	}
	if ctx.Done() != nil {
		if cn.onEnd == nil {
			cn.onEnd = cn.interrupt
		}
		a.stop = context.AfterFunc(ctx, cn.onEnd)
	}
	if n, err := cn.Write(first); err != nil {
		if n == 0 && !timedOut(err) {
			err = fmt.Errorf("%w: %w", errNothingSent, err)
		}
		return nil, a.fail(&StageError{Writing, fmt.Errorf("sending the request: %w", err)})
	}
	if streams {
		cn.until = time.Time{}
		a.sender = cn.send(r)
	}
	if err := a.readHead(r.Method); err != nil {
		return nil, a.fail(err)
	}
	return a, nil
}

// readHead reads the head of the answer, past those of interim answers.
func (a *Answer) readHead(method string) error {
	cn := a.conn
	for range cn.client.MaxInterims + 1 {
		seen := 0
		for {
			end, looked, err := headEnd(cn.in[cn.r:cn.w], seen)
			switch {
			case err != nil:
				return err
			case end > cn.client.MaxHead, end < 0 && cn.w-cn.r > cn.client.MaxHead:
				return malformed("its head is larger than %d bytes", cn.client.MaxHead)
			}
			if end >= 0 {
				if err := a.head.parse(cn.in[cn.r:cn.r+end], cn.client.MaxFields); err != nil {
					return err
				}
				cn.r += end
				break
			}
			seen = looked
			if err := whole(cn.fill()); err != nil {
				if !cn.heard && !timedOut(err) {
					err = fmt.Errorf("%w: %w", errNoAnswer, err)
				}
				return fmt.Errorf("reading the answer's head: %w", err)
			}
		}
		if a.head.status >= 200 {
			a.begin(method)
			return nil
		}
		if a.head.status == 101 {
			return malformed("it switches protocols, which nobody asked for")
		}
		if a.head.length > 0 || a.head.chunked {
			return malformed("an interim answer has a body")
		}
	}
	return malformed("more than %d interim answers came before it", cn.client.MaxInterims)
}

// fill reads more, after what is there.
func (cn *conn) fill() error {
	if cn.w == len(cn.in) && cn.r > 0 {
		cn.w = copy(cn.in, cn.in[cn.r:cn.w])
		cn.r = 0
	}
	if cn.w == len(cn.in) {
		larger := make([]byte, 2*len(cn.in))
		copy(larger, cn.in)
		cn.in = larger
	}
	n, err := cn.Read(cn.in[cn.w:])
	cn.w += n
	if n > 0 {
		cn.heard = true
		return nil // the error comes again
	}
	return err
}

// give gives an exchange the time d, and up to a sixty-fourth more: a deadline that
// was set not long ago is far enough away still, and setting one costs more than
// that is worth.
func (cn *conn) give(d time.Duration) error {
	least := after(d)
	if !cn.until.Before(least) {
		return nil
	}
	cn.until = least.Add(d / 64)
	return cn.SetDeadline(cn.until)
}

// interrupt ends what waits on the connection, and what will.
func (cn *conn) interrupt() {
	cn.cut.Store(true)
	_ = cn.SetDeadline(past)
}

// readBy sets when reading ends; the zero time is never. It does not undo an
// interrupt.
func (cn *conn) readBy(t time.Time) error {
	err := cn.SetReadDeadline(t)
	if cn.cut.Load() {
		return cn.SetDeadline(past)
	}
	return err
}

// writeBy is readBy for writing.
func (cn *conn) writeBy(t time.Time) error {
	err := cn.SetWriteDeadline(t)
	if cn.cut.Load() {
		return cn.SetDeadline(past)
	}
	return err
}

func timedOut(err error) bool {
	var e net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// release gives the buffers back.
func (cn *conn) release() {
	if cn.small != nil {
		buffers.Put(cn.small)
	}
	cn.small, cn.in, cn.r, cn.w = nil, nil, 0, 0
	clear(cn.answer.head.fields) // they hold on to the answer's text
	clear(cn.answer.trailers)
}
