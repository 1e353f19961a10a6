// Package limit bounds how often something may happen, and how much of it at once.
//
// A [Counter] counts calls under the limits of plans: rates, and quotas that survive a
// restart. A [Gate] counts what is under way. A [Table] bounds attempts and requests
// for any number of keys in memory of a fixed size.
//
// A Table is a set of GCRA limiters (generic cell rate algorithm), one per
// key: each remembers only when it would be empty again. Keys are hashed under
// a random seed into buckets of a few slots; when a bucket is full, the limiter
// that is nearest to empty makes room. So memory does not grow with the number
// of keys, and an attacker with many keys can at most make the table forget
// limiters that were about to forget by themselves.
//
// What it does not do: know who calls and what plan that is on, or answer. Tables and
// gates are each node's own; of quotas nodes learn from the store what others counted.
package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const slotsPerBucket = 8

// Table limits keys. Create it with [New].
type Table struct {
	interval int64 // nanoseconds that one event costs
	burst    int64 // nanoseconds that may be owed
	seed     maphash.Seed
	buckets  []bucket
	since    since
}

type bucket struct {
	mu    sync.Mutex
	slots [slotsPerBucket]slot
}

type slot struct {
	key   uint64
	empty int64 // when all that happened is paid back, in nanoseconds since the first event
}

// since counts nanoseconds from the first time that it is shown, by the monotonic
// clock: a wall clock that is set back must not keep anybody out for as long.
type since struct{ first atomic.Pointer[time.Time] }

func (s *since) at(now time.Time) int64 {
	first := s.first.Load()
	if first == nil {
		first = s.begin(now)
	}
	return int64(now.Sub(*first))
}

func (s *since) begin(now time.Time) *time.Time {
	s.first.CompareAndSwap(nil, &now)
	return s.first.Load()
}

// New returns a table that lets each key do burst events at once and rate
// events a second after that, for about size keys at a time.
func New(rate float64, burst, size int) *Table {
	interval := int64(float64(time.Second) / rate)
	return &Table{
		interval: interval,
		burst:    interval * int64(burst),
		seed:     maphash.MakeSeed(),
		buckets:  make([]bucket, max(1, size/slotsPerBucket)),
	}
}

// Take counts one event for key at now, if key is within its limit. If it is
// not, nothing is counted, and wait says when one event will fit.
func (t *Table) Take(key string, now time.Time) (wait time.Duration, ok bool) {
	h := maphash.String(t.seed, key) | 1 // 0 marks a free slot
	b := &t.buckets[(h>>1)%uint64(len(t.buckets))]
	at := t.since.at(now)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.slot(h)
	empty := max(s.empty, at)
	if over := empty + t.interval - at - t.burst; over > 0 {
		return time.Duration(over), false
	}
	*s = slot{key: h, empty: empty + t.interval}
	return 0, true
}

// Left returns how many events would fit for key at now, and how long until all
// of the burst would.
func (t *Table) Left(key string, now time.Time) (n int, full time.Duration) {
	h := maphash.String(t.seed, key) | 1
	b := &t.buckets[(h>>1)%uint64(len(t.buckets))]
	b.mu.Lock()
	defer b.mu.Unlock()
	owed := int64(0)
	for i := range b.slots {
		if b.slots[i].key == h {
			owed = max(0, b.slots[i].empty-t.since.at(now))
		}
	}
	return int((t.burst - owed) / t.interval), time.Duration(owed)
}

// slot returns the key's slot, or the one that makes room for it, emptied.
func (b *bucket) slot(key uint64) *slot {
	oldest := &b.slots[0]
	for i := range b.slots {
		s := &b.slots[i]
		if s.key == key {
			return s
		}
		if s.empty < oldest.empty {
			oldest = s
		}
	}
	*oldest = slot{key: key}
	return oldest
}
