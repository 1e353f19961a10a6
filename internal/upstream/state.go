package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// Rules say when a target is passed over, and for how long.
type Rules struct {
	Unhealthy int64         // failures, or probes that failed, in a row until it is
	Healthy   int64         // probes that succeeded in a row until it is not any more
	Eject     time.Duration // how long, after failures; doubled each time, up to [LongestEjection]
	Breaker   Breaker
}

// LongestEjection is how long a target is passed over at the most before it is
// tried again.
const LongestEjection = 5 * time.Minute

// Outcome is what became of a turn.
type Outcome int

// The outcomes.
const (
	Answered   Outcome = iota // by whatever the target itself is the source of
	Failed                    // no connection: no caller can bring that about
	Unanswered                // no answer, none in time, or one that says that it cannot: see [State.judge]
	Unknown                   // the caller's own doing
)

// State is how one target does. It may be part of several pools, one after the
// other. Create it with [NewState].
type State struct {
	rules   Rules
	told    func(well bool, why string)
	breaker *breaker // nil: none
	passed  atomic.Int64

	mu       sync.Mutex
	answered callers       // who was, and when
	failed   callers       // who was not
	failures int64         // in a row
	until    time.Time     // ejected until then
	ejection time.Duration // the last one
	down     bool          // by its probes
	streak   int64         // of probes that say otherwise
}

// NewState returns the state of a target that does well. It calls told, which must
// not wait, when that changes.
func NewState(rules Rules, told func(well bool, why string)) *State {
	s := &State{rules: rules}
	s.told = func(well bool, why string) {
		if !well {
			s.passed.Add(1)
		}
		told(well, why)
	}
	if rules.Breaker.On() {
		s.breaker = newBreaker(rules.Breaker, s.told)
	}
	return s
}

// Passed counts how often the target began to be passed over.
func (s *State) Passed() int64 { return s.passed.Load() }

// well reports whether the target is to be given turns.
func (s *State) well(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.down && !now.Before(s.until)
}

// Well is well, and whether the breaker lets calls pass.
func (s *State) Well(now time.Time) bool { return s.well(now) && s.open() == 0 }

// Done tells what became of a turn.
func (t *Turn) Done(outcome Outcome) {
	now := t.now()
	outcome = t.state.judge(outcome, t.who, now)
	if t.done != nil {
		t.done(outcome)
	}
	t.state.count(outcome, now)
}

// Report counts an outcome that came after a turn, of a call by who.
func (s *State) Report(outcome Outcome, who string, now time.Time) {
	s.count(s.judge(outcome, who, now), now)
}

// judge says whether an outcome is the target's. A call may be such that it gets no
// answer, or none in time, or 503: a question that takes minutes, a body that comes
// byte by byte, a limit of the upstream's own. If who makes it is the only one that is
// not answered while others are, it is about that call, and says nothing of the target
// to the others. If nobody else calls, it harms nobody else.
//
// Those without a name are many, or one who would be taken for many: any answer to one
// of them says that others are answered, and no failure that others fail.
func (s *State) judge(outcome Outcome, who string, now time.Time) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch outcome {
	case Answered:
		s.answered.saw(who, now)
	case Failed:
		s.failed.saw(who, now)
	case Unanswered:
		since := now.Add(-callersWindow)
		others := s.answered.beside(who, since) || who == "" && s.answered.anybody(since)
		alone := who == "" || !s.failed.beside(who, since)
		if who != "" {
			s.failed.saw(who, now)
		}
		if alone && others {
			return Unknown
		}
		return Failed
	case Unknown:
	}
	return outcome
}

// count counts an outcome that is the target's.
func (s *State) count(outcome Outcome, now time.Time) {
	ejected := false
	s.mu.Lock()
	switch outcome {
	case Answered:
		s.failures = 0
		if s.ejection > 0 && now.Sub(s.until) > s.ejection {
			s.ejection = 0 // it has done well for as long as it had not
		}
	case Failed, Unanswered:
		s.failures++
		if s.failures >= s.rules.Unhealthy && !now.Before(s.until) {
			s.ejection = min(max(2*s.ejection, s.rules.Eject), LongestEjection)
			s.until = now.Add(s.ejection)
			s.failures = s.rules.Unhealthy - 1 // the next failure, when it is tried again, ejects it at once
			ejected = true
		}
	case Unknown:
	}
	s.mu.Unlock()
	if ejected {
		s.told(false, "calls to it failed")
	}
}

// Probed tells what became of a probe.
func (s *State) Probed(ok bool) {
	s.mu.Lock()
	most, changed := s.rules.Unhealthy, false
	if s.down {
		most = s.rules.Healthy
	}
	if s.down != ok {
		s.streak = 0
	} else if s.streak++; s.streak >= most {
		s.down, s.streak, changed = !s.down, 0, true
	}
	s.mu.Unlock()
	if changed {
		s.told(ok, "its probes say so")
	}
}
