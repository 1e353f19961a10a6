package limit

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Period is what a quota is for. Days and months are those of UTC, so that they
// begin at the same moment on every node.
type Period string

// The periods.
const (
	Day   Period = "day"
	Month Period = "month"
)

// Start returns when the period that now lies in began, and End when it ends.
func (p Period) Start(now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	if p == Month {
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// End returns when the period that now lies in ends.
func (p Period) End(now time.Time) time.Time {
	if p == Month {
		return p.Start(now).AddDate(0, 1, 0)
	}
	return p.Start(now).AddDate(0, 0, 1)
}

// Limit bounds how often something may happen: by a rate, or by a quota if it has
// a Period. It is never changed.
type Limit struct {
	Name  string // what it is called in answers: "app", "day"
	Scope string // what is bounded; together with the subject it says what is counted

	Interval time.Duration // of a rate: what one event costs
	Burst    int64         // of a rate: how many at once, after a pause

	Period Period // of a quota
	Max    int64  // of a quota: how many in a period
}

// Standing is where a subject stands with a limit.
type Standing struct {
	Left int64         // how many more events fit now
	Full time.Duration // until all that were counted are forgotten
}

// Counter counts events of subjects under limits, on this node. Create it with
// [NewCounter].
//
// Rates are GCRA, in memory of a fixed size, as a [Table] keeps them. Quotas are
// exact on one node: what was counted is written every few seconds ([Counter.Run])
// and read again at the start, so a crash forgets at most what came since the last
// write. Several nodes learn of one another's counts at each write, so together
// they let pass at most what they can in that time beyond a quota.
type Counter struct {
	seed   maphash.Seed
	rates  []bucket
	since  since
	mu     sync.Mutex
	quotas map[quotaKey]*quota
}

type rateKey struct{ scope, subject string }

type quotaKey struct {
	scope, subject string
	period         Period
	start          int64 // Unix second
}

// quota is what was counted in a period: by all, as far as is known, and of that
// not written yet.
type quota struct{ count, unwritten int64 }

// NewCounter returns a counter of nothing, which keeps the rates of about size
// subjects at a time.
func NewCounter(size int) *Counter {
	return &Counter{seed: maphash.MakeSeed(), rates: make([]bucket, max(1, size/slotsPerBucket)), quotas: map[quotaKey]*quota{}}
}

// Take counts one event of subject under each limit, and tells where it stands
// then. If one of them is used up nothing is counted: refused is that limit, nil
// otherwise, and wait says when an event will fit. standings must have room for
// one of each.
func (c *Counter) Take(subject string, limits []*Limit, standings []Standing, now time.Time) (refused *Limit, wait time.Duration) {
	for i, l := range limits {
		var ok bool
		if standings[i], wait, ok = c.take(subject, l, now); !ok {
			for _, counted := range limits[:i] {
				c.giveBack(subject, counted, now)
			}
			return l, wait
		}
	}
	return nil, 0
}

// Look tells where subject stands, and counts nothing.
func (c *Counter) Look(subject string, limits []*Limit, standings []Standing, now time.Time) (refused *Limit, wait time.Duration) {
	for i, l := range limits {
		standings[i] = c.look(subject, l, now)
		if standings[i].Left < 1 && refused == nil {
			refused, wait = l, standings[i].Full
		}
	}
	return refused, wait
}

func (c *Counter) take(subject string, l *Limit, now time.Time) (s Standing, wait time.Duration, ok bool) {
	if l.Period != "" {
		return c.takeQuota(subject, l, now)
	}
	at, interval := c.since.at(now), int64(l.Interval)
	h, b := c.bucket(subject, l)
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := b.slot(h)
	empty := at + l.owes(slot.empty, at)
	if over := empty + interval - at - interval*l.Burst; over > 0 {
		return Standing{Full: time.Duration(empty - at)}, time.Duration(over), false
	}
	empty += interval
	slot.key, slot.empty = h, empty
	return l.standing(empty - at), 0, true
}

// owes returns the nanoseconds that a subject owes at a moment whose slot is empty at
// another. More than the limit lets it owe is from a smaller limit before: whoever was
// put on a larger plan does not wait for that, and begins anew.
func (l *Limit) owes(empty, at int64) int64 {
	owed := max(0, empty-at)
	if owed > int64(l.Interval)*l.Burst+int64(turn) {
		return 0
	}
	return owed
}

// turn is how long a call may wait for a bucket, whose moment is from before: what
// others have counted meanwhile it seems to owe as well.
const turn = time.Second

// standing is where a subject stands that owes so many nanoseconds.
func (l *Limit) standing(owed int64) Standing {
	return Standing{Left: max(0, (int64(l.Interval)*l.Burst-owed)/int64(l.Interval)), Full: time.Duration(owed)}
}

func (c *Counter) takeQuota(subject string, l *Limit, now time.Time) (s Standing, wait time.Duration, ok bool) {
	full := l.Period.End(now).Sub(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	key := l.quotaKey(subject, now)
	q := c.quotas[key]
	if q == nil {
		q = &quota{}
		c.quotas[key] = q
	}
	if q.count >= l.Max {
		return Standing{Full: full}, full, false
	}
	q.count++
	q.unwritten++
	return Standing{Left: l.Max - q.count, Full: full}, 0, true
}

func (l *Limit) quotaKey(subject string, now time.Time) quotaKey {
	return quotaKey{l.Scope, subject, l.Period, l.Period.Start(now).Unix()}
}

// giveBack takes back an event that was counted and did not happen.
func (c *Counter) giveBack(subject string, l *Limit, now time.Time) {
	if l.Period != "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		if q := c.quotas[l.quotaKey(subject, now)]; q != nil {
			q.count--
			q.unwritten--
		}
		return
	}
	h, b := c.bucket(subject, l)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.slots {
		if b.slots[i].key == h {
			b.slots[i].empty -= int64(l.Interval)
		}
	}
}

func (c *Counter) look(subject string, l *Limit, now time.Time) Standing {
	if l.Period != "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		s := Standing{Left: l.Max, Full: l.Period.End(now).Sub(now)}
		if q := c.quotas[l.quotaKey(subject, now)]; q != nil {
			s.Left = max(0, l.Max-q.count)
		}
		return s
	}
	h, b := c.bucket(subject, l)
	b.mu.Lock()
	defer b.mu.Unlock()
	owed := int64(0)
	for i := range b.slots {
		if b.slots[i].key == h {
			owed = l.owes(b.slots[i].empty, c.since.at(now))
		}
	}
	return l.standing(owed)
}

func (c *Counter) bucket(subject string, l *Limit) (hash uint64, b *bucket) {
	hash = maphash.Comparable(c.seed, rateKey{l.Scope, subject}) | 1 // 0 marks a free slot
	return hash, &c.rates[(hash>>1)%uint64(len(c.rates))]
}

// Count is what was counted under a quota in a period.
type Count struct {
	Scope, Subject string
	Period         Period
	Start          time.Time
	Count          int64
}

// Store keeps counts of quotas, for all nodes.
type Store interface {
	// AddCounts adds each count to what is there, all or nothing, and returns
	// what is there then, in the same order.
	AddCounts(ctx context.Context, counts []Count) (totals []int64, err error)
	// Counts yields the counts of periods that began at since or later.
	Counts(ctx context.Context, since time.Time, yield func(Count)) error
}

// Load reads what was counted in the periods of now.
func (c *Counter) Load(ctx context.Context, store Store, now time.Time) error {
	return store.Counts(ctx, Month.Start(now), func(k Count) {
		if k.Period == Day && !k.Start.Equal(Day.Start(now)) {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.quotas[quotaKey{k.Scope, k.Subject, k.Period, k.Start.Unix()}] = &quota{count: k.Count}
	})
}

// Flush writes what was counted since the last time, and learns what others have
// counted of the same. If that fails it is written the next time.
func (c *Counter) Flush(ctx context.Context, store Store, now time.Time) error {
	keys, counts := c.unwritten(now)
	if len(keys) == 0 {
		return nil
	}
	totals, err := store.AddCounts(ctx, counts)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, key := range keys {
		q := c.quotas[key]
		q.unwritten -= counts[i].Count
		q.count = totals[i] + q.unwritten
	}
	return nil
}

// Run flushes every interval until ctx ends, and once more then.
func (c *Counter) Run(ctx context.Context, store Store, interval time.Duration, now func() time.Time, logger *slog.Logger) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return c.Flush(last, store, now())
		case <-ticker.C:
			if err := c.Flush(ctx, store, now()); err != nil && ctx.Err() == nil {
				logger.WarnContext(ctx, "cannot write the counts of quotas; they wait", slog.Any("error", err))
			}
		}
	}
}

// lastFlush is how long the write at the end may take.
const lastFlush = 5 * time.Second

// unwritten returns what is to be written, and forgets the periods that are over
// and written.
func (c *Counter) unwritten(now time.Time) (keys []quotaKey, counts []Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, q := range c.quotas {
		switch {
		case q.unwritten != 0:
			keys = append(keys, key)
		case key.start < key.period.Start(now).Unix():
			delete(c.quotas, key)
		}
	}
	// In one order, so that two nodes hardly ever wait for each other.
	slices.SortFunc(keys, func(a, b quotaKey) int {
		return cmp.Or(strings.Compare(a.scope, b.scope), strings.Compare(a.subject, b.subject), strings.Compare(string(a.period), string(b.period)), cmp.Compare(a.start, b.start))
	})
	for _, key := range keys {
		counts = append(counts, Count{key.scope, key.subject, key.period, time.Unix(key.start, 0).UTC(), c.quotas[key].unwritten})
	}
	return keys, counts
}
