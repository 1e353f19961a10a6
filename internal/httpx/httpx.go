// Package httpx is what the four surfaces share of HTTP: handlers that return
// errors, one access record per request, trace ids, JSON in and out, and the
// limits of a server.
//
// The flow of a request: [Record] (outermost) gives it a trace id and a record,
// runs the surface, and writes the record as one log line whatever happened;
// handlers add facts with [Note]. [Handle] turns a handler's error into an
// answer by the surface's own mapping.
//
// It does not know what an error means: surfaces map them.
package httpx

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// HandlerFunc is a handler that returns its error instead of writing it.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Handle runs h, and answers its error by fail.
func Handle(h HandlerFunc, fail func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			fail(w, r, err)
		}
	})
}

// Limits of every listener. Bodies have deadlines of their own; see body.go.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	maxFrame          = 16 << 10 // of HTTP/2; the least that RFC 9113 §4.2 lets us take
)

// NewServer returns a server for handler with the limits of every listener.
// TLS below 1.2 is refused (CONTRACT 1.3).
func NewServer(handler http.Handler, config *tls.Config, logger *slog.Logger) *http.Server {
	if config != nil {
		config.MinVersion = tls.VersionTLS12
	}
	return &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         rested,
		// What net/http answers itself leaves no record, and is not in our words.
		DisableGeneralOptionsHandler: true,
		HTTP2:                        &http.HTTP2Config{MaxReadFrameSize: maxFrame, WriteByteTimeout: stallTimeout},
		ErrorLog:                     slog.NewLogLogger(&faults{Handler: logger.Handler()}, slog.LevelDebug),
	}
}

// faults takes what net/http logs. What callers do is of no interest but to those
// who look for it; that nobody can get in any more is, once in a minute.
type faults struct {
	slog.Handler
	said atomic.Int64
}

// Enabled implements slog.Handler.
func (f *faults) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (f *faults) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "http: Accept error") {
		said, now := f.said.Load(), r.Time.Unix()
		if now-said < 60 || !f.said.CompareAndSwap(said, now) {
			return nil
		}
		text := r.Message
		r = slog.NewRecord(r.Time, slog.LevelError, "connections cannot be accepted; those that are open go on", 0)
		r.AddAttrs(slog.String("error", text))
	}
	if !f.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return f.Handler.Handle(ctx, r)
}

// RemoteAddr returns the caller's address, without a zone or a mapping to IPv6.
func RemoteAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// Network returns the network that addr is in, coarse enough to be kept: /24
// for IPv4, /48 for IPv6.
func Network(addr netip.Addr) string {
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

type contextKey struct{}

// from returns the request's record; nil outside of [Record].
func from(ctx context.Context) *entry {
	e, _ := ctx.Value(contextKey{}).(*entry)
	return e
}
