package e2e_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// own is the client of the environment, looking after its secrets.
func (s *site) own(e *environment) *client.Secrets {
	return &client.Secrets{TokenURL: e.URL + "/oauth2/token", ClientID: e.ClientID, ClientSecret: client.NewSecret(e.ClientSecret), HTTP: s.client}
}

func basic(e *environment) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(e.ClientID+":"+e.ClientSecret))
}

func TestAClientRotatesItsOwnSecret(t *testing.T) {
	data := t.TempDir()
	s := startIn(t, data)
	e := s.Environments["sandbox"]
	_, mine := s.made(e, api.NewCredential{Label: "mine"})
	source, err := client.NewTokenSource(client.Config{
		TokenURL: e.URL + "/oauth2/token", ClientID: e.ClientID, ClientSecret: client.NewSecret(mine.ClientSecret), HTTP: s.client,
	})
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := source.Rotate(t.Context(), api.CredentialRotation{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Token(t.Context()); err != nil || !source.Secret().Equal(rotated.ClientSecret) {
		t.Errorf("the SDK goes on with the new one: %v", err)
	}
	if rotated.Label != "mine" || rotated.ClientID != e.ClientID || !strings.HasPrefix(rotated.CreatedBy, "app app_") || rotated.OldExpires.IsZero() {
		t.Errorf("got %+v", rotated)
	}
	s.token(mine) // the old one overlaps
	t.Run("6.6 the record names the app", func(t *testing.T) {
		all, err := s.operator().Audit(t.Context(), api.AuditFilter{Kind: "credential", ID: rotated.Replaces})
		if err != nil || len(all.Items) == 0 || all.Items[0].Action != "rotate" || all.Items[0].Actor.Kind != "app" || !bytes.Contains(all.Items[0].Detail, []byte(rotated.ID)) {
			t.Errorf("got %+v, %v", all, err)
		}
	})
	t.Run("6.6 it lists its own, without what could be used", func(t *testing.T) {
		a := s.do("GET", e.URL+"/oauth2/credentials", map[string]string{"Authorization": basic(mine)}, "")
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" || bytes.Contains(a.body, []byte("hash")) || bytes.Contains(a.body, []byte(mine.ClientSecret)) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		var list api.List[api.Credential]
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		var found bool
		for _, c := range list.Items {
			found = found || c.ID == rotated.ID && c.Replaces == rotated.Replaces && !c.LastUsed.IsZero() && c.Live
		}
		if !found {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("6.6 what is not its own, or wrong, is refused", func(t *testing.T) {
		others, err := s.own(s.Environments["production"]).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]string{
			{"credential", others[0].ID},
			{"credential", "cred_none"},
			{"overlap_seconds", "-1"},
			{"overlap_seconds", "99999999"},
			{"expires", "soon"},
			{"expires", "2001-01-01T00:00:00Z"},
			{"force", "perhaps"},
			{"overlap_seconds", "0"}, // it is in use: by this very request
		} {
			a := s.form(e.URL+"/oauth2/credentials/rotate", "client_id", mine.ClientID, "client_secret", mine.ClientSecret, pair[0], pair[1])
			if a.status != http.StatusBadRequest || a.json(t)["error"] != "invalid_request" {
				t.Errorf("%v: %d %s", pair, a.status, a.body)
			}
		}
		stranger := mine.with("wrong")
		for _, a := range []answer{
			s.do("GET", e.URL+"/oauth2/credentials", map[string]string{"Authorization": basic(stranger)}, ""),
			s.do("GET", e.URL+"/oauth2/credentials", nil, ""),
			s.form(e.URL+"/oauth2/credentials/rotate", "client_id", mine.ClientID, "client_secret", "wrong"),
		} {
			if a.status != http.StatusUnauthorized || a.json(t)["error"] != "invalid_client" {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	})
	t.Run("6.6 at once, each gets its own; and not for ever", func(t *testing.T) {
		mine := e.with(rotated.ClientSecret.Reveal()) // what was replaced, by one in use, makes no more
		secrets := make([]string, 5)
		var all sync.WaitGroup
		for i := range secrets {
			all.Go(func() {
				out, err := s.own(mine).Rotate(t.Context(), "", api.CredentialRotation{})
				if err != nil {
					t.Errorf("at once: %v", err)
					return
				}
				secrets[i] = out.ClientSecret.Reveal()
			})
		}
		all.Wait()
		for _, secret := range secrets {
			if a := s.grant(mine.with(secret), e.URL+"/oauth2/token"); a.status != http.StatusOK {
				t.Errorf("one of them: %d %s", a.status, a.body)
			}
		}
		mine = mine.with(secrets[0])
		var refused *client.TokenError
		for range 20 { // answers that are lost
			if _, err := s.own(mine).Rotate(t.Context(), "", api.CredentialRotation{}); err != nil {
				if !errors.As(err, &refused) {
					t.Fatal(err)
				}
				break
			}
		}
		if refused == nil || refused.Code != "invalid_request" || !strings.Contains(refused.Description, "never used") {
			t.Errorf("got %v", refused)
		}
	})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := startWith(t, demo.Options{Data: data})
	e = again.Environments["sandbox"]
	again.token(e.with(rotated.ClientSecret.Reveal()))
}

func TestTheCommandLineRotatesWithOnlyIDAndSecret(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	_, mine := s.made(e, api.NewCredential{Label: "mine"})
	run := func(stdin string, args ...string) (stdout, stderr string, code int) {
		var out, complaint bytes.Buffer
		code = cli.Run(t.Context(), append(args, "--ca", s.CA, "--client-id", e.ClientID, "--secret-file", "-"), func(string) string { return "" },
			strings.NewReader(stdin), &out, &complaint)
		if strings.Contains(out.String()+complaint.String(), mine.ClientSecret) {
			t.Errorf("%q repeats the secret", args)
		}
		return out.String(), complaint.String(), code
	}
	stdout, stderr, code := run(mine.ClientSecret+"\n", "secret", "rotate", "--issuer", e.Issuer, "-o", "json", "--overlap", "1h")
	var rotated struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(stdout), &rotated); err != nil || code != 0 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	s.token(e.with(rotated.Secret))
	if stdout, stderr, code := run(rotated.Secret, "secret", "list", "--token-url", e.TokenURLs["v2"]); code != 0 || !strings.Contains(stdout, "mine") || strings.Contains(stdout, rotated.Secret) {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := run("wrong", "secret", "rotate", "--token-url", e.URL+"/oauth2/token"); code != cli.ExitFailed || !strings.Contains(stderr, "hint: nothing is lost") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := run("", "secret", "rotate", "--token-url", e.URL+"/oauth2/token"); code != cli.ExitUsage {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// A client that authenticates by a key or a certificate looks after its secrets as well.
func TestTheCommandLineRotatesByKeyAndByCertificate(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	key := keyOf(t, "ES256")
	thumbprint := s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)}).Thumbprint
	certificate := authority{}.issue(t, nil)
	s.addKey(t, e, api.NewCredential{Certificate: pemOf(certificate)})
	folder := t.TempDir()
	keep := func(name string, kind string, der []byte, err error) string {
		t.Helper()
		file := filepath.Join(folder, name)
		if err == nil {
			err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	keyFile := keep("client.key", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	certificateKey := keep("certificate.key", "PRIVATE KEY", der, err)
	certificateFile := keep("certificate.pem", "CERTIFICATE", certificate.Certificate[0], nil)
	run := func(args ...string) (stdout, stderr string, code int) {
		var out, complaint bytes.Buffer
		code = cli.Run(t.Context(), append(args, "--ca", s.CA, "--client-id", e.ClientID), func(string) string { return "" }, strings.NewReader(""), &out, &complaint)
		return out.String(), complaint.String(), code
	}
	for name, proof := range map[string][]string{
		"by key":                       {"--issuer", e.Issuer, "--key-file", keyFile},
		"by key, with its thumbprint":  {"--issuer", e.Issuer, "--key-file", keyFile, "--key-id", thumbprint},
		"by certificate":               {"--issuer", e.Issuer, "--certificate", certificateFile, "--certificate-key", certificateKey},
		"by certificate, at the alias": {"--token-url", e.MutualTLS + "/oauth2/token", "--certificate", certificateFile, "--certificate-key", certificateKey},
	} {
		t.Run("6.6 "+name, func(t *testing.T) {
			made, mine := s.made(e, api.NewCredential{Label: "mine"})
			if stdout, stderr, code := run(append([]string{"secret", "list"}, proof...)...); code != 0 || !strings.Contains(stdout, made.ID) {
				t.Fatalf("exit %d: %s%s", code, stdout, stderr)
			}
			stdout, stderr, code := run(append([]string{"secret", "rotate", "--credential", made.ID, "-o", "json"}, proof...)...)
			var rotated struct {
				Secret   string `json:"client_secret"`
				Replaces string
			}
			if err := json.Unmarshal([]byte(stdout), &rotated); err != nil || code != 0 || rotated.Replaces != made.ID {
				t.Fatalf("exit %d: %s%s", code, stdout, stderr)
			}
			s.token(e.with(rotated.Secret))
			s.token(mine) // it overlaps
		})
	}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no secret is named":            {[]string{"secret", "rotate", "--issuer", e.Issuer, "--key-file", keyFile}, "--credential"},
		"a key without the issuer":      {[]string{"secret", "list", "--token-url", e.URL + "/oauth2/token", "--key-file", keyFile}, "give one of --key-file and --token-url, not both"},
		"a kid without a key":           {[]string{"secret", "list", "--issuer", e.Issuer, "--secret-file", keyFile, "--key-id", "x"}, "--key-file"},
		"what is no key":                {[]string{"secret", "list", "--issuer", e.Issuer, "--key-file", certificateFile}, "not a private key"},
		"a key that is not its own":     {[]string{"secret", "list", "--issuer", e.Issuer, "--certificate", certificateFile, "--certificate-key", keyFile}, "belong together"},
		"a certificate without its key": {[]string{"secret", "list", "--issuer", e.Issuer, "--certificate", certificateFile}, "give --certificate and --certificate-key together"},
		"two ways at once":              {[]string{"secret", "list", "--issuer", e.Issuer, "--key-file", keyFile, "--secret-file", keyFile}, "not both"},
		"none":                          {[]string{"secret", "list", "--issuer", e.Issuer}, "needed: one of --secret-file, --key-file, --certificate"},
		"a file that is not there":      {[]string{"secret", "list", "--issuer", e.Issuer, "--key-file", keyFile + ".not"}, "--key-file"},
	} {
		if _, stderr, code := run(tt.args...); code != cli.ExitUsage || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}

// What an operator gave an end a client cannot make last.
func TestAClientsSecretEndsAsTheOperatorMeantIt(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	const day = 24 * time.Hour
	made, mine := s.made(e, api.NewCredential{Label: "mine", Expires: time.Now().Add(90 * day)})
	_, err := s.own(mine).Rotate(t.Context(), "", api.CredentialRotation{Expires: time.Now().Add(91 * day)})
	var refused *client.TokenError
	if !errors.As(err, &refused) || refused.Code != "invalid_request" {
		t.Fatalf("6.6: a longer life: %v", err)
	}
	told := regexp.MustCompile(`^expires: must be (\S+) at the latest: the secret that is replaced was made for \d+ days\. Leave it out`).FindStringSubmatch(refused.Description)
	if told == nil {
		t.Fatalf("6.6: it says %q", refused.Description)
	}
	latest, err := time.Parse(time.RFC3339, told[1])
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.own(mine).Rotate(t.Context(), "", api.CredentialRotation{Expires: latest}); err != nil || !r.Expires.Equal(latest) {
		t.Errorf("6.6: what it was told: ends %v, %v", r.Expires, err)
	}
	_, other := s.made(e, api.NewCredential{Expires: time.Now().Add(90 * day)})
	if r, err := s.own(other).Rotate(t.Context(), "", api.CredentialRotation{}); err != nil || r.Expires.Before(latest.Add(-time.Minute)) || r.Expires.After(latest.Add(time.Minute)) {
		t.Errorf("6.6: without a wish: ends %v, %v", r.Expires, err)
	}
	if r, err := s.operator().RotateCredential(t.Context(), made.ID, api.CredentialRotation{Expires: time.Now().Add(1000 * day)}); err != nil || r.Expires.Before(latest) {
		t.Errorf("6.5: an operator does as it likes: ends %v, %v", r.Expires, err)
	}
}
