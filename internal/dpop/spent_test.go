package dpop

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock/clocktest"
)

func idOf(n int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func TestMemoryOfProofsIsBoundedAndFailsClosed(t *testing.T) {
	var s spent
	now := time.Unix(1_800_000_000, 0)
	for n := range maxSpent {
		if got := s.add(idOf(n), strconv.Itoa(n%8), now); got != spentNow {
			t.Fatalf("proof %d: %d", n, got)
		}
	}
	if got := s.add(idOf(maxSpent), "9", now); got != spentFull {
		t.Errorf("one too many: %d", got)
	}
	if got := s.add(idOf(7), "9", now); got != spentBefore {
		t.Errorf("one of before: %d", got)
	}
	now = now.Add(generationLength)
	if got := s.add(idOf(7), "9", now); got != spentBefore {
		t.Errorf("one of the generation before: %d", got)
	}
	if got := s.add(idOf(maxSpent), "9", now); got != spentNow {
		t.Errorf("a new one in the next generation: %d", got)
	}
	now = now.Add(2 * generationLength)
	if got := s.add(idOf(7), "9", now); got != spentNow || len(s.generations) != 1 {
		t.Errorf("two generations later: %d, and %d are kept", got, len(s.generations))
	}
}

// One customer's flood of proofs, each of them good, leaves room for the others.
func TestOneOwnerDoesNotFillTheMemoryOfProofs(t *testing.T) {
	var s spent
	now := time.Unix(1_800_000_000, 0)
	kept := 0
	for n := range maxSpent {
		if s.add(idOf(n), "greedy", now) == spentNow {
			kept++
		}
	}
	for n := range shareOf {
		if got := s.add(idOf(maxSpent+n), "modest", now); got != spentNow {
			t.Fatalf("another's proof %d, beside %d of one: %d", n, kept, got)
		}
	}
	if kept < maxSpent/2 {
		t.Errorf("alone, it had room for %d only", kept)
	}
	if got := s.add(idOf(0), "greedy", now.Add(generationLength)); got != spentBefore {
		t.Errorf("what was spent: %d", got)
	}
	if got := s.add(idOf(-1), "greedy", now.Add(generationLength)); got != spentNow {
		t.Errorf("in the next generation: %d", got)
	}
}

// A proof is taken for a span of the wall clock, which may come twice.
func TestAProofIsSpentHoweverTheClockIsSet(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"back, and the time comes again": {-time.Hour, time.Hour},
		"forward, and back at once":      {3 * generationLength, -3 * generationLength},
		"back twice":                     {-time.Hour, -time.Hour, 2 * time.Hour},
	} {
		var s spent
		c := clocktest.New()
		s.add(idOf(1), "1", c.Now())
		for n, step := range steps {
			c.Step(step)
			c.Pass(time.Second)
			if got := s.add(idOf(10+n), "1", c.Now()); got != spentNow {
				t.Errorf("%s: another proof after step %d: %d", name, n, got)
			}
		}
		if got := s.add(idOf(1), "1", c.Now()); got != spentBefore {
			t.Errorf("%s: it is taken again: %d", name, got)
		}
	}
}

// An hour of proofs does not go into the memory of a minute and a half.
func TestAClockThatIsSetBackLeavesRoomForProofs(t *testing.T) {
	var s spent
	c := clocktest.New()
	s.add(idOf(-1), "1", c.Now())
	c.Step(-time.Hour)
	n := 0
	for range 30 {
		for range 1000 {
			n++
			if got := s.add(idOf(n), "1", c.Now()); got != spentNow {
				t.Fatalf("proof %d: %d", n, got)
			}
		}
		c.Pass(generationLength)
	}
	kept := 0
	for _, g := range s.generations {
		kept += len(g.ids)
	}
	if kept > 3000 {
		t.Errorf("%d proofs are kept, of 1000 in a generation", kept)
	}
}
