package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

func TestTheHelpOfTheProgramIsGroupedByWhoNeedsIt(t *testing.T) {
	w := &world{}
	help := w.ok(t, "--help")
	for _, part := range []string{"Customers and what they have:\n  app ", "This program:\n  completion ", "What happens:\n  audit "} {
		if !strings.Contains(help, part) {
			t.Errorf("lacks %q", part)
		}
	}
	if strings.Contains(help, "Additional Commands") {
		t.Error("a command is in no group")
	}
	if noun := w.ok(t, "org", "--help"); strings.Contains(noun, "sallyport org [flags]") || !strings.Contains(noun, "sallyport org [command]") {
		t.Errorf("org is shown to do something by itself:\n%s", noun)
	}
	if verb := w.ok(t, "app", "create", "--help"); strings.Count(verb, "(required)") != 3 || !strings.Contains(verb, "sallyport app create NAME [flags]") {
		t.Errorf("what has to be given is not told:\n%s", verb)
	}
	if got := w.ok(t, "--version"); got != "sallyport test\n" {
		t.Errorf("got %q", got)
	}
}

func TestANameThatSeveralHaveIsToldApart(t *testing.T) {
	w := openWorld(t)
	first := get[api.Organization](t, w, "org", "create", acme)
	again := w.run(t, "org", "create", acme)
	if again.code != ExitOK || !strings.Contains(again.stderr, "another organization of this name") || !strings.Contains(again.stderr, "sallyport org update org_") {
		t.Errorf("%+v", again)
	}
	other := get[api.Organization](t, w, "org", "create", "Other")
	for _, org := range []string{first.ID, other.ID} {
		w.ok(t, "app", "create", "claims", "--org", org, "--environment", "sandbox", "--email", "dev@example.com")
	}
	w.fails(t, ExitFailed, []string{`there are 2 apps "claims"`, "hint: say whose: --org ORG", " of " + other.ID}, "app", "show", "claims")
	w.ok(t, "app", "show", "claims", "--org", "Other")
}

func TestAFolderBesideTheCatalogueIsTold(t *testing.T) {
	w := openWorld(t)
	outer := t.TempDir()
	if err := os.CopyFS(filepath.Join(outer, "files"), catalog.Files); err != nil {
		t.Fatal(err)
	}
	w.fails(t, ExitUsage, []string{"hint: is this the one? " + filepath.Join(outer, "files")}, "catalog", "apply", outer)
	w.fails(t, ExitUsage, []string{"the folder of one API", "hint: name the folder that it is in, with products.yaml: " + filepath.Join(outer, "files")}, "catalog", "apply", filepath.Join(outer, "files", "eligibility-v3"))
}

func TestWhatWasOnlyReportedIsNotCalledRefused(t *testing.T) {
	r := api.Refusal{Surface: "report", Status: 400, Code: "invalid_request"}
	if got := answered(r); !strings.HasPrefix(got, "passed on") || !strings.HasSuffix(got, "400 invalid_request") {
		t.Errorf("got %q", got)
	}
	if r.Surface = "call"; answered(r) != "400 invalid_request" {
		t.Errorf("got %q", answered(r))
	}
}

func TestAMeanOfLessThanAMillisecondIsShown(t *testing.T) {
	for want, u := range map[string]api.UsageRow{
		"":      {},
		"<1ms":  {Count: 3},
		"200µs": {Count: 5, DurationMS: 1},
		"1.5ms": {Count: 2, DurationMS: 3},
	} {
		if got := mean(u); got != want {
			t.Errorf("%+v: %q, want %q", u, got, want)
		}
	}
}

func TestTablesShowNamesAndJSONHasIds(t *testing.T) {
	w := openWorld(t)
	org := get[api.Organization](t, w, "org", "create", acme)
	get[api.Product](t, w, "product", "create", "P1", "--title", "Product one")
	get[api.Subscription](t, w, "subscription", "create", "P1", "--org", acme)
	app := get[api.App](t, w, "app", "create", "claims", "--org", acme, "--environment", "sandbox", "--email", "dev@example.com")
	created := get[api.CreatedCredential](t, w, "credential", "create", "claims")
	if err := w.store.AddUsage(t.Context(), usage.Batch{Rows: []usage.Row{{Count: 1, Key: usage.Key{
		Hour: clock().Truncate(time.Hour).Unix(), Environment: "sandbox", Org: id.Org(org.ID), App: id.App(app.ID), Outcome: "ok", Source: "token",
	}}}}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"app", "list"},
		{"subscription", "list"},
		{"usage", "--from", "2h"},
		{"token", "usage", "--from", "2h"},
		{"credential", "list"},
	} {
		out := w.ok(t, args...)
		if !strings.Contains(out, acme) || strings.Contains(out, org.ID) {
			t.Errorf("%q:\n%s", args, out)
		}
		if out := w.ok(t, append(args, "--ids")...); strings.Contains(out, acme) || !strings.Contains(out, org.ID) && !strings.Contains(out, app.ID) {
			t.Errorf("%q --ids:\n%s", args, out)
		}
		if out := w.ok(t, append(args, "-o", "json")...); strings.Contains(out, acme) || !strings.Contains(out, org.ID) && !strings.Contains(out, app.ID) {
			t.Errorf("%q in JSON:\n%s", args, out)
		}
	}
	if out := w.ok(t, "credential", "list"); !strings.Contains(out, acme+"  sandbox") || !strings.Contains(out, "claims  "+created.ID) {
		t.Errorf("whose a credential is:\n%s", out)
	}

	// Those of one name are told apart, and many are read at once.
	again := get[api.Organization](t, w, "org", "create", acme)
	get[api.App](t, w, "app", "create", "claims", "--org", again.ID, "--environment", "sandbox", "--email", "dev@example.com")
	for _, name := range []string{"one", "two", "three", "four"} {
		get[api.Organization](t, w, "org", "create", name)
		get[api.App](t, w, "app", "create", "claims", "--org", name, "--environment", "sandbox", "--email", "dev@example.com")
	}
	out := w.ok(t, "app", "list")
	for _, part := range []string{acme + " (" + org.ID + ")", acme + " (" + again.ID + ")", "  three  "} {
		if !strings.Contains(out, part) {
			t.Errorf("lacks %q:\n%s", part, out)
		}
	}
}
