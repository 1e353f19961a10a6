package usage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// sheet is a store that may fail.
type sheet struct {
	fail  bool
	mute  bool // adds, and says that it failed
	ids   map[string]bool
	count int64
	took  time.Duration
	uses  map[id.Credential]usage.LastUse
}

func (s *sheet) AddUsage(_ context.Context, b usage.Batch) error {
	if s.fail {
		return errors.New("away")
	}
	if !s.ids[b.ID] {
		s.ids[b.ID] = true
		for _, r := range b.Rows {
			s.count += r.Count
			s.took += r.Duration
		}
		for _, u := range b.Uses {
			s.uses[u.Credential] = u
		}
	}
	if s.mute {
		return errors.New("the connection ended")
	}
	return nil
}

func (s *sheet) TokenUse(context.Context, usage.TokenFilter) ([]usage.TokenUse, string, error) {
	return nil, "", nil
}

func (s *sheet) Usage(context.Context, usage.Filter) ([]usage.Row, error) { return nil, nil }

func TestNothingThatWasCountedIsLostToAStoreThatFails(t *testing.T) {
	m, s := usage.NewMeter(), &sheet{fail: true, ids: map[string]bool{}, uses: map[id.Credential]usage.LastUse{}}
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

func TestNothingIsCountedTwiceWhenTheOutcomeIsUnknown(t *testing.T) {
	m, s := usage.NewMeter(), &sheet{mute: true, ids: map[string]bool{}, uses: map[id.Credential]usage.LastUse{}}
	now := time.Unix(1_700_000_000, 0)
	m.Count(usage.Key{API: "a"}, now, 0)
	for range 3 {
		if m.Flush(t.Context(), s) == nil {
			t.Fatal("a lost answer went unnoticed")
		}
		m.Count(usage.Key{API: "a"}, now, 0)
	}
	s.mute = false
	if err := m.Flush(t.Context(), s); err != nil || s.count != 4 {
		t.Errorf("counted %d of 4, %v", s.count, err)
	}
}

func TestAnAppIsChattyOnlyWhereTokensAreBeyondDoubtTooMany(t *testing.T) {
	for name, tt := range map[string]struct {
		use  usage.TokenUse
		want bool
	}{
		"a token for each call":                   {usage.TokenUse{Signed: 20, Calls: 20, Hours: 1}, true},
		"given again, it is fetched all the same": {usage.TokenUse{Signed: 1, Again: 19, Calls: 20, Hours: 1}, true},
		"tokens and no calls":                     {usage.TokenUse{Signed: 20, Hours: 1}, true},
		"one token for ten calls":                 {usage.TokenUse{Signed: 20, Calls: 200, Hours: 1}, false},
		"a call now and then":                     {usage.TokenUse{Signed: 24, Calls: 24, Hours: 24}, false},
		"nothing":                                 {usage.TokenUse{}, false},
	} {
		if got := tt.use.Chatty(); got != tt.want {
			t.Errorf("%s: chatty is %v", name, got)
		}
	}
}
