package adminapi

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

func TestAnImportTellsEveryFaultAndChangesNothing(t *testing.T) {
	w := open(t)
	org := addOrg(t, w)
	addProduct(t, w)
	taken := addApp(t, w, org, "sandbox")
	shared := rand.Text()
	app := func(id string, change func(*api.ImportApp)) api.ImportApp {
		a := api.ImportApp{Org: org.ID, Name: "app " + id, DeveloperEmail: "dev@example.com", ClientID: id, Products: []string{"P1"}}
		change(&a)
		return a
	}
	with := func(c api.ImportCredential) func(*api.ImportApp) {
		return func(a *api.ImportApp) { a.Credentials = []api.ImportCredential{c} }
	}
	secret := func(text string) api.ImportCredential { return api.ImportCredential{Secret: api.NewSecret(text)} }
	in := api.Import{Environment: "sandbox", Apps: []api.ImportApp{
		app("fine", with(secret(shared))),
		app("same", with(secret(shared))),
		app("short", with(secret("1234567"))),
		app("dear", with(api.ImportCredential{Hash: api.NewSecret("$2b$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i")})),
		app("key", with(api.ImportCredential{PublicKey: "rubbish"})),
		app("past", with(api.ImportCredential{Secret: api.NewSecret(rand.Text()), Expires: clock().AddDate(-1, 0, 0)})),
		app("fine", func(a *api.ImportApp) { a.Name = "other" }),
		app(taken.ClientID, func(*api.ImportApp) {}),
		app("name", func(a *api.ImportApp) { a.Name = taken.Name }),
		app("product", func(a *api.ImportApp) { a.Products = []string{"none"} }),
		app("email", func(a *api.ImportApp) { a.DeveloperEmail = "" }),
		app("org", func(a *api.ImportApp) { a.Org = "org_nobody" }),
		app("a b", func(*api.ImportApp) {}),
	}}
	p := refused(t, w, api.CodeInvalid, "POST", "/v1/import", in)
	var names []string
	for _, fault := range p.Errors {
		name, _, _ := strings.Cut(fault, ": ")
		names = append(names, strings.Trim(name, `"`))
	}
	want := []string{"same", "short", "dear", "key", "past", "fine", taken.ClientID, "name", "product", "email", "org", "a b"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("%s\n%s", diff, strings.Join(p.Errors, "\n"))
	}
	if strings.Contains(fmt.Sprint(p), shared) || strings.Contains(w.log.String(), shared) {
		t.Error("a secret is repeated")
	}
	if got := appsAt(t, w, "/v1/apps"); len(got.Items) != 1 {
		t.Errorf("got %+v", got.Items)
	}
	for _, body := range []string{
		`{"environment":"sandbox","apps":[]}`,
		`{"environment":"nowhere","apps":[{"org":"` + org.ID + `","client_id":"x","name":"x","developer_email":"dev@example.com"}]}`,
		`{"environment":"sandbox","apps":[{"client_id":"x","name":"x","developer_email":"dev@example.com"}]}`,
		`{"environment":"sandbox","apps":[{"org":"` + org.ID + `","client_id":"x","name":"x","developer_email":"dev@example.com","credentials":[{}]}]}`,
		`{"environment":"sandbox","apps":[{"org":"` + org.ID + `","client_id":"x","name":"x","developer_email":"dev@example.com","credentials":[{"secret":"long enough","jwks_uri":"https://x"}]}]}`,
	} {
		refused(t, w, api.CodeInvalid, "POST", "/v1/import", body)
	}
}

func appsAt(t *testing.T, w *world, target string) api.List[api.App] {
	t.Helper()
	return want[api.List[api.App]](t, w, http.StatusOK, "GET", target, nil)
}

func TestAnImportIntoProductionRecordsAContract(t *testing.T) {
	w := open(t)
	addProduct(t, w)
	in := api.Import{Environment: "production", DryRun: true, Apps: []api.ImportApp{
		{
			OrgName: "New", Name: "a", DeveloperEmail: "dev@example.com", ClientID: "a", Products: []string{"P1"},
			Credentials: []api.ImportCredential{{Secret: api.NewSecret(rand.Text())}},
		},
		{OrgName: "New", Name: "b", DeveloperEmail: "dev@example.com", ClientID: "b", Products: []string{"P1"}, Disabled: true},
	}}
	if p := refused(t, w, api.CodeInvalid, "POST", "/v1/import", in); len(p.Errors) != 1 || !strings.Contains(p.Errors[0], "give the contract's reference") {
		t.Errorf("got %+v", p)
	}
	in.Contract = "C-7"
	plan := want[api.ImportResult](t, w, http.StatusOK, "POST", "/v1/import", in)
	if plan.Applied || len(plan.Organizations) != 1 || len(plan.Apps) != 2 || len(plan.Subscriptions) != 1 || plan.Subscriptions[0].Contract != "C-7" || len(plan.Apps[1].Notes) != 1 {
		t.Errorf("got %+v", plan)
	}
	if got := appsAt(t, w, "/v1/apps"); len(got.Items) != 0 {
		t.Errorf("a dry run made %+v", got.Items)
	}
	in.DryRun = false
	done := want[api.ImportResult](t, w, http.StatusOK, "POST", "/v1/import", in)
	got := want[api.App](t, w, http.StatusOK, "GET", "/v1/apps/"+done.Apps[1].ID, nil)
	if !done.Applied || got.ClientID != "b" || got.State != "disabled" {
		t.Errorf("got %+v", got)
	}
	in.SkipExisting = true
	if again := want[api.ImportResult](t, w, http.StatusOK, "POST", "/v1/import", in); !again.Apps[0].Skipped || !again.Apps[1].Skipped {
		t.Errorf("got %+v", again)
	}
}
