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

// find returns what is kept under a trace id.
func find(t *testing.T, l *usage.Refusals, trace string, org id.Org) (usage.Refusal, bool) {
	t.Helper()
	r, ok, err := l.Find(t.Context(), trace, org)
	if err != nil {
		t.Fatal(err)
	}
	return r, ok
}

func TestRefusalsKeepTheNewest(t *testing.T) {
	l := usage.NewRefusals(3, nil)
	for i := range 5 {
		l.Add(usage.Refusal{Trace: strconv.Itoa(i), Org: id.Org("org_" + strconv.Itoa(i%2)), Credential: "cred_1", At: time.Unix(int64(i), 0)})
	}
	for trace, want := range map[string]bool{"0": false, "1": false, "2": true, "4": true, "": false} {
		if _, ok := find(t, l, trace, ""); ok != want {
			t.Errorf("Find(%q) = %v", trace, ok)
		}
	}
	got, next, err := l.List(t.Context(), usage.RefusalFilter{Org: "org_0", Limit: 10})
	if err != nil || len(got) != 2 || got[0].Trace != "4" || got[1].Trace != "2" || next != "" {
		t.Errorf("of org_0: %+v, %q, %v", got, next, err)
	}
	l.Add(usage.Refusal{Trace: "4", Org: "org_0", Credential: "cred_1", Reason: "again"})
	if got, ok := find(t, l, "4", ""); !ok || got.Reason != "again" {
		t.Errorf("a trace that came twice: %+v, %v", got, ok)
	}
}

func TestNobodyHidesAnothersReason(t *testing.T) {
	l := usage.NewRefusals(20, nil)
	l.Add(usage.Refusal{Trace: "mine", Org: "org_1", Credential: "cred_1", Reason: "mine"})
	l.Add(usage.Refusal{Trace: "mine", Reason: "a stranger's"})
	l.Add(usage.Refusal{Trace: "mine", Org: "org_2", Credential: "cred_2", Reason: "another customer's"})
	for i := range 1000 {
		l.Add(usage.Refusal{Trace: strconv.Itoa(i), Org: "org_1", Reason: "a flood with a known client_id"})
	}
	if got, ok := find(t, l, "mine", ""); !ok || got.Reason != "mine" {
		t.Errorf("got %+v, %v", got, ok)
	}
	if got, ok := find(t, l, "mine", "org_2"); !ok || got.Reason != "another customer's" {
		t.Errorf("the other customer is told %+v, %v", got, ok)
	}
	if got, ok := find(t, l, "mine", "org_3"); ok {
		t.Errorf("a third one is told %+v", got)
	}
}

// shelf is a store of refusals that may fail.
type shelf struct {
	fail bool
	kept []usage.Refusal
}

func (s *shelf) AddRefusals(_ context.Context, refusals []usage.Refusal) error {
	if s.fail {
		return errors.New("away")
	}
	s.kept = append(s.kept, refusals...)
	return nil
}

func (*shelf) Refusals(context.Context, usage.RefusalFilter) ([]usage.Refusal, error) {
	return nil, nil
}

func (s *shelf) of(org id.Org, proven bool) (n int) {
	for _, r := range s.kept {
		if r.Org == org && r.Proven() == proven {
			n++
		}
	}
	return n
}

func TestAFloodIsCountedAndNotWritten(t *testing.T) {
	s := &shelf{}
	l := usage.NewRefusals(10, s)
	flood := func() {
		for range 10_000 {
			l.Add(usage.Refusal{Trace: "flood", Org: "org_1"})
			l.Add(usage.Refusal{Trace: "noise"})
		}
		for org := range 1000 {
			l.Add(usage.Refusal{Trace: "many", Org: id.Org("org_many_" + strconv.Itoa(org))})
		}
		for range 30 {
			l.Add(usage.Refusal{Trace: "mine", Org: "org_1", Credential: "cred_1"})
		}
	}
	flood()
	s.fail = true
	if _, err := l.Flush(t.Context()); err == nil {
		t.Fatal("a failing store went unnoticed")
	}
	flood() // what waits keeps its part of the shares
	s.fail = false
	omitted, err := l.Flush(t.Context())
	if err != nil || omitted == 0 {
		t.Errorf("%d omitted, %v", omitted, err)
	}
	if named, nobodys, proven := s.of("org_1", false), s.of("", false), s.of("org_1", true); named != 20 || nobodys != 50 || proven != 60 {
		t.Errorf("written: %d of who names it, %d of nobody, %d of its own; want 20, 50 and 60", named, nobodys, proven)
	}
	if len(s.kept) > 500+60 {
		t.Errorf("%d written at once", len(s.kept))
	}
	s.kept = nil
	flood()
	if _, err := l.Flush(t.Context()); err != nil || s.of("org_1", false) != 20 {
		t.Errorf("the next time: %d, %v", s.of("org_1", false), err)
	}
	if _, err := l.Flush(t.Context()); err != nil || s.of("org_1", true) != 30 {
		t.Errorf("something was written twice: %d, %v", s.of("org_1", true), err)
	}
}

func TestWhatIsKeptCanBeStoredAndShown(t *testing.T) {
	l := usage.NewRefusals(10, nil)
	l.Add(usage.Refusal{Trace: "t", Reason: "a\x00b\xff\x1b[31m\u202ek\u2066o", Parameter: string(make([]byte, 10_000))})
	got, _ := find(t, l, "t", "")
	if got.Reason != "a?b??[31m?k?o" || len(got.Parameter) > 512 {
		t.Errorf("kept %q, and %d bytes", got.Reason, len(got.Parameter))
	}
}
