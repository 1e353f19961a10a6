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

// A client does not get more time by itself than an operator granted it.
func TestAClientsSecretLivesNoLongerThanTheOneThatItReplacesWasMadeFor(t *testing.T) {
	const day = 24 * time.Hour
	type wish struct {
		at      time.Duration // after noon
		expires time.Duration // after that; 0: none
		want    time.Duration // of the secret's life; 0: without an end
		refused string        // part of what is said
	}
	for name, tt := range map[string]struct {
		granted time.Duration // by the operator; 0: without an end
		rules   time.Duration
		wishes  []wish // each about the secret of the one before
	}{
		"without an end":                {0, 0, []wish{{at: day}, {at: 2 * day, expires: 1000 * day, want: 1000 * day}}},
		"with one, and no wish":         {90 * day, 0, []wish{{at: 80 * day, want: 90 * day}, {at: 160 * day, want: 90 * day}}},
		"with one, and a shorter wish":  {90 * day, 0, []wish{{at: 80 * day, expires: 30 * day, want: 30 * day}, {at: 90 * day, expires: 31 * day, refused: "30 days"}}},
		"with one, and the same":        {90 * day, 0, []wish{{at: 80 * day, expires: 90 * day, want: 90 * day}}},
		"with one, and a longer wish":   {90 * day, 0, []wish{{at: 80 * day, expires: 91 * day, refused: "must be 2027-05-11T12:00:00Z at the latest: the secret that is replaced was made for 90 days"}}},
		"where the environment says so": {0, 30 * day, []wish{{at: day, expires: 31 * day, refused: "a secret that a client makes here may live 30 days"}, {at: day, want: 30 * day}}},
		"where both do":                 {90 * day, 30 * day, []wish{{at: day, want: 30 * day}}},
		"where the other is shorter":    {10 * day, 30 * day, []wish{{at: day, want: 10 * day}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t)
			now := noon
			m.Now = func() time.Time { return now }
			app, first := sandboxSecret(t, m)
			rules := m.Environments[market.Sandbox]
			rules.SecretLifetime = tt.rules
			m.Environments[market.Sandbox] = rules
			if tt.granted != 0 {
				if _, err := m.ExpireCredential(t.Context(), market.System, first.ID, noon.Add(tt.granted), market.IfUnused); err != nil {
					t.Fatal(err)
				}
			}
			itself, old := market.Actor{Kind: "app", ID: string(app.ID)}, first.ID
			for _, w := range tt.wishes {
				now = noon.Add(w.at)
				in := market.Rotation{Credential: old, Proof: old, Overlap: day}
				if w.expires != 0 {
					in.Expires = now.Add(w.expires)
				}
				r, err := m.RotateCredential(t.Context(), itself, in)
				if w.refused != "" {
					var no *market.Error
					if !errors.As(err, &no) || no.Code != market.InvalidInput || no.Field != "expires" || !strings.Contains(no.Public, w.refused) || no.Hint == "" {
						t.Errorf("after %v: %v, want %q", w.at, err, w.refused)
					}
					continue
				}
				if err != nil {
					t.Fatalf("after %v: %v", w.at, err)
				}
				if want := now.Add(w.want); w.want == 0 && !r.New.Expires.IsZero() || w.want != 0 && !r.New.Expires.Equal(want) {
					t.Errorf("after %v: it ends %v", w.at, r.New.Expires)
				}
				again, err := m.RotateCredential(t.Context(), itself, in) // the answer was lost
				if err != nil || !again.New.Expires.Equal(r.New.Expires) {
					t.Errorf("after %v, asked for again: it ends %v, %v", w.at, again.New.Expires, err)
				}
				in.Expires = now.Add(2000 * day)
				if _, err := m.RotateCredential(t.Context(), itself, in); (err == nil) != (w.want == 0) {
					t.Errorf("after %v, asked for again, for longer: %v", w.at, err)
				}
				in.Proof = "" // an operator's
				if operators, err := m.RotateCredential(t.Context(), market.System, in); err != nil || !operators.New.Expires.Equal(in.Expires) {
					t.Errorf("after %v, by an operator: %v, %v", w.at, operators.New.Expires, err)
				}
				old = r.New.ID
			}
		})
	}
}

// Nor by way of another secret, which has no end.
func TestWhatAClientAuthenticatedByBoundsWhatItMakes(t *testing.T) {
	m := open(t)
	app, endless := sandboxSecret(t, m)
	short, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID, Expires: noon.Add(48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.RotateCredential(t.Context(), market.Actor{Kind: "app", ID: string(app.ID)}, market.Rotation{Credential: endless.ID, Proof: short.ID, Overlap: time.Hour})
	if err != nil || !r.New.Expires.Equal(noon.Add(48*time.Hour)) {
		t.Errorf("it ends %v, %v", r.New.Expires, err)
	}
}
