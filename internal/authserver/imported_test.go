package authserver

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
)

// What is slow is bounded: so many at once, so many that wait, and each not for ever.
func TestSlowHashesAreCheckedAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewChecks(1)
		if err := c.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan error, 2*checksWaiting)
		for range checksWaiting {
			go func() { outcomes <- c.take(t.Context()) }()
		}
		synctest.Wait()
		var ref *refusal
		if err := c.take(t.Context()); !errors.As(err, &ref) || ref.status != http.StatusServiceUnavailable || ref.retry == 0 {
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
		if err := c.take(gone); err == nil {
			t.Error("a client that has gone had its turn")
		}
		c.give()
		if err := c.take(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if n := c.waiting.Load(); n != 1 {
			t.Errorf("%d are counted, want the one", n)
		}
	})
}
