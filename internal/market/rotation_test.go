package market_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// uses is what a node has not written yet.
type uses map[id.Credential]time.Time

func (u uses) LastUse(cred id.Credential) (time.Time, string) { return u[cred], "192.0.2.0/24" }

// sandboxSecret adds an app with one secret.
func sandboxSecret(t *testing.T, m *market.Market) (market.App, market.Credential) {
	t.Helper()
	app, err := m.AddApp(t.Context(), market.System, market.NewApp{
		Org: organization(t, m).ID, Environment: market.Sandbox, Name: "app", DeveloperEmail: "dev@example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID, Label: "first"})
	if err != nil {
		t.Fatal(err)
	}
	return app, c
}

func TestARotationOverlapsAndLinksBothSecrets(t *testing.T) {
	m := open(t)
	_, first := sandboxSecret(t, m)
	r, err := m.RotateCredential(t.Context(), market.System, market.Rotation{Credential: first.ID, Overlap: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Old.Expires.Equal(noon.Add(time.Hour)) || r.New.Replaces != first.ID || r.New.Label != "first" || r.Text.Reveal() == "" {
		t.Errorf("got %+v", r)
	}
	again, err := m.RotateCredential(t.Context(), market.System, market.Rotation{Credential: first.ID, Overlap: 48 * time.Hour})
	if err != nil || !again.Old.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("repeated, the old one ends at %v: %v", again.Old.Expires, err)
	}
	var trail []string
	err = m.Store.View(t.Context(), func(read market.Reader) error {
		records, _, err := read.Audit(market.AuditFilter{Kind: market.KindCredential})
		for _, a := range records {
			if a.Action == "rotate" && a.ID == string(first.ID) && strings.Contains(a.Detail, string(r.New.ID)) {
				trail = append(trail, "old names new")
			}
			if a.Action == "create" && a.ID == string(r.New.ID) && strings.Contains(a.Detail, string(first.ID)) {
				trail = append(trail, "new names old")
			}
		}
		return err
	})
	if err != nil || len(trail) != 2 {
		t.Errorf("the audit says %v, %v", trail, err)
	}
}

func TestWhatCannotBeRotatedSaysWhy(t *testing.T) {
	m := open(t)
	_, c := sandboxSecret(t, m)
	rotate := func(in market.Rotation) error {
		in.Credential = c.ID
		_, err := m.RotateCredential(t.Context(), market.System, in)
		return err
	}
	if err := rotate(market.Rotation{Overlap: -1}); !errors.Is(err, market.InvalidInput) {
		t.Errorf("a negative overlap: %v", err)
	}
	if err := rotate(market.Rotation{Expires: noon}); !errors.Is(err, market.InvalidInput) {
		t.Errorf("an end that has passed: %v", err)
	}
	for range 2 {
		if err := rotate(market.Rotation{Overlap: time.Hour, Unused: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := rotate(market.Rotation{Overlap: time.Hour, Unused: 2}); !errors.Is(err, market.Conflict) {
		t.Errorf("a third that nobody used: %v", err)
	}
	if _, err := m.RevokeCredential(t.Context(), market.System, c.ID, market.IfUnused); err != nil {
		t.Fatal(err)
	}
	if err := rotate(market.Rotation{Overlap: time.Hour}); !errors.Is(err, market.Conflict) {
		t.Errorf("a revoked one: %v", err)
	}
}

func TestWhatIsInUseIsNotEndedUnlessForced(t *testing.T) {
	m := open(t)
	pending := uses{}
	m.Uses = pending
	app, c := sandboxSecret(t, m)
	disabled := market.AppDisabled
	ends := map[string]func(market.Guard) error{
		"revoking": func(g market.Guard) error { return second(m.RevokeCredential(t.Context(), market.System, c.ID, g)) },
		"expiring now": func(g market.Guard) error {
			return second(m.ExpireCredential(t.Context(), market.System, c.ID, noon, g))
		},
		"rotating at once": func(g market.Guard) error {
			return second(m.RotateCredential(t.Context(), market.System, market.Rotation{Credential: c.ID, Guard: g}))
		},
		"disabling the app": func(g market.Guard) error {
			return second(m.ChangeApp(t.Context(), market.System, app.ID, market.AppPatch{State: &disabled, Guard: g}))
		},
		"deleting the app": func(g market.Guard) error { return m.RemoveApp(t.Context(), market.System, app.ID, g) },
	}
	pending[c.ID] = noon.Add(-market.InUse + time.Minute) // known to this node alone
	for name, end := range ends {
		var refused *market.Error
		if err := end(market.IfUnused); !errors.As(err, &refused) || refused.Code != market.Conflict || refused.Field != "force" ||
			!strings.Contains(refused.Public, "2026-11-21T12:01:00Z from network 192.0.2.0/24") || refused.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := noon.Add(time.Hour)
	if _, err := m.ExpireCredential(t.Context(), market.System, c.ID, later, market.IfUnused); err != nil {
		t.Errorf("an end that is to come: %v", err)
	}
	for _, name := range []string{"rotating at once", "disabling the app", "revoking", "deleting the app"} {
		if name == "rotating at once" {
			if err := second(m.ExpireCredential(t.Context(), market.System, c.ID, time.Time{}, market.IfUnused)); err != nil {
				t.Fatal(err)
			}
		}
		if err := ends[name](market.Anyway); err != nil && name != "disabling the app" {
			t.Errorf("%s, forced: %v", name, err)
		}
	}
}

func TestAnOldUseIsNoUse(t *testing.T) {
	m := open(t)
	_, c := sandboxSecret(t, m)
	m.Uses = uses{c.ID: noon.Add(-market.InUse)}
	if _, err := m.RevokeCredential(t.Context(), market.System, c.ID, market.IfUnused); err != nil {
		t.Error(err)
	}
}

func TestAnExpiryIsToldAt30And7And1DaysOnceEach(t *testing.T) {
	m := open(t)
	now := noon
	m.Now = func() time.Time { return now }
	_, c := sandboxSecret(t, m)
	end := noon.Add(40 * 24 * time.Hour)
	if _, err := m.ExpireCredential(t.Context(), market.System, c.ID, end, market.IfUnused); err != nil {
		t.Fatal(err)
	}
	told := func() (days []int) {
		t.Helper()
		// A second time is another node, or the same after a restart.
		for range 2 {
			warnings, err := m.WarnOfExpiry(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				days = append(days, w.Days)
			}
		}
		return days
	}
	for _, step := range []struct {
		before time.Duration
		want   int
	}{{31, 0}, {30, 30}, {20, 0}, {7, 7}, {2, 0}, {1, 1}, {0, 0}} {
		now = end.Add(-step.before * 24 * time.Hour)
		got := told()
		if step.want == 0 && got != nil || step.want != 0 && (len(got) != 1 || got[0] != step.want) {
			t.Errorf("%d days before: told %v, want %d", step.before, got, step.want)
		}
	}
	now = end.Add(-time.Hour)
	if _, err := m.ExpireCredential(t.Context(), market.System, c.ID, now.Add(5*24*time.Hour), market.IfUnused); err != nil {
		t.Fatal(err)
	}
	if got := told(); len(got) != 1 || got[0] != 7 {
		t.Errorf("after it was moved: told %v", got)
	}
}

// A secret that was replaced overlaps for its users, and for whoever it leaked to.
func TestASecretThatWasReplacedMayOnlyAskForALostAnswerAgain(t *testing.T) {
	m := open(t)
	known := uses{}
	m.Uses = known
	app, first := sandboxSecret(t, m)
	itself := market.Actor{Kind: "app", ID: string(app.ID)}
	rotate := func(by market.Actor, in market.Rotation) (market.Rotated, error) {
		in.Overlap = time.Hour
		return m.RotateCredential(t.Context(), by, in)
	}
	own := market.Rotation{Credential: first.ID, Proof: first.ID}
	second, err := rotate(itself, own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotate(itself, own); err != nil {
		t.Errorf("a lost answer, asked for again: %v", err)
	}
	if _, err := rotate(itself, market.Rotation{Credential: second.New.ID, Proof: first.ID}); !errors.Is(err, market.Conflict) {
		t.Errorf("its successor, rotated by what it replaced: %v", err)
	}
	known[second.New.ID] = noon
	if _, err := rotate(itself, own); !errors.Is(err, market.Conflict) || !strings.Contains(err.Error(), string(second.New.ID)) {
		t.Errorf("once the successor is in use: %v", err)
	}
	third, err := rotate(itself, market.Rotation{Credential: second.New.ID, Proof: second.New.ID})
	if err != nil {
		t.Fatalf("the successor itself: %v", err)
	}
	if _, err := rotate(market.System, market.Rotation{Credential: third.New.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := rotate(itself, market.Rotation{Credential: third.New.ID, Proof: third.New.ID}); !errors.Is(err, market.Conflict) {
		t.Errorf("where an operator made the successor: %v", err)
	}
}

// The node that authenticated the client may be a moment behind the store.
func TestARotationIsHeldToWhatTheStoreSaysOfItsClient(t *testing.T) {
	m := open(t)
	app, first := sandboxSecret(t, m)
	other, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.RevokeCredential(t.Context(), market.System, first.ID, market.Anyway); err != nil {
		t.Fatal(err)
	}
	for name, proof := range map[string]id.Credential{"revoked meanwhile": first.ID, "nobody's": "cred_none"} {
		_, err := m.RotateCredential(t.Context(), market.System, market.Rotation{Credential: other.ID, Proof: proof, Overlap: time.Hour})
		if !errors.Is(err, market.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
