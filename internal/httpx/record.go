package httpx

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/sallyport-dev/sallyport/internal/tracing"
)

// entry is a request's access record while it is being made. One goroutine,
// the handler's, writes it. It is the request's context, and in one piece: there
// is one for each request.
type entry struct {
	context.Context //nolint:containedctx // it is the context, with itself in it
	trace           string
	place           string // see Place; "": not said
	began           time.Time
	span            *tracing.Span // nil: not recorded
	writer          statusWriter
	attrs           []slog.Attr // in the room behind what every record has
	room            [ownAttrs + usualNotes]slog.Attr
}

// ownAttrs is how many attributes every record has, and usualNotes how many more
// there are room for.
const (
	ownAttrs   = 8
	usualNotes = 10
)

// Value implements context.Context.
func (e *entry) Value(key any) any {
	if key == (contextKey{}) {
		return e
	}
	return e.Context.Value(key)
}

// Recording says how requests are recorded. All fields are needed but Proxies,
// Served, Tracer and Stall.
type Recording struct {
	Logger  *slog.Logger
	Surface string // "sandbox", "production", "management", "portal"
	Trace   TraceHeaders
	Now     func() time.Time
	Proxies Proxies         // that are believed about who called them
	Served  *Served         // counts them; nil: nothing does
	Tracer  *tracing.Tracer // records some of them; nil: none
	Stall   time.Duration   // how long an answer may wait for its reader; 0: a minute
	Paths   bool            // record paths as they were sent, whomever they are about
	// Fail answers a request whose handler panicked before it wrote.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// Record gives each request a trace id and an access record, and logs the
// record when it is done. It never logs a header, a query or a body, and of a path
// only its place, unless it is told to.
func Record(next http.Handler, rec Recording) http.Handler {
	rec.Trace.Answer = http.CanonicalHeaderKey(rec.Trace.Answer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := rec.Now()
		e := &entry{Context: r.Context(), trace: rec.Trace.of(r.Header), began: start, writer: statusWriter{ResponseWriter: w}}
		e.span = rec.Tracer.Start(r.Header, e.trace)
		e.attrs = e.room[ownAttrs:ownAttrs]
		r = r.WithContext(e)
		if doubtful(r) && (r.TLS == nil || rec.Proxies.contains(RemoteAddr(r))) {
			w.Header()["Connection"] = []string{"close"}
		}
		rec.Proxies.unmask(r) // a copy, by WithContext
		rec.Trace.answer(w.Header(), e.trace)
		sw := &e.writer
		sw.stalls = stalls{limit: rec.Stall, version: r.ProtoMajor}
		if r.ContentLength != 0 {
			deadline(w, unreadTimeout)
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the sentinel is panicked as it is
					rec.log(r, e)
					cut(w, r)
					panic(p)
				}
				rec.Logger.LogAttrs(r.Context(), slog.LevelError, "panic", slog.Any("panic", p),
					slog.String("trace_id", e.trace), slog.String("stack", string(debug.Stack())))
				if sw.status != 0 { // what is there is not all of it
					rec.log(r, e)
					cut(w, r)
					panic(http.ErrAbortHandler)
				}
				rec.Fail(sw, r, errPanic)
			}
			sw.last()
			rec.log(r, e)
		}()
		next.ServeHTTP(sw, r)
	})
}

// doubtful reports whether a length may have stood beside what frames r, or an
// encoding that HTTP/1.0 does not know: net/http takes both, goes by one, and tells
// nobody. What follows r on the connection may then be somebody else's request to
// the proxy in front of us. So a connection that many share ends with r (RFC 9112
// §6.1); one that is a caller's own can harm that caller alone.
func doubtful(r *http.Request) bool {
	return r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0)
}

type panicError struct{}

func (panicError) Error() string { return "internal error" }

// errPanic stands for a panic, whose own text is for the log alone.
var errPanic error = panicError{}

// log writes the record. It goes past slog.Logger, which would look up the line of
// code that logs, for nobody.
func (rec *Recording) log(r *http.Request, e *entry) {
	status := e.writer.status
	if status == 0 {
		status = http.StatusOK
	}
	end := rec.Now()
	took := end.Sub(e.began)
	rec.Served.count(status, took)
	if e.span != nil {
		e.finish(r.Method, rec.Surface, status)
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	handler := rec.Logger.Handler()
	if !handler.Enabled(e, level) {
		return
	}
	own := [ownAttrs]slog.Attr{
		slog.String("surface", rec.Surface),
		slog.String("trace_id", e.trace),
		slog.String("method", Redact(r.Method)),
		slog.String("path", rec.path(r, e)),
		slog.Int("status", status),
		slog.Int64("bytes", e.writer.written),
		slog.Int64("took_us", took.Microseconds()),
		slog.String("remote", RemoteAddr(r).String()),
	}
	record := slog.NewRecord(end.Local(), level, "request", 0)
	if len(e.attrs) <= usualNotes {
		copy(e.room[:], own[:])
		record.AddAttrs(e.room[:ownAttrs+len(e.attrs)]...)
	} else {
		record.AddAttrs(own[:]...)
		record.AddAttrs(e.attrs...)
	}
	_ = handler.Handle(e, record) // there is nobody to tell
}

// path is what the record says of the path.
func (rec *Recording) path(r *http.Request, e *entry) string {
	switch {
	case rec.Paths:
		return Redact(r.URL.Path)
	case e.place != "":
		return e.place
	}
	return Shape(r.URL.Path, nil)
}

// Note adds facts to the request's access record. They must hold no secret, no
// token and nothing of a body.
func Note(ctx context.Context, attrs ...slog.Attr) {
	if e := from(ctx); e != nil {
		e.attrs = append(e.attrs, attrs...)
	}
}

// Took is how long the request that ctx belongs to has taken until now.
func Took(ctx context.Context, now time.Time) time.Duration {
	if e := from(ctx); e != nil {
		return now.Sub(e.began)
	}
	return 0
}

// statusWriter remembers what was answered, and does not wait for ever for who is
// to read it.
type statusWriter struct {
	http.ResponseWriter
	status  int
	written int64
	stalls  stalls
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes at most one part at a stretch, so that a slow reader has its time for
// each.
func (w *statusWriter) Write(b []byte) (n int, err error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	for {
		part := b[n:min(len(b), n+answerPart)]
		waits := w.written+int64(len(part)) > buffered
		if waits {
			w.stalls.begin(w.ResponseWriter)
		}
		m, err := w.ResponseWriter.Write(part)
		if waits {
			w.stalls.end()
		}
		n += m
		w.written += int64(m)
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// FlushError sends what was written so far. [http.ResponseController] finds it.
func (w *statusWriter) FlushError() error {
	w.stalls.begin(w.ResponseWriter)
	defer w.stalls.end()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// last bounds what net/http has to write once the handler is done.
func (w *statusWriter) last() {
	if w.status != http.StatusSwitchingProtocols {
		w.stalls.last(w.ResponseWriter, w.written > 0)
	}
}

// Unwrap lets http.ResponseController reach the writer beneath, to flush,
// hijack and set deadlines.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
