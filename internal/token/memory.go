package token

import (
	"fmt"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
)

// Memory remembers tokens that were verified, each with the key that it was
// verified by. It does not judge: whoever recalls a token looks at its key and its
// times again. It is safe for concurrent use.
type Memory[K any] struct {
	// The key is the whole token: its hash is seeded, so that nobody can aim at a
	// place, and a hit compares every byte. Look-ups tell nothing by the time they
	// take, since the comparison begins only when the hashes agree.
	verified *otter.Cache[string, *Remembered[K]]
}

// Remembered is a verified token.
type Remembered[K any] struct {
	Principal
	Key K
}

// NewMemory returns a Memory of at most size tokens. Each is forgotten leeway after
// its end.
func NewMemory[K any](size int, leeway time.Duration, now func() time.Time) (*Memory[K], error) {
	verified, err := otter.New(&otter.Options[string, *Remembered[K]]{
		MaximumSize: size,
		ExpiryCalculator: otter.ExpiryCreatingFunc(func(e otter.Entry[string, *Remembered[K]]) time.Duration {
			return time.Unix(e.Value.Expires, 0).Add(leeway).Sub(now())
		}),
		Clock: cacheClock{now},
	})
	if err != nil {
		return nil, fmt.Errorf("token: make the cache: %w", err)
	}
	return &Memory[K]{verified}, nil
}

// Recall returns what is remembered of a token.
func (m *Memory[K]) Recall(raw string) (*Remembered[K], bool) { return m.verified.GetIfPresent(raw) }

// Remember keeps a token.
func (m *Memory[K]) Remember(raw string, r *Remembered[K]) {
	m.keep(strings.Clone(raw), r) // raw may be a part of all the headers of its request
}

// keep is Remember for a text of its own.
func (m *Memory[K]) keep(raw string, r *Remembered[K]) { m.verified.Set(raw, r) }

// Forget forgets a token.
func (m *Memory[K]) Forget(raw string) { m.verified.Invalidate(raw) }

// cacheClock gives the cache our time. It does not tick: the cache tidies up
// when it is written to, and needs no goroutine that someone would have to end.
type cacheClock struct{ now func() time.Time }

// NowNano implements [otter.Clock].
func (c cacheClock) NowNano() int64 { return c.now().UnixNano() }

// Tick implements [otter.Clock].
func (cacheClock) Tick(time.Duration) <-chan time.Time { return nil }
