package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Whoever finds the row of a node that ended without a word says what was lost, once.
func TestANodeThatEndedWithoutAWordIsToldOf(t *testing.T) {
	var log bytes.Buffer
	s, err := crowded(t.Context(), t.TempDir(), "ES256", crowd{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	missed := map[id.Node]bool{}
	put := func(name string, seen time.Duration) {
		n := market.Node{ID: id.NewNode(), Name: name, Version: "v", Started: s.Now(), Seen: s.Now().Add(-seen), MaxStale: time.Hour}
		if err := s.store.PutNode(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	put("there:1", 20*time.Second)
	put("crashed:2", 2*time.Minute)
	put("gone:3", 3*time.Hour)
	for range 3 {
		s.tellOfLoss(t.Context(), missed)
	}
	for name, want := range map[string]int{"there:1": 0, s.self.Name: 0, "crashed:2": 1, "gone:3": 1} {
		if got := strings.Count(log.String(), "node="+name); got != want {
			t.Errorf("%s is told of %d times, want %d: %s", name, got, want, &log)
		}
	}
	if !strings.Contains(log.String(), "lost_at_most=5s") {
		t.Errorf("how much is lost is not said: %s", &log)
	}
}
