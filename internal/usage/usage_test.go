package usage_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// sheet is a store that may fail.
type sheet struct {
	fail  bool
	count int64
	took  time.Duration
	uses  map[id.Credential]usage.LastUse
}

func (s *sheet) AddUsage(_ context.Context, rows []usage.Row, uses []usage.LastUse) error {
	if s.fail {
		return errors.New("away")
	}
	for _, r := range rows {
		s.count += r.Count
		s.took += r.Duration
	}
	for _, u := range uses {
		s.uses[u.Credential] = u
	}
	return nil
}

func (s *sheet) Usage(context.Context, usage.Filter) ([]usage.Row, error) { return nil, nil }

func TestNothingThatWasCountedIsLostToAStoreThatFails(t *testing.T) {
	m, s := usage.NewMeter(), &sheet{fail: true, uses: map[id.Credential]usage.LastUse{}}
	now := time.Unix(1_700_000_000, 0)
	count := func(n int) {
		for range n {
			m.Count(usage.Key{API: "a"}, now, time.Millisecond)
		}
	}
	count(3)
	m.Use(usage.LastUse{Credential: "c", From: "old"})
	if m.Flush(t.Context(), s) == nil {
		t.Fatal("a failing store went unnoticed")
	}
	count(2)
	m.Use(usage.LastUse{Credential: "c", From: "new"})
	if m.Flush(t.Context(), s) == nil {
		t.Fatal("a failing store went unnoticed")
	}
	s.fail = false
	if err := m.Flush(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if s.count != 5 || s.took != 5*time.Millisecond || s.uses["c"].From != "new" {
		t.Errorf("count %d, took %v, last use %+v", s.count, s.took, s.uses["c"])
	}
	if err := m.Flush(t.Context(), s); err != nil || s.count != 5 {
		t.Errorf("an empty flush: %v, count %d", err, s.count)
	}
}

func TestRefusalsKeepTheNewest(t *testing.T) {
	l := usage.NewRefusals(3)
	for i := range 5 {
		l.Add(usage.Refusal{Trace: strconv.Itoa(i), Org: id.Org("org_" + strconv.Itoa(i%2)), Credential: "cred_1", At: time.Unix(int64(i), 0)})
	}
	for trace, want := range map[string]bool{"0": false, "1": false, "2": true, "4": true, "": false} {
		if _, ok := l.Find(trace); ok != want {
			t.Errorf("Find(%q) = %v", trace, ok)
		}
	}
	if got := l.Newest("org_0", 10); len(got) != 2 || got[0].Trace != "4" || got[1].Trace != "2" {
		t.Errorf("of org_0: %+v", got)
	}
	l.Add(usage.Refusal{Trace: "4", Org: "org_0", Credential: "cred_1", Reason: "again"})
	if got, ok := l.Find("4"); !ok || got.Reason != "again" {
		t.Errorf("a trace that came twice: %+v, %v", got, ok)
	}
}

func TestNobodyHidesAnothersReason(t *testing.T) {
	l := usage.NewRefusals(20)
	l.Add(usage.Refusal{Trace: "mine", Org: "org_1", Credential: "cred_1", Reason: "mine"})
	l.Add(usage.Refusal{Trace: "mine", Reason: "a stranger's"})
	l.Add(usage.Refusal{Trace: "mine", Org: "org_2", Credential: "cred_2", Reason: "another customer's"})
	for i := range 1000 {
		l.Add(usage.Refusal{Trace: strconv.Itoa(i), Org: "org_1", Reason: "a flood with a known client_id"})
	}
	if got, ok := l.Find("mine"); !ok || got.Reason != "mine" {
		t.Errorf("got %+v, %v", got, ok)
	}
}
