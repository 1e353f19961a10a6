// Package usage counts what is used: calls and tokens by organization, app,
// API, product, outcome and source, and when each credential was used last. It
// also keeps why things were refused ([Refusals]).
//
// The hot paths add to counters in memory; every few seconds, and at the end,
// [Meter.Run] writes what has come together to the store. A crash loses what
// was counted since the last write, never more: that is the interval which Run
// is given. A store that fails loses nothing: the counts wait.
package usage

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// Meter counts. Create it with [NewMeter].
type Meter struct {
	mu      sync.Mutex
	counts  map[Key]*count
	uses    map[id.Credential]LastUse
	writing map[id.Credential]LastUse // on their way to the store
}

type count struct {
	n    int64
	took time.Duration
}

// NewMeter returns a Meter that has counted nothing.
func NewMeter() *Meter {
	return &Meter{counts: map[Key]*count{}, uses: map[id.Credential]LastUse{}}
}

// Count adds one event at now that took so long. The key's Hour is filled in.
func (m *Meter) Count(k Key, now time.Time, took time.Duration) {
	k.Hour = now.Unix() - now.Unix()%int64(time.Hour/time.Second)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts[k]
	if c == nil {
		c = &count{}
		m.counts[k] = c
	}
	c.n++
	c.took += took
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

// Run writes to store every interval until ctx ends, and once more then.
func (m *Meter) Run(ctx context.Context, store Store, interval time.Duration, logger *slog.Logger) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return m.Flush(last, store)
		case <-ticker.C:
			if err := m.Flush(ctx, store); err != nil && ctx.Err() == nil {
				logger.WarnContext(ctx, "cannot write usage; it waits", slog.Any("error", err))
			}
		}
	}
}

// lastFlush is how long the write at the end may take.
const lastFlush = 5 * time.Second

// Flush writes what was counted to store. If that fails, it is counted on.
func (m *Meter) Flush(ctx context.Context, store Store) error {
	m.mu.Lock()
	counts, uses := m.counts, m.uses
	m.counts, m.uses, m.writing = make(map[Key]*count, len(counts)), map[id.Credential]LastUse{}, uses
	m.mu.Unlock()
	defer m.written()
	if len(counts) == 0 && len(uses) == 0 {
		return nil
	}
	rows := make([]Row, 0, len(counts))
	for k, c := range counts {
		rows = append(rows, Row{Key: k, Count: c.n, Duration: c.took})
	}
	last := make([]LastUse, 0, len(uses))
	for _, u := range uses {
		last = append(last, u)
	}
	if err := store.AddUsage(ctx, rows, last); err != nil {
		m.putBack(counts, uses)
		return fmt.Errorf("write usage: %w", err)
	}
	return nil
}

// written forgets what was on its way: it is stored, or was put back.
func (m *Meter) written() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing = nil
}

func (m *Meter) putBack(counts map[Key]*count, uses map[id.Credential]LastUse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, c := range counts {
		if now := m.counts[k]; now != nil {
			c.n += now.n
			c.took += now.took
		}
		m.counts[k] = c
	}
	for cred, u := range uses {
		if _, newer := m.uses[cred]; !newer {
			m.uses[cred] = u
		}
	}
}
