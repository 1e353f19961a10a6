package upstream

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Breaker says when calls to a target are refused unasked. The zero Breaker is
// none.
type Breaker struct {
	Failures int64         // in a row; 0: by ratio
	Percent  int64         // of the last ten seconds' calls, of which there were at least twenty
	OpenFor  time.Duration // then one call finds out
}

// On reports whether there is one.
func (b Breaker) On() bool { return b.Failures > 0 || b.Percent > 0 }

// What a ratio is taken of.
const (
	breakerWindow = 10 * time.Second
	breakerBucket = time.Second
	breakerLeast  = 20
)

// breaker is the circuit breaker of a target.
type breaker struct {
	*gobreaker.TwoStepCircuitBreaker[struct{}]
	openFor time.Duration
	until   atomic.Pointer[time.Time] // open until then

	mu    sync.Mutex
	asked callers // who wanted to call while it was not closed
	trial *trial  // the last call by which it was to find out; nil: none was
}

// trial is the call by which a breaker finds out.
type trial struct {
	who   string
	began time.Time
	done  func(error)
	ended bool
	vain  bool // it found out nothing, or may have failed by its own doing
}

var (
	errFailed  = errors.New("failed")
	errUnknown = errors.New("the caller's own doing")
)

func errorOf(outcome Outcome) error {
	switch outcome {
	case Failed, Unanswered:
		return errFailed
	case Unknown:
		return errUnknown
	case Answered:
	}
	return nil
}

func newBreaker(rules Breaker, told func(well bool, why string)) *breaker {
	b := &breaker{openFor: rules.OpenFor}
	settings := gobreaker.Settings{
		Timeout:    rules.OpenFor,
		IsExcluded: func(err error) bool { return errors.Is(err, errUnknown) },
		ReadyToTrip: func(c gobreaker.Counts) bool {
			if rules.Failures > 0 && int64(c.ConsecutiveFailures) >= rules.Failures {
				return true
			}
			return rules.Percent > 0 && c.Requests >= breakerLeast && int64(c.TotalFailures)*100 >= rules.Percent*int64(c.Requests)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			switch to {
			case gobreaker.StateOpen:
				until := systemNow().Add(rules.OpenFor)
				b.until.Store(&until)
				told(false, "its circuit breaker has opened")
			case gobreaker.StateClosed:
				told(true, "its circuit breaker has closed")
			case gobreaker.StateHalfOpen:
			}
		},
	}
	if rules.Percent > 0 {
		settings.Interval, settings.BucketPeriod = breakerWindow, breakerBucket
	}
	b.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](settings)
	return b
}

// allow asks the breaker for a turn, whose end is told to done.
func (s *State) allow(who string) (done func(Outcome), allowed bool) {
	if s.breaker == nil {
		return nil, true
	}
	return s.breaker.allow(who)
}

func (b *breaker) allow(who string) (done func(Outcome), allowed bool) {
	if b.State() != gobreaker.StateHalfOpen {
		told, err := b.Allow()
		return func(o Outcome) { told(errorOf(o)) }, err == nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := systemNow()
	b.asked.saw(who, now)
	last := b.trial
	if last != nil && !last.ended && now.Sub(last.began) >= b.openFor {
		b.end(last, Unknown) // it may be one that never ends
	}
	// Who has tried in vain lets others try, for a while: it may call again and again
	// what has no answer, and nobody would ever find out.
	while := now.Add(-3 * b.openFor)
	if last != nil && last.vain && last.who == who && last.began.After(while) && b.asked.beside(who, while) {
		return nil, false
	}
	told, err := b.Allow()
	if err != nil {
		return nil, false
	}
	t := &trial{who: who, began: now, done: told}
	b.trial = t
	return func(o Outcome) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.end(t, o)
	}, true
}

// refused remembers that who wanted to call while the breaker was open.
func (s *State) refused(who string) {
	if b := s.breaker; b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked.saw(who, systemNow())
	}
}

// end tells the breaker of a trial, once.
func (b *breaker) end(t *trial, o Outcome) {
	if !t.ended {
		t.ended = true
		t.vain = o != Answered
		t.done(errorOf(o))
	}
}

// open returns for how long the breaker lets no call pass.
func (s *State) open() time.Duration {
	if s.breaker == nil || s.breaker.State() != gobreaker.StateOpen {
		return 0
	}
	until := s.breaker.until.Load()
	if until == nil {
		return 1 // it is just opening
	}
	return max(until.Sub(systemNow()), 1)
}

// The states of a circuit breaker.
const (
	Closed   = "closed"
	Open     = "open"
	HalfOpen = "half_open" // one call finds out
)

// Breaker returns the state of the target's circuit breaker, empty if it has none.
func (s *State) Breaker() string {
	if s.breaker == nil {
		return ""
	}
	switch s.breaker.State() {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	case gobreaker.StateClosed:
	}
	return Closed
}

// systemNow is gobreaker's clock.
func systemNow() time.Time {
	return time.Now() //nolint:forbidigo // gobreaker goes by it alone, and the two have to agree
}
