package adminapi

import (
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

func TestAnOrganizationIsCreatedShownChangedAndListed(t *testing.T) {
	w := open(t)
	rec := w.send(t, "POST", "/v1/organizations", api.NewOrganization{Name: "Acme Health"})
	org := want[api.List[api.Organization]](t, w, http.StatusOK, "GET", "/v1/organizations", nil).Items[0]
	if got := rec.Header().Get("Location"); rec.Code != http.StatusCreated || got != "/v1/organizations/"+org.ID {
		t.Errorf("status %d, Location %q", rec.Code, got)
	}
	target := "/v1/organizations/" + org.ID
	before := time.Now().Unix()
	got := want[api.Organization](t, w, http.StatusOK, "PATCH", target, `{"state":"suspended","not_before":"now"}`)
	if got.State != "suspended" || got.NotBefore <= before {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(got, want[api.Organization](t, w, http.StatusOK, "GET", target, nil)); diff != "" {
		t.Error(diff)
	}
	if p := refused(t, w, api.CodeInvalid, "PATCH", target, api.OrganizationPatch{NotBefore: ptr(api.EpochSecond(5))}); p.Field != "not_before" {
		t.Errorf("going back: %+v", p)
	}
	if p := refused(t, w, api.CodeInvalid, "PATCH", target, api.OrganizationPatch{State: ptr("closed")}); p.Field != "state" {
		t.Errorf("an unknown state: %+v", p)
	}
}

func TestListsHavePages(t *testing.T) {
	w := open(t)
	for range 5 {
		addOrg(t, w)
	}
	seen, after := map[string]bool{}, ""
	for {
		page := want[api.List[api.Organization]](t, w, http.StatusOK, "GET", "/v1/organizations?limit=2&after="+after, nil)
		for _, o := range page.Items {
			seen[o.ID] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("saw %d organizations, want 5", len(seen))
	}
}

func TestAnAppAndItsCredentials(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	addProduct(t, w)
	app := addApp(t, w, org, "sandbox")
	target := "/v1/apps/" + app.ID
	refused(t, w, api.CodeConflict, "POST", "/v1/apps", api.NewApp{
		Org: org.ID, Environment: "sandbox", Name: app.Name, DeveloperEmail: "dev@example.com",
	})
	refused(t, w, api.CodeNotFound, "POST", "/v1/apps", api.NewApp{
		Org: "org_nobody", Environment: "sandbox", Name: "x", DeveloperEmail: "dev@example.com",
	})

	got := want[api.App](t, w, http.StatusOK, "PATCH", target, api.AppPatch{
		Products: &[]string{"P1"}, TokenLifetime: ptr(api.Seconds(7200)), ReuseWindow: ptr(api.Seconds(0)), NotBefore: ptr(api.Now),
	})
	if got.TokenLifetime != 7200 || got.ReuseWindow == nil || *got.ReuseWindow != 0 || got.NotBefore == 0 || len(got.Products) != 1 {
		t.Errorf("got %+v", got)
	}
	if got = want[api.App](t, w, http.StatusOK, "PATCH", target, `{"reuse_window":-1,"state":"disabled"}`); got.ReuseWindow != nil || got.State != "disabled" {
		t.Errorf("got %+v", got)
	}
	for _, binding := range []string{"certificate", "dpop", "none"} {
		if got = want[api.App](t, w, http.StatusOK, "PATCH", target, api.AppPatch{Binding: &binding}); got.Binding != binding {
			t.Errorf("binding %s: got %+v", binding, got)
		}
	}
	for _, whose := range []string{"organization", "environment", "own"} {
		if got = want[api.App](t, w, http.StatusOK, "PATCH", target, api.AppPatch{Oversees: &whose}); got.Oversees != whose {
			t.Errorf("oversees %s: got %+v", whose, got)
		}
	}
	if p := refused(t, w, api.CodeInvalid, "PATCH", target, `{"oversees":"everything"}`); p.Field != "oversees" {
		t.Errorf("got %+v", p)
	}
	if p := refused(t, w, api.CodeInvalid, "PATCH", target, `{"binding":"password"}`); p.Field != "binding" {
		t.Errorf("got %+v", p)
	}
	if p := refused(t, w, api.CodeInvalid, "PATCH", target, api.AppPatch{TokenLifetime: ptr(api.Seconds(60))}); p.Field != "token_lifetime" {
		t.Errorf("got %+v", p)
	}
	if p := refused(t, w, api.CodeInvalid, "PATCH", target, `{"products":["\u0000"]}`); p.Field != "products" {
		t.Errorf("got %+v", p)
	}

	c := want[api.CreatedCredential](t, w, http.StatusCreated, "POST", target+"/credentials", api.NewCredential{Label: "laptop"})
	if c.ClientID != app.ClientID || !strings.HasPrefix(c.ClientSecret.Reveal(), "spsbx_") || !c.Live || c.CreatedBy != "operator "+w.tokenID {
		t.Errorf("got %+v", c)
	}
	expires := clock().Add(time.Hour)
	if c := want[api.Credential](t, w, http.StatusOK, "PATCH", "/v1/credentials/"+c.ID, api.CredentialPatch{Expires: &api.Expiry{Time: expires}}); !c.Expires.Equal(expires) {
		t.Errorf("got %+v", c)
	}
	if c := want[api.Credential](t, w, http.StatusOK, "PATCH", "/v1/credentials/"+c.ID, `{"expires":"never"}`); !c.Expires.IsZero() {
		t.Errorf("got %+v", c)
	}
	for _, body := range []string{`{}`, `{"expires":null}`} {
		if p := problem(t, w.send(t, "PATCH", "/v1/credentials/"+c.ID, body), api.CodeInvalid); p.Field != "expires" {
			t.Errorf("%s: %+v", body, p)
		}
	}
	rotated := want[api.RotatedCredential](t, w, http.StatusCreated, "POST", "/v1/credentials/"+c.ID+"/rotate", `{"overlap_seconds":60,"label":"desk"}`)
	if rotated.Replaces != c.ID || rotated.Label != "desk" || !strings.HasPrefix(rotated.ClientSecret.Reveal(), "spsbx_") || rotated.OldExpires.After(clock().Add(time.Minute)) {
		t.Errorf("got %+v", rotated)
	}
	for query, n := range map[string]int{"?expiring=1": 1, "?org=" + org.ID: 2, "?app=" + app.ID + "&limit=1": 1, "": 2} {
		if got := want[api.List[api.Credential]](t, w, http.StatusOK, "GET", "/v1/credentials"+query, nil); len(got.Items) != n {
			t.Errorf("%q lists %+v", query, got.Items)
		}
	}
	for _, query := range []string{"?expiring=0", "?expiring=x", "?days=1"} {
		refused(t, w, api.CodeInvalid, "GET", "/v1/credentials"+query, nil)
	}
	if c := want[api.Credential](t, w, http.StatusOK, "POST", "/v1/credentials/"+c.ID+"/revoke", nil); c.Live || c.Revoked.IsZero() {
		t.Errorf("got %+v", c)
	}
	refused(t, w, api.CodeConflict, "POST", "/v1/credentials/"+c.ID+"/revoke", nil)

	if err := w.config.Usage.(usage.Store).AddUsage(t.Context(), usage.Batch{Uses: []usage.LastUse{{Credential: id.Credential(rotated.ID), At: clock(), From: "192.0.2.0/24"}}}); err != nil {
		t.Fatal(err)
	}
	if p := refused(t, w, api.CodeConflict, "POST", "/v1/credentials/"+rotated.ID+"/revoke", nil); p.Field != "force" || !strings.HasPrefix(p.Detail, "in use: last used at ") {
		t.Errorf("got %+v", p)
	}
	refused(t, w, api.CodeConflict, "DELETE", target, nil)
	want[api.App](t, w, http.StatusOK, "PATCH", target, `{"state":"active"}`)
	refused(t, w, api.CodeConflict, "PATCH", target, `{"state":"disabled"}`)
	refused(t, w, api.CodeConflict, "PATCH", "/v1/credentials/"+rotated.ID, api.CredentialPatch{Expires: &api.Expiry{Time: clock()}})
	refused(t, w, api.CodeConflict, "POST", "/v1/credentials/"+rotated.ID+"/rotate", `{"overlap_seconds":0}`)
	want[api.App](t, w, http.StatusOK, "PATCH", target, `{"state":"disabled","force":true}`)
	want[api.Credential](t, w, http.StatusOK, "POST", "/v1/credentials/"+rotated.ID+"/revoke", `{"force":true}`)
	want[struct{}](t, w, http.StatusNoContent, "DELETE", target+"?force=true", nil)
	refused(t, w, api.CodeNotFound, "GET", target, nil)
	refused(t, w, api.CodeNotFound, "GET", target+"/credentials", nil)
	refused(t, w, api.CodeNotFound, "DELETE", target, nil)
}

func TestACredentialThatIsNoSecret(t *testing.T) {
	w := open(t)
	app := addApp(t, w, addOrg(t, w), "sandbox")
	target := "/v1/apps/" + app.ID + "/credentials"
	const jwk = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	const thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" // RFC 8037 A.3
	c := want[api.CreatedCredential](t, w, http.StatusCreated, "POST", target, api.NewCredential{PublicKey: jwk, Label: "vault"})
	if c.Kind != "public_key" || c.Thumbprint != thumbprint || c.Hint != "kPrK_qmxVW…" || c.ClientID != app.ClientID || c.ClientSecret.Reveal() != "" {
		t.Errorf("got %+v", c)
	}
	if rec := w.send(t, "POST", target, `{"kind":"jwks_uri","jwks_uri":"https://client.example/keys"}`); rec.Code != http.StatusCreated || strings.Contains(rec.Body.String(), "client_secret") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	c = want[api.CreatedCredential](t, w, http.StatusCreated, "POST", target, api.NewCredential{CertifiedName: "san_dns:client.example"})
	if c.Kind != "certified_name" || c.CertifiedName != "san_dns:client.example" {
		t.Errorf("got %+v", c)
	}
	want[api.CreatedCredential](t, w, http.StatusCreated, "POST", target, `{"kind":"secret"}`)
	all := want[api.List[api.Credential]](t, w, http.StatusOK, "GET", target, nil)
	byKind := map[string]api.Credential{}
	for _, c := range all.Items {
		byKind[c.Kind] = c
	}
	if len(byKind) != 4 || byKind["jwks_uri"].JWKSURI != "https://client.example/keys" || byKind["secret"].Thumbprint != "" {
		t.Errorf("got %+v", all.Items)
	}
	for body, field := range map[string]string{
		`{"kind":"public_key"}`:                                         "public_key",
		`{"kind":"secret","jwks_uri":"https://client.example"}`:         "jwks_uri",
		`{"jwks_uri":"https://a.example","certified_name":"san_dns:a"}`: "kind",
		`{"kind":"imported_secret"}`:                                    "kind",
		`{"kind":"password"}`:                                           "kind",
		`{"public_key":"{}"}`:                                           "public_key",
	} {
		if p := problem(t, w.send(t, "POST", target, body), api.CodeInvalid); p.Field != field {
			t.Errorf("%s: %+v", body, p)
		}
	}
}

// CONTRACT 6.2.
func TestProductionCredentialsNeedASubscriptionWithAContract(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	addProduct(t, w)
	app := addApp(t, w, org, "production")
	if p := refused(t, w, api.CodeConflict, "POST", "/v1/apps/"+app.ID+"/credentials", nil); p.Hint == "" {
		t.Errorf("no hint: %+v", p)
	}
	s := want[api.Subscription](t, w, http.StatusCreated, "POST", "/v1/subscriptions", api.NewSubscription{Org: org.ID, Product: "P1"})
	step := "/v1/subscriptions/" + s.ID
	if diff := cmp.Diff([]string{"request", "approve", "end"}, s.Actions); diff != "" || s.NextActor != "customer" {
		t.Errorf("next actor %q, actions: %s", s.NextActor, diff)
	}
	s = want[api.Subscription](t, w, http.StatusOK, "POST", step+"/request", nil)
	if s.NextActor != "operator" || s.Requested.IsZero() {
		t.Errorf("got %+v", s)
	}
	if p := refused(t, w, api.CodeInvalid, "POST", step+"/approve", api.SubscriptionStep{Note: "ok"}); p.Field != "contract" {
		t.Errorf("approved without a contract: %+v", p)
	}
	s = want[api.Subscription](t, w, http.StatusOK, "POST", step+"/approve", api.SubscriptionStep{Contract: "C-1", Note: "signed"})
	if s.State != "subscribed" || s.Contract != "C-1" {
		t.Errorf("got %+v", s)
	}
	want[api.CreatedCredential](t, w, http.StatusCreated, "POST", "/v1/apps/"+app.ID+"/credentials", nil)
	if p := refused(t, w, api.CodeConflict, "POST", step+"/approve", api.SubscriptionStep{Contract: "C-2"}); !strings.Contains(p.Hint, "suspend") {
		t.Errorf("got %+v", p)
	}
	refused(t, w, api.CodeNotFound, "POST", step+"/sign", nil)
	refused(t, w, api.CodeConflict, "POST", "/v1/subscriptions", api.NewSubscription{Org: org.ID, Product: "P1"})
	list := want[api.List[api.Subscription]](t, w, http.StatusOK, "GET", "/v1/subscriptions?state=subscribed&org="+org.ID, nil)
	if len(list.Items) != 1 || list.Items[0].ID != s.ID {
		t.Errorf("got %+v", list)
	}
	if got := want[api.Subscription](t, w, http.StatusOK, "GET", step, nil); got.State != "subscribed" {
		t.Errorf("got %+v", got)
	}
}

func TestTINsAreRequestedAndDecided(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	tins := "/v1/organizations/" + org.ID + "/tins"
	want[api.TIN](t, w, http.StatusCreated, "POST", tins, api.NewTIN{TIN: "123456789"})
	if p := refused(t, w, api.CodeInvalid, "POST", tins, api.NewTIN{TIN: "12-3456789"}); p.Field != "tin" {
		t.Errorf("got %+v", p)
	}
	if queue := want[api.List[api.TIN]](t, w, http.StatusOK, "GET", "/v1/tins?state=requested", nil); len(queue.Items) != 1 {
		t.Errorf("got %+v", queue)
	}
	got := want[api.TIN](t, w, http.StatusOK, "PUT", tins+"/123456789", api.TINDecision{State: "associated", Note: "seen"})
	if got.State != "associated" || got.Note != "seen" {
		t.Errorf("got %+v", got)
	}
	refused(t, w, api.CodeConflict, "PUT", tins+"/123456789", api.TINDecision{State: "associated"})
	if shown := want[api.TIN](t, w, http.StatusOK, "GET", tins+"/123456789", nil); shown != got {
		t.Errorf("got %+v, want %+v", shown, got)
	}
	if all := want[api.List[api.TIN]](t, w, http.StatusOK, "GET", tins+"?state=associated", nil); len(all.Items) != 1 {
		t.Errorf("got %+v", all)
	}
	want[struct{}](t, w, http.StatusNoContent, "DELETE", tins+"/123456789", nil)
	refused(t, w, api.CodeNotFound, "DELETE", tins+"/123456789", nil)
	refused(t, w, api.CodeNotFound, "DELETE", tins+"/12345678x", nil)
	refused(t, w, api.CodeNotFound, "GET", "/v1/organizations/org_nobody/tins", nil)
}

func TestSubmittersMayHaveAnyName(t *testing.T) {
	w := open(t)
	submitters := "/v1/organizations/" + addOrg(t, w).ID + "/submitters"
	rec := w.send(t, "POST", submitters, api.NewSubmitter{Kind: "host", Value: "a/b é"})
	location := rec.Header().Get("Location")
	if rec.Code != http.StatusCreated || location != submitters+"/host/a%2Fb%20%C3%A9" {
		t.Fatalf("status %d, Location %q", rec.Code, location)
	}
	if all := want[api.List[api.Submitter]](t, w, http.StatusOK, "GET", submitters, nil); len(all.Items) != 1 || all.Items[0].Value != "a/b é" {
		t.Errorf("got %+v", all)
	}
	refused(t, w, api.CodeConflict, "POST", submitters, api.NewSubmitter{Kind: "host", Value: "a/b é"})
	refused(t, w, api.CodeNotFound, "DELETE", submitters+"/other/x", nil)
	refused(t, w, api.CodeNotFound, "GET", submitters+"/submitter/a%2Fb%20%C3%A9", nil)
	if got := want[api.Submitter](t, w, http.StatusOK, "GET", location, nil); got.Value != "a/b é" {
		t.Errorf("got %+v", got)
	}
	want[struct{}](t, w, http.StatusNoContent, "DELETE", location, nil)
	refused(t, w, api.CodeNotFound, "DELETE", location, nil)
}

func TestProductsOfAnOperator(t *testing.T) {
	w := open(t)
	addProduct(t, w)
	refused(t, w, api.CodeConflict, "POST", "/v1/products", api.NewProduct{Name: "P1", Title: "again"})
	if p := refused(t, w, api.CodeInvalid, "POST", "/v1/products", api.NewProduct{Name: "two words", Title: "x"}); p.Field != "name" {
		t.Errorf("got %+v", p)
	}
	got := want[api.Product](t, w, http.StatusOK, "PATCH", "/v1/products/P1", api.ProductPatch{State: ptr("retired"), TokenLifetime: ptr(api.Seconds(3600))})
	if got.State != "retired" || got.TokenLifetime != 3600 || got.Source != "operator" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]api.Product{got}, want[api.List[api.Product]](t, w, http.StatusOK, "GET", "/v1/products", nil).Items); diff != "" {
		t.Error(diff)
	}
	want[api.Product](t, w, http.StatusOK, "GET", "/v1/products/P1", nil)
	refused(t, w, api.CodeNotFound, "GET", "/v1/products/P2", nil)
}

func TestKeysRotateAndAreRevoked(t *testing.T) {
	w := open(t)
	keys := func(query string) map[string]string {
		states := map[string]string{}
		for _, k := range want[api.List[api.Key]](t, w, http.StatusOK, "GET", "/v1/keys?environment=sandbox"+query, nil).Items {
			if k.Use == "token" {
				states[k.KID] = k.State
			}
		}
		return states
	}
	first := keys("")
	if len(first) != 1 {
		t.Fatalf("keys: %v", first)
	}
	next := want[api.Key](t, w, http.StatusCreated, "POST", "/v1/keys/rotate", api.KeyRotation{Environment: "sandbox"})
	if next.State != "published" || next.Algorithm != "ES256" || next.Use != "token" {
		t.Errorf("got %+v", next)
	}
	now := want[api.Key](t, w, http.StatusCreated, "POST", "/v1/keys/rotate", api.KeyRotation{Environment: "sandbox", Algorithm: "EdDSA", Emergency: true})
	if now.State != "signing" || now.Algorithm != "EdDSA" {
		t.Errorf("got %+v", now)
	}
	if len(now.Revokes) != 2 || !slices.Contains(now.Revokes, next.KID) || len(next.Revokes) != 0 {
		t.Errorf("the emergency revokes %v", now.Revokes)
	}
	for kid, state := range keys("") {
		if kid != now.KID && state != "revoked" {
			t.Errorf("%s is %s after an emergency", kid, state)
		}
	}
	refused(t, w, api.CodeConflict, "POST", "/v1/keys/"+now.KID+"/revoke", nil) // it is the only one
	pending := want[api.Key](t, w, http.StatusCreated, "POST", "/v1/keys/rotate", api.KeyRotation{Environment: "sandbox"})
	if got := want[api.Key](t, w, http.StatusOK, "POST", "/v1/keys/"+pending.KID+"/revoke", nil); got.State != "revoked" {
		t.Errorf("got %+v", got)
	}
	refused(t, w, api.CodeNotFound, "POST", "/v1/keys/nothing/revoke", nil)
	for field, in := range map[string]api.KeyRotation{
		"environment": {Environment: "moon"},
		"use":         {Environment: "sandbox", Use: "decoration"},
		"algorithm":   {Environment: "sandbox", Algorithm: "none"},
	} {
		if p := refused(t, w, api.CodeInvalid, "POST", "/v1/keys/rotate", in); p.Field != field {
			t.Errorf("%s: %+v", field, p)
		}
	}
	if all := want[api.List[api.Key]](t, w, http.StatusOK, "GET", "/v1/keys", nil); len(all.Items) != 2*2+3 {
		t.Errorf("%d keys", len(all.Items))
	}
}

func TestNotBeforeHasItsLevels(t *testing.T) {
	w := open(t)
	var levels []string
	for _, n := range want[api.List[api.NotBefore]](t, w, http.StatusOK, "GET", "/v1/not-before", nil).Items {
		levels = append(levels, n.Level)
	}
	if diff := cmp.Diff([]string{"platform", "sandbox", "production"}, levels); diff != "" {
		t.Error(diff)
	}
	for _, level := range levels {
		got := want[api.NotBefore](t, w, http.StatusOK, "PUT", "/v1/not-before/"+level, `{"not_before":"now"}`)
		if got.NotBefore == 0 || got.Level != level {
			t.Errorf("got %+v", got)
		}
		if shown := want[api.NotBefore](t, w, http.StatusOK, "GET", "/v1/not-before/"+level, nil); shown.NotBefore != got.NotBefore {
			t.Errorf("got %+v, want %+v", shown, got)
		}
	}
	refused(t, w, api.CodeNotFound, "PUT", "/v1/not-before/moon", `{"not_before":"now"}`)
	refused(t, w, api.CodeInvalid, "PUT", "/v1/not-before/sandbox", `{}`)
	refused(t, w, api.CodeInvalid, "PUT", "/v1/not-before/sandbox", `{"not_before":99999999999}`)
}

func TestTokensAreRevokedByTheirJTI(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	app := addApp(t, w, org, "sandbox")
	in := api.TokenRevocation{JTI: "11111111-2222-3333-4444-555555555555", Expires: clock().Add(time.Hour), App: app.ID}
	want[struct{}](t, w, http.StatusNoContent, "POST", "/v1/tokens/revoke", in)
	want[struct{}](t, w, http.StatusNoContent, "POST", "/v1/tokens/revoke", in) // twice is once
	got := want[api.List[api.AuditRecord]](t, w, http.StatusOK, "GET", "/v1/audit?kind=revocation", nil)
	if len(got.Items) == 0 || got.Items[0].Org != org.ID {
		t.Errorf("got %+v", got)
	}
	other := addOrg(t, w)
	for field, bad := range map[string]api.TokenRevocation{
		"jti":     {Expires: in.Expires},
		"expires": {JTI: "x", Expires: clock().Add(-time.Minute)},
		"org":     {JTI: "x", Expires: in.Expires, App: app.ID, Org: other.ID},
		"app":     {JTI: "x", Expires: in.Expires, App: "claims"},
	} {
		if p := refused(t, w, api.CodeInvalid, "POST", "/v1/tokens/revoke", bad); p.Field != field {
			t.Errorf("%s: %+v", field, p)
		}
	}
	refused(t, w, api.CodeInvalid, "POST", "/v1/tokens/revoke", api.TokenRevocation{JTI: "x", Expires: clock().AddDate(1, 0, 0)})
	refused(t, w, api.CodeNotFound, "POST", "/v1/tokens/revoke", api.TokenRevocation{JTI: "x", Expires: in.Expires, App: "app_gone"})
}

func TestUsageIsCountedOfTheLastDay(t *testing.T) {
	w := open(t)
	hour := clock().Truncate(time.Hour)
	key := usage.Key{Hour: hour.Unix(), Environment: market.Sandbox, API: "eligibility-v3", Product: "P1", Outcome: "ok", Source: "mock"}
	old := key
	old.Hour = hour.Add(-48 * time.Hour).Unix()
	store, ok := w.config.Usage.(usage.Store)
	if !ok {
		t.Fatal("no usage store")
	}
	if err := store.AddUsage(t.Context(), usage.Batch{Rows: []usage.Row{{Key: key, Count: 3, Duration: 1500 * time.Millisecond}, {Key: old, Count: 1}}}); err != nil {
		t.Fatal(err)
	}
	got := want[api.List[api.UsageRow]](t, w, http.StatusOK, "GET", "/v1/usage?environment=sandbox", nil)
	if len(got.Items) != 1 || got.Items[0].Count != 3 || got.Items[0].DurationMS != 1500 || !got.Items[0].Hour.Equal(hour) {
		t.Errorf("got %+v", got)
	}
	all := want[api.List[api.UsageRow]](t, w, http.StatusOK, "GET", "/v1/usage?from="+hour.Add(-72*time.Hour).Format(time.RFC3339), nil)
	if len(all.Items) != 2 {
		t.Errorf("got %+v", all)
	}
}

func TestUsageTellsQuantilesOfAnHourAndOfAllHours(t *testing.T) {
	w := open(t)
	hour := clock().Truncate(time.Hour)
	key := usage.Key{Hour: hour.Unix(), Environment: market.Sandbox, API: "eligibility-v3", Outcome: "ok", Source: "live"}
	before := key
	before.Hour -= 3600
	rows := []usage.Row{{Key: key, Count: 96}, {Key: before, Count: 4}}
	for range 96 {
		rows[0].Took.Add(3 * time.Millisecond) // 2 to 4
	}
	for range 4 {
		rows[1].Took.Add(700 * time.Millisecond) // 512 to 1024
	}
	store, ok := w.config.Usage.(usage.Store)
	if !ok {
		t.Fatal("no usage store")
	}
	if err := store.AddUsage(t.Context(), usage.Batch{Rows: rows}); err != nil {
		t.Fatal(err)
	}
	within := func(ms *float64, from, to float64) bool { return ms != nil && *ms >= from && *ms <= to }
	hours := want[api.List[api.UsageRow]](t, w, http.StatusOK, "GET", "/v1/usage", nil)
	if len(hours.Items) != 2 || !within(hours.Items[0].P50MS, 512, 1024) || !within(hours.Items[1].P99MS, 2, 4) {
		t.Errorf("by hour: %+v", hours)
	}
	total := want[api.List[api.UsageRow]](t, w, http.StatusOK, "GET", "/v1/usage?by=total", nil)
	if len(total.Items) != 1 || total.Items[0].Count != 100 || !within(total.Items[0].P50MS, 2, 4) ||
		!within(total.Items[0].P95MS, 2, 4) || !within(total.Items[0].P99MS, 512, 1024) {
		t.Errorf("in total: %+v", total)
	}
	refused(t, w, api.CodeInvalid, "GET", "/v1/usage?by=minute", nil)
}

func TestWhoFetchesATokenForEveryCallIsToldToKeepOne(t *testing.T) {
	w := open(t)
	hour := clock().Truncate(time.Hour).Unix()
	row := func(app id.App, api, source string, n int64) usage.Row {
		key := usage.Key{Hour: hour, Environment: market.Sandbox, Org: "org_a", App: app, API: api, Outcome: "ok", Source: source}
		return usage.Row{Key: key, Count: n}
	}
	store, ok := w.config.Usage.(usage.Store)
	if !ok {
		t.Fatal("no usage store")
	}
	if err := store.AddUsage(t.Context(), usage.Batch{Rows: []usage.Row{
		row("app_chatty", "", "token", 30), row("app_chatty", "elig", "live", 20),
		row("app_good", "", "token", 1), row("app_good", "elig", "live", 20),
	}}); err != nil {
		t.Fatal(err)
	}
	got := want[api.List[api.TokenUsage]](t, w, http.StatusOK, "GET", "/v1/token-usage?org=org_a&environment=sandbox", nil)
	if len(got.Items) != 2 || got.Items[0].App != "app_chatty" || *got.Items[0].TokensPerCall != 1.5 || got.Items[0].Advice == "" {
		t.Errorf("got %+v", got)
	}
	if good := got.Items[1]; good.App != "app_good" || good.Signed != 1 || good.Calls != 20 || *good.TokensPerCall != 0.05 || good.Advice != "" {
		t.Errorf("got %+v", good)
	}
	page := want[api.List[api.TokenUsage]](t, w, http.StatusOK, "GET", "/v1/token-usage?limit=1", nil)
	rest := want[api.List[api.TokenUsage]](t, w, http.StatusOK, "GET", "/v1/token-usage?limit=1&after="+url.QueryEscape(page.Next), nil)
	if len(page.Items) != 1 || len(rest.Items) != 1 || rest.Items[0].App != "app_good" || rest.Next != "" {
		t.Errorf("pages %+v, %+v", page, rest)
	}
	refused(t, w, api.CodeInvalid, "GET", "/v1/token-usage?after=rubbish", nil)
}

func TestStatusIsTheNodes(t *testing.T) {
	w := open(t)
	if got := want[api.Status](t, w, http.StatusOK, "GET", "/v1/status", nil); got.Status != "ok" || got.Store.Engine != "sqlite" {
		t.Errorf("got %+v", got)
	}
}

// demo returns the files of the demo catalogue as text.
func demo(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(catalog.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := catalog.Files.ReadFile(name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestACatalogueIsCheckedComparedAndApplied(t *testing.T) {
	w := open(t)
	refused(t, w, api.CodeNotFound, "GET", "/v1/catalog", nil)
	files := demo(t)

	dry := want[api.CatalogResult](t, w, http.StatusOK, "PUT", "/v1/catalog", api.CatalogPut{Files: files, DryRun: true})
	if dry.Applied || dry.Version != 0 || len(dry.Diff) == 0 {
		t.Errorf("dry run: %+v", dry)
	}
	done := want[api.CatalogResult](t, w, http.StatusOK, "PUT", "/v1/catalog", api.CatalogPut{Files: files})
	if !done.Applied || done.Version != 1 || done.SHA256 != dry.SHA256 {
		t.Errorf("applied: %+v", done)
	}
	again := want[api.CatalogResult](t, w, http.StatusOK, "PUT", "/v1/catalog", api.CatalogPut{Files: files})
	if again.Applied || again.Version != 1 || len(again.Diff) != 0 {
		t.Errorf("applied twice: %+v", again)
	}

	now := want[api.Catalog](t, w, http.StatusOK, "GET", "/v1/catalog", nil)
	if len(now.APIs) != 3 || len(now.Products) != 3 || now.APIs[0].Operations == 0 || len(now.APIs[0].Live) != 2 || len(now.Summary) == 0 {
		t.Errorf("in force: %+v", now)
	}
	if products := want[api.List[api.Product]](t, w, http.StatusOK, "GET", "/v1/products", nil); len(products.Items) != 3 || products.Items[0].Source != "catalog" {
		t.Errorf("products: %+v", products)
	}
	if p := refused(t, w, api.CodeConflict, "PATCH", "/v1/products/"+now.Products[0], api.ProductPatch{Title: ptr("x")}); p.Hint == "" {
		t.Errorf("changed a catalogue's product: %+v", p)
	}

	files["eligibility-v3/faq.md"] += "\nOne more.\n"
	second := want[api.CatalogResult](t, w, http.StatusOK, "PUT", "/v1/catalog", api.CatalogPut{Files: files})
	if !second.Applied || second.Version != 2 || len(second.Diff) != 1 {
		t.Errorf("changed: %+v", second)
	}
	history := want[api.List[api.CatalogVersion]](t, w, http.StatusOK, "GET", "/v1/catalog/history", nil)
	if len(history.Items) != 2 || history.Items[0].Version != 2 {
		t.Errorf("history: %+v", history)
	}
}

func TestEveryFaultOfACatalogueIsListed(t *testing.T) {
	w := open(t)
	files := demo(t)
	delete(files, "eligibility-v3/openapi.yaml")
	files["claim-status-v2/manifest.yaml"] += "\nnonsense: true\n"
	p := refused(t, w, api.CodeInvalid, "PUT", "/v1/catalog", api.CatalogPut{Files: files})
	if len(p.Errors) < 2 || p.Field != "files" {
		t.Errorf("got %+v", p)
	}
	refused(t, w, api.CodeNotFound, "GET", "/v1/catalog", nil)
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../b", "a//b", `a\b`, "a\x00b"} {
		if p := refused(t, w, api.CodeInvalid, "PUT", "/v1/catalog", api.CatalogPut{Files: map[string]string{name: "x"}}); p.Field != "files" {
			t.Errorf("%q: %+v", name, p)
		}
	}
	refused(t, w, api.CodeInvalid, "PUT", "/v1/catalog", api.CatalogPut{})
	refused(t, w, api.CodeTooLarge, "PUT", "/v1/catalog", `{"files":{"x":"`+strings.Repeat("x", maxCatalogBody)+`"}}`)
	big := demo(t)
	big["eligibility-v3/overview.md"] += strings.Repeat("more\n", 20_000) // more than other bodies may have
	want[api.CatalogResult](t, w, http.StatusOK, "PUT", "/v1/catalog", api.CatalogPut{Files: big, DryRun: true})
}
