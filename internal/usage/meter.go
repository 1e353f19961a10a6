// Package usage counts what is used: calls and tokens by organization, app,
// API, product, outcome and source, and when each credential was used last. It
// also keeps why things were refused ([Refusals]).
//
// The hot paths add to counters in memory; every few seconds, and at the end,
// [Run] writes what has come together to the store. A crash loses what was
// counted, and what was refused, since the last write, never more: that is the
// interval which Run is given. A store that fails loses nothing, and counts nothing
// twice: what was sent waits as it is, under an id by which the store knows whether
// it has it.
//
// What it does not do: bound anything (that is limit), or serve metrics; those are read
// from [Meter.Totals].
package usage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/latency"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Meter counts. Create it with [NewMeter].
type Meter struct {
	mu      sync.Mutex
	counts  map[Key]*count
	totals  map[totalKey]*Total
	uses    map[id.Credential]LastUse
	writing map[id.Credential]LastUse // on their way to the store

	flushing sync.Mutex
	unsure   *Batch       // was sent, and the store has not said that it has it
	waiting  atomic.Int64 // rows of it
	failures atomic.Int64
}

type count struct {
	n     int64
	total time.Duration
	took  latency.Histogram
	of    *Total
}

// totalKey is what totals are kept by: the part of a [Key] that no customer adds to.
type totalKey struct {
	environment market.Environment
	api         string
	outcome     string
	source      string
}

// Total is what was counted since the start of the program, of all customers.
type Total struct {
	Environment market.Environment
	API         string
	Outcome     string
	Source      string
	Took        latency.Histogram
	Duration    time.Duration
}

// NewMeter returns a Meter that has counted nothing.
func NewMeter() *Meter {
	return &Meter{counts: map[Key]*count{}, totals: map[totalKey]*Total{}, uses: map[id.Credential]LastUse{}}
}

// Count adds one event at now that took so long. The key's Hour is filled in.
func (m *Meter) Count(k Key, now time.Time, took time.Duration) {
	k.Hour = now.Unix() - now.Unix()%int64(time.Hour/time.Second)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts[k]
	if c == nil {
		c = &count{of: m.total(k)}
		m.counts[k] = c
	}
	c.n++
	c.total += took
	c.of.Duration += took
	bucket := latency.Bucket(took)
	c.took[bucket]++
	c.of.Took[bucket]++
}

// total returns the total that k counts in. m.mu is held.
func (m *Meter) total(k Key) *Total {
	key := totalKey{k.Environment, k.API, k.Outcome, k.Source}
	t := m.totals[key]
	if t == nil {
		t = &Total{Environment: k.Environment, API: k.API, Outcome: k.Outcome, Source: k.Source}
		m.totals[key] = t
	}
	return t
}

// Totals returns what was counted since the start, in no order.
func (m *Meter) Totals() []Total {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Total, 0, len(m.totals))
	for _, t := range m.totals {
		out = append(out, *t)
	}
	return out
}

// Unwritten is how many rows are not known to be in the store, and how often writing
// has failed since the start.
func (m *Meter) Unwritten() (rows int, failures int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.counts) + int(m.waiting.Load()), m.failures.Load()
}

// Use notes that a credential was used.
func (m *Meter) Use(u LastUse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uses[u.Credential] = u
}

// LastUse returns the newest use of a credential that is not known to be stored,
// the zero time if there is none.
func (m *Meter) LastUse(cred id.Credential) (at time.Time, from string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, newest := m.uses[cred]
	if !newest {
		u = m.writing[cred]
	}
	return u.At, u.From
}

// Run writes what m and refusals hold to store every interval until ctx ends, and
// once more then.
func Run(ctx context.Context, m *Meter, refusals *Refusals, store Store, interval time.Duration, logger *slog.Logger) error {
	flush := func(ctx context.Context) error {
		err := m.Flush(ctx, store)
		omitted, also := refusals.Flush(ctx)
		if omitted > 0 {
			logger.WarnContext(ctx, "more was refused than is written down; the rest is in the counts", slog.Int("omitted", omitted))
		}
		return errors.Join(err, also)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return flush(last)
		case <-ticker.C:
			if err := flush(ctx); err != nil && ctx.Err() == nil {
				logger.WarnContext(ctx, "cannot write usage and refusals; they wait", slog.Any("error", err))
			}
		}
	}
}

// lastFlush is how long the write at the end may take.
const lastFlush = 5 * time.Second

// Flush writes what was counted to store. What was sent before, without being told
// that it is there, goes first and unchanged: it may be.
func (m *Meter) Flush(ctx context.Context, store Store) error {
	m.flushing.Lock()
	defer m.flushing.Unlock()
	if err := m.send(ctx, store); err != nil {
		return err
	}
	m.unsure = m.take()
	return m.send(ctx, store)
}

// send sends what waits to be sent, if anything does.
func (m *Meter) send(ctx context.Context, store Store) error {
	if m.unsure == nil {
		return nil
	}
	m.waiting.Store(int64(len(m.unsure.Rows)))
	if err := store.AddUsage(ctx, *m.unsure); err != nil {
		m.failures.Add(1)
		return fmt.Errorf("write usage: %w", err)
	}
	m.unsure = nil
	m.waiting.Store(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing = nil
	return nil
}

// take takes what was counted, nil if nothing was.
func (m *Meter) take() *Batch {
	m.mu.Lock()
	counts, uses := m.counts, m.uses
	if len(counts) == 0 && len(uses) == 0 {
		m.mu.Unlock()
		return nil
	}
	m.counts, m.uses, m.writing = make(map[Key]*count, len(counts)), map[id.Credential]LastUse{}, uses
	m.mu.Unlock()
	b := &Batch{ID: rand.Text(), Rows: make([]Row, 0, len(counts)), Uses: make([]LastUse, 0, len(uses))}
	for k, c := range counts {
		b.Rows = append(b.Rows, Row{Key: k, Count: c.n, Duration: c.total, Took: c.took})
	}
	for _, u := range uses {
		b.Uses = append(b.Uses, u)
	}
	return b
}
