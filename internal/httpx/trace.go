package httpx

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// TraceHeaders says which request headers may bring a trace id, and which
// answer header takes ours (CONTRACT 4.7). The W3C traceparent is always read,
// after the named ones.
type TraceHeaders struct {
	Accept []string // in order; canonical form
	Answer string
}

const maxTrace = 128

// of returns the trace id of a request: the first that it brings and that is
// fit to be repeated, else a new one.
func (t TraceHeaders) of(h http.Header) string {
	for _, name := range t.Accept {
		if id := h.Get(name); ValidTrace(id) {
			return id
		}
	}
	// traceparent: version "-" trace-id "-" parent-id "-" flags (W3C Trace Context §3.2).
	if p := h.Get("Traceparent"); len(p) >= 55 && p[2] == '-' && p[35] == '-' {
		if id := p[3:35]; isLowerHex(id) && id != "00000000000000000000000000000000" {
			return id
		}
	}
	return NewTrace()
}

func (t TraceHeaders) answer(h http.Header, trace string) {
	if t.Answer != "" {
		h[t.Answer] = []string{trace}
	}
}

// NewTrace returns a fresh trace id: 32 hexadecimal digits, as W3C has them.
func NewTrace() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// ValidTrace reports whether a caller's trace id may be logged and sent back:
// 1 to 128 letters, digits and - _ . : only, and nothing that looks like a secret.
func ValidTrace(s string) bool {
	if s == "" || len(s) > maxTrace || Redact(s) != s {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Trace returns the trace id of the request that ctx belongs to.
func Trace(ctx context.Context) string {
	if e := from(ctx); e != nil {
		return e.trace
	}
	return ""
}
