// Package clock is about the two clocks of a machine: the wall clock, which says what
// time it is and may be set at any moment (by NTP, by hand, by what a virtual machine
// finds when it goes on), and the monotonic one, which only counts, and not while the
// machine sleeps. A [time.Time] of the system has a reading of both, as long as nobody
// calls UTC, Round or Truncate on it or keeps it as a number.
//
// [Elapsed] is how long ago something was for whoever must not trust what is old.
// [Watch] notices that the wall clock was set, for whoever would destroy something
// because its time is over. What merely compares instants (tokens, credentials,
// certificates) needs neither: it goes by the wall clock, and is right again when that
// is. ADR 0028.
//
// It does not know the right time, and asks nobody for it.
package clock

import "time"

// Elapsed returns how long before now then was: by the clock that says more. What is
// judged by it is not made young by a wall clock that was set back, nor by a machine
// that has slept, and grows old too early, for a moment, when the wall clock is set
// forward.
func Elapsed(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

const (
	settle    = time.Hour   // for how long after a step nothing is believed of the wall clock that cannot be undone
	tolerance = time.Second // what the clocks may differ by from one look to the next
)

// Watch looks at the clocks again and again. The zero Watch has not looked yet. It is
// for one goroutine.
type Watch struct {
	first, last, stepped time.Time
}

// Look notes now, and returns by how much the wall clock was set since the last look; 0
// if it was not. A machine that has slept looks like one whose clock was set forward.
func (w *Watch) Look(now time.Time) (step time.Duration) {
	if w.first.IsZero() {
		w.first, w.last = now, now
		return 0
	}
	step = now.Round(0).Sub(w.last.Round(0)) - now.Sub(w.last)
	w.last = now
	if step.Abs() <= tolerance {
		return 0
	}
	w.stepped = now
	return step
}

// Stepped reports whether the wall clock was set within the last hour.
func (w *Watch) Stepped() bool { return !w.stepped.IsZero() && w.last.Sub(w.stepped) < settle }

// Settled reports whether the wall clock was seen for an hour, and not to be set: a
// clock that is wrong when a machine starts mostly is not for that long.
func (w *Watch) Settled() bool {
	return !w.first.IsZero() && w.last.Sub(w.first) >= settle && !w.Stepped()
}
