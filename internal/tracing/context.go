package tracing

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// TraceID names a trace (W3C Trace Context §3.2.2.3).
type TraceID [16]byte

// SpanID names a span in it (§3.2.2.4).
type SpanID [8]byte

const flagSampled = 1

// Parent is what a request says of the trace that it is part of.
type Parent struct {
	Trace   TraceID
	Span    SpanID
	Sampled bool
	State   string // tracestate
}

// Valid reports whether s is version-traceid-parentid-flags (W3C Trace Context §3.2).
// A later version may go on after that; ff is none.
func Valid(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || s[:2] == "00" && len(s) > 55 || len(s) > 55 && s[55] != '-' {
		return false
	}
	trace, parent := s[3:35], s[36:52]
	for _, part := range [...]string{s[:2], trace, parent, s[53:55]} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return false
		}
	}
	return strings.Trim(trace, "0") != "" && strings.Trim(parent, "0") != ""
}

// maxState bounds a tracestate: what has to be passed on (W3C Trace Context §3.3.1.5).
const maxState = 512

// ParentOf returns what the headers of a request say, if that can be believed to be a
// trace context.
func ParentOf(h http.Header) (p Parent, ok bool) {
	values := h["Traceparent"]
	if len(values) != 1 || !Valid(values[0]) {
		return p, false
	}
	text := values[0]
	_, _ = hex.Decode(p.Trace[:], []byte(text[3:35])) // Valid has looked at them
	_, _ = hex.Decode(p.Span[:], []byte(text[36:52]))
	flags, _ := hex.DecodeString(text[53:55])
	p.Sampled = flags[0]&flagSampled != 0
	if state := strings.Join(h["Tracestate"], ","); len(state) <= maxState && printable(state) {
		p.State = state
	}
	return p, true
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// traceOf returns the trace of a request that came without a trace context: under the
// id that it has in the access record, if that can be one. Any other id, which a
// caller chose in a form of its own, always leads to the same trace.
func traceOf(id string) (t TraceID) {
	if len(id) == hex.EncodedLen(len(t)) {
		if _, err := hex.Decode(t[:], []byte(strings.ToLower(id))); err == nil && t != (TraceID{}) {
			return t
		}
	}
	sum := sha256.Sum256([]byte(id))
	copy(t[:], sum[:])
	return t
}

// Begin is the traceparent of a request that came without one and is not recorded: an
// upstream finds the trace id of the access record in it.
func Begin(id string) string { return traceparent(traceOf(id), newSpanID(), 0) }

func newSpanID() (s SpanID) {
	for s == (SpanID{}) {
		_, _ = rand.Read(s[:])
	}
	return s
}

func traceparent(t TraceID, s SpanID, flags byte) string {
	var b [55]byte
	copy(b[:], "00-")
	hex.Encode(b[3:35], t[:])
	b[35] = '-'
	hex.Encode(b[36:52], s[:])
	b[52], b[53], b[54] = '-', '0', '0'+flags
	return string(b[:])
}
