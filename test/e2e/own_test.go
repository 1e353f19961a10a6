package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

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
