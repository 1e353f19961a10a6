// Package upstream chooses, for each call, one of the servers that answer an API
// in an environment, and keeps in mind how each of them does.
//
// The flow: [Pool.Choose] gives a call its [Turn] at one target, by weight among
// those that do well (pool.go); [Turn.Done] tells what became of it, from which
// follow ejections (state.go) and the circuit breaker (breaker.go). What is asked
// once more is paid from a budget (budget.go). What a [State] holds outlives its
// pool: a changed catalogue makes a new pool of the same states.
//
// Invariants. A target that does badly is passed over, never all of them: if none
// does well, each has its turn as if all did. Only a breaker, which the manifest
// asks for, refuses. What a caller can bring about alone counts against no target: an
// answer of 4xx or 500, an end of its own call, and a call that fails while those of
// others do not. No caller has all of the budget where others call, nor holds the one
// call by which an open breaker finds out.
//
// It opens no connection, knows no addresses, and starts no goroutine.
package upstream

import (
	"errors"
	"sync"
	"time"
)

// MaxTargets is how many targets a pool may have.
const MaxTargets = 32

// Target is one server of a pool.
type Target struct {
	State  *State
	Weight int64 // how many turns it has beside the others; 0: none
}

// Pool is the targets of one API in one environment. Create it with [New].
type Pool struct {
	targets []Target
	budget  *budget
	now     func() time.Time

	mu      sync.Mutex
	current []int64 // of each target, what smooth weighted round robin owes it
}

// New returns a pool of those targets, at most [MaxTargets]. What is asked again is
// at most percent of what is asked, beside a few.
func New(targets []Target, percent int64, now func() time.Time) *Pool {
	return &Pool{targets: targets, budget: &budget{percent: percent}, now: now, current: make([]int64, len(targets))}
}

// ErrTried tells that no target is left that was not tried.
var ErrTried = errors.New("every target was tried")

// OpenError tells that the breaker of every target is open.
type OpenError struct{ Retry time.Duration } // until the first lets a call pass

// Error implements error.
func (e *OpenError) Error() string { return "the circuit breaker of every target is open" }

// Turn is a call's turn at a target. It must be Done, once.
type Turn struct {
	Index     int  // of the target
	Desperate bool // no target does well, and one was chosen all the same
	state     *State
	who       string
	now       func() time.Time
	done      func(Outcome)
}

// Tried is a set of targets, by index.
type Tried uint64

// Add puts a target in.
func (t *Tried) Add(index int) { *t |= 1 << index }

func (t Tried) has(index int) bool { return t&(1<<index) != 0 }

// Choose gives a call by who a turn at a target that was not tried. Who is whose
// misfortune is not to be everybody's: an organization, or empty for anybody.
func (p *Pool) Choose(tried Tried, who string) (Turn, error) {
	for {
		now := p.now()
		index, desperate := p.pick(tried, now)
		if index < 0 {
			return Turn{}, p.none(who)
		}
		state := p.targets[index].State
		done, allowed := state.allow(who)
		if !allowed {
			tried.Add(index) // it was taken by another call just now
			continue
		}
		return Turn{Index: index, Desperate: desperate, state: state, who: who, now: p.now, done: done}, nil
	}
}

// pick chooses by smooth weighted round robin: each target that may be chosen is
// owed its weight, and who is owed most has its turn and owes all the others'.
func (p *Pool) pick(tried Tried, now time.Time) (index int, desperate bool) {
	var may, well Tried
	for i := range p.targets {
		t := &p.targets[i]
		if t.Weight == 0 || tried.has(i) || t.State.open() > 0 {
			continue
		}
		may.Add(i)
		if t.State.well(now) {
			well.Add(i)
		}
	}
	if desperate = well == 0; desperate {
		well = may
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	index = -1
	total := int64(0)
	for i := range p.targets {
		if !well.has(i) {
			continue
		}
		p.current[i] += p.targets[i].Weight
		total += p.targets[i].Weight
		if index < 0 || p.current[i] > p.current[index] {
			index = i
		}
	}
	if index >= 0 {
		p.current[index] -= total
	}
	return index, desperate
}

// none says why no target can be chosen.
func (p *Pool) none(who string) error {
	var soonest time.Duration
	guarded := false
	for _, t := range p.targets {
		guarded = guarded || t.State.breaker != nil
		t.State.refused(who)
		if left := t.State.open(); t.Weight > 0 && left > 0 && (soonest == 0 || left < soonest) {
			soonest = left
		}
	}
	if !guarded {
		return ErrTried
	}
	return &OpenError{Retry: max(soonest, time.Second)} // or a call is under way that finds out
}

// Asked tells of a call by who, from which the budget grows.
func (p *Pool) Asked(who string) { p.budget.earn(p.now(), who) }

// Again reports whether a call by who may be asked once more, and pays for it.
func (p *Pool) Again(who string) bool { return p.budget.spend(p.now(), who) }

// Standing counts the targets that have turns, and those of them that do well.
func (p *Pool) Standing() (well, total int) {
	now := p.now()
	for _, t := range p.targets {
		if t.Weight == 0 {
			continue
		}
		total++
		if t.State.well(now) && t.State.open() == 0 {
			well++
		}
	}
	return well, total
}
