package policy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

const product = "MN_Product_Eligibility_v3"

// one is a source of one organization with one app.
type one struct {
	org  snapshot.OrgRecord
	apps snapshot.AppRecord
}

func (o one) Head(context.Context) (int64, error) { return 1, nil }
func (o one) Changes(context.Context, int64, int) ([]snapshot.Entry, error) {
	return nil, nil
}

func (o one) Orgs(_ context.Context, _ id.Org, yield func(snapshot.OrgRecord) error) error {
	return yield(o.org)
}

func (o one) Apps(_ context.Context, _ id.App, yield func(snapshot.AppRecord) error) error {
	return yield(o.apps)
}

func (one) Revocations(context.Context, []string, func(market.Revocation) error) error { return nil }

func (o one) Rest(context.Context) (snapshot.Rest, error) { return snapshot.Rest{}, nil }

// client is an organization in a state, as the model shows it.
func client(t *testing.T, env market.Environment, state market.SubscriptionState, change func(*one)) snapshot.Client {
	t.Helper()
	o := one{
		org: snapshot.OrgRecord{
			Org:        market.Organization{ID: "org_1", State: market.OrgActive},
			TINs:       []market.TIN{{Number: "123456789", State: market.TINAssociated}, {Number: "222222222", State: market.TINRequested}},
			Submitters: []market.Submitter{{Kind: market.SubmitterOwn, Value: "S1"}},
		},
		apps: snapshot.AppRecord{
			App:         market.App{ID: "app_1", Org: "org_1", Environment: env, ClientID: "c", State: market.AppActive},
			Credentials: []market.Credential{{ID: "cred_1"}},
		},
	}
	if state != "" {
		o.org.Subscriptions = []market.Subscription{{Product: product, State: state}}
	}
	if change != nil {
		change(&o)
	}
	m := snapshot.New(time.Now)
	if err := m.Load(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	c, _, ok := m.ByToken("c", "cred_1", "j")
	if !ok {
		t.Fatal("no client")
	}
	return c
}

func api(tin *manifest.TINRule) *manifest.API {
	up := manifest.Upstream{URL: "http://127.0.0.1:1"}
	return &manifest.API{
		Products:  []string{product},
		Upstreams: map[market.Environment]manifest.Upstream{market.Sandbox: up, market.Production: up},
		Request:   manifest.RequestRules{TIN: tin},
	}
}

// The table of CONTRACT 5.1, each line, in each state of a subscription.
func TestMockOrLive(t *testing.T) {
	optional := &manifest.TINRule{Header: "providerTaxId"}
	required := &manifest.TINRule{Header: "providerTaxId", Required: true}
	tests := []struct {
		name  string
		env   market.Environment
		state market.SubscriptionState
		rule  *manifest.TINRule
		tin   string
		force bool
		want  string
		code  policy.Code
	}{
		{"the header wins over everything", market.Sandbox, market.SubSubscribed, required, "999999999", true, "mock; reason=header", ""},
		{"subscribed and associated", market.Sandbox, market.SubSubscribed, optional, "123456789", false, "live", ""},
		{"subscribed, not associated", market.Sandbox, market.SubSubscribed, optional, "999999999", false, "", policy.AccessDenied},
		{"subscribed, one of two not associated", market.Sandbox, market.SubSubscribed, optional, "123456789 999999999", false, "", policy.AccessDenied},
		{"subscribed, the second of two is none", market.Sandbox, market.SubSubscribed, optional, "123456789 12-345678", false, "", policy.InvalidRequest},
		{"production, one of two not associated", market.Production, market.SubSubscribed, required, "123456789 999999999", false, "", policy.AccessDenied},
		{"production, two associated", market.Production, market.SubSubscribed, required, "123456789 123456789", false, "live", ""},
		{"subscribed, only requested", market.Sandbox, market.SubSubscribed, optional, "222222222", false, "", policy.AccessDenied},
		{"subscribed, no TIN where none is needed", market.Sandbox, market.SubSubscribed, optional, "", false, "mock; reason=no-tin", ""},
		{"subscribed, no TIN where one is needed", market.Sandbox, market.SubSubscribed, required, "", false, "", policy.InvalidRequest},
		{"subscribed, an API without TINs", market.Sandbox, market.SubSubscribed, nil, "", false, "live", ""},
		{"not subscribed", market.Sandbox, market.SubSandbox, optional, "", false, "mock; reason=not-subscribed", ""},
		{"requested", market.Sandbox, market.SubRequested, optional, "123456789", false, "mock; reason=not-subscribed", ""},
		{"not subscribed, with somebody's TIN", market.Sandbox, market.SubSandbox, optional, "999999999", false, "mock; reason=not-subscribed", ""},
		{"not subscribed, a TIN that is none", market.Sandbox, market.SubSandbox, optional, "12-3456789", false, "", policy.InvalidRequest},
		{"production ignores the header", market.Production, market.SubSubscribed, optional, "123456789", true, "live", ""},
		{"production, not associated", market.Production, market.SubSubscribed, optional, "999999999", false, "", policy.AccessDenied},
		{"production, no TIN where one is needed", market.Production, market.SubSubscribed, required, "", false, "", policy.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run("5.1 "+tt.name, func(t *testing.T) {
			c := client(t, tt.env, tt.state, nil)
			got, no := policy.Choose(policy.Question{Environment: tt.env, API: api(tt.rule), Org: c.Org, Product: product, ForceMock: tt.force, TINs: strings.Fields(tt.tin)})
			switch {
			case tt.code == "" && (no != nil || got.String() != tt.want):
				t.Errorf("got %s, %v; want %s", got, no, tt.want)
			case tt.code != "" && (no == nil || no.Code != tt.code || no.Detail == ""):
				t.Errorf("got %s, %v; want %s", got, no, tt.code)
			}
		})
	}
}

func TestAProductOpensAnAPIOnlyWhileTokenSubscriptionAndAppAgree(t *testing.T) {
	with := &token.Principal{Products: []string{product}}
	active := func(string) bool { return true }
	opens := map[market.Environment][]market.SubscriptionState{
		market.Sandbox:    {market.SubSandbox, market.SubRequested, market.SubSubscribed},
		market.Production: {market.SubSubscribed},
	}
	all := []market.SubscriptionState{"", market.SubSandbox, market.SubRequested, market.SubSubscribed, market.SubSuspended, market.SubEnded}
	for env, open := range opens {
		for _, state := range all {
			want := false
			for _, o := range open {
				want = want || o == state
			}
			c := client(t, env, state, nil)
			if got, no := policy.Product(api(nil), with, c, active); (no == nil) != want || want && got != product {
				t.Errorf("3.3 %s, %q: %q, %v", env, state, got, no)
			} else if no != nil && (no.Code != policy.InvalidProduct || no.Reason == "" || no.Next == "") {
				t.Errorf("3.3 %s, %q: refused without reason or next step: %+v", env, state, no)
			}
		}
	}
	c := client(t, market.Production, market.SubSubscribed, nil)
	if _, no := policy.Product(api(nil), &token.Principal{Products: []string{"Other"}}, c, active); no == nil {
		t.Error("3.3: a product that is not in the token opens")
	}
	if _, no := policy.Product(api(nil), with, c, func(string) bool { return false }); no == nil {
		t.Error("3.3: a retired product opens")
	}
	narrowed := client(t, market.Production, market.SubSubscribed, func(o *one) { o.apps.App.Products = []string{"Other"} })
	if _, no := policy.Product(api(nil), with, narrowed, active); no == nil {
		t.Error("3.3: a product that the app is narrowed away from opens")
	}
}

func TestASubmitterIDThatIsThereIsCheckedEvenWhereNoneIsNeeded(t *testing.T) {
	rule := &manifest.SubmitterRule{Header: "submitterID", HostHeader: "hostSubmitterID", Pointer: "/headers"}
	hosted := func(o *one) {
		o.org.Submitters = append(o.org.Submitters, market.Submitter{Kind: market.SubmitterHost, Value: "H1"})
	}
	for _, tt := range []struct {
		name   string
		change func(*one)
		ids    policy.SubmitterIDs
		must   bool
		code   policy.Code
	}{
		{"yours", nil, policy.SubmitterIDs{Own: "S1"}, true, ""},
		{"yours and your host's", hosted, policy.SubmitterIDs{Own: "S1", Host: "H1"}, true, ""},
		{"missing", nil, policy.SubmitterIDs{}, true, policy.InvalidRequest},
		{"missing where none is needed", hosted, policy.SubmitterIDs{}, false, ""},
		{"another's where none is needed", nil, policy.SubmitterIDs{Own: "S9"}, false, policy.AccessDenied},
		{"another's host where none is needed", hosted, policy.SubmitterIDs{Host: "H9"}, false, policy.AccessDenied},
		{"the host's is missing", hosted, policy.SubmitterIDs{Own: "S1"}, true, policy.InvalidRequest},
		{"a host where there is none", nil, policy.SubmitterIDs{Own: "S1", Host: "H1"}, true, policy.AccessDenied},
	} {
		t.Run("4.6 "+tt.name, func(t *testing.T) {
			no := policy.Submitter(rule, tt.ids, tt.must, client(t, market.Production, market.SubSubscribed, tt.change).Org)
			if (no == nil) != (tt.code == "") || no != nil && no.Code != tt.code {
				t.Errorf("got %v, want %q", no, tt.code)
			}
		})
	}
}

func TestStandingEndsWithWhateverStandsBehindAToken(t *testing.T) {
	p := &token.Principal{IssuedAt: 100}
	tests := []struct {
		name           string
		change         func(*one)
		known, revoked bool
		ok             bool
	}{
		{"all is well", nil, true, false, true},
		{"the token was revoked", nil, true, true, false},
		{"the app is gone", nil, false, false, false},
		{"the secret was revoked", func(o *one) { o.apps.Credentials[0].Revoked = time.Unix(1, 0) }, true, false, false},
		{"the secret is gone", func(o *one) { o.apps.Credentials = []market.Credential{{ID: "cred_2"}} }, true, false, false},
		{"the app is disabled", func(o *one) { o.apps.App.State = market.AppDisabled }, true, false, false},
		{"the organization is suspended", func(o *one) { o.org.Org.State = market.OrgSuspended }, true, false, false},
		{"the app's not-before is later", func(o *one) { o.apps.App.NotBefore = 101 }, true, false, false},
		{"the organization's not-before is later", func(o *one) { o.org.Org.NotBefore = 101 }, true, false, false},
		{"the not-before is the token's second", func(o *one) { o.apps.App.NotBefore = 100 }, true, false, true},
		{"the secret has expired since", func(o *one) { o.apps.Credentials[0].Expires = time.Unix(1, 0) }, true, false, true},
	}
	for _, tt := range tests {
		t.Run("4.2 "+tt.name, func(t *testing.T) {
			no := policy.Standing(p, client(t, market.Production, market.SubSubscribed, tt.change), tt.known, tt.revoked)
			if (no == nil) != tt.ok || no != nil && (no.Code != policy.NotApproved || no.Why() == no.Detail) {
				t.Errorf("got %+v", no)
			}
		})
	}
}
