package authserver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What is slow is bounded: so many at once, so many that wait, and each not for ever.
func TestSlowHashesAreCheckedAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewChecks(1)
		if err := c.take(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan error, 2*checksWaiting)
		for range checksWaiting {
			go func() { outcomes <- c.take(t.Context(), "a") }()
		}
		synctest.Wait()
		var ref *refusal
		if err := c.take(t.Context(), "a"); !errors.As(err, &ref) || ref.status != http.StatusServiceUnavailable || ref.retry == 0 {
			t.Errorf("one more: %v", err)
		}
		c.give()
		if err := <-outcomes; err != nil {
			t.Errorf("the first that waited: %v", err)
		}
		for range checksWaiting - 1 {
			if err := <-outcomes; !errors.As(err, &ref) { // nobody gives the turn back
				t.Errorf("those after it: %v", err)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.take(gone, "a"); err == nil {
			t.Error("a client that has gone had its turn")
		}
		c.give()
		if err := c.take(t.Context(), "a"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if c.waiting != 0 || len(c.byOwner) != 0 || c.free != 0 {
			t.Errorf("%d wait in %d lines, %d are free", c.waiting, len(c.byOwner), c.free)
		}
	})
}

// Who tries secrets in a loop from one network keeps nobody elsewhere from having a
// first token.
func TestASlowHashIsCheckedBesideAFloodFromAnotherNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cost = time.Second / 2
		c := NewChecks(1)
		check := func(from string) error {
			if err := c.take(t.Context(), from); err != nil {
				return err
			}
			time.Sleep(cost)
			c.give()
			return nil
		}
		var flood, others sync.WaitGroup
		for range 2 * checksWaiting {
			flood.Go(func() { _ = check("flood") })
		}
		synctest.Wait()
		for _, from := range []string{"a", "b"} {
			others.Go(func() {
				if err := check(from); err != nil {
					t.Errorf("%s: %v", from, err)
				}
			})
		}
		others.Wait()
		flood.Wait()
	})
}
