package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// command runs the command line as the operator.
func (s *site) command(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, complaint bytes.Buffer
	file := filepath.Join(s.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(s.Operator.Token), 0o600); err != nil {
		s.t.Fatal(err)
	}
	args = append(args, "--url", s.Operator.URL, "--ca", s.CA, "--token-file", file)
	code = cli.Run(s.t.Context(), args, func(string) string { return "" }, strings.NewReader(""), &out, &complaint)
	return out.String(), complaint.String(), code
}

// file writes an export of another server.
func file(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "export.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

type object = map[string]any

func TestClientsOfAnotherServerGoOnWithTheirSecrets(t *testing.T) {
	data := t.TempDir()
	s := startIn(t, data)
	e := s.Environments["sandbox"]
	plain, rotated, slow := rand.Text(), rand.Text(), rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(slow), bcrypt.MinCost+2)
	if err != nil {
		t.Fatal(err)
	}
	const product = "MN_Product_Eligibility_v3"
	realm := file(t, object{"realm": "Old Realm", "enabled": true, "clients": []any{
		object{
			"clientId": "billing", "name": "Billing", "enabled": true, "protocol": "openid-connect", "serviceAccountsEnabled": true,
			"clientAuthenticatorType": "client-secret", "secret": plain, "attributes": object{"client.secret.rotated": rotated},
		},
		object{"clientId": "account", "publicClient": true, "protocol": "openid-connect"},
		object{"clientId": "masked", "serviceAccountsEnabled": true, "secret": "**********"},
	}})
	clients := file(t, []any{
		object{
			"client_id": "claims client", "client_name": "Spaced", "grant_types": []any{"client_credentials"}, "client_secret": slow,
		},
		object{
			"client_id": "8c1c0b1f-claims", "client_name": "Claims", "grant_types": []any{"client_credentials"}, "owner": "Claims Co", "scope": "claims.read",
			"client_secret": string(hash), "token_endpoint_auth_method": "client_secret_basic",
		},
	})
	m := s.operator()
	before, err := m.Organizations(t.Context(), api.Page{})
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"--environment", "sandbox", "--create-orgs", "--email", "dev@example.com", "--product", product}
	t.Run("a dry run plans, and changes nothing", func(t *testing.T) {
		stdout, stderr, code := s.command(append([]string{"import", "keycloak", realm}, flags...)...)
		if code != 0 || !strings.Contains(stdout, "billing") || !strings.Contains(stdout, "needs a new secret") || !strings.Contains(stderr, "left behind: account") || !strings.Contains(stderr, "dry run") {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		after, err := m.Organizations(t.Context(), api.Page{})
		if err != nil || len(after.Items) != len(before.Items) {
			t.Errorf("%d organizations, before %d", len(after.Items), len(before.Items))
		}
	})
	t.Run("one fault, and nothing is taken", func(t *testing.T) {
		_, stderr, code := s.command(append([]string{"import", "hydra", clients, "--apply"}, flags...)...)
		if code != cli.ExitFailed || !strings.Contains(stderr, `"claims client": client_id must be`) {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	apply := func(t *testing.T, args ...string) {
		t.Helper()
		stdout, stderr, code := s.command(append(append(args, "--apply"), flags...)...)
		if code != 0 {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		for _, secret := range []string{plain, rotated, slow, string(hash)} {
			if strings.Contains(stdout+stderr, secret) {
				t.Error("a secret is printed")
			}
		}
	}
	apply(t, "import", "keycloak", realm)
	t.Run("6.7 what was in the clear works at once, in any client", func(t *testing.T) {
		config := clientcredentials.Config{ClientID: "billing", ClientSecret: plain, TokenURL: e.URL + "/oauth2/token"}
		if _, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, s.client)); err != nil {
			t.Error(err)
		}
		curl := exec.CommandContext(t.Context(), "curl", "-sS", "--cacert", s.CA, "--config", "-", e.URL+"/oauth2/token")
		curl.Stdin = strings.NewReader(fmt.Sprintf("user = \"billing:%s\"\ndata = \"grant_type=client_credentials\"\n", rotated))
		if out, err := curl.CombinedOutput(); err != nil || !bytes.Contains(out, []byte(`"access_token"`)) {
			t.Errorf("curl: %v: %s", err, out)
		}
	})
	one := file(t, object{
		"client_id": "8c1c0b1f-claims", "client_name": "Claims", "grant_types": []any{"client_credentials"}, "owner": "Claims Co",
		"client_secret": string(hash), "token_endpoint_auth_method": "client_secret_basic",
	})
	apply(t, "import", "hydra", one)
	claims := &environment{URL: e.URL, ClientID: "8c1c0b1f-claims", ClientSecret: slow}
	kind := func(t *testing.T, s *site) api.Credential {
		t.Helper()
		m := s.operator()
		all, err := m.Credentials(t.Context(), s.app(m, claims.ClientID).ID)
		if err != nil || len(all.Items) != 1 {
			t.Fatalf("got %+v, %v", all, err)
		}
		return all.Items[0]
	}
	t.Run("6.7 a slow hash takes no other secret, and is ours after the first right one", func(t *testing.T) {
		if got := kind(t, s).Kind; got != "imported_secret" {
			t.Errorf("the kind is %s", got)
		}
		if a := s.grant(claims.with(slow+"x"), e.URL+"/oauth2/token"); a.status != http.StatusUnauthorized || a.json(t)["error"] != "invalid_client" {
			t.Errorf("a wrong one: %d %s", a.status, a.body)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if a := s.grant(claims, e.URL+"/oauth2/token"); a.status != http.StatusOK {
					t.Errorf("at once: %d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
		if got := kind(t, s); got.Kind != "secret" || got.Hint != "imported, bcrypt" {
			t.Errorf("got %+v", got)
		}
		found, err := s.operator().Audit(t.Context(), api.AuditFilter{ID: kind(t, s).ID})
		upgrades := 0
		for _, a := range found.Items {
			if a.Action == "upgrade" && a.Actor.Kind == "system" {
				upgrades++
			}
		}
		if err != nil || upgrades != 1 {
			t.Errorf("%d upgrades, %v", upgrades, err)
		}
	})
	t.Run("again, they are there already", func(t *testing.T) {
		_, stderr, code := s.command(append([]string{"import", "hydra", one}, flags...)...)
		if code != cli.ExitFailed || !strings.Contains(stderr, "is that of the app app_") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		if stdout, stderr, code := s.command(append([]string{"import", "hydra", one, "--skip-existing", "--apply"}, flags...)...); code != 0 || !strings.Contains(stdout, "left alone") {
			t.Errorf("exit %d: %s%s", code, stdout, stderr)
		}
	})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := startWith(t, demo.Options{Data: data})
	claims.URL = again.Environments["sandbox"].URL
	if got := kind(t, again).Kind; got != "secret" {
		t.Errorf("after a restart the kind is %s", got)
	}
	again.token(claims)
}

func TestAnAppOfApigeeBecomesAnAppForEachKey(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	first, second := rand.Text(), rand.Text()
	key := func(id, secret, status, expires string) object {
		return object{
			"consumerKey": id, "consumerSecret": secret, "status": status, "expiresAt": expires,
			"apiProducts": []any{object{"apiproduct": "eligibility-gold", "status": "approved"}},
		}
	}
	apps := file(t, object{"app": []any{object{
		"appId": "a1", "name": "portal", "status": "approved", "developerId": "d1", "developerEmail": "dev@example.com", "companyName": "Acme Old",
		"credentials": []any{
			key("KeyOne", first, "approved", "-1"), key("KeyTwo", second, "approved", "4102444800000"),
			key("KeyGone", rand.Text(), "revoked", "-1"), key("KeyOld", rand.Text(), "approved", "1000"),
		},
	}}})
	args := []string{"import", "apigee", apps, "--environment", "sandbox", "--create-orgs", "--apply"}
	if _, stderr, code := s.command(args...); code != cli.ExitFailed || !strings.Contains(stderr, "there are no such products here: eligibility-gold") || !strings.Contains(stderr, "hint: say which they are: --map OLD=NEW") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	stdout, stderr, code := s.command(append(args, "--map", "eligibility-gold=MN_Product_Eligibility_v3")...)
	if code != 0 || !strings.Contains(stderr, "left behind: KeyGone: the key is revoked") || !strings.Contains(stderr, "left behind: KeyOld: the key has expired") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	for id, secret := range map[string]string{"KeyOne": first, "KeyTwo": second} {
		token := s.token(&environment{URL: e.URL, ClientID: id, ClientSecret: secret})
		if _, payload := claims(t, token); fmt.Sprint(payload["api_product_list"]) != "[MN_Product_Eligibility_v3]" || payload["sub"] != id {
			t.Errorf("%s: %v", id, payload)
		}
	}
}
