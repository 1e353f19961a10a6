package e2e_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// operator is the management API by the demo's operator token.
func (s *site) operator() *client.Management {
	return &client.Management{BaseURL: s.Operator.URL, Token: client.NewSecret(s.Operator.Token), HTTP: s.client}
}

// app returns the app with that client_id.
func (s *site) app(m *client.Management, clientID string) api.App {
	s.t.Helper()
	apps, err := client.All(func(p api.Page) (api.List[api.App], error) { return m.Apps(s.t.Context(), "", p) })
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range apps {
		if a.ClientID == clientID {
			return a
		}
	}
	s.t.Fatalf("no app has client_id %s", clientID)
	return api.App{}
}

// A change by an operator stops the very next call, at a gateway
// that has the token verified and remembered.
func TestAnAcknowledgedChangeShowsInTheNextCall(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["production"]
	c := e.api(t, "eligibility")
	app := s.app(m, e.ClientID)
	subscription := func() api.Subscription {
		subs, err := m.Subscriptions(t.Context(), app.Org, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range subs.Items {
			if sub.Product == "MN_Product_Eligibility_v3" {
				return sub
			}
		}
		t.Fatal("no subscription")
		return api.Subscription{}
	}
	step := func(action string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := m.StepSubscription(ctx, subscription().ID, action, api.SubscriptionStep{})
			return err
		}
	}
	patchApp := func(p api.AppPatch) func(context.Context) error {
		return func(ctx context.Context) error { _, err := m.UpdateApp(ctx, app.ID, p); return err }
	}
	patchOrg := func(p api.OrganizationPatch) func(context.Context) error {
		return func(ctx context.Context) error { _, err := m.UpdateOrganization(ctx, app.Org, p); return err }
	}
	notBefore := func(level string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := m.SetNotBefore(ctx, level, api.Now); return err }
	}
	str := func(s string) *string { return &s }
	now := func() *api.EpochSecond { n := api.Now; return &n }
	products := func(names ...string) *[]string { list := append([]string{}, names...); return &list }
	tests := []struct {
		name   string
		stop   func(context.Context) error
		status int
		code   string
		undo   func(context.Context) error // nil: a new token is enough
	}{
		{"3.3 suspending the subscription", step("suspend"), 403, "invalid_product", step("resume")},
		{"3.3 narrowing the app to another product", patchApp(api.AppPatch{Products: products("MN_Product_ClaimStatus_v2")}), 403, "invalid_product", patchApp(api.AppPatch{Products: products()})},
		{"3.3 retiring the product", func(ctx context.Context) error {
			_, err := m.UpdateProduct(ctx, "MN_Product_Eligibility_v3", api.ProductPatch{State: str("retired")})
			return err
		}, 403, "invalid_product", func(ctx context.Context) error {
			_, err := m.UpdateProduct(ctx, "MN_Product_Eligibility_v3", api.ProductPatch{State: str("active")})
			return err
		}},
		{"4.2 disabling the app", patchApp(api.AppPatch{State: str("disabled"), Force: true}), 401, "access_token_not_approved", patchApp(api.AppPatch{State: str("active")})},
		{"4.2 suspending the organization", patchOrg(api.OrganizationPatch{State: str("suspended")}), 401, "access_token_not_approved", patchOrg(api.OrganizationPatch{State: str("active")})},
		{"2.5 the app's not-before", patchApp(api.AppPatch{NotBefore: now()}), 401, "access_token_not_approved", nil},
		{"2.5 the organization's not-before", patchOrg(api.OrganizationPatch{NotBefore: now()}), 401, "access_token_not_approved", nil},
		{"2.5 the environment's not-before", notBefore("production"), 401, "access_token_not_approved", nil},
		{"2.5 the platform's not-before", notBefore("platform"), 401, "access_token_not_approved", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := s.token(e)
			if a := s.call(c, token, nil); a.status != http.StatusOK {
				t.Fatalf("before: %d %s", a.status, a.body)
			}
			if err := tt.stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			// At once: the node that acknowledged shows the change. Another node
			// follows within a second, which internal/server's tests hold.
			if a := s.call(c, token, nil); a.status != tt.status || a.json(t)["error"] != tt.code {
				t.Errorf("the next call: %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			if tt.undo == nil {
				if a := s.call(c, s.token(e), nil); a.status != http.StatusOK {
					t.Errorf("a new token right after: %d %s", a.status, a.body)
				}
				return
			}
			if err := tt.undo(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the call works again", func() bool { return s.call(c, token, nil).status == http.StatusOK })
		})
	}
	t.Run("2.5 not-before-policy says what was set", func(t *testing.T) {
		policy, _ := s.grant(e, e.TokenURLs["v3"]).json(t)["not-before-policy"].(float64)
		if policy == 0 {
			t.Error("not-before-policy is 0 after a not-before was set")
		}
	})
}

func TestRevokingASecretStopsItsTokensAndOnlyThose(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["sandbox"]
	c := e.api(t, "claim-status")
	app := s.app(m, e.ClientID)
	made, err := m.CreateCredential(t.Context(), app.ID, api.NewCredential{Label: "second"})
	if err != nil {
		t.Fatal(err)
	}
	second := *e
	second.ClientSecret = made.ClientSecret.Reveal()
	kept, dead := s.token(e), s.token(&second)
	if a := s.call(c, dead, nil); a.status != http.StatusOK {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	if _, err := m.RevokeCredential(t.Context(), made.ID, api.CredentialRevocation{Force: true}); err != nil {
		t.Fatal(err)
	}
	if a := s.call(c, dead, nil); a.status != 401 || a.json(t)["error"] != "access_token_not_approved" {
		t.Errorf("its token, at once: %d %s", a.status, a.body)
	}
	if a := s.grant(&second, e.URL+"/oauth2/token"); a.status != 401 {
		t.Errorf("the revoked secret gets %d", a.status)
	}
	if a := s.call(c, kept, nil); a.status != http.StatusOK {
		t.Errorf("the other secret's token: %d %s", a.status, a.body)
	}
}

// 4.2, RFC 7009: the end of one token is the end of no other, whether it was got
// before or after.
func TestRevokingOneTokenEndsThatOneAlone(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["production"]
	c := e.api(t, "eligibility")
	for name, revoke := range map[string]func(t *testing.T, token string){
		"by its client": func(t *testing.T, token string) {
			a := s.form(e.URL+"/oauth2/revoke", "client_id", e.ClientID, "client_secret", e.ClientSecret, "token", token)
			if a.status != http.StatusOK {
				t.Fatalf("revoke: %d %s", a.status, a.body)
			}
		},
		"by an operator": func(t *testing.T, token string) {
			_, said := claims(t, token)
			jti, _ := said["jti"].(string)
			exp, _ := said["exp"].(float64)
			if err := m.RevokeToken(t.Context(), api.TokenRevocation{JTI: jti, Expires: time.Unix(int64(exp), 0)}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			other, dead := s.token(e), s.token(e)
			for _, token := range []string{other, dead} {
				if a := s.call(c, token, nil); a.status != http.StatusOK {
					t.Fatalf("before: %d %s", a.status, a.body)
				}
			}
			revoke(t, dead)
			if a := s.call(c, dead, nil); a.status != 401 || a.json(t)["error"] != "access_token_not_approved" {
				t.Errorf("the revoked one, at once: %d %s", a.status, a.body)
			}
			for when, token := range map[string]string{"before": other, "after": s.token(e)} {
				if a := s.call(c, token, nil); a.status != http.StatusOK {
					t.Errorf("one that was got %s: %d %s", when, a.status, a.body)
				}
			}
		})
	}
}

func TestRefusalsAreExplainedToTheirOwner(t *testing.T) {
	s := start(t)
	m := s.operator()
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	app := s.app(m, sandbox.ClientID)
	token := s.token(sandbox)
	tests := []struct {
		name   string
		answer func() answer
		reason string
	}{
		{"1.2 a sandbox credential at production", func() answer {
			return s.grant(sandbox, production.URL+"/oauth2/token")
		}, "a sandbox credential was sent to production"},
		{"1.2 a sandbox token at production", func() answer {
			return s.call(production.api(t, "eligibility"), token, nil)
		}, "a sandbox token was sent to production"},
		{"a typing error in the secret", func() answer {
			typo := *sandbox
			typo.ClientSecret = typo.ClientSecret[:len(typo.ClientSecret)-1] + "~"
			return s.grant(&typo, sandbox.URL+"/oauth2/token")
		}, "the secret has a typing error: its checksum does not hold"},
		{"a token in the place of the secret", func() answer {
			mixed := *sandbox
			mixed.ClientSecret = token
			return s.grant(&mixed, sandbox.URL+"/oauth2/token")
		}, "an access token was sent in the place of the secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.answer()
			if a.status != 401 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			got, err := m.Refusal(t.Context(), a.header.Get("X-Trace-Id"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Reason != tt.reason || got.Org != app.Org || got.Next == "" {
				t.Errorf("got %+v, want reason %q of %s", got, tt.reason, app.Org)
			}
		})
	}
}

func TestProductionCredentialsNeedAContract(t *testing.T) {
	s := start(t)
	m := s.operator()
	ctx := t.Context()
	org, err := m.CreateOrganization(ctx, api.NewOrganization{Name: "Fresh Start"})
	if err != nil {
		t.Fatal(err)
	}
	app := func(env string) api.App {
		a, err := m.CreateApp(ctx, api.NewApp{Org: org.ID, Environment: env, Name: "first", DeveloperEmail: "dev@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if _, err := m.CreateCredential(ctx, app("sandbox").ID, api.NewCredential{}); err != nil {
		t.Errorf("6.1 a sandbox secret needs no contract: %v", err)
	}
	production := app("production")
	if _, err := m.CreateCredential(ctx, production.ID, api.NewCredential{}); err == nil {
		t.Error("6.2 a production secret was made without a contract")
	}
	sub, err := m.CreateSubscription(ctx, api.NewSubscription{Org: org.ID, Product: "MN_Product_Eligibility_v3"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.StepSubscription(ctx, sub.ID, "approve", api.SubscriptionStep{}); err == nil {
		t.Error("approved without a contract")
	}
	if _, err := m.StepSubscription(ctx, sub.ID, "approve", api.SubscriptionStep{Contract: "C-1"}); err != nil {
		t.Fatal(err)
	}
	made, err := m.CreateCredential(ctx, production.ID, api.NewCredential{})
	if err != nil {
		t.Fatalf("6.2 with a contract: %v", err)
	}
	e := *s.Environments["production"]
	e.ClientID, e.ClientSecret = made.ClientID, made.ClientSecret.Reveal()
	if a := s.grant(&e, e.URL+"/oauth2/token"); a.status != http.StatusOK {
		t.Errorf("the new secret, at once: %d %s", a.status, a.body)
	}
}
