package limit_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/limit"
)

func TestTakeLetsABurstThroughAndThenTheRate(t *testing.T) {
	table, now := limit.New(2, 3, 64), time.Unix(1000, 0)
	for i := range 3 {
		if _, ok := table.Take("a", now); !ok {
			t.Fatalf("event %d of the burst was refused", i+1)
		}
	}
	wait, ok := table.Take("a", now)
	if ok || wait != 500*time.Millisecond {
		t.Fatalf("fourth event: ok %v, wait %v; want a refusal and 500ms", ok, wait)
	}
	if _, ok := table.Take("b", now); !ok {
		t.Error("another key was refused")
	}
	if _, ok := table.Take("a", now.Add(wait)); !ok {
		t.Error("refused after the wait that was asked for")
	}
}

func TestLeftTellsWhatTakeWouldGive(t *testing.T) {
	table, now := limit.New(2, 3, 64), time.Unix(1000, 0)
	for want := 3; want > 0; want-- {
		if left, full := table.Left("a", now); left != want || full != time.Duration(3-want)*500*time.Millisecond {
			t.Errorf("left %d, full in %v; want %d", left, full, want)
		}
		table.Take("a", now)
	}
	if left, _ := table.Left("a", now); left != 0 {
		t.Errorf("left %d after the burst", left)
	}
	if left, _ := table.Left("a", now.Add(time.Second)); left != 2 {
		t.Errorf("left %d a second later, want 2", left)
	}
}

func TestTakeForgetsNoLimitedKeyUnderAFloodOfOthers(t *testing.T) {
	table, now := limit.New(0.001, 5, 1<<12), time.Unix(1000, 0)
	for range 5 {
		table.Take("victim", now)
	}
	for i := range 100_000 {
		table.Take(strconv.Itoa(i), now)
	}
	if _, ok := table.Take("victim", now); ok {
		t.Error("the flood freed a key that was at its limit")
	}
}

// A model: a list of the moments at which an event was let through.
func TestTakeAgreesWithASlowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rate, burst = 4, 3
		table, now := limit.New(rate, burst, 64), time.Unix(1000, 0)
		level, last := 0.0, now // events owed, in a leaky bucket
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "gap")) * 125 * time.Millisecond)
			level = max(0, level-now.Sub(last).Seconds()*rate)
			last = now
			want := level+1 <= burst+1e-9
			if want {
				level++
			}
			if _, ok := table.Take("k", now); ok != want {
				t.Fatalf("at level %v: got %v, want %v", level, ok, want)
			}
		}
	})
}
