package tracing

import (
	"slices"
	"time"
)

// Kind is what a span stands for, by its number in OTLP.
type Kind int

// The kinds.
const (
	Internal Kind = 1
	Server   Kind = 2
	Client   Kind = 3
)

// Span is a part of a request that is recorded. A nil *Span records nothing, so that
// who makes spans need not ask. One goroutine, the handler's, uses the spans of a
// request.
type Span struct {
	root   *Span
	tracer *Tracer // of the root

	trace      TraceID
	id, parent SpanID
	state      string // tracestate, of the root
	name       string
	kind       Kind
	began      time.Time
	ended      time.Time
	failed     bool
	attributes []attribute
	children   []*Span // of the root: all beneath it
}

// attribute has a string, an int64 or a bool.
type attribute struct {
	key   string
	value any
}

// maxSpans bounds the spans of a request, and maxText the texts in them.
const (
	maxSpans = 32
	maxText  = 256
)

// Child begins a span beneath s.
func (s *Span) Child(name string, kind Kind) *Span {
	if s == nil || len(s.root.children) >= maxSpans {
		return nil
	}
	child := &Span{root: s.root, trace: s.trace, id: newSpanID(), parent: s.id, name: name, kind: kind, began: s.root.tracer.Now()}
	s.root.children = append(s.root.children, child)
	return child
}

// End ends s. A span that ended before stays as it is.
func (s *Span) End() {
	if s != nil && s.ended.IsZero() {
		s.ended = s.root.tracer.Now()
	}
}

// Fail notes that what s stands for failed, by our fault or an upstream's.
func (s *Span) Fail() {
	if s != nil {
		s.failed = true
	}
}

// Text adds an attribute. It must not be a secret, about a person, or a query.
func (s *Span) Text(key, value string) {
	if s == nil || value == "" {
		return
	}
	if len(value) > maxText {
		value = value[:maxText]
	}
	s.attributes = append(s.attributes, attribute{key, value})
}

// Number adds an attribute.
func (s *Span) Number(key string, value int64) {
	if s != nil {
		s.attributes = append(s.attributes, attribute{key, value})
	}
}

// Traceparent is what tells a server that is called within s where its own spans
// belong.
func (s *Span) Traceparent() string { return traceparent(s.trace, s.id, flagSampled) }

// Finish ends the root s under its final name, and has it and all beneath it sent.
func (s *Span) Finish(name string) {
	if s == nil {
		return
	}
	s.name = name
	s.End()
	for _, child := range s.children {
		child.End()
	}
	s.children = slices.Clip(s.children)
	s.tracer.offer(s)
}
