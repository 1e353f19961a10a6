package dpop

import (
	"sync"
	"time"
)

// spent remembers which proofs were used, for at least as long as they would be
// taken: two generations of them, of which the older is thrown away as a whole. So
// it takes no more than some 40 MiB, whatever happens.
type spent struct {
	mu          sync.Mutex
	generation  int64
	now, before map[[16]byte]struct{}
	held        map[string]int // of now, by owner
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
)

type outcome int

const (
	spentNow outcome = iota
	spentBefore
	spentFull
)

// add notes that a proof of owner's was used.
func (s *spent) add(id [16]byte, owner string, now time.Time) outcome {
	generation := now.UnixNano() / int64(generationLength)
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation > s.generation {
		if generation == s.generation+1 {
			s.before = s.now
		} else {
			s.before = nil
		}
		s.generation, s.now, s.held = generation, nil, nil
	}
	_, here := s.now[id]
	_, there := s.before[id]
	switch {
	case here || there:
		return spentBefore
	case len(s.now) >= maxSpent, len(s.now) >= scarceFrom && s.held[owner] >= shareOf:
		return spentFull
	case s.now == nil:
		s.now, s.held = map[[16]byte]struct{}{}, map[string]int{}
	}
	s.now[id] = struct{}{}
	s.held[owner]++
	return spentNow
}
