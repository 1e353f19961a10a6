package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/relay"
)

// exchange is a request by a transport of net/http, which bounds neither how long a
// server takes to take a request, nor how many interim answers it sends.
type exchange struct {
	stage    atomic.Value // relay.Stage
	interims atomic.Int64
	end      context.CancelCauseFunc
	body     *offered // nil: there is none
}

var (
	errUntaken  = fmt.Errorf("the upstream did not take the request: %w", os.ErrDeadlineExceeded)
	errInterims = fmt.Errorf("%w: more than %d interim answers came before it", relay.ErrMalformed, maxInterims)
)

// traced sends r by the transport of the call's target, and says of an error at which
// stage it came about.
func (c *call) traced(r *http.Request, now func() time.Time) (*http.Response, error) {
	e := &exchange{}
	e.stage.Store(relay.Connecting)
	ctx, end := context.WithCancelCause(httptrace.WithClientTrace(r.Context(), e.trace()))
	e.end = end
	out := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		e.body = offer(r.Body, cmp.Or(c.target.upstream.Timeout, defaultUpstreamTimeout), func() { end(errUntaken) })
		out.Body = e.body
	}
	res, err := c.target.transport.RoundTrip(out)
	e.body.taken()
	if err != nil {
		if r.Context().Err() == nil {
			err = cmp.Or(context.Cause(ctx), err) // what we have ended it by
		}
		end(nil)
		at, _ := e.stage.Load().(relay.Stage)
		return nil, &relay.StageError{Stage: at, Err: fmt.Errorf("by transport: %w", err)}
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		context.AfterFunc(r.Context(), func() { end(nil) })
		if conn, ok := res.Body.(io.ReadWriteCloser); ok && passageOf(r.Context()).tunnel != nil {
			t := passageOf(r.Context()).tunnel
			t.upstream.ReadWriteCloser, res.Body = conn, &t.upstream
		}
		return res, nil
	}
	res.Body = &watched{ReadCloser: res.Body, end: end, c: c, idle: cmp.Or(c.target.upstream.Idle, defaultUpstreamIdle), now: now}
	return res, nil
}

func (e *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		TLSHandshakeStart: func() { e.stage.CompareAndSwap(relay.Connecting, relay.Securing) },
		GotConn:           func(httptrace.GotConnInfo) { e.stage.Store(relay.Writing) },
		WroteRequest: func(how httptrace.WroteRequestInfo) {
			if how.Err == nil {
				e.stage.CompareAndSwap(relay.Writing, relay.Heading)
			}
		},
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			// What this returns is lost, for ReverseProxy traces too.
			if e.interims.Add(1) > maxInterims {
				e.end(errInterims)
			}
			return nil
		},
	}
}

// offered is a request's body: once a part of it was read it has to be taken within
// a while, which is seen by the next being asked for. When the answer has begun, the
// server may take its time: it may answer each part before it wants another.
type offered struct {
	io.ReadCloser
	patience time.Duration
	mu       sync.Mutex
	timer    *time.Timer
	over     bool
}

func offer(body io.ReadCloser, patience time.Duration, untaken func()) *offered {
	o := &offered{ReadCloser: body, patience: patience}
	o.timer = time.AfterFunc(patience, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if !o.over {
			untaken()
		}
	})
	o.timer.Stop()
	return o
}

// Read implements io.Reader.
func (o *offered) Read(p []byte) (int, error) {
	o.timer.Stop() // the caller may take its own time
	n, err := o.ReadCloser.Read(p)
	if err == nil {
		o.timer.Reset(o.patience)
	}
	return n, err
}

// Close implements io.Closer.
func (o *offered) Close() error {
	o.timer.Stop()
	return o.ReadCloser.Close()
}

// taken ends the watch.
func (o *offered) taken() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.timer.Stop()
}

// watched is the body of an answer of a transport, which does not look after pauses.
type watched struct {
	io.ReadCloser
	end    context.CancelCauseFunc
	c      *call
	idle   time.Duration
	now    func() time.Time
	silent atomic.Bool
}

var errSilent = errors.New("the upstream paused for too long within its answer")

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	timer := time.AfterFunc(w.idle, func() {
		w.silent.Store(true)
		_ = w.Close()
	})
	n, err := w.ReadCloser.Read(p)
	timer.Stop()
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case w.silent.Load():
		err = errSilent
	}
	if w.c.r.Context().Err() == nil {
		w.c.broke(err, w.now())
	}
	return n, quiet{err}
}

// Close implements io.Closer.
func (w *watched) Close() error {
	defer w.end(nil)
	return w.ReadCloser.Close()
}
