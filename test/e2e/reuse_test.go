package e2e_test

import (
	"net/http"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
)

// 2.8: a client that asks again may get the same token, but never one that is
// revoked, or that says what is no longer so.
func TestTheSameTokenIsNotGivenAgainAfterAChange(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["sandbox"]
	app := s.app(m, e.ClientID)
	ask := func() string {
		t.Helper()
		a := s.grant(e, e.TokenURLs["v2"])
		text, _ := a.json(t)["access_token"].(string)
		if a.status != http.StatusOK || text == "" {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		return text
	}
	name, now, products := "renamed", api.Now, []string{"MN_Product_Eligibility_v3"}
	patch := func(p api.AppPatch) func() error {
		return func() error { _, err := m.UpdateApp(t.Context(), app.ID, p); return err }
	}
	for _, tt := range []struct {
		name   string
		change func() error
	}{
		{"the token was revoked", func() error {
			a := s.form(e.URL+"/oauth2/revoke", "client_id", e.ClientID, "client_secret", e.ClientSecret, "token", ask())
			if a.status != http.StatusOK {
				t.Errorf("revoke: %d %s", a.status, a.body)
			}
			return nil
		}},
		{"the app changed", patch(api.AppPatch{Name: &name})},
		{"its products changed", patch(api.AppPatch{Products: &products})},
		{"a not-before was set", patch(api.AppPatch{NotBefore: &now})},
		{"the platform's not-before was set", func() error { _, err := m.SetNotBefore(t.Context(), "platform", api.Now); return err }},
		{"a TIN of the organization changed", func() error { return m.DeleteTIN(t.Context(), app.Org, "123456789") }},
		{"its key was revoked", func() error {
			_, err := m.RotateKey(t.Context(), api.KeyRotation{Environment: "sandbox", Emergency: true})
			return err
		}},
	} {
		t.Run("2.8 "+tt.name, func(t *testing.T) {
			before := ask()
			if again := ask(); again != before {
				t.Fatal("another token at once, with nothing changed")
			}
			if err := tt.change(); err != nil {
				t.Fatal(err)
			}
			after := ask()
			if after == before {
				t.Error("the same token again")
			}
			if a := s.call(e.api(t, "eligibility"), after, map[string]string{"environment": "sandbox"}); a.status != http.StatusOK {
				t.Errorf("the new token: %d %s", a.status, a.body)
			}
		})
	}
}
