package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestOrganizationsAreStreamedWithAllThatIsDecidedByThem(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		full, bare := org("b"), org("A")
		sub, gone := subscription(full, "B", "1"), subscription(full, "A", "2")
		gone.State = market.SubEnded
		tin := market.TIN{Org: full.ID, Number: "123456789", State: market.TINAssociated, Created: noon, Updated: noon}
		asked := market.TIN{Org: full.ID, Number: "000000000", State: market.TINRequested, Created: noon, Updated: noon}
		submitter := market.Submitter{Org: full.ID, Kind: market.SubmitterOwn, Value: "S1", Created: noon}
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(full), tx.PutOrg(bare), tx.PutProduct(product("A")), tx.PutProduct(product("B")),
				tx.PutSubscription(sub), tx.PutSubscription(gone), tx.PutTIN(tin), tx.PutTIN(asked), tx.PutSubmitter(submitter))
		})
		want := snapshot.OrgRecord{
			Org: full, Subscriptions: []market.Subscription{gone, sub},
			TINs: []market.TIN{tin}, Submitters: []market.Submitter{submitter},
		}
		same(t, []snapshot.OrgRecord{{Org: bare}, want}, orgs(t, s, ""))
		same(t, []snapshot.OrgRecord{want}, orgs(t, s, full.ID))
		same(t, []snapshot.OrgRecord(nil), orgs(t, s, "org_none"))
	})
}

func TestAppsAreStreamedWithTheirCredentialsButNotTheLongDead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		config.Now = func() time.Time { return noon }
		s := storetest.OpenConfig(t, config)
		o := org("a")
		a, b := app(o, "a"), app(o, "B")
		live, revoked, expired := credential(a, "1"), credential(a, "2"), credential(a, "3")
		revoked.Revoked, expired.Expires = noon.Add(-48*time.Hour), noon.Add(-48*time.Hour)
		dead, over := credential(a, "4"), credential(a, "5")
		dead.Revoked, over.Expires = noon.Add(-48*time.Hour-1e6), noon.Add(-48*time.Hour-1e6)
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(o), tx.PutApp(a), tx.PutApp(b), tx.PutCredential(live), tx.PutCredential(revoked),
				tx.PutCredential(expired), tx.PutCredential(dead), tx.PutCredential(over))
		})
		want := snapshot.AppRecord{App: a, Credentials: []market.Credential{live, revoked, expired}}
		same(t, []snapshot.AppRecord{{App: b}, want}, apps(t, s, ""))
		same(t, []snapshot.AppRecord{want}, apps(t, s, a.ID))
		same(t, []snapshot.AppRecord(nil), apps(t, s, "app_none"))
	})
}

// More than two chunks, each app with as many credentials as its number says.
func TestAStreamOfManyAppsLosesNoneAndMixesNone(t *testing.T) {
	const many = 4100
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		update(t, s, func(tx market.Tx) error {
			for i := range many {
				o := org(fmt.Sprint(i))
				a := app(o, fmt.Sprint(i))
				if err := first(tx.PutOrg(o), tx.PutApp(a)); err != nil {
					return err
				}
				for n := range i % 3 {
					if err := tx.PutCredential(credential(a, fmt.Sprintf("%d_%d", i, n))); err != nil {
						return err
					}
				}
			}
			return nil
		})
		all := apps(t, s, "")
		if len(all) != many || len(orgs(t, s, "")) != many {
			t.Errorf("got %d apps, want %d, and as many organizations", len(all), many)
		}
		for i, r := range all {
			if i > 0 && all[i-1].App.ID >= r.App.ID {
				t.Errorf("%s comes after %s", r.App.ID, all[i-1].App.ID)
			}
			var n int
			_, _ = fmt.Sscanf(string(r.App.ID), "app_%d", &n)
			if len(r.Credentials) != n%3 {
				t.Errorf("%s has %d credentials, want %d", r.App.ID, len(r.Credentials), n%3)
			}
			for _, c := range r.Credentials {
				if c.App != r.App.ID {
					t.Errorf("%s has the credential of %s", r.App.ID, c.App)
				}
			}
		}
	})
}

func TestAStreamEndsWithTheErrorOfWhoReadsIt(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		update(t, s, func(tx market.Tx) error { return first(tx.PutOrg(org("a")), tx.PutOrg(org("b"))) })
		sad := errors.New("sad")
		n := 0
		err := s.Orgs(t.Context(), "", func(snapshot.OrgRecord) error { n++; return sad })
		if !errors.Is(err, sad) || n != 1 {
			t.Errorf("got %v after %d, want the reader's error after 1", err, n)
		}
	})
}

func TestTheRestIsReadWhole(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		got, err := s.Rest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, snapshot.Rest{}, got)
		p := product("A")
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutProduct(p), tx.AddCatalog(market.CatalogVersion{Version: 7}))
		})
		if got, err = s.Rest(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, snapshot.Rest{Products: []market.Product{p}, Catalog: 7}, got)
	})
}

func TestRevocationsAreReadByNameOrAllOfThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		config.Now = func() time.Time { return noon }
		s := storetest.OpenConfig(t, config)
		const many = 4500 // more than two chunks of a stream
		all := make([]market.Revocation, many)
		names := make([]string, many)
		update(t, s, func(tx market.Tx) error {
			for i := range all {
				names[i] = fmt.Sprintf("jti-%05d", i)
				all[i] = market.Revocation{JTI: names[i], Org: "org_a", App: "app_a", Expires: noon.Add(time.Hour), Created: noon}
				if err := tx.AddRevocation(all[i]); err != nil {
					return err
				}
			}
			return tx.AddRevocation(market.Revocation{JTI: "over", Expires: noon, Created: noon})
		})
		same(t, all, revocations(t, s, nil))
		same(t, all[7:8], revocations(t, s, []string{names[7], "none", "over"}))
		same(t, 600, len(revocations(t, s, names[:600]))) // more than one statement
		same(t, 0, len(revocations(t, s, []string{})))
	})
}

func revocations(t *testing.T, s *store.Store, jtis []string) (all []market.Revocation) {
	t.Helper()
	err := s.Revocations(t.Context(), jtis, func(r market.Revocation) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func orgs(t *testing.T, s *store.Store, of id.Org) (all []snapshot.OrgRecord) {
	t.Helper()
	err := s.Orgs(t.Context(), of, func(r snapshot.OrgRecord) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func apps(t *testing.T, s *store.Store, of id.App) (all []snapshot.AppRecord) {
	t.Helper()
	err := s.Apps(t.Context(), of, func(r snapshot.AppRecord) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
