package store_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestAPinKeepsItsFirstValue(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		for _, value := range []string{"first", "second", "first"} {
			if got, err := s.Pin(t.Context(), "name", value); err != nil || got != "first" {
				t.Errorf("after %s: %q, %v", value, got, err)
			}
		}
		if err := s.Repin(t.Context(), "name", "third"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Pin(t.Context(), "name", "first"); err != nil || got != "third" {
			t.Errorf("after it was replaced: %q, %v", got, err)
		}
	})
}
