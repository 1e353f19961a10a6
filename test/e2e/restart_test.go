package e2e_test

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// host returns the address of a URL.
func host(t *testing.T, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// kept is what a start must find as the stop before left it.
type kept struct {
	Organizations []api.Organization
	Apps          []api.App
	Subscriptions []api.Subscription
	TINs          []api.TIN
	Submitters    []api.Submitter
	NotBefores    []api.NotBefore
	Keys          []api.Key
	Products      []api.Product
	Catalogs      []api.CatalogVersion
}

func (s *site) kept(m *client.Management) kept {
	s.t.Helper()
	ctx := s.t.Context()
	var k kept
	var err error
	must := func(e error) {
		s.t.Helper()
		if e != nil {
			s.t.Fatal(e)
		}
	}
	k.Organizations, err = client.All(func(p api.Page) (api.List[api.Organization], error) { return m.Organizations(ctx, p) })
	must(err)
	k.Apps, err = client.All(func(p api.Page) (api.List[api.App], error) { return m.Apps(ctx, "", p) })
	must(err)
	subscriptions, err := m.Subscriptions(ctx, "", "")
	must(err)
	tins, err := m.TINs(ctx, "", "")
	must(err)
	for _, o := range k.Organizations {
		submitters, err := m.Submitters(ctx, o.ID)
		must(err)
		k.Submitters = append(k.Submitters, submitters.Items...)
	}
	notBefores, err := m.NotBefores(ctx)
	must(err)
	keys, err := m.Keys(ctx, "")
	must(err)
	products, err := m.Products(ctx)
	must(err)
	history, err := m.CatalogHistory(ctx, 0)
	must(err)
	k.Subscriptions, k.TINs, k.NotBefores = subscriptions.Items, tins.Items, notBefores.Items
	k.Keys, k.Products, k.Catalogs = keys.Items, products.Items, history.Items
	return k
}

func TestAStopAndAStartChangeNothing(t *testing.T) {
	data := t.TempDir()
	old := startIn(t, data)
	ca, err := os.ReadFile(old.CA)
	if err != nil {
		t.Fatal(err)
	}
	sandbox, production := old.Environments["sandbox"], old.Environments["production"]
	call := production.api(t, "eligibility")
	token, revoked := old.token(production), old.token(production)
	if a := old.form(production.URL+"/oauth2/revoke", "client_id", production.ClientID, "client_secret", production.ClientSecret, "token", revoked); a.status != 200 {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	for range 3 {
		if a := old.call(call, token, nil); a.status != 200 {
			t.Fatalf("before the stop: %d %s", a.status, a.body)
		}
	}
	m := old.operator()
	if _, err := m.SetNotBefore(t.Context(), "sandbox", 1); err != nil {
		t.Fatal(err)
	}
	before := old.kept(m)
	old.client.CloseIdleConnections() // HTTP/2 says goodbye for a second
	if err := old.stop(); err != nil {
		t.Fatalf("the demo did not stop cleanly: %v", err)
	}

	// At the same addresses, as an operator's configuration has them: the
	// issuer in a token is one of them.
	s := startWith(t, demo.Options{
		Data: data, ListenSandbox: host(t, sandbox.URL), ListenProduction: host(t, production.URL),
		ListenManagement: host(t, old.Operator.URL), ListenPortal: host(t, old.Portal),
	})
	t.Run("the CA is the same, so clients go on trusting it", func(t *testing.T) {
		now, err := os.ReadFile(s.CA)
		if err != nil || string(now) != string(ca) {
			t.Errorf("the CA's certificate has changed (%v)", err)
		}
		if a := old.do("GET", production.URL+"/.well-known/jwks.json", nil, ""); a.status != 200 {
			t.Errorf("a client of before gets %d", a.status)
		}
	})
	t.Run("organizations, apps, subscriptions, keys and the catalogue's version are the same", func(t *testing.T) {
		if diff := cmp.Diff(before, s.kept(s.operator())); diff != "" {
			t.Errorf("(-before +after)\n%s", diff)
		}
	})
	t.Run("the operator token of before works", func(t *testing.T) {
		if _, err := m.Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a token of before works, and a revoked one does not", func(t *testing.T) {
		if a := s.call(call, token, nil); a.status != 200 {
			t.Errorf("the token of before: %d %s", a.status, a.body)
		}
		if a := s.call(call, revoked, nil); a.status != 401 || a.json(t)["error"] != "access_token_not_approved" {
			t.Errorf("the revoked token of before: %d %s", a.status, a.body)
		}
	})
	t.Run("secrets of before work, beside those of this start", func(t *testing.T) {
		for name, e := range old.Environments {
			if a := s.grant(e, e.URL+"/oauth2/token"); a.status != 200 {
				t.Errorf("%s, of before: %d %s", name, a.status, a.body)
			}
			if e.ClientSecret == s.Environments[name].ClientSecret {
				t.Errorf("%s: the secret is the same, so it was kept somewhere", name)
			}
			s.token(s.Environments[name])
		}
	})
	t.Run("what was counted before the stop was written", func(t *testing.T) {
		rows, err := s.operator().Usage(t.Context(), api.UsageFilter{Environment: "production", To: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		var calls int64
		for _, row := range rows.Items {
			if row.API == call.API && row.Outcome == "ok" {
				calls += row.Count
			}
		}
		if calls < 3 {
			t.Errorf("%d calls, want the 3 of before the stop at least: %+v", calls, rows.Items)
		}
	})
}
