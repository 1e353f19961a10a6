package dpop

import (
	"encoding/binary"
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
		if got := s.add(idOf(n), now); got != spentNow {
			t.Fatalf("proof %d: %d", n, got)
		}
	}
	if got := s.add(idOf(maxSpent), now); got != spentFull {
		t.Errorf("one too many: %d", got)
	}
	if got := s.add(idOf(7), now); got != spentBefore {
		t.Errorf("one of before: %d", got)
	}
	now = now.Add(generationLength)
	if got := s.add(idOf(7), now); got != spentBefore {
		t.Errorf("one of the generation before: %d", got)
	}
	if got := s.add(idOf(maxSpent), now); got != spentNow {
		t.Errorf("a new one in the next generation: %d", got)
	}
	now = now.Add(2 * generationLength)
	if got := s.add(idOf(7), now); got != spentNow || len(s.before) != 0 {
		t.Errorf("two generations later: %d, and %d are kept", got, len(s.before))
	}
}
