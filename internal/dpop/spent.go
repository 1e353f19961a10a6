package dpop

import (
	"slices"
	"sync"
	"time"
)

// spent remembers which proofs were used, for at least as long as they would be
// taken: generations of them, each thrown away as a whole. Mostly there are two, and
// so it takes no more than some 40 MiB, whatever happens.
//
// Generations go by the wall clock, as proofs do. Where that is set back, those of
// the time that is to come again are kept until it has come and gone, because their
// proofs would be taken then; where it is set forward, none is thrown away before its
// time has passed by the monotonic clock too.
type spent struct {
	mu          sync.Mutex
	generations []*generation // in the order of their last use
}

// generation is the proofs that were used in a span of time.
type generation struct {
	span int64
	last time.Time // when a proof was added
	ids  map[[16]byte]struct{}
	held map[string]int // by owner
}

const (
	// A proof that was used at once may be one of maxAhead from now, and is taken
	// until maxAge after that.
	generationLength = maxAge + maxAhead
	maxSpent         = 1 << 19 // in a generation
	// What is left then is for those who hold less than a share: nobody who floods us
	// keeps others out.
	scarceFrom = maxSpent / 4 * 3
	shareOf    = maxSpent / 8
	// Of a clock that is set again and again the oldest are forgotten all the same.
	maxGenerations = 6
)

type outcome int

const (
	spentNow outcome = iota
	spentBefore
	spentFull
)

// add notes that a proof of owner's was used.
func (s *spent) add(id [16]byte, owner string, now time.Time) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.at(now)
	for _, other := range s.generations {
		if _, found := other.ids[id]; found {
			return spentBefore
		}
	}
	if len(g.ids) >= maxSpent || len(g.ids) >= scarceFrom && g.held[owner] >= shareOf {
		return spentFull
	}
	g.ids[id] = struct{}{}
	g.held[owner]++
	g.last = now
	return spentNow
}

// at returns the generation of now, and forgets those that are over.
func (s *spent) at(now time.Time) *generation {
	span := now.UnixNano() / int64(generationLength)
	if n := len(s.generations); n > 0 && s.generations[n-1].span == span {
		return s.generations[n-1]
	}
	var g *generation
	s.generations = slices.DeleteFunc(s.generations, func(old *generation) bool {
		if old.span == span {
			g = old
			return true // to be the last
		}
		return old.span < span-1 && now.Sub(old.last) >= generationLength
	})
	if g == nil {
		g = &generation{span: span, last: now, ids: map[[16]byte]struct{}{}, held: map[string]int{}}
	}
	s.generations = append(s.generations, g)
	if over := len(s.generations) - maxGenerations; over > 0 {
		s.generations = slices.Delete(s.generations, 0, over)
	}
	return g
}
