package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestAnAssertionIsSpentOnce(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		later := time.Now().Add(time.Hour)
		spend := func(client, jti string, expires time.Time) bool {
			first, err := s.SpendAssertion(t.Context(), client, jti, expires)
			if err != nil {
				t.Fatal(err)
			}
			return first
		}
		if !spend("a", "1", later) || spend("a", "1", later) || spend("a", "1", later.Add(time.Hour)) {
			t.Error("an assertion is spent by its first use")
		}
		if !spend("b", "1", later) || !spend("a", "2", later) {
			t.Error("it is that of the client, and of the jti")
		}
		var firsts atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if first, err := s.SpendAssertion(context.WithoutCancel(t.Context()), "c", "1", later); err == nil && first {
					firsts.Add(1)
				}
			})
		}
		all.Wait()
		if firsts.Load() != 1 {
			t.Errorf("%d of 20 at once were the first", firsts.Load())
		}
	})
}

func TestSpentAssertionsAreForgottenOnceTheyHaveEnded(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		for jti, expires := range map[string]time.Time{"ended": time.Now().Add(-time.Second), "live": time.Now().Add(time.Hour)} {
			if first, err := s.SpendAssertion(t.Context(), "a", jti, expires); err != nil || !first {
				t.Fatalf("%s: %t, %v", jti, first, err)
			}
		}
		if err := s.Prune(t.Context(), store.Retention{}); err != nil {
			t.Fatal(err)
		}
		for jti, want := range map[string]bool{"ended": true, "live": false} {
			if first, err := s.SpendAssertion(t.Context(), "a", jti, time.Now().Add(time.Hour)); err != nil || first != want {
				t.Errorf("%s, after it was pruned: first %t, %v", jti, first, err)
			}
		}
	})
}

func TestWhatCannotBeSpentIsNoFirstUse(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		if first, err := s.SpendAssertion(t.Context(), "a", "\x00", time.Now().Add(time.Hour)); err == nil || first {
			t.Errorf("text that cannot be kept: %t, %v", first, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if first, err := s.SpendAssertion(t.Context(), "a", "1", time.Now().Add(time.Hour)); err == nil || first {
			t.Errorf("a closed store: %t, %v", first, err)
		}
	})
}
