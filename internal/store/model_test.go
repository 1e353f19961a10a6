package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// model is what the store should hold of one organization, as maps.
type model struct {
	store *store.Store
	org   market.Organization
	apps  map[id.App]market.App
	creds map[id.Credential]market.Credential
}

// Whatever is done, in whatever order, the store holds what maps would.
func TestTheStoreHoldsWhatMapsWouldHold(t *testing.T) {
	s := storetest.Open(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		m := &model{
			store: s, org: org(fmt.Sprintf("%06d", round)),
			apps: map[id.App]market.App{}, creds: map[id.Credential]market.Credential{},
		}
		m.do(t, nil, func(tx market.Tx) error { return tx.PutOrg(m.org) })
		t.Repeat(map[string]func(*rapid.T){
			"put an app":        m.putApp,
			"delete an app":     m.deleteApp,
			"put a credential":  m.putCredential,
			"fail in the midst": m.fail,
			"":                  m.compare,
		})
	})
}

// do runs a change that must end with want: nil, or a code.
func (m *model) do(t *rapid.T, want error, change func(tx market.Tx) error) {
	err := tryUpdate(t.Context(), m.store, change)
	if (err == nil) != (want == nil) || want != nil && !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// Few names, so that they meet.
var letters = rapid.SampledFrom([]string{"a", "b", "A", "ä"})

func (m *model) anyApp(t *rapid.T) market.App {
	a := app(m.org, string(m.org.ID)+letters.Draw(t, "id"))
	a.Name = letters.Draw(t, "name")
	a.ClientID = string(m.org.ID) + letters.Draw(t, "client_id")
	a.Environment = rapid.SampledFrom([]market.Environment{market.Sandbox, market.Production}).Draw(t, "environment")
	a.Products = rapid.SampledFrom([][]string{nil, {"A"}, {"B", "A"}}).Draw(t, "products")
	return a
}

func (m *model) putApp(t *rapid.T) {
	a := m.anyApp(t)
	var want error
	for _, other := range m.apps {
		if other.ID != a.ID && (other.ClientID == a.ClientID || other.Name == a.Name && other.Environment == a.Environment) {
			want = market.Conflict
		}
	}
	m.do(t, want, func(tx market.Tx) error { return tx.PutApp(a) })
	if want == nil {
		m.apps[a.ID] = a
	}
}

func (m *model) deleteApp(t *rapid.T) {
	a := m.anyApp(t)
	var want error
	if _, ok := m.apps[a.ID]; !ok {
		want = market.NotFound
	}
	m.do(t, want, func(tx market.Tx) error { return tx.DeleteApp(a.ID) })
	delete(m.apps, a.ID)
	maps.DeleteFunc(m.creds, func(_ id.Credential, c market.Credential) bool { return c.App == a.ID })
}

func (m *model) putCredential(t *rapid.T) {
	a := m.anyApp(t)
	c := credential(a, string(m.org.ID)+letters.Draw(t, "cred"))
	copy(c.Hash[:], fmt.Sprintf("%-32s", string(m.org.ID)+letters.Draw(t, "hash")))
	var want error
	for _, other := range m.creds {
		if other.ID != c.ID && other.Hash == c.Hash {
			want = market.Conflict
		}
	}
	if _, ok := m.apps[a.ID]; !ok && want == nil {
		want = market.NotFound
	}
	m.do(t, want, func(tx market.Tx) error { return tx.PutCredential(c) })
	if want == nil {
		m.creds[c.ID] = c
	}
}

func (m *model) fail(t *rapid.T) {
	sad := errors.New("sad")
	a := m.anyApp(t)
	err := tryUpdate(t.Context(), m.store, func(tx market.Tx) error {
		_ = tx.DeleteApp(a.ID)
		_ = tx.PutApp(a)
		return sad
	})
	if !errors.Is(err, sad) {
		t.Fatalf("got %v, want the change's own error", err)
	}
}

func (m *model) compare(t *rapid.T) {
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	err := m.store.View(t.Context(), func(r market.Reader) error {
		var all []market.App
		for page := (market.Page{Limit: limit}); ; {
			apps, next, err := r.Apps(m.org.ID, page)
			if err != nil {
				return err
			}
			all = append(all, apps...)
			if next == "" {
				break
			}
			page.After = next
		}
		var want []market.App
		for _, key := range slices.Sorted(maps.Keys(m.apps)) {
			want = append(want, m.apps[key])
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Fatalf("apps (-want +got)\n%s", diff)
		}
		for _, a := range all {
			got, err := r.Credentials(a.ID)
			if err != nil {
				return err
			}
			var want []market.Credential
			for _, key := range slices.Sorted(maps.Keys(m.creds)) {
				if m.creds[key].App == a.ID {
					want = append(want, m.creds[key])
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("credentials of %s (-want +got)\n%s", a.ID, diff)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
