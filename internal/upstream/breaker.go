package upstream

import (
	"errors"
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
	until atomic.Int64 // open until then, in ns
}

var (
	errFailed  = errors.New("failed")
	errUnknown = errors.New("the caller's own doing")
)

func errorOf(outcome Outcome) error {
	switch outcome {
	case Failed:
		return errFailed
	case Unknown:
		return errUnknown
	case Answered:
	}
	return nil
}

func newBreaker(rules Breaker, told func(well bool, why string)) *breaker {
	b := &breaker{}
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
				b.until.Store(systemNow().Add(rules.OpenFor).UnixNano())
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
func (s *State) allow() (done func(error), allowed bool) {
	if s.breaker == nil {
		return nil, true
	}
	done, err := s.breaker.Allow()
	return done, err == nil
}

// open returns for how long the breaker lets no call pass.
func (s *State) open() time.Duration {
	if s.breaker == nil || s.breaker.State() != gobreaker.StateOpen {
		return 0
	}
	return max(time.Duration(s.breaker.until.Load()-systemNow().UnixNano()), 1)
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
