package limit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/limit"
)

// ledger is a store of counts that may fail.
type ledger struct {
	away   bool
	counts map[limit.Count]int64 // by all but the count
}

func (l *ledger) AddCounts(_ context.Context, counts []limit.Count) (totals []int64, err error) {
	if l.away {
		return nil, errors.New("away")
	}
	for _, k := range counts {
		n := k.Count
		k.Count = 0
		l.counts[k] += n
		totals = append(totals, l.counts[k])
	}
	return totals, nil
}

func (l *ledger) Counts(_ context.Context, since time.Time, yield func(limit.Count)) error {
	for k, n := range l.counts {
		if k.Count = n; !k.Start.Before(since) {
			yield(k)
		}
	}
	return nil
}

var noon = time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)

func take(c *limit.Counter, subject string, now time.Time, limits ...*limit.Limit) (*limit.Limit, time.Duration, []limit.Standing) {
	standings := make([]limit.Standing, len(limits))
	refused, wait := c.Take(subject, limits, standings, now)
	return refused, wait, standings
}

func TestAQuotaIsExactAndBeginsAnewAtMidnight(t *testing.T) {
	c := limit.NewCounter(64)
	day := &limit.Limit{Name: "day", Scope: "p", Period: limit.Day, Max: 3}
	month := &limit.Limit{Name: "month", Scope: "p", Period: limit.Month, Max: 4}
	for want := int64(2); want >= 0; want-- {
		if refused, _, at := take(c, "a", noon, day, month); refused != nil || at[0].Left != want || at[1].Left != want+1 {
			t.Fatalf("refused %v, left %+v", refused, at)
		}
	}
	refused, wait, _ := take(c, "a", noon, day, month)
	if refused != day || wait != 12*time.Hour {
		t.Fatalf("the fourth of the day: refused %v, wait %v", refused, wait)
	}
	if refused, _, _ := take(c, "b", noon, day, month); refused != nil {
		t.Error("another subject was refused")
	}
	tomorrow := noon.Add(12 * time.Hour)
	if refused, _, at := take(c, "a", tomorrow, day, month); refused != nil || at[1].Left != 0 {
		t.Fatalf("the next day: refused %v, left %+v", refused, at)
	}
	if refused, wait, _ := take(c, "a", tomorrow, day, month); refused != month || wait != 24*time.Hour {
		t.Errorf("the fifth of the month: refused %v, wait %v", refused, wait)
	}
}

func TestWhatIsRefusedIsCountedNowhere(t *testing.T) {
	c := limit.NewCounter(64)
	rate := &limit.Limit{Name: "rate", Scope: "p", Interval: time.Second, Burst: 5}
	day := &limit.Limit{Name: "day", Scope: "p", Period: limit.Day, Max: 1}
	take(c, "a", noon, rate, day)
	for range 10 {
		if refused, _, _ := take(c, "a", noon, rate, day); refused != day {
			t.Fatalf("refused %v", refused)
		}
	}
	standings := make([]limit.Standing, 2)
	if c.Look("a", []*limit.Limit{rate, day}, standings, noon); standings[0].Left != 4 {
		t.Errorf("the rate was charged for calls that were refused: %+v", standings)
	}
}

func TestCountsSurviveARestartAndAreShared(t *testing.T) {
	store := &ledger{counts: map[limit.Count]int64{}}
	day := &limit.Limit{Name: "day", Scope: "p", Period: limit.Day, Max: 10}
	one, two := limit.NewCounter(64), limit.NewCounter(64)
	for range 4 {
		take(one, "a", noon, day)
		take(two, "a", noon, day)
	}
	for _, c := range []*limit.Counter{one, two, one} {
		take(c, "a", noon, day)
		if err := c.Flush(t.Context(), store, noon); err != nil {
			t.Fatal(err)
		}
	}
	if refused, _, _ := take(one, "a", noon, day); refused != day {
		t.Error("a node does not know what another counted")
	}
	fresh := limit.NewCounter(64)
	if err := fresh.Load(t.Context(), store, noon); err != nil {
		t.Fatal(err)
	}
	if refused, _, _ := take(fresh, "a", noon, day); refused != day {
		t.Error("a restart forgot the counts")
	}
	if refused, _, _ := take(fresh, "a", noon.AddDate(0, 0, 1), day); refused != nil {
		t.Error("the counts of yesterday hold today")
	}
}

func TestCountsWaitForAStoreThatIsAway(t *testing.T) {
	store := &ledger{counts: map[limit.Count]int64{}, away: true}
	day := &limit.Limit{Name: "day", Scope: "p", Period: limit.Day, Max: 10}
	c := limit.NewCounter(64)
	take(c, "a", noon, day)
	if c.Flush(t.Context(), store, noon) == nil {
		t.Fatal("a failing store went unnoticed")
	}
	take(c, "a", noon, day)
	store.away = false
	if err := errors.Join(c.Flush(t.Context(), store, noon), c.Flush(t.Context(), store, noon)); err != nil {
		t.Fatal(err)
	}
	if n := store.counts[limit.Count{Scope: "p", Subject: "a", Period: limit.Day, Start: limit.Day.Start(noon)}]; n != 2 {
		t.Errorf("the store has %d, want 2", n)
	}
}

// The rates of a Counter are those of a Table, which has a model of its own.
func TestTheRatesOfACounterAreThoseOfATable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		burst := rapid.IntRange(1, 5).Draw(t, "burst")
		table, c := limit.New(4, burst, 64), limit.NewCounter(64)
		l := &limit.Limit{Name: "rate", Scope: "s", Interval: 250 * time.Millisecond, Burst: int64(burst)}
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "gap")) * 125 * time.Millisecond)
			wait, ok := table.Take("k", now)
			refused, waits, at := take(c, "k", now, l)
			left, full := table.Left("k", now)
			if (refused == nil) != ok || waits != wait || at[0].Left != int64(left) || at[0].Full != full {
				t.Fatalf("table: %v %v, %d left, %v; counter: %v %v %+v", ok, wait, left, full, refused, waits, at)
			}
		}
	})
}

func TestAGateLetsInAsManyAsMayBeInside(t *testing.T) {
	var g limit.Gate
	for i, want := range []bool{true, true, false} {
		if g.Enter("a", 2) != want {
			t.Fatalf("number %d: let in %v", i+1, !want)
		}
	}
	if !g.Enter("b", 1) {
		t.Fatal("another key is kept out")
	}
	g.Leave("a")
	if !g.Enter("a", 2) || g.Enter("a", 2) {
		t.Error("a place that was left is not free, or two are")
	}
}

func TestALargerRateDoesNotWaitForWhatTheSmallerOneWasOwed(t *testing.T) {
	c := limit.NewCounter(64)
	small := &limit.Limit{Name: "rate", Scope: "p", Interval: 20 * time.Second, Burst: 3}
	large := &limit.Limit{Name: "rate", Scope: "p", Interval: 10 * time.Millisecond, Burst: 100}
	for range 3 {
		take(c, "a", noon, small)
	}
	if refused, wait, _ := take(c, "a", noon, small); refused != small || wait != 20*time.Second {
		t.Fatalf("the fourth under the small one: refused %v, wait %v", refused, wait)
	}
	standings := make([]limit.Standing, 1)
	if c.Look("a", []*limit.Limit{large}, standings, noon); standings[0].Left != 100 {
		t.Errorf("under the larger one: %+v", standings[0])
	}
	for n := range 101 {
		refused, wait, at := take(c, "a", noon, large)
		if (refused != nil) != (n == 100) {
			t.Fatalf("call %d under the larger one: wait %v, left %+v", n, wait, at)
		}
	}
	if refused, _, _ := take(c, "a", noon.Add(-time.Millisecond), large); refused == nil {
		t.Error("a call whose moment was read a little before the last one began anew")
	}
}
