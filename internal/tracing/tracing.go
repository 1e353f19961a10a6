// Package tracing records what requests are made of, and sends it to a collector by
// OTLP over HTTP (ADR 0024). It reads and writes the W3C trace context.
//
// The flow: [Tracer.Start] decides once, at the beginning, whether a request is
// recorded; the surfaces add spans beneath that one; [Span.Finish] puts all of them
// into a bounded queue; [Tracer.Run] sends what is there in batches.
//
// Invariants: a request never waits for the collector; what does not fit is dropped
// and counted; a request that is not recorded costs one look at its headers; a caller
// does not decide that it is recorded, unless the operator lets it; attributes are
// those that a surface names, never a header, a query, a path or a body as they came.
//
// It does not measure: metrics do.
package tracing

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"
)

// Config is what a Tracer is made of. All fields are needed but Headers and Follow.
type Config struct {
	URL     string // of the collector, whole: https://host:4318/v1/traces
	Headers func() (http.Header, error)
	Sample  float64 // the part of requests that is recorded, 0 to 1
	// Follow records a request that comes with a traceparent if that says that it is
	// sampled, and only then.
	Follow  bool
	Client  *http.Client
	Version string
	Node    string
	Now     func() time.Time
	Logger  *slog.Logger
}

// Tracer records requests. A nil *Tracer records none.
type Tracer struct {
	Config
	threshold uint64
	queue     chan *Span
	counts    counts
}

type counts struct{ sent, dropped, failed atomic.Int64 }

// Counts is what became of recorded requests.
type Counts struct {
	Sent    int64
	Dropped int64 // too many were waiting
	Failed  int64 // the collector did not take them
}

// queued is how many recorded requests wait at most.
const queued = 2048

// New returns a tracer, which sends while it runs.
func New(c Config) *Tracer {
	threshold := uint64(math.MaxUint64)
	if c.Sample < 1 {
		threshold = uint64(c.Sample * math.MaxUint64)
	}
	return &Tracer{Config: c, threshold: threshold, queue: make(chan *Span, queued)}
}

// Counts returns what became of recorded requests until now.
func (t *Tracer) Counts() Counts {
	if t == nil {
		return Counts{}
	}
	return Counts{Sent: t.counts.sent.Load(), Dropped: t.counts.dropped.Load(), Failed: t.counts.failed.Load()}
}

// Start begins the span of a request, whose trace id in the access record is id. It
// is nil if the request is not recorded.
func (t *Tracer) Start(h http.Header, id string) *Span {
	if t == nil {
		return nil
	}
	var parent Parent
	there := false
	if t.Follow {
		parent, there = ParentOf(h)
	}
	if there && !parent.Sampled || !there && !t.chosen() {
		return nil
	}
	if !t.Follow {
		parent, there = ParentOf(h)
	}
	s := &Span{tracer: t, id: newSpanID(), kind: Server, began: t.Now()}
	s.root = s
	if there {
		s.trace, s.parent, s.state = parent.Trace, parent.Span, parent.State
	} else {
		s.trace = traceOf(id)
	}
	if named := hex.EncodeToString(s.trace[:]); named != id {
		s.Text("sallyport.trace_id", id)
	}
	return s
}

// chosen lets the part through that is to be recorded. It is chance, not the trace id:
// that is for callers to choose.
func (t *Tracer) chosen() bool {
	switch t.threshold {
	case 0:
		return false
	case math.MaxUint64:
		return true
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.NativeEndian.Uint64(b[:]) < t.threshold
}

// offer puts a finished root into the queue, if there is room.
func (t *Tracer) offer(s *Span) {
	select {
	case t.queue <- s:
	default:
		t.counts.dropped.Add(1)
	}
}

// How much is sent at a time, and when.
const (
	batchSize  = 256
	batchDelay = 2 * time.Second
	lastSend   = 3 * time.Second
)

// Run sends what is recorded until ctx ends, and then once what is left.
func (t *Tracer) Run(ctx context.Context) error {
	ticker := time.NewTicker(batchDelay)
	defer ticker.Stop()
	var batch []*Span
	said := false
	send := func(ctx context.Context) {
		if len(batch) == 0 {
			return
		}
		err := t.send(ctx, batch)
		if err != nil {
			t.counts.failed.Add(int64(len(batch)))
			if !said && ctx.Err() == nil {
				t.Logger.WarnContext(ctx, "the collector does not take traces; they are dropped, and counted", slog.Any("error", err))
			}
		} else {
			t.counts.sent.Add(int64(len(batch)))
		}
		said = err != nil
		batch = batch[:0]
	}
	for {
		select {
		case <-ctx.Done():
			for len(t.queue) > 0 {
				batch = append(batch, <-t.queue)
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSend)
			defer cancel()
			send(last)
			return nil
		case s := <-t.queue:
			if batch = append(batch, s); len(batch) >= batchSize {
				send(ctx)
			}
		case <-ticker.C:
			send(ctx)
		}
	}
}
