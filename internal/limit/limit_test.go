package limit_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/clock/clocktest"
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

// Whoever is at its limit can be freed by no flood that costs less than the
// limit itself: every other place of its bucket would have to be at its limit too.
// One bucket is the best case for an attacker, who cannot know what is in which.
func TestNoCheaperFloodFreesAKeyAtItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const others = 7 // places beside the key's own
		burst := rapid.IntRange(1, 6).Draw(t, "burst")
		table, now := limit.New(0.001, burst, 1), time.Unix(1000, 0)
		for range burst {
			table.Take("attacker", now)
		}
		spent := 0
		for _, key := range rapid.SliceOfN(rapid.IntRange(0, 30), 0, others*burst-1).Draw(t, "keys of the flood") {
			if _, ok := table.Take(strconv.Itoa(key), now); ok {
				spent++
			}
			if _, ok := table.Take("attacker", now); ok {
				t.Fatalf("free after %d events of others; the limit is %d", spent, burst)
			}
		}
	})
}

// With every place of a table taken by a flood, keys that nobody can choose lose
// their counts, and those that were refused keep theirs.
func TestAMillionKeysTakeNoMemoryAndFreeNobody(t *testing.T) {
	table, now := limit.New(5, 300, 1<<16), time.Unix(1000, 0)
	refused := []string{"a", "b", "c"}
	for _, key := range refused {
		for range 300 {
			table.Take(key, now)
		}
	}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = "attack " + strconv.Itoa(i)
	}
	allocations := testing.AllocsPerRun(10, func() {
		for _, key := range keys {
			table.Take(key, now)
		}
	})
	for i := range 1_000_000 {
		table.Take(strconv.Itoa(i), now.Add(time.Duration(i)*time.Microsecond))
	}
	if allocations != 0 {
		t.Errorf("%v allocations for a thousand keys", allocations)
	}
	for _, key := range refused {
		if _, ok := table.Take(key, now.Add(time.Second)); !ok {
			continue
		}
		// A second has given back five events.
		for range 4 {
			table.Take(key, now.Add(time.Second))
		}
		if _, ok := table.Take(key, now.Add(time.Second)); ok {
			t.Errorf("the flood freed %s", key)
		}
	}
}

func TestLimitsAreMeasuredByTheMonotonicClock(t *testing.T) {
	rate := &limit.Limit{Name: "app", Scope: "api", Interval: time.Second, Burst: 2}
	for _, step := range []time.Duration{-3 * time.Hour, -time.Second, time.Second, 3 * time.Hour} {
		c, table, counter := clocktest.New(), limit.New(1, 2, 64), limit.NewCounter(64)
		taken := func() (waits []time.Duration) {
			wait, _ := table.Take("a", c.Now())
			_, counted, _ := take(counter, "a", c.Now(), rate)
			return append(waits, wait, counted)
		}
		taken()
		taken()
		c.Step(step)
		for _, wait := range taken() {
			if wait != time.Second {
				t.Errorf("after a step of %v: a wait of %v, want a second", step, wait)
			}
		}
		if left, full := table.Left("a", c.Now()); left != 0 || full != 2*time.Second {
			t.Errorf("after a step of %v: %d left, all in %v", step, left, full)
		}
		c.Pass(time.Second)
		for _, wait := range taken() {
			if wait != 0 {
				t.Errorf("after a step of %v and a second: a wait of %v", step, wait)
			}
		}
	}
}
