package market

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

const day = 24 * time.Hour

// Expiring is how long before the end of a credential its users are told.
const Expiring = 30 * day

// warningDays lists how many days before its end the owner of a credential is
// warned, the nearest first.
func warningDays() []int { return []int{1, 7, 30} }

// CredentialFilter chooses credentials; empty fields choose all.
type CredentialFilter struct {
	Org       id.Org
	App       id.App
	ExpiresBy time.Time // only those that are live and end by then
	Hash      *Hash     // only the one that has it
	Page      Page
}

// Warning is what is said about a credential that will end.
type Warning struct {
	App        App
	Credential Credential
	Days       int // before its end, as in warningDays: it has no more left
}

// WarnOfExpiry records for each credential that it ends in 30 days, in 7 and in
// 1, each once, whichever node comes first; a credential that is made with less
// time left is told of by the nearest of them. It returns what it recorded.
func (m *Market) WarnOfExpiry(ctx context.Context) (told []Warning, err error) {
	for after := ""; ; {
		filter := CredentialFilter{ExpiresBy: m.Now().Add(Expiring), Page: Page{After: after, Limit: 1000}}
		var due []Credential
		err := m.Store.View(ctx, func(r Reader) (err error) {
			due, after, err = r.CredentialsBy(filter)
			return err
		})
		if err != nil {
			return told, err
		}
		for _, c := range due {
			if !m.warningDue(c) {
				continue
			}
			w, err := m.warn(ctx, c.ID)
			if err != nil {
				return told, err
			}
			if w.Days != 0 {
				told = append(told, w)
			}
		}
		if after == "" {
			return told, nil
		}
	}
}

// warn records one warning, unless another node was first.
func (m *Market) warn(ctx context.Context, cred id.Credential) (w Warning, err error) {
	err = m.Store.Update(ctx, System, func(tx Tx) error {
		w = Warning{}
		c, err := tx.Credential(cred)
		if err != nil {
			return err
		}
		if !m.warningDue(c) {
			return Conflict // another node was first
		}
		a, err := tx.App(c.App)
		if err != nil {
			return err
		}
		c.Warned = m.warningOf(c)
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		w = Warning{App: a, Credential: c, Days: c.Warned}
		// No node decides by it, so the change feed is spared.
		return tx.Record(Change{
			Action: "expiring", Kind: KindCredential, ID: string(c.ID), Org: a.Org,
			Detail: map[string]any{"app": a.ID, "label": c.Label, "hint": c.Hint, "expires": c.Expires.UTC(), "days": c.Warned},
		})
	})
	if errors.Is(err, Conflict) || errors.Is(err, NotFound) {
		return Warning{}, nil
	}
	return w, err
}

// warningOf returns the nearest of the warnings that are due for c, 0 for none.
func (m *Market) warningOf(c Credential) int {
	if c.Expires.IsZero() || !c.Live(m.Now()) {
		return 0
	}
	for _, days := range warningDays() {
		if c.Expires.Sub(m.Now()) <= time.Duration(days)*day {
			return days
		}
	}
	return 0
}

func (m *Market) warningDue(c Credential) bool {
	days := m.warningOf(c)
	return days != 0 && (c.Warned == 0 || days < c.Warned)
}
