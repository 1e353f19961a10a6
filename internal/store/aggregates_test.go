package store_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestAnOrganizationIsReadAsItWasPut(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		want := market.Organization{ID: "org_a", Name: "Ärzte & Söhne 🏥", State: market.OrgActive, Created: noon}
		for range 2 { // added, then replaced
			update(t, s, func(tx market.Tx) error { return tx.PutOrg(want) })
			view(t, s, func(r market.Reader) error {
				got, err := r.Org(want.ID)
				same(t, want, got)
				return err
			})
			want.Name, want.State, want.NotBefore, want.Created = "B", market.OrgSuspended, 1764000000, noon.Add(time.Hour)
		}
	})
}

func TestAnAppIsReadAsItWasPut(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o, zero, some := org("a"), time.Duration(0), 20*time.Second
		want := app(o, "a")
		for _, change := range []func(){
			func() {},
			func() { want.ReuseWindow = &zero },
			func() {
				want.Name, want.DeveloperEmail, want.ClientID, want.State = "B", "b@example.com", "client_b", market.AppDisabled
				want.Environment, want.Products = market.Production, []string{"B", "A", `quoted "name"`}
				want.TokenLifetime, want.ReuseWindow, want.NotBefore = time.Hour, &some, 1764000000
			},
			func() { want.ReuseWindow, want.Products = nil, nil },
		} {
			change()
			update(t, s, func(tx market.Tx) error {
				if err := tx.PutOrg(o); err != nil {
					return err
				}
				return tx.PutApp(want)
			})
			view(t, s, func(r market.Reader) error {
				got, err := r.App(want.ID)
				if err != nil {
					return err
				}
				same(t, want, got)
				got, err = r.AppByClientID(want.ClientID)
				same(t, want, got)
				return err
			})
		}
	})
}

func TestCredentialsAreReadAsTheyWerePutOldestFirst(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o := org("a")
		a, b := app(o, "a"), app(o, "b")
		young, old, twin, other := credential(a, "1"), credential(a, "2"), credential(a, "0"), credential(b, "3")
		old.Created = noon.Add(-time.Hour)
		old.Expires, old.Revoked, old.LastUsed, old.LastUsedFrom = noon.Add(time.Hour), noon, noon, "192.0.2.0/24"
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(o), tx.PutApp(a), tx.PutApp(b), tx.PutCredential(young), tx.PutCredential(old),
				tx.PutCredential(twin), tx.PutCredential(other))
		})
		view(t, s, func(r market.Reader) error {
			got, err := r.Credentials(a.ID)
			if err != nil {
				return err
			}
			same(t, []market.Credential{old, twin, young}, got)
			one, err := r.Credential(old.ID)
			same(t, old, one)
			return err
		})
	})
}

func TestDeletingAnAppDeletesItsCredentials(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o := org("a")
		a, b := app(o, "a"), app(o, "b")
		ca, cb := credential(a, "a"), credential(b, "b")
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(o), tx.PutApp(a), tx.PutApp(b), tx.PutCredential(ca), tx.PutCredential(cb))
		})
		update(t, s, func(tx market.Tx) error { return tx.DeleteApp(a.ID) })
		view(t, s, func(r market.Reader) error {
			_, err := r.App(a.ID)
			refused(t, err, market.NotFound, `there is no app "app_a"`)
			_, err = r.Credential(ca.ID)
			refused(t, err, market.NotFound, `there is no credential "cred_a"`)
			_, err = r.Credential(cb.ID)
			return err
		})
	})
}

func TestProductsAreReadByName(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		b, a, lower := product("B"), product("A"), product("a")
		a.TokenLifetime, a.Description, a.Source = time.Hour, "what it is", market.FromCatalog
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutProduct(lower), tx.PutProduct(b), tx.PutProduct(a))
		})
		a.State = market.ProductRetired
		update(t, s, func(tx market.Tx) error { return tx.PutProduct(a) })
		view(t, s, func(r market.Reader) error {
			got, err := r.Products()
			if err != nil {
				return err
			}
			same(t, []market.Product{a, b, lower}, got) // by bytes: capitals first
			one, err := r.Product("a")
			same(t, lower, one)
			return err
		})
	})
}

func TestCatalogVersionsAreAddedAndReadNewestFirst(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		view(t, s, func(r market.Reader) error {
			_, err := r.Catalog(0)
			refused(t, err, market.NotFound, "no catalogue has been applied yet")
			return nil
		})
		one := market.CatalogVersion{Version: 1, SHA256: "aa", Bundle: []byte{0, 1, 0xff}, Applied: noon, By: "operator op_1", Summary: "+ A\n- B"}
		two := market.CatalogVersion{Version: 2, SHA256: "bb", Bundle: []byte("PK"), Applied: noon.Add(time.Hour), By: "x"}
		update(t, s, func(tx market.Tx) error { return first(tx.AddCatalog(one), tx.AddCatalog(two)) })
		view(t, s, func(r market.Reader) error {
			newest, err := r.Catalog(0)
			if err != nil {
				return err
			}
			same(t, two, newest)
			old, err := r.Catalog(1)
			if err != nil {
				return err
			}
			same(t, one, old)
			_, err = r.Catalog(3)
			refused(t, err, market.NotFound, `there is no catalogue version "3"`)
			lines, err := r.CatalogHistory(10)
			one.Bundle, two.Bundle = nil, nil
			same(t, []market.CatalogVersion{two, one}, lines)
			return err
		})
		err := tryUpdate(t.Context(), s, func(tx market.Tx) error { return tx.AddCatalog(two) })
		refused(t, err, market.Conflict, "catalogue version 2 exists already")
	})
}

func TestSubscriptionsAreReadByOrganizationAndStateOldestFirst(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o, p := org("a"), org("b")
		young, old, other := subscription(o, "A", "1"), subscription(o, "B", "2"), subscription(p, "A", "0")
		old.Created, old.State, old.Requested = noon.Add(-time.Hour), market.SubRequested, noon
		other.State, other.Contract, other.Note = market.SubSubscribed, "C-1", "welcome"
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(o), tx.PutOrg(p), tx.PutProduct(product("A")), tx.PutProduct(product("B")),
				tx.PutSubscription(young), tx.PutSubscription(old), tx.PutSubscription(other))
		})
		view(t, s, func(r market.Reader) error {
			for _, tt := range []struct {
				org   market.Organization
				state market.SubscriptionState
				want  []market.Subscription
			}{
				{want: []market.Subscription{old, other, young}},
				{org: o, want: []market.Subscription{old, young}},
				{org: o, state: market.SubRequested, want: []market.Subscription{old}},
				{state: market.SubSubscribed, want: []market.Subscription{other}},
				{org: p, state: market.SubEnded},
			} {
				got, err := r.Subscriptions(tt.org.ID, tt.state)
				if err != nil {
					return err
				}
				same(t, tt.want, got)
			}
			got, err := r.Subscription(other.ID)
			if err != nil {
				return err
			}
			same(t, other, got)
			got, err = r.SubscriptionTo(o.ID, "B")
			same(t, old, got)
			_, missing := r.SubscriptionTo(p.ID, "B")
			refused(t, missing, market.NotFound, `there is no subscription to "B"`)
			return err
		})
	})
}

func TestTINsAndSubmittersBelongToAnOrganization(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o, p := org("a"), org("b")
		one := market.TIN{Org: o.ID, Number: "123456789", State: market.TINRequested, Created: noon, Updated: noon}
		two := market.TIN{Org: p.ID, Number: "123456789", State: market.TINAssociated, Note: "seen", Created: noon.Add(-time.Hour), Updated: noon}
		host := market.Submitter{Org: o.ID, Kind: market.SubmitterHost, Value: "H1", Created: noon}
		own := market.Submitter{Org: o.ID, Kind: market.SubmitterOwn, Value: "S1", Created: noon}
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(o), tx.PutOrg(p), tx.PutTIN(one), tx.PutTIN(two),
				tx.PutSubmitter(own), tx.PutSubmitter(host), tx.PutSubmitter(host))
		})
		one.State, one.Note = market.TINRefused, "not yours"
		update(t, s, func(tx market.Tx) error { return tx.PutTIN(one) })
		view(t, s, func(r market.Reader) error {
			got, err := r.TIN(o.ID, one.Number)
			same(t, one, got)
			all, err2 := r.TINs("", "")
			same(t, []market.TIN{two, one}, all)
			refusedOnes, err3 := r.TINs("", market.TINRefused)
			same(t, []market.TIN{one}, refusedOnes)
			submitters, err4 := r.Submitters(o.ID)
			same(t, []market.Submitter{host, own}, submitters)
			return first(err, err2, err3, err4)
		})
		update(t, s, func(tx market.Tx) error {
			return first(tx.DeleteTIN(o.ID, one.Number), tx.DeleteSubmitter(o.ID, own.Kind, own.Value))
		})
		view(t, s, func(r market.Reader) error {
			_, err := r.TIN(o.ID, one.Number)
			refused(t, err, market.NotFound, `there is no TIN "123456789"`)
			submitters, err := r.Submitters(o.ID)
			same(t, []market.Submitter{host}, submitters)
			return err
		})
		err := tryUpdate(t.Context(), s, func(tx market.Tx) error { return tx.DeleteTIN(o.ID, one.Number) })
		refused(t, err, market.NotFound, `there is no TIN "123456789"`)
		err = tryUpdate(t.Context(), s, func(tx market.Tx) error { return tx.DeleteSubmitter(o.ID, own.Kind, own.Value) })
		refused(t, err, market.NotFound, `there is no submitter id "S1"`)
	})
}

func TestOperatorTokensAreFoundByHash(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		want := market.OperatorToken{ID: "op_a", Label: "ci", Hint: "spop_abcd…", Hash: market.Hash{1, 2}, Created: noon}
		for range 2 {
			update(t, s, func(tx market.Tx) error { return tx.PutOperatorToken(want) })
			view(t, s, func(r market.Reader) error {
				got, err := r.OperatorTokenByHash(want.Hash)
				same(t, want, got)
				all, err2 := r.OperatorTokens()
				same(t, []market.OperatorToken{want}, all)
				one, err3 := r.OperatorToken(want.ID)
				same(t, want, one)
				_, missing := r.OperatorTokenByHash(market.Hash{9})
				refused(t, missing, market.NotFound, "there is no such operator token")
				return first(err, err2, err3)
			})
			want.Expires, want.Revoked, want.Hash = noon.Add(time.Hour), noon, market.Hash{3}
		}
	})
}

func TestNotBeforesAndRevocationsAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		config.Now = func() time.Time { return noon }
		s := storetest.OpenConfig(t, config)
		platform := market.NotBefore{Second: 10, Updated: noon}
		sandbox := market.NotBefore{Environment: market.Sandbox, Second: 20, Updated: noon}
		live := market.Revocation{JTI: "j1", Org: "org_a", App: "app_a", Expires: noon.Add(time.Hour), Created: noon}
		over := market.Revocation{JTI: "j2", Org: "org_a", App: "app_gone", Expires: noon, Created: noon}
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutNotBefore(sandbox), tx.PutNotBefore(platform), tx.AddRevocation(live), tx.AddRevocation(over), tx.AddRevocation(live))
		})
		sandbox.Second = 30
		update(t, s, func(tx market.Tx) error { return tx.PutNotBefore(sandbox) })
		rest, err := s.Rest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, []market.NotBefore{platform, sandbox}, rest.NotBefores)
		same(t, []market.Revocation{live}, revocations(t, s, nil))
	})
}

func TestEveryChangeIsInTheAuditWithItsActor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		config.Now = func() time.Time { return noon.Add(456789) } // finer than what is kept
		s := storetest.OpenConfig(t, config)
		err := s.Update(t.Context(), operator, func(tx market.Tx) error {
			return first(
				tx.Record(market.Change{Action: "create", Kind: market.KindOrg, ID: "org_a", Org: "org_a", Detail: map[string]any{"name": "<A>", "n": 1}}),
				tx.Record(market.Change{Action: "revoke", Kind: market.KindApp, ID: "app_b", Org: "org_b", Feed: market.KindApp, FeedKey: "app_b"}))
		})
		if err != nil {
			t.Fatal(err)
		}
		one := market.AuditRecord{Seq: 1, At: noon, Actor: operator, Action: "create", Kind: market.KindOrg, ID: "org_a", Org: "org_a", Detail: `{"n":1,"name":"\u003cA\u003e"}`}
		two := market.AuditRecord{Seq: 2, At: noon, Actor: operator, Action: "revoke", Kind: market.KindApp, ID: "app_b", Org: "org_b", Detail: `{}`}
		for _, tt := range []struct {
			filter market.AuditFilter
			want   []market.AuditRecord
		}{
			{market.AuditFilter{}, []market.AuditRecord{two, one}},
			{market.AuditFilter{Org: "org_a"}, []market.AuditRecord{one}},
			{market.AuditFilter{Kind: market.KindApp, ID: "app_b", Org: "org_b"}, []market.AuditRecord{two}},
			{market.AuditFilter{ID: "org_b"}, nil},
		} {
			view(t, s, func(r market.Reader) error {
				got, _, err := r.Audit(tt.filter)
				same(t, tt.want, got)
				return err
			})
		}
	})
}

func TestTimesAreKeptToTheMillisecondInUTC(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		for _, tt := range []struct{ put, want time.Time }{
			{time.Date(2026, 11, 22, 13, 0, 0, 123_999_999, time.FixedZone("CET", 3600)), noon},
			{time.Time{}, time.Time{}},
			{time.Date(1969, 12, 31, 23, 59, 59, 1e6, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 1e6, time.UTC)},
			{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		} {
			o := org("a")
			o.Created = tt.put
			update(t, s, func(tx market.Tx) error { return tx.PutOrg(o) })
			view(t, s, func(r market.Reader) error {
				got, err := r.Org(o.ID)
				if got.Created != tt.want { // not Equal: the zone has to be UTC too
					t.Errorf("got %#v, want %#v", got.Created, tt.want)
				}
				return err
			})
		}
	})
}

func TestIdentifiersAndNamesAreCaseSensitive(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o := org("a")
		lower, upper := app(o, "x"), app(o, "X")
		lower.Name, upper.Name = "billing", "Billing"
		update(t, s, func(tx market.Tx) error { return first(tx.PutOrg(o), tx.PutApp(lower), tx.PutApp(upper)) })
		view(t, s, func(r market.Reader) error {
			got, err := r.AppByClientID("client_X")
			same(t, upper, got)
			_, missing := r.AppByClientID("CLIENT_X")
			refused(t, missing, market.NotFound, `there is no app with the client_id "CLIENT_X"`)
			return err
		})
	})
}

func TestPagingReturnsEverythingOnceInTheOrderOfBytes(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		names := []string{"A", "Z", "_", "a", "a0", "aa", "z", "é"}
		update(t, s, func(tx market.Tx) error {
			for i := range names {
				o := org(names[len(names)-1-i])
				if err := first(tx.PutOrg(o), tx.PutApp(app(o, names[i]))); err != nil {
					return err
				}
			}
			return nil
		})
		for limit := 1; limit <= len(names)+1; limit++ {
			var orgs, apps, seqs []string
			view(t, s, func(r market.Reader) error {
				orgs = pages(t, limit, func(p market.Page) ([]market.Organization, string, error) { return r.Orgs(p) },
					func(o market.Organization) string { return string(o.ID[4:]) })
				apps = pages(t, limit, func(p market.Page) ([]market.App, string, error) { return r.Apps("", p) },
					func(a market.App) string { return string(a.ID[4:]) })
				seqs = pages(t, limit, func(p market.Page) ([]market.AuditRecord, string, error) {
					return r.Audit(market.AuditFilter{Page: p})
				}, func(r market.AuditRecord) string { return strconv.FormatInt(r.Seq, 10) })
				return nil
			})
			same(t, names, orgs)
			same(t, names, apps)
			same(t, []string{"1"}, seqs)
		}
		view(t, s, func(r market.Reader) error {
			apps, next, err := r.Apps("org_z", market.Page{})
			if len(apps) != 1 || apps[0].Org != "org_z" || next != "" {
				t.Errorf("got %v, %q: want the one app of org_z", apps, next)
			}
			_, _, bad := r.Audit(market.AuditFilter{Page: market.Page{After: "x"}})
			refused(t, bad, market.InvalidInput, "is not one that a page of the audit ended with")
			return err
		})
	})
}

func TestAPageHasAHundredItemsUnlessAskedAndAThousandAtMost(t *testing.T) {
	s := storetest.Open(t)
	update(t, s, func(tx market.Tx) error {
		for i := range 1100 {
			if err := tx.PutOrg(org(strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	})
	for _, tt := range []struct{ limit, want int }{{0, 100}, {-1, 100}, {7, 7}, {5000, 1000}} {
		view(t, s, func(r market.Reader) error {
			got, next, err := r.Orgs(market.Page{Limit: tt.limit})
			if len(got) != tt.want || next == "" {
				t.Errorf("limit %d: got %d items and cursor %q, want %d and another page", tt.limit, len(got), next, tt.want)
			}
			return err
		})
	}
}

// pages reads all pages of a list and returns the items' names.
func pages[T any](t *testing.T, limit int, list func(market.Page) ([]T, string, error), name func(T) string) (names []string) {
	t.Helper()
	page := market.Page{Limit: limit}
	for {
		items, next, err := list(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			names = append(names, name(item))
		}
		if next == "" {
			return names
		}
		page.After = next
	}
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
