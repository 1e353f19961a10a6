package authserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// signs takes a turn, holds it for as long as a signature takes, and gives it
// back.
func signs(t *Turns, app id.App, d time.Duration) error {
	began, err := t.take(context.Background(), app)
	if err != nil {
		return err
	}
	time.Sleep(d)
	t.give(began)
	return nil
}

func TestNoMoreSignAtOnceThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(2, time.Now)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if err := signs(turns, id.App(fmt.Sprint(i%3)), time.Millisecond); err != nil {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		wg.Wait()
		if took := time.Since(began); took != 20*time.Millisecond {
			t.Errorf("40 signatures of a millisecond, two at once, took %v", took)
		}
		if turns.free != 2 || turns.waiting != 0 || len(turns.byOwner) != 0 || turns.order.Len() != 0 {
			t.Errorf("something is left: %d free, %d waiting, %d lines", turns.free, turns.waiting, len(turns.byOwner))
		}
	})
}

func TestTheRequestsOfOneClientAreServedInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1, time.Now)
		var (
			wg    sync.WaitGroup
			order []int
		)
		for i := range 20 {
			wg.Go(func() {
				began, err := turns.take(t.Context(), "app")
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i) // one at a time
				time.Sleep(time.Millisecond)
				turns.give(began)
			})
			synctest.Wait()
		}
		wg.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("served in the order %v", order)
			}
		}
	})
}

func TestWhoAsksForOneTokenDoesNotWaitForWhoAsksForHundreds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(2, time.Now)
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				if err := signs(turns, "greedy", time.Millisecond); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for i := range 3 {
			wg.Go(func() {
				began := time.Now()
				if err := signs(turns, id.App(fmt.Sprint("modest", i)), time.Millisecond); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 4*time.Millisecond {
					t.Errorf("a modest client waited for %v", took)
				}
			})
		}
		wg.Wait()
	})
}

func TestAWaitThatWouldBeTooLongIsRefusedAtOnceForTheGreedyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1, time.Now)
		const cost = 10 * time.Millisecond
		for range 200 { // it has to be known
			if err := signs(turns, "any", cost); err != nil {
				t.Fatal(err)
			}
		}
		var (
			wg      sync.WaitGroup
			mu      sync.Mutex
			refused int
			longest time.Duration
		)
		for range 100 {
			wg.Go(func() {
				began := time.Now()
				err := signs(turns, "greedy", cost)
				took := time.Since(began)
				mu.Lock()
				defer mu.Unlock()
				var ref *refusal
				if errors.As(err, &ref) {
					refused++
					if took != 0 || ref.status != 503 || ref.retry < longestWait || ref.retry > 2*longestWait {
						t.Errorf("refused after %v with %d, to be tried again after %v", took, ref.status, ref.retry)
					}
					return
				}
				longest = max(longest, took)
			})
		}
		synctest.Wait()
		if err := signs(turns, "modest", cost); err != nil {
			t.Errorf("a client that asks for one: %v", err)
		}
		wg.Wait()
		if refused < 45 || refused > 55 || longest > longestWait+3*cost {
			t.Errorf("%d of 100 were refused, the others waited up to %v", refused, longest)
		}
	})
}

func TestAClientThatGoesLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1, time.Now)
		began, err := turns.take(t.Context(), "first")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := turns.take(ctx, "second"); gone <- err }()
		synctest.Wait()
		cancel()
		if err := <-gone; err == nil {
			t.Error("it has got a turn")
		}
		if turns.waiting != 0 || len(turns.byOwner) != 0 {
			t.Errorf("%d wait in %d lines", turns.waiting, len(turns.byOwner))
		}
		go func() { _, err := turns.take(t.Context(), "third"); gone <- err }()
		if err := <-gone; err == nil {
			t.Error("a turn that nobody gave back was given")
		}
		turns.give(began)
		if turns.free != 1 {
			t.Errorf("%d free", turns.free)
		}
	})
}

// A model: who waits in each line, and whose turn it is.
func TestTurnsAgreeWithASlowModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(1, 3).Draw(rt, "at once")
		steps := rapid.SliceOfN(rapid.SampledFrom([]id.App{"a", "b", "c", "d", ""}), 1, 80).Draw(rt, "who takes a turn; nobody gives one back")
		var wrong string
		synctest.Test(t, func(*testing.T) { wrong = againstModel(at, steps) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// againstModel does the steps, and returns what went another way than in the model.
func againstModel(at int, steps []id.App) (wrong string) {
	type turn struct {
		request int
		began   time.Time
	}
	var (
		turns  = NewTurns(at, time.Now)
		begins = make(chan turn, len(steps))
		held   []turn
		order  []id.App // lines, the next to be served first
		lines  = map[id.App][]int{}
	)
	give := func() {
		turns.give(held[0].began)
		held = held[1:]
		if len(order) == 0 {
			return
		}
		app := order[0]
		order = order[1:]
		first := lines[app][0]
		if lines[app] = lines[app][1:]; len(lines[app]) > 0 {
			order = append(order, app)
		}
		next := <-begins
		if next.request != first {
			wrong = fmt.Sprintf("request %d has got the turn of %d", next.request, first)
		}
		held = append(held, next)
	}
	for i, app := range steps {
		switch {
		case app != "":
			go func() {
				if began, err := turns.take(context.Background(), app); err == nil {
					begins <- turn{i, began}
				}
			}()
			synctest.Wait()
			if len(held) < at {
				held = append(held, <-begins)
				continue
			}
			if len(lines[app]) == 0 {
				order = append(order, app)
			}
			lines[app] = append(lines[app], i)
		case len(held) > 0:
			give()
		}
	}
	for len(held) > 0 {
		give()
	}
	if turns.free != at || turns.waiting != 0 || turns.order.Len() != 0 || len(turns.byOwner) != 0 {
		wrong = fmt.Sprintf("%d free of %d, %d waiting", turns.free, at, turns.waiting)
	}
	return wrong
}
