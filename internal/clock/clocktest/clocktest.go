// Package clocktest makes clocks whose wall clock is set while the monotonic one goes
// on: what NTP does to a machine, and what no function of package time does to a
// [time.Time], since Add moves both readings. It is for tests alone.
package clocktest

import (
	"sync"
	"time"
	"unsafe"
)

// Clock is a pair of clocks. It is safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	start   time.Time     // of the system; zero: time stands still
	wall    int64         // Unix nanoseconds
	elapsed time.Duration // of the monotonic clock
}

// New returns clocks that stand still, at a moment of 2026.
func New() *Clock {
	return &Clock{wall: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano(), elapsed: time.Hour}
}

// Running returns clocks that go as the system's do.
func Running() *Clock {
	now := time.Now() //nolint:forbidigo // what it goes by
	return &Clock{start: now, wall: now.UnixNano(), elapsed: time.Hour}
}

// Now returns the time, with both readings.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := time.Duration(0)
	if !c.start.IsZero() {
		passed = time.Since(c.start) //nolint:forbidigo // what it goes by
	}
	return both(c.wall+int64(passed), c.elapsed+passed)
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += int64(d)
	c.elapsed += d
}

// Step sets the wall clock forward, or back if d is negative.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += int64(d)
}

// both makes a time of both readings, as package time keeps them: of the wall clock 1
// bit that says that there is another reading, 33 bits of seconds since 1885 and 30 of
// nanoseconds; then the other reading.
func both(wall int64, elapsed time.Duration) (t time.Time) {
	const since1885 = 2_682_288_000 // seconds until 1970
	parts := (*struct {
		wall uint64
		ext  int64
	})(unsafe.Pointer(&t)) //nolint:gosec // there is no other way; the test of this package holds it to package time
	seconds, nanoseconds := wall/int64(time.Second), wall%int64(time.Second)
	parts.wall = 1<<63 | uint64(seconds+since1885)<<30 | uint64(nanoseconds) //nolint:gosec // after 1885
	parts.ext = int64(elapsed)
	return t
}
