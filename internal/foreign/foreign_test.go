package foreign_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/foreign"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// brief is an export in a line per client.
func brief(e foreign.Export) []string {
	var lines []string
	for _, c := range e.Clients {
		line := fmt.Sprintf("%s %q of %q", c.ClientID, c.Name, c.Organization)
		if c.Disabled {
			line += " disabled"
		}
		for _, cred := range c.Credentials {
			switch {
			case cred.Secret.Reveal() != "":
				line += ", secret"
			case cred.Hash.Reveal() != "":
				line += ", hash"
			case cred.PublicKey != "":
				line += ", key"
			case cred.JWKSURI != "":
				line += ", " + cred.JWKSURI
			case cred.CertifiedName != "":
				line += ", " + cred.CertifiedName
			}
			if !cred.Expires.IsZero() {
				line += " until " + cred.Expires.Format("2006")
			}
		}
		for _, note := range c.Notes {
			line += "; " + note
		}
		lines = append(lines, line)
	}
	for _, l := range e.Left {
		lines = append(lines, "left "+l.ClientID+": "+l.Reason)
	}
	return lines
}

func TestARealmOfKeycloakIsRead(t *testing.T) {
	text := rand.Text()
	e, err := foreign.Keycloak([]byte(`{"realm":"R","enabled":true,"smtpServer":{},"clients":[
		{"clientId":"a","name":"A","serviceAccountsEnabled":true,"secret":"`+text+`","attributes":{"client.secret.expiration.time":"4102444800","client.secret.rotated":"old-`+text+`","client.secret.rotated.expiration.time":"1000"}},
		{"clientId":"b","name":"${client_b}","enabled":false,"serviceAccountsEnabled":true,"clientAuthenticatorType":"client-jwt","attributes":{"use.jwks.url":"true","jwks.url":"https://b.example/jwks"}},
		{"clientId":"c","serviceAccountsEnabled":true,"clientAuthenticatorType":"client-jwt","attributes":{"use.jwks.string":"true","jwks.string":"{\"keys\":[{\"kty\":\"EC\",\"d\":\"x\"},{\"kty\":\"EC\",\"x\":\"1\"}]}"}},
		{"clientId":"d","serviceAccountsEnabled":true,"clientAuthenticatorType":"client-jwt","attributes":{"jwt.credential.certificate":"MAA="}},
		{"clientId":"e","serviceAccountsEnabled":true,"clientAuthenticatorType":"client-x509","attributes":{"x509.subjectdn":"CN=e,O=E"}},
		{"clientId":"f","serviceAccountsEnabled":true,"clientAuthenticatorType":"client-x509","attributes":{"x509.subjectdn":".*","x509.allow.regex.pattern.comparison":"true"}},
		{"clientId":"g","serviceAccountsEnabled":true,"secret":"${vault.g}"},
		{"clientId":"h","serviceAccountsEnabled":true,"clientAuthenticatorType":"client-spiffe"},
		{"clientId":"i","publicClient":true},{"clientId":"j","bearerOnly":true},{"clientId":"k","protocol":"saml"}]}`), noon)
	want := []string{
		`a "A" of "R", secret until 2100; a secret of it has expired, and is left behind`,
		`b "b" of "R" disabled, https://b.example/jwks`,
		`c "c" of "R", key; a key of it is not public, and is left behind`,
		`d "d" of "R", key`,
		`e "e" of "R", subject_dn:CN=e,O=E`,
		`f "f" of "R"; its certificate is known by a pattern; here it has to be one name`,
		`g "g" of "R"; its secret is in a vault, not in the export`,
		`h "h" of "R"; it authenticates by client-spiffe, which is not known here`,
		"left i: it is a public client: it authenticates by nothing",
		"left j: it has no service account: client credentials is not its grant",
		"left k: it speaks saml, not OpenID Connect",
	}
	if diff := cmp.Diff(want, brief(e)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	alone, err := foreign.Keycloak([]byte(`[{"clientId":"a","serviceAccountsEnabled":true}]`), noon)
	if err != nil || len(alone.Clients) != 1 {
		t.Errorf("clients without a realm: %v, %v", brief(alone), err)
	}
}

func TestClientsOfHydraAreRead(t *testing.T) {
	hash := "$pbkdf2-sha256$i=25000,l=32$" + strings.Repeat("A", 22) + "$" + strings.Repeat("B", 43)
	one := func(more string) string {
		return `{"client_id":"a","grant_types":["client_credentials"],"client_name":"A"` + more + `}`
	}
	list := one(`,"client_secret":"`+hash+`","owner":"O","contacts":["dev@example.com"]`) + "\n" +
		one(`,"client_secret":"`+rand.Text()+`","client_secret_expires_at":4102444800`) + "\n" +
		one(`,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.example/jwks"`) + "\n" +
		one(`,"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"RSA"}]}`) + "\n" +
		one("") + "\n" + one(`,"token_endpoint_auth_method":"none"`) + "\n" + `{"client_id":"b","grant_types":["authorization_code"]}`
	want := []string{
		`a "A" of "O", hash`,
		`a "A" of "", secret until 2100`,
		`a "A" of "", https://a.example/jwks`,
		`a "A" of "", key`,
		`a "A" of ""; its secret is not in the export: Hydra's own lists leave it out, its table hydra_client has the hash`,
		"left a: it is a public client: it authenticates by nothing",
		"left b: client credentials is not among its grants",
	}
	for name, text := range map[string]string{
		"lines": list, "array": "[" + strings.ReplaceAll(list, "\n", ",") + "]", "answer": `{"items":[` + strings.ReplaceAll(list, "\n", ",") + `],"next_page_token":""}`,
	} {
		e, err := foreign.Hydra([]byte(text), noon)
		if diff := cmp.Diff(want, brief(e)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestAppsOfApigeeAreRead(t *testing.T) {
	key := func(id, more string) string {
		return `{"consumerKey":"` + id + `","consumerSecret":"` + rand.Text() + `"` + more + `}`
	}
	e, err := foreign.Apigee([]byte(`{"app":[{"appId":"1","name":"n","status":"revoked","developerEmail":"dev@example.com","attributes":[{"name":"DisplayName","value":"N"}],
		"credentials":[`+key("a", `,"status":"approved","expiresAt":-1,"apiProducts":[{"apiproduct":"p","status":"approved"},{"apiproduct":"q","status":"pending"}]`)+`,`+
		key("b", `,"status":"approved","expiresAt":"4102444800000"`)+`,`+key("c", `,"expiresAt":"1000"`)+`,`+key("d", `,"status":"revoked"`)+`]},{"appId":"2","credentials":[]}]}`), noon)
	want := []string{
		`a "N" of "dev@example.com" disabled, secret; its product q is pending, and is left behind`,
		`b "N (2)" of "dev@example.com" disabled, secret until 2100; it is one more key of the app N, and an app of its own here`,
		"left c: the key has expired", "left d: the key is revoked", "left 2: it has no keys",
	}
	if diff := cmp.Diff(want, brief(e)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestWhatIsNoExportIsRefusedWithoutRepeatingIt(t *testing.T) {
	const canary = "canary-secret"
	for _, text := range []string{"", "[]", canary, `{"clients":"` + canary + `"}`, `[1]`, `{"clientId":"a","clientId":"` + canary + `"}`, `{"app":{"` + canary + `":1}}`, `{"items":3}`} {
		for name, read := range map[string]func([]byte, time.Time) (foreign.Export, error){"keycloak": foreign.Keycloak, "hydra": foreign.Hydra, "apigee": foreign.Apigee} {
			e, err := read([]byte(text), noon)
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s of %q: %v", name, text, err)
			}
			if err == nil && len(e.Clients) > 0 {
				t.Errorf("%s of %q: %v", name, text, brief(e))
			}
		}
	}
}

func FuzzExports(f *testing.F) {
	f.Add([]byte(`{"realm":"R","clients":[{"clientId":"a","serviceAccountsEnabled":true,"secret":"canary-secret","attributes":{"jwks.string":"{}"}}]}`))
	f.Add([]byte(`{"client_id":"a","grant_types":["client_credentials"],"client_secret":"canary-secret","jwks":{"keys":[{"d":"canary-secret"}]}}`))
	f.Add([]byte(`{"app":[{"credentials":[{"consumerKey":"a","consumerSecret":"canary-secret","expiresAt":"-1"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte, time.Time) (foreign.Export, error){foreign.Keycloak, foreign.Hydra, foreign.Apigee} {
			e, err := read(data, noon)
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the file: %v", err)
			}
			for _, c := range e.Clients {
				if printed := fmt.Sprintf("%+v", c.Credentials); strings.Contains(printed, "canary-secret") && !strings.Contains(fmt.Sprint(c.ClientID, c.Name), "canary") {
					for _, cred := range c.Credentials {
						if strings.Contains(fmt.Sprint(cred.Secret, cred.Hash), "canary") {
							t.Errorf("a secret is printed: %s", printed)
						}
					}
				}
			}
		}
	})
}
