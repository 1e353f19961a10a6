package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

const acme = "Acme Health"

func TestACustomersLifeInCommands(t *testing.T) {
	w := openWorld(t)
	org := get[api.Organization](t, w, "org", "create", acme)
	if got := get[api.Organization](t, w, "org", "show", acme); got != org {
		t.Errorf("by name: %+v, want %+v", got, org)
	}
	product := get[api.Product](t, w, "product", "create", "P1", "--title", "Product one", "--token-lifetime", "1h")
	if product.TokenLifetime != 3600 {
		t.Errorf("got %+v", product)
	}

	app := get[api.App](t, w, "app", "create", "claims", "--org", acme, "--environment", "production", "--email", "dev@example.com")
	w.fails(t, ExitFailed, []string{"credential create: credentials for production exist only once", "hint: request a subscription"},
		"credential", "create", "claims")

	sub := get[api.Subscription](t, w, "subscription", "create", "P1", "--org", acme)
	get[api.Subscription](t, w, "subscription", "request", "P1", "--org", acme)
	if queue := get[api.List[api.Subscription]](t, w, "subscription", "list", "--state", "requested"); len(queue.Items) != 1 || queue.Items[0].NextActor != "operator" {
		t.Errorf("queue: %+v", queue)
	}
	w.fails(t, ExitFailed, []string{"subscription approve: --contract: approving records a contract"}, "subscription", "approve", sub.ID)
	if got := get[api.Subscription](t, w, "subscription", "approve", sub.ID, "--contract", "C-1", "--note", "signed"); got.State != "subscribed" {
		t.Errorf("got %+v", got)
	}

	created := get[api.CreatedCredential](t, w, "credential", "create", "claims", "--org", acme, "--label", "laptop", "--expires", "90d")
	if created.ClientID != app.ClientID || created.ClientSecret.Reveal() == "" || created.Expires.Before(time.Now().Add(89*24*time.Hour)) {
		t.Errorf("got %+v", created)
	}
	list := w.ok(t, "credential", "list", "claims")
	if !strings.Contains(list, "laptop") || strings.Contains(list, created.ClientSecret.Reveal()) {
		t.Errorf("list: %s", list)
	}
	if got := get[api.Credential](t, w, "credential", "expire", created.ID, "never"); !got.Expires.IsZero() {
		t.Errorf("got %+v", got)
	}
	rotated := get[api.RotatedCredential](t, w, "credential", "rotate", created.ID, "--overlap", "1h")
	if rotated.Replaces != created.ID || rotated.ClientSecret.Reveal() == "" || rotated.OldExpires.After(time.Now().Add(time.Hour)) {
		t.Errorf("got %+v", rotated)
	}
	if got := get[api.List[api.Credential]](t, w, "credential", "list", "--expiring", "30d", "--org", acme); len(got.Items) != 1 || got.Items[0].ID != created.ID {
		t.Errorf("got %+v", got)
	}
	w.use(t, created.ID)
	w.fails(t, ExitFailed, []string{"in use: last used at ", "nothing was changed", "hint: if you mean it, add --force"}, "credential", "revoke", created.ID, "--yes")
	w.terminal, w.stdin = true, "y\nn\n"
	if r := w.run(t, "credential", "revoke", created.ID); r.code != ExitFailed || strings.Count(r.stderr, "[y/N]") != 2 {
		t.Errorf("got %+v", r)
	}
	w.stdin = "y\ny\n"
	if got := get[api.Credential](t, w, "credential", "revoke", created.ID); got.Live {
		t.Errorf("got %+v", got)
	}

	if got := get[api.App](t, w, "app", "update", "claims", "--token-lifetime", "2h", "--reuse-window", "0s", "--product", "P1"); got.TokenLifetime != 7200 || *got.ReuseWindow != 0 {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "update", "claims", "--reuse-window", "-1s"); got.ReuseWindow != nil {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "update", "claims", "--binding", "dpop"); got.Binding != "dpop" {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "update", "claims", "--oversees", "organization"); got.Oversees != "organization" {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "update", "claims", "--oversees", "own"); got.Oversees != "own" {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "update", "claims", "--binding", "none"); got.Binding != "none" {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "disable", "claims", "--org", acme); got.State != "disabled" {
		t.Errorf("got %+v", got)
	}
	if got := get[api.App](t, w, "app", "not-before", app.ID, "now"); got.NotBefore == 0 {
		t.Errorf("got %+v", got)
	}
	get[api.App](t, w, "app", "enable", "claims")
	if out := w.ok(t, "app", "delete", "claims", "--yes"); out != "deleted "+app.ID+"\n" {
		t.Errorf("got %q", out)
	}
	if all := get[api.List[api.App]](t, w, "app", "list", "--org", acme); all.Items == nil || len(all.Items) != 0 {
		t.Errorf("got %+v", all)
	}

	get[api.Organization](t, w, "org", "update", acme, "--name", "Acme")
	get[api.Organization](t, w, "org", "suspend", "Acme", "--yes")
	get[api.Organization](t, w, "org", "resume", "Acme")
	if got := get[api.Organization](t, w, "org", "not-before", "Acme", "2020-01-01T00:00:00Z"); got.NotBefore != 1577836800 {
		t.Errorf("got %+v", got)
	}
	if got := get[api.List[api.AuditRecord]](t, w, "audit", "list", "--org", "Acme", "--limit", "3"); len(got.Items) != 3 || got.Next == "" {
		t.Errorf("got %+v", got)
	}
}

func TestAKeyInTheStepsOfASecret(t *testing.T) {
	w := openWorld(t)
	get[api.Organization](t, w, "org", "create", acme)
	get[api.App](t, w, "app", "create", "claims", "--org", acme, "--environment", "sandbox", "--email", "dev@example.com")
	file := filepath.Join(t.TempDir(), "public.json")
	if err := os.WriteFile(file, []byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.ok(t, "credential", "create", "claims", "--public-key", file)
	if !strings.Contains(out, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k") || strings.Contains(out, "secret") {
		t.Errorf("got %s", out)
	}
	w.ok(t, "credential", "create", "claims", "--jwks-uri", "https://client.example/keys")
	w.ok(t, "credential", "create", "claims", "--certified-name", "san_dns:client.example")
	list := w.ok(t, "credential", "list", "claims")
	for _, want := range []string{"public_key", "jwks_uri", "certified_name", "kPrK_qmxVW…", "san_dns:client.example"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list has no %s: %s", want, list)
		}
	}
	w.fails(t, ExitFailed, []string{"certificate: is not one PEM block"}, "credential", "create", "claims", "--certificate", file)
	w.fails(t, ExitFailed, []string{"no such file"}, "credential", "create", "claims", "--certificate", file+"x")
}

func TestAPrivateKeyIsNotSent(t *testing.T) {
	w := openWorld(t)
	get[api.Organization](t, w, "org", "create", acme)
	get[api.App](t, w, "app", "create", "claims", "--org", acme, "--environment", "sandbox", "--email", "dev@example.com")
	file := filepath.Join(t.TempDir(), "client.key")
	if err := os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--public-key", "--certificate"} {
		w.fails(t, ExitUsage, []string{"holds a private key; nothing was sent", "openssl pkey"}, "credential", "create", "claims", flag, file)
	}
}

func TestTheOtherNounsInCommands(t *testing.T) {
	w := openWorld(t)
	org := get[api.Organization](t, w, "org", "create", acme)
	get[api.TIN](t, w, "tin", "request", "123456789", "--org", acme)
	if got := get[api.TIN](t, w, "tin", "associate", "123456789", "--org", acme, "--note", "seen"); got.State != "associated" {
		t.Errorf("got %+v", got)
	}
	get[api.TIN](t, w, "tin", "refuse", "123456789", "--org", org.ID)
	if got := get[api.List[api.TIN]](t, w, "tin", "list", "--state", "refused"); len(got.Items) != 1 {
		t.Errorf("got %+v", got)
	}
	w.ok(t, "tin", "delete", "123456789", "--org", acme)

	get[api.Submitter](t, w, "submitter", "assign", "..", "--org", acme, "--kind", "host")
	if got := get[api.List[api.Submitter]](t, w, "submitter", "list", "--org", acme); len(got.Items) != 1 {
		t.Errorf("got %+v", got)
	}
	w.ok(t, "submitter", "remove", "..", "--org", acme, "--kind", "host")

	key := get[api.Key](t, w, "key", "rotate", "--environment", "sandbox")
	if got := get[api.Key](t, w, "key", "revoke", "--yes", "--", key.KID); got.State != "revoked" {
		t.Errorf("got %+v", got)
	}
	if k := get[api.Key](t, w, "key", "rotate", "--environment", "sandbox", "--emergency", "--yes", "--algorithm", "EdDSA"); len(k.Revokes) != 1 {
		t.Errorf("the emergency revokes %v", k.Revokes)
	}
	if got := get[api.List[api.Node]](t, w, "node", "list"); len(got.Items) != 0 {
		t.Errorf("got %v", got)
	}
	if out := w.ok(t, "key", "list", "--environment", "sandbox"); !strings.Contains(out, "EdDSA") {
		t.Errorf("got %s", out)
	}
	if got := get[api.NotBefore](t, w, "not-before", "set", "platform", "now"); got.NotBefore == 0 {
		t.Errorf("got %+v", got)
	}
	if got := get[api.List[api.NotBefore]](t, w, "not-before", "show"); len(got.Items) != 3 {
		t.Errorf("got %+v", got)
	}
	w.ok(t, "token", "revoke", "0b0f5c5e", "--expires", "2h", "--org", acme)

	operator := get[api.CreatedOperatorToken](t, w, "operator", "create", "ci", "--expires", "30d")
	if operator.Token.Reveal() == "" {
		t.Error("no token")
	}
	get[api.OperatorToken](t, w, "operator", "revoke", operator.ID)
	if got := get[api.List[api.OperatorToken]](t, w, "operator", "list"); len(got.Items) != 2 {
		t.Errorf("got %+v", got)
	}

	w.refusals.Add(usage.Refusal{
		At: clock().Add(-time.Minute), Trace: "abc", Reason: "it expired four minutes ago", Next: "fetch a new one", Surface: "call", Method: "GET", Path: "/elig/v1/{id}",
		Parameter: "Authorization", Skew: 4 * time.Minute, Org: id.Org(org.ID), App: "app_gone", Credential: "cred_a", Label: "ci", Hint: "spsbx_AB",
	})
	out := w.ok(t, "explain", "abc")
	if shown := w.ok(t, "refusal", "show", "abc"); shown != out {
		t.Errorf("refusal show: %s\nexplain: %s", shown, out)
	}
	for _, part := range []string{
		"four minutes ago", "fetch a new one", "Authorization", "4m0s past the end", `"ci" spsbx_AB cred_a`, `"Acme Health" org_`, "call GET /elig/v1/{id}",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("the explanation lacks %q: %s", part, out)
		}
	}
	kept := get[api.List[api.Refusal]](t, w, "refusal", "list", "--surface", "call", "--org", acme, "--from", "1d", "--limit", "5")
	if len(kept.Items) != 1 || kept.Items[0].Org != org.ID || kept.Items[0].App != "app_gone" || kept.Items[0].Credential != "cred_a" || kept.Items[0].Next == "" {
		t.Errorf("got %+v", kept)
	}
	for _, narrowed := range [][]string{{"--app", "app_gone"}, {"--trace", "abc"}, {"--trace", "urn:trace:abc"}, {"--org", acme, "--app", "app_gone"}} {
		out := w.ok(t, append([]string{"refusal", "list"}, narrowed...)...)
		for _, part := range []string{"ENVIRONMENT  ORG", "APP", "abc", org.ID, "app_gone"} {
			if !strings.Contains(out, part) {
				t.Errorf("%v lacks %q: %s", narrowed, part, out)
			}
		}
	}
	if out := w.ok(t, "refusal", "list", "--app", "app_other"); strings.Contains(out, "abc") {
		t.Errorf("another app's refusal is listed: %s", out)
	}
	get[api.List[api.TokenUsage]](t, w, "token", "usage", "--from", "7d", "--org", acme)
	w.fails(t, ExitFailed, []string{"hint: what there is: sallyport refusal list"}, "explain", "nothing")
	w.fails(t, ExitUsage, []string{"is no trace id", "sallyport explain GET https://api.example.com/it"}, "explain", "https://api.example.com/it")
	w.ok(t, "refusal", "list", "--surface", "report")
	get[api.List[api.Refusal]](t, w, "refusal", "list")
	get[api.List[api.UsageRow]](t, w, "usage", "--from", "7d", "--org", acme)
	get[api.List[api.UsageRow]](t, w, "usage", "--total")
	if got := get[api.Status](t, w, "status"); got.Version != "v9" {
		t.Errorf("got %+v", got)
	}
	if out := w.ok(t, "status"); !strings.Contains(out, "https://sandbox.example.com") {
		t.Errorf("got %s", out)
	}
	get[version](t, w, "version")
}

func TestACatalogueIsAppliedFromAFolder(t *testing.T) {
	w := openWorld(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, catalog.Files); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".hidden"), "not part of it")
	if r := w.run(t, "catalog", "apply", dir, "--dry-run"); r.code != ExitOK || !strings.Contains(r.stdout, "added") || !strings.Contains(r.stderr, "dry run") {
		t.Errorf("got %+v", r)
	}
	w.fails(t, ExitFailed, []string{"no catalogue has been applied", "hint: apply one"}, "catalog", "show")
	if got := get[api.CatalogResult](t, w, "catalog", "apply", dir); !got.Applied || got.Version != 1 {
		t.Errorf("got %+v", got)
	}
	if r := w.run(t, "catalog", "apply", dir); r.code != ExitOK || !strings.Contains(r.stderr, "the same") {
		t.Errorf("got %+v", r)
	}
	if got := get[api.Catalog](t, w, "catalog", "show"); len(got.APIs) != 3 {
		t.Errorf("got %+v", got)
	}
	get[api.List[api.CatalogVersion]](t, w, "catalog", "history")
	w.ok(t, "catalog", "history")
	smaller := t.TempDir()
	if err := os.CopyFS(smaller, catalog.Files); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(smaller, "pharmacy-claims-v1")); err != nil {
		t.Fatal(err)
	}
	if r := w.run(t, "catalog", "apply", smaller); r.code != ExitUsage || !strings.Contains(r.stderr, "API pharmacy-claims-v1: removed") || !strings.Contains(r.stderr, "add --yes") {
		t.Errorf("a removal, unasked: %+v", r)
	}
	if got := get[api.CatalogResult](t, w, "catalog", "apply", smaller, "--yes"); !got.Applied || got.Version != 2 {
		t.Errorf("with --yes: %+v", got)
	}

	write(t, filepath.Join(dir, "nonsense.txt"), "x")
	write(t, filepath.Join(dir, "products.yaml"), "nonsense: true\n")
	w.fails(t, ExitFailed, []string{"files: the catalogue has faults", "\n  nonsense.txt:1: ", "\n  products.yaml:"}, "catalog", "apply", dir)
	w.fails(t, ExitUsage, []string{"is not a folder", "hint: name the folder"}, "catalog", "apply", filepath.Join(dir, "none"))
}

func TestSecretsArePrintedOnceWithANoteBeside(t *testing.T) {
	w := openWorld(t)
	w.ok(t, "org", "create", acme)
	w.ok(t, "app", "create", "claims", "--org", acme, "--environment", "sandbox", "--email", "dev@example.com")
	first := get[api.CreatedCredential](t, w, "credential", "create", "claims")
	for _, args := range [][]string{
		{"credential", "create", "claims"},
		{"credential", "create", "claims", "-o", "json"},
		{"credential", "rotate", first.ID},
		{"credential", "rotate", first.ID, "-o", "json"},
		{"operator", "create", "ci"},
		{"operator", "create", "ci", "-o", "json"},
	} {
		r := w.run(t, args...)
		secrets := 0
		for _, word := range strings.FieldsFunc(r.stdout, func(c rune) bool { return strings.ContainsRune(" \n\",:", c) }) {
			if (strings.HasPrefix(word, "spsan_") || strings.HasPrefix(word, "spop_")) && len(word) > 30 {
				secrets++
				if strings.Contains(r.stderr, word) {
					t.Errorf("%q: on stderr too", args)
				}
			}
		}
		if r.code != ExitOK || secrets != 1 || !strings.Contains(r.stderr, "note: ") || !strings.Contains(r.stderr, "only this once") {
			t.Errorf("%q: %d secrets: %+v", args, secrets, r)
		}
	}
}

func TestWhatTakesAwayAsksFirst(t *testing.T) {
	w := openWorld(t)
	org := get[api.Organization](t, w, "org", "create", acme)
	commands := [][]string{
		{"org", "suspend", acme},
		{"app", "delete", "claims"},
		{"credential", "revoke", "cred_1"},
		{"key", "revoke", "kid"},
		{"node", "remove", "node_7k2m4x6d3c5b7a2e4f6g3h5j7q"},
		{"key", "rotate", "--environment", "sandbox", "--emergency"},
	}
	for _, args := range commands {
		w.terminal, w.stdin = false, "y\n"
		w.fails(t, ExitUsage, []string{"hint: if you mean it, add --yes"}, args...)
		w.terminal, w.stdin = true, ""
		if r := w.run(t, args...); r.code != ExitUsage || !strings.Contains(r.stderr, "hint: if you mean it, add --yes") {
			t.Errorf("%q at the end of stdin: %+v", args, r)
		}
		w.stdin = "n\n"
		if r := w.run(t, args...); r.code != ExitFailed || !strings.Contains(r.stderr, "nothing was changed") || !strings.Contains(r.stderr, "[y/N]") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if got := get[api.Organization](t, w, "org", "show", org.ID); got.State != "active" {
		t.Errorf("got %+v", got)
	}
	w.stdin = "yes\n"
	w.ok(t, "org", "suspend", acme)
	if got := get[api.Organization](t, w, "org", "show", org.ID); got.State != "suspended" {
		t.Errorf("got %+v", got)
	}
}

func TestMistakesAreUsage(t *testing.T) {
	w := openWorld(t)
	tests := []struct {
		args  []string
		parts []string
	}{
		{[]string{"org"}, []string{"sallyport: org: say what to do: create, list", "hint: run 'sallyport org --help'"}},
		{[]string{"org", "crate", "x"}, []string{`no command "crate": did you mean create?`}},
		{[]string{"orgs"}, []string{`sallyport: there is no command "orgs": did you mean org?`, "hint: run 'sallyport --help'"}},
		{[]string{"zzzzzz"}, []string{`there is no command "zzzzzz"; there are: `}},
		{[]string{"org", "create"}, []string{"sallyport: org create: NAME is missing", "hint: run 'sallyport org create --help'"}},
		{[]string{"org", "create", "a", "b"}, []string{"too many arguments: it takes NAME"}},
		{[]string{"org", "list", "a"}, []string{"it takes no arguments"}},
		{[]string{"org", "list", "--nonsense"}, []string{"unknown flag: --nonsense"}},
		{[]string{"key", "revoke", "-wm"}, []string{"unknown shorthand flag: 'w' in -wm", "hint: an argument that begins with - goes after --: sallyport key revoke -- -wm"}},
		{[]string{"org", "list", "-o", "xml"}, []string{"table or json"}},
		{[]string{"app", "create", "x"}, []string{"needed: --email, --environment, --org"}},
		{[]string{"app", "update", "x"}, []string{"nothing to change: give at least one of --name, --email"}},
		{[]string{"app", "update", "x", "--token-lifetime", "1500ms"}, []string{"whole seconds"}},
		{[]string{"org", "not-before", "x", "soon"}, []string{"is not a moment: give now"}},
		{[]string{"credential", "expire", "cred_1", "soon"}, []string{"is not a moment: give never"}},
		{[]string{"usage", "--from", "soon"}, []string{"--from is \"soon\""}},
		{[]string{"subscription", "end", "P1"}, []string{"give --org too"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			w.fails(t, ExitUsage, tt.parts, tt.args...)
			if n := strings.Count(w.run(t, tt.args...).stderr, "\n"); n != 2 {
				t.Errorf("%d lines, want one and a hint", n)
			}
		})
	}
}

// Two organizations may have one name. Whoever makes the second is told, and no command
// that changes anything takes the name for one of them.
func TestTwoOrganizationsOfOneNameAreToldApart(t *testing.T) {
	w := openWorld(t)
	first := get[api.Organization](t, w, "org", "create", acme)
	other := w.run(t, "org", "create", strings.ToUpper(acme), "-o", "json")
	if other.code != 0 || !strings.Contains(other.stderr, first.ID) || !strings.Contains(other.stderr, "--name NAME") {
		t.Errorf("making another: %+v", other)
	}
	if again := w.run(t, "org", "create", "Somebody Else"); again.stderr != "" {
		t.Errorf("a name of its own: %s", again.stderr)
	}
	second := get[api.Organization](t, w, "org", "create", acme)
	for _, args := range [][]string{
		{"org", "suspend", acme, "--yes"},
		{"org", "update", acme, "--name", "x"},
		{"org", "not-before", acme, "now"},
		{"app", "create", "claims", "--org", acme, "--environment", "sandbox", "--email", "a@example.com"},
		{"app", "list", "--org", acme},
		{"subscription", "list", "--org", acme},
		{"tin", "list", "--org", acme},
		{"usage", "--org", acme},
		{"refusal", "list", "--org", acme},
		{"audit", "list", "--org", acme},
		{"token", "usage", "--org", acme},
	} {
		w.fails(t, ExitFailed, []string{"there are 2 organizations", first.ID, second.ID}, args...)
	}
	get[api.Organization](t, w, "org", "update", second.ID, "--name", "Acme Health (Ohio)")
	if got := get[api.Organization](t, w, "org", "show", acme); got.ID != first.ID {
		t.Errorf("the name that one alone has leads to %+v", got)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	w := openWorld(t)
	w.ok(t, "org", "create", acme)
	w.ok(t, "org", "create", acme)
	w.fails(t, ExitFailed, []string{"there are 2 organizations", "hint: give the id of one: org_", "(active, of 20"}, "org", "show", acme)
	w.fails(t, ExitFailed, []string{`there is no organization "Nobody"`, "hint: what there is: sallyport org list"}, "org", "show", "Nobody")
	w.fails(t, ExitFailed, []string{"hint: what there is: sallyport app list"}, "app", "show", "app_nothing")
	w.fails(t, ExitFailed, []string{"hint: what there is: sallyport key list"}, "key", "revoke", "nothing", "--yes")
	w.fails(t, ExitFailed, []string{"hint: what there is: sallyport org list"}, "app", "list", "--org", "org_nothing")

	t.Run("a wrong token", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, "spop_wrong\n")
		w.fails(t, ExitFailed, []string{"status: an operator token is needed", "hint: the token came from --token-file"}, "--token-file", file, "status")
	})
	t.Run("nothing there", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		s.Close()
		w.fails(t, ExitFailed, []string{"nothing answers at http://127.0.0.1", "hint: is it running there?"}, "--url", s.URL, "status")
	})
	t.Run("an unknown authority", func(t *testing.T) {
		other := &world{env: map[string]string{"SALLYPORT_URL": w.server.URL, "SALLYPORT_TOKEN": "spop_x"}}
		other.fails(t, ExitFailed, []string{"a certificate of an unknown authority", "hint: name the file", "--ca FILE"}, "status")
	})
	t.Run("another name", func(t *testing.T) {
		u := strings.Replace(w.server.URL, "127.0.0.1", "localhost", 1)
		w.fails(t, ExitFailed, []string{"a certificate for another name"}, "--url", u, "status")
	})
	t.Run("no TLS", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		w.fails(t, ExitFailed, []string{"does not speak TLS"}, "--url", strings.Replace(s.URL, "http:", "https:", 1), "status")
	})
	t.Run("not a Sallyport", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		w.fails(t, ExitFailed, []string{"the answer was not the management API's", "hint: is the URL"}, "--url", s.URL, "org", "list")
	})
	t.Run("in the clear", func(t *testing.T) {
		w.fails(t, ExitFailed, []string{"must begin with https://"}, "--url", "http://sallyport.example.com", "status")
	})
}

func TestWhereAndAsWhomComesFromFlagsThenTheEnvironment(t *testing.T) {
	w := openWorld(t)
	tokenFile := filepath.Join(t.TempDir(), "token")
	write(t, tokenFile, w.token+"\n")
	good := map[string]string{"SALLYPORT_URL": w.server.URL, "SALLYPORT_CA": w.ca, "SALLYPORT_TOKEN": w.token}
	bad := map[string]string{"SALLYPORT_URL": "https://127.0.0.1:1", "SALLYPORT_CA": "/none", "SALLYPORT_TOKEN": "spop_bad", "SALLYPORT_READY": "/none"}
	inline := filepath.Join(t.TempDir(), "ready.json")
	ca, err := os.ReadFile(w.ca)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.ready)
	if err != nil {
		t.Fatal(err)
	}
	write(t, inline, strings.Replace(string(text), `"ca.pem"`, `"`+strings.ReplaceAll(string(ca), "\n", `\n`)+`"`, 1))

	for name, tt := range map[string]struct {
		env   map[string]string
		stdin string
		args  []string
	}{
		"variables":                    {good, "", nil},
		"flags over variables":         {bad, "", []string{"--url", w.server.URL, "--ca", w.ca, "--token-file", tokenFile}},
		"a token on stdin":             {bad, w.token + "\n", []string{"--url", w.server.URL, "--ca", w.ca, "--token-file", "-"}},
		"--ready over variables":       {bad, "", []string{"--ready", w.ready}},
		"a certificate within":         {nil, "", []string{"--ready", inline}},
		"SALLYPORT_READY":              {map[string]string{"SALLYPORT_READY": w.ready}, "", nil},
		"--ready with another's token": {nil, "", []string{"--ready", w.ready, "--token-file", tokenFile}},
	} {
		t.Run(name, func(t *testing.T) {
			w.env, w.stdin = tt.env, tt.stdin
			w.ok(t, append(tt.args, "status")...)
		})
	}
	for name, tt := range map[string]struct {
		env  map[string]string
		args []string
		part string
	}{
		"nothing":           {nil, nil, "hint: give --url"},
		"no token":          {map[string]string{"SALLYPORT_URL": w.server.URL}, nil, "hint: give --token-file FILE"},
		"no token file":     {nil, []string{"--url", w.server.URL, "--token-file", "/none"}, "/none: no such file"},
		"an empty stdin":    {nil, []string{"--url", w.server.URL, "--token-file", "-"}, "does not hold one token"},
		"no ready file":     {nil, []string{"--ready", "/none"}, "hint: is it running?"},
		"not a ready file":  {nil, []string{"--ready", w.ca}, "is not what a demo writes"},
		"no CA":             {nil, []string{"--url", w.server.URL, "--ca", "/none"}, "check --ca"},
		"not a certificate": {good, []string{"--ca", tokenFile}, "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			w.env, w.stdin = tt.env, ""
			w.fails(t, ExitUsage, []string{tt.part}, append(tt.args, "status")...)
		})
	}
}

func TestEveryCommandHelps(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			return
		}
		path := cmd.CommandPath()
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s: no short help, or no example", path)
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help ends in a full stop", path)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  sallyport ") {
				t.Errorf("%s: the example %q is not a command", path, line)
			}
			checkExample(t, cmd, strings.TrimSpace(line))
		}
		if len(cmd.Commands()) == 0 && !strings.Contains(cmd.Example, path) && !strings.Contains(cmd.Example, " "+cmd.Name()) {
			t.Errorf("%s: the example does not show it", path)
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk((&Program{Env: func(string) string { return "" }, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Commands: ManagementCommands()}).Root())
}

// checkExample finds the command of an example and parses its flags.
func checkExample(t *testing.T, cmd *cobra.Command, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " > ")
	var args []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	root := (&Program{Env: func(string) string { return "" }, Commands: ManagementCommands()}).Root()
	found, rest, err := root.Find(args[1:])
	if err != nil || found.HasSubCommands() {
		t.Errorf("%s: %q is no command: %v", cmd.CommandPath(), line, err)
		return
	}
	if err := found.ParseFlags(rest); err != nil {
		t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
		return
	}
	if err := found.ValidateArgs(found.Flags().Args()); err != nil {
		t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
	}
	if err := found.ValidateRequiredFlags(); err != nil {
		t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
	}
}

func TestHelpAndCompletionGoToStdout(t *testing.T) {
	w := &world{}
	for _, args := range [][]string{{}, {"--help"}, {"help", "org", "create"}, {"org", "create", "--help"}, {"completion", "bash"}} {
		if r := w.run(t, args...); r.code != ExitOK || r.stdout == "" || r.stderr != "" {
			t.Errorf("%q: exit %d, %d bytes, stderr %q", args, r.code, len(r.stdout), r.stderr)
		}
	}
	for words, args := range map[string][]string{
		"sandbox\nproduction\n":         {"__complete", "key", "list", "--environment", ""},
		"requested\nassociated\n":       {"__complete", "tin", "list", "--state", ""},
		"platform\nsandbox\n":           {"__complete", "not-before", "set", ""},
		"create\tAdd an organization\n": {"__complete", "org", ""},
		"table\njson\n":                 {"__complete", "org", "list", "-o", ""},
	} {
		if r := w.run(t, args...); r.code != ExitOK || !strings.HasPrefix(r.stdout, words) {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestOthersWordsCannotSteerTheTerminal(t *testing.T) {
	if got := printable("a\x1b[31mb\u202e\n"); got != "a?[31mb??" {
		t.Errorf("got %q", got)
	}
	if got := printable(""); got != "-" {
		t.Errorf("got %q", got)
	}
}

func TestCommandsCanBeAdded(t *testing.T) {
	var out bytes.Buffer
	p := &Program{
		Env: func(string) string { return "" }, Stdout: &out, Stderr: &out, Now: clock,
		Commands: append(ManagementCommands(), func(p *Program) *cobra.Command {
			return p.verb("serve", "Serve", "  sallyport serve", func(*cobra.Command, []string) error { return p.did("served") })
		}),
	}
	if code := p.Run(t.Context(), []string{"serve"}); code != ExitOK || out.String() != "served\n" {
		t.Errorf("exit %d: %s", code, out.String())
	}
	if !slices.ContainsFunc(p.Root().Commands(), func(c *cobra.Command) bool { return c.Name() == "serve" }) {
		t.Error("it is not in the tree")
	}
}

func TestRunIsTheWholeProgram(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), []string{"version"}, func(string) string { return "" }, strings.NewReader(""), &stdout, &stderr)
	if code != ExitOK || !strings.Contains(stdout.String(), "sallyport") || stderr.Len() != 0 {
		t.Errorf("exit %d: %s%s", code, stdout.String(), stderr.String())
	}
}
