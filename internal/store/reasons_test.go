package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// reason is a refusal of the nth second after noon.
func reason(n int, owner id.Org, cred id.Credential) usage.Refusal {
	at := noon.Add(time.Duration(n) * time.Second)
	return usage.Refusal{
		ID: usage.IDFrom(at) + fmt.Sprintf("%016d", n), Trace: fmt.Sprintf("trace-%d", n), At: at, Environment: market.Sandbox, Surface: "token",
		Method: "POST", Path: "/oauth2/token", Status: 401, Code: "invalid_client", Reason: "the secret has expired", Next: "make a new one",
		Parameter: "client_secret", Skew: -90 * time.Second, Org: owner, App: "app_a", Credential: cred, Label: "ci", Hint: "spsbx_AB",
	}
}

func reasons(t *testing.T, s *store.Store, filter usage.RefusalFilter) []usage.Refusal {
	t.Helper()
	got, err := s.Refusals(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func addReasons(t *testing.T, s *store.Store, all ...usage.Refusal) {
	t.Helper()
	if err := s.AddRefusals(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func TestRefusalsAreKeptOnceAndFoundByWhatTheyAreAbout(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		var all []usage.Refusal
		for n := range 120 { // more than two statements
			r := reason(n, "org_a", "cred_a")
			if n%2 == 1 {
				r.Org, r.App, r.Credential, r.Surface, r.Code, r.Environment = "org_b", "app_b", "cred_b", "call", "access_token_expired", market.Production
			}
			all = append(all, r)
		}
		addReasons(t, s)
		addReasons(t, s, all...)
		addReasons(t, s, all[5], all[6]) // a node that was not told sends them again
		slices.Reverse(all)
		same(t, all, reasons(t, s, usage.RefusalFilter{Limit: 1000}))
		same(t, all[:3], reasons(t, s, usage.RefusalFilter{Limit: 3}))
		same(t, all[3:5], reasons(t, s, usage.RefusalFilter{Limit: 2, After: all[2].ID}))
		same(t, []usage.Refusal{all[119-7]}, reasons(t, s, usage.RefusalFilter{Trace: "trace-7"}))
		same(t, 0, len(reasons(t, s, usage.RefusalFilter{Trace: "trace-7", Org: "org_a"})))
		same(t, all[10:12], reasons(t, s, usage.RefusalFilter{From: all[11].At, To: all[9].At}))
		for _, filter := range []usage.RefusalFilter{
			{Org: "org_b"}, {App: "app_b"}, {Credential: "cred_b"}, {Surface: "call"}, {Code: "access_token_expired"}, {Environment: market.Production},
		} {
			filter.Limit = 1000
			got := reasons(t, s, filter)
			if len(got) != 60 || got[0].Org != "org_b" || got[0].ID != all[0].ID {
				t.Errorf("%+v finds %d, the first %+v", filter, len(got), got[0])
			}
		}
		same(t, int64(0), headOf(t, s)) // no change of the marketplace
	})
}

func TestOldAndManyRefusalsArePruned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		config.Now = func() time.Time { return noon.Add(1000 * time.Second) }
		s := storetest.OpenConfig(t, config)
		var all []usage.Refusal
		for n := range 30 {
			all = append(all, reason(100+10*n, "org_a", "cred_a"), reason(101+10*n, "org_a", ""), reason(102+10*n, "", ""))
		}
		all = append(all, reason(1, "org_b", "cred_b"), reason(999, "org_b", "cred_b"))
		addReasons(t, s, all...)
		left := func() (proven, named, strangers, others int) {
			for _, r := range reasons(t, s, usage.RefusalFilter{Limit: 1000}) {
				switch {
				case r.Org == "org_b":
					others++
				case r.Proven():
					proven++
				case r.Org != "":
					named++
				default:
					strangers++
				}
			}
			return proven, named, strangers, others
		}
		prune := func(keep store.RefusalRetention) {
			t.Helper()
			if err := s.Prune(t.Context(), store.Retention{Refusals: keep}); err != nil {
				t.Fatal(err)
			}
		}
		prune(store.RefusalRetention{})
		if p, n, f, o := left(); p != 30 || n != 30 || f != 30 || o != 2 {
			t.Fatalf("without bounds there are left %d, %d, %d, %d", p, n, f, o)
		}
		prune(store.RefusalRetention{Age: 950 * time.Second, Proven: 20, Named: 5, Strangers: 10})
		if p, n, f, o := left(); p != 20 || n != 5 || f != 10 || o != 1 {
			t.Errorf("there are left %d, %d, %d, %d; want 20, 5, 10, 1", p, n, f, o)
		}
		newest := reasons(t, s, usage.RefusalFilter{Org: "org_a", Limit: 2})
		if len(newest) != 2 || newest[0].Trace != "trace-391" || newest[1].Trace != "trace-390" {
			t.Errorf("the newest are not those that stay: %+v", newest)
		}
	})
}

func TestABatchOfUsageIsCountedOnceHoweverOftenItIsSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		now := noon
		config.Now = func() time.Time { return now }
		s := storetest.OpenConfig(t, config)
		send := func(id string, n int64) {
			t.Helper()
			if err := s.AddUsage(t.Context(), usage.Batch{ID: id, Rows: []usage.Row{count(1, "org_a", "get", n)}}); err != nil {
				t.Fatal(err)
			}
		}
		send("one", 1)
		send("one", 1)
		if err := s.Prune(t.Context(), store.Retention{}); err != nil {
			t.Fatal(err)
		}
		send("one", 1)
		send("two", 2)
		got, err := s.Usage(t.Context(), usage.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, []usage.Row{count(1, "org_a", "get", 3)}, got)
		now = noon.Add(8 * 24 * time.Hour)
		if err := s.Prune(t.Context(), store.Retention{}); err != nil {
			t.Fatal(err)
		}
		send("one", 1) // forgotten by then: nobody sends it again
		if got, err = s.Usage(t.Context(), usage.Filter{}); err != nil {
			t.Fatal(err)
		}
		same(t, []usage.Row{count(1, "org_a", "get", 4)}, got)
	})
}

func TestTheUseOfTokensIsToldTheWorstFirst(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		row := func(hour int64, app id.App, api, outcome, source string, n int64) usage.Row {
			return usage.Row{Key: usage.Key{
				Hour: hour * 3600, Environment: market.Sandbox, Org: "org_a", App: app, API: api, Outcome: outcome, Source: source,
			}, Count: n}
		}
		rows := []usage.Row{
			row(1, "app_chatty", "", "ok", "token", 5), row(2, "app_chatty", "", "ok", "reused", 15),
			row(1, "app_chatty", "", "invalid_scope", "token", 3),
			row(1, "app_chatty", "elig", "ok", "live", 15), row(1, "app_chatty", "elig", "access_denied", "", 5),
			row(1, "app_good", "", "ok", "token", 1), row(1, "app_good", "elig", "ok", "mock", 20),
			row(1, "app_worse", "", "ok", "token", 30), row(9, "app_worse", "elig", "ok", "mock", 7),
			row(1, "", "", "invalid_client", "token", 1000),
		}
		if err := s.AddUsage(t.Context(), usage.Batch{Rows: rows}); err != nil {
			t.Fatal(err)
		}
		worse := usage.TokenUse{Org: "org_a", App: "app_worse", Environment: market.Sandbox, Signed: 30, Calls: 7, Hours: 1}
		chatty := usage.TokenUse{Org: "org_a", App: "app_chatty", Environment: market.Sandbox, Signed: 5, Again: 15, Refused: 3, Calls: 20, Hours: 2}
		good := usage.TokenUse{Org: "org_a", App: "app_good", Environment: market.Sandbox, Signed: 1, Calls: 20, Hours: 1}
		for name, tt := range map[string]struct {
			filter usage.TokenFilter
			want   []usage.TokenUse
			more   bool
		}{
			"all":                  {usage.TokenFilter{}, []usage.TokenUse{worse, chatty, good}, false},
			"a page":               {usage.TokenFilter{Limit: 2}, []usage.TokenUse{worse, chatty}, true},
			"of an app":            {usage.TokenFilter{Filter: usage.Filter{App: "app_good"}}, []usage.TokenUse{good}, false},
			"another organization": {usage.TokenFilter{Filter: usage.Filter{Org: "org_b"}}, nil, false},
			"another environment":  {usage.TokenFilter{Filter: usage.Filter{Environment: market.Production}}, nil, false},
			"another time":         {usage.TokenFilter{Filter: usage.Filter{From: time.Unix(20*3600, 0)}}, nil, false},
		} {
			got, next, err := s.TokenUse(t.Context(), tt.filter)
			if err != nil || (next != "") != tt.more {
				t.Fatalf("%s: next %q, %v", name, next, err)
			}
			same(t, tt.want, got)
			if !tt.more {
				continue
			}
			tt.filter.After = next
			if got, next, err = s.TokenUse(t.Context(), tt.filter); err != nil || next != "" {
				t.Fatalf("%s: next %q, %v", name, next, err)
			}
			same(t, []usage.TokenUse{good}, got)
		}
		_, _, err := s.TokenUse(t.Context(), usage.TokenFilter{After: "rubbish"})
		refused(t, err, market.InvalidInput, "is not the cursor of a page")
	})
}
