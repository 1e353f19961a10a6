package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/latency"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

func count(hour int64, owner id.Org, operation string, n int64) usage.Row {
	row := usage.Row{
		Key: usage.Key{
			Hour: hour * 3600, Environment: market.Sandbox, Org: owner, App: "app_a", API: "api", Operation: operation,
			Product: "A", Outcome: "ok", Source: "mock",
		},
		Count: n, Duration: time.Duration(n) * 1500 * time.Microsecond,
	}
	row.Took[latency.Bucket(1500*time.Microsecond)] = n
	row.Took[latency.Buckets-1] = 2 * n // a column cannot be taken for another
	return row
}

func TestUsageAddsUp(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		add := func(rows ...usage.Row) {
			t.Helper()
			if err := s.AddUsage(t.Context(), usage.Batch{Rows: rows}); err != nil {
				t.Fatal(err)
			}
		}
		add()
		add(count(2, "org_b", "get", 1), count(1, "org_a", "get", 2), count(1, "org_a", "get", 3)) // one key twice
		add(count(1, "org_a", "get", 10), count(1, "org_a", "post", 1), count(3, "", "get", 1))
		for _, tt := range []struct {
			filter usage.Filter
			want   []usage.Row
		}{
			{usage.Filter{}, []usage.Row{count(1, "org_a", "get", 15), count(1, "org_a", "post", 1), count(2, "org_b", "get", 1), count(3, "", "get", 1)}},
			{usage.Filter{Org: "org_b", App: "app_a", Environment: market.Sandbox}, []usage.Row{count(2, "org_b", "get", 1)}},
			{usage.Filter{Environment: market.Production}, nil},
			{usage.Filter{From: time.Unix(2*3600, 0), To: time.Unix(3*3600, 0)}, []usage.Row{count(2, "org_b", "get", 1)}},
		} {
			got, err := s.Usage(t.Context(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			same(t, tt.want, got)
		}
		same(t, int64(0), headOf(t, s)) // counts are no change
	})
}

func TestUsageOfManyNodesAtOnceIsCountedOnce(t *testing.T) {
	const nodes, times, keys = 4, 1, 250 // more than one batch
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		var all sync.WaitGroup
		for n := range nodes {
			all.Go(func() {
				for range times {
					var rows []usage.Row
					for k := range keys {
						rows = append(rows, count(int64((k+n*100)%keys), "org_a", "get", 1))
					}
					if err := s.AddUsage(context.Background(), usage.Batch{Rows: rows}); err != nil {
						t.Errorf("add usage: %v", err)
					}
				}
			})
		}
		all.Wait()
		got, err := s.Usage(t.Context(), usage.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		var want []usage.Row
		for k := range keys {
			want = append(want, count(int64(k), "org_a", "get", nodes*times))
		}
		same(t, want, got)
	})
}

func TestTheNewestUseOfACredentialIsKept(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o := org("a")
		a := app(o, "a")
		one, two := credential(a, "1"), credential(a, "2")
		update(t, s, func(tx market.Tx) error {
			return first(tx.PutOrg(o), tx.PutApp(a), tx.PutCredential(one), tx.PutCredential(two))
		})
		use := func(c market.Credential, at time.Time, from string) usage.LastUse {
			return usage.LastUse{Credential: c.ID, At: at, From: from}
		}
		for _, uses := range [][]usage.LastUse{
			{use(one, noon, "new"), use(one, noon.Add(-time.Minute), "old"), use(credential(a, "gone"), noon, "x")},
			{use(one, noon.Add(-time.Hour), "older")},
			{use(two, noon, "other")},
		} {
			if err := s.AddUsage(t.Context(), usage.Batch{Uses: uses}); err != nil {
				t.Fatal(err)
			}
		}
		// A change that read the credential before does not set it back.
		one.Label = "renamed"
		update(t, s, func(tx market.Tx) error { return tx.PutCredential(one) })
		one.LastUsed, one.LastUsedFrom = noon, "new"
		two.LastUsed, two.LastUsedFrom = noon, "other"
		view(t, s, func(r market.Reader) error {
			got, err := r.Credentials(a.ID)
			same(t, []market.Credential{one, two}, got)
			return err
		})
	})
}

func TestUsageAndUsesAreAddedTogetherOrNotAtAll(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		bad := usage.LastUse{Credential: "cred_a", At: noon, From: "\xff"}
		if err := s.AddUsage(t.Context(), usage.Batch{ID: "bad", Rows: []usage.Row{count(1, "org_a", "get", 1)}, Uses: []usage.LastUse{bad}}); err == nil {
			t.Error("want an error")
		}
		got, err := s.Usage(t.Context(), usage.Filter{})
		if err != nil || len(got) != 0 {
			t.Errorf("got %v, %v, want nothing", got, err)
		}
	})
}

func TestOldUsageIsPruned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		config.Now = func() time.Time { return time.Unix(10*3600, 0) }
		s := storetest.OpenConfig(t, config)
		var rows []usage.Row
		for hour := range int64(10) {
			rows = append(rows, count(hour, "org_a", "get", 1))
		}
		if err := s.AddUsage(t.Context(), usage.Batch{Rows: rows}); err != nil {
			t.Fatal(err)
		}
		if err := s.Prune(t.Context(), store.Retention{Usage: 3 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Usage(t.Context(), usage.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, rows[7:], got)
	})
}
