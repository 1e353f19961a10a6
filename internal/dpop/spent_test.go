package dpop

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"
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
	if got := s.add(idOf(7), "9", now); got != spentNow || len(s.before) != 0 {
		t.Errorf("two generations later: %d, and %d are kept", got, len(s.before))
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
