package e2e_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// with returns the environment as a client with another secret sees it.
func (e *environment) with(secret string) *environment {
	other := *e
	other.ClientSecret = secret
	return &other
}

// made adds a secret to the environment's demo app.
func (s *site) made(e *environment, in api.NewCredential) (api.CreatedCredential, *environment) {
	s.t.Helper()
	m := s.operator()
	c, err := m.CreateCredential(s.t.Context(), s.app(m, e.ClientID).ID, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return c, e.with(c.ClientSecret.Reveal())
}

func TestASecretIsRotatedWhileItIsInUse(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["sandbox"]
	c := e.api(t, "claim-status")
	made, old := s.made(e, api.NewCredential{Label: "build server"})
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 2 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a := s.grant(old, e.URL+"/oauth2/token"); a.status != http.StatusOK {
					t.Errorf("while it is rotated: %d %s", a.status, a.body)
					return
				}
			}
		})
	}
	overlap := api.Seconds(3600)
	rotated, err := m.RotateCredential(t.Context(), made.ID, api.CredentialRotation{Overlap: &overlap})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.call(c, s.token(e.with(rotated.ClientSecret.Reveal())), nil); a.status != http.StatusOK {
		t.Errorf("with the new one: %d %s", a.status, a.body)
	}
	close(stop)
	users.Wait()
	if left := time.Until(rotated.OldExpires); left > time.Hour || left < 50*time.Minute || rotated.Label != "build server" || rotated.Replaces != made.ID {
		t.Errorf("got %+v", rotated)
	}

	t.Run("6.5 what is in use is ended only by force", func(t *testing.T) {
		var refused *client.Error
		_, err := m.RevokeCredential(t.Context(), made.ID, api.CredentialRevocation{})
		if !errors.As(err, &refused) || refused.Problem.Code != api.CodeConflict || refused.Problem.Field != "force" || !strings.Contains(refused.Problem.Detail, "in use: last used at ") {
			t.Fatalf("got %v", err)
		}
		if _, err := m.RevokeCredential(t.Context(), made.ID, api.CredentialRevocation{Force: true}); err != nil {
			t.Fatal(err)
		}
		a := s.grant(old, e.URL+"/oauth2/token")
		if a.status != http.StatusUnauthorized {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		why, err := m.Refusal(t.Context(), a.header.Get("X-Trace-Id"))
		if err != nil || !strings.Contains(why.Reason, `"build server" (`+made.Hint) {
			t.Errorf("the owner is told %q, %v", why.Reason, err)
		}
	})
}

func TestASecretThatEndsSoonSaysSo(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["sandbox"]
	soon := time.Now().Add(29 * 24 * time.Hour).UTC().Truncate(time.Second)
	_, ending := s.made(e, api.NewCredential{Expires: soon})
	_, later := s.made(e, api.NewCredential{Expires: soon.Add(48 * time.Hour)})
	t.Run("2.12 in every answer of every token endpoint", func(t *testing.T) {
		for name, target := range e.TokenURLs {
			for range 2 { // the second is the same token again, in some
				a := s.grant(ending, target)
				if at, err := http.ParseTime(a.header.Get("Credential-Expires")); err != nil || !at.Equal(soon) {
					t.Errorf("%s: %q, want %v", name, a.header.Get("Credential-Expires"), soon)
				}
			}
		}
		for _, other := range []*environment{e, later} {
			if got := s.grant(other, e.URL+"/oauth2/token").header.Get("Credential-Expires"); got != "" {
				t.Errorf("another one: %q", got)
			}
		}
	})
	t.Run("the SDK tells", func(t *testing.T) {
		source, err := client.NewTokenSource(client.Config{
			TokenURL: e.URL + "/oauth2/token", ClientID: e.ClientID, ClientSecret: client.NewSecret(ending.ClientSecret), HTTP: s.client,
		})
		if err != nil {
			t.Fatal(err)
		}
		token, err := source.Token(t.Context())
		if err != nil || !token.CredentialExpires.Equal(soon) {
			t.Errorf("got %v, %v", token.CredentialExpires, err)
		}
	})
	t.Run("operators find it", func(t *testing.T) {
		found, err := m.CredentialsBy(t.Context(), api.CredentialFilter{Expiring: 30}, api.Page{})
		if err != nil || len(found.Items) != 1 || !found.Items[0].Expires.Equal(soon) {
			t.Errorf("got %+v, %v", found, err)
		}
	})
}

func TestAnExpiryIsRecordedOnceAcrossRestarts(t *testing.T) {
	data := t.TempDir()
	var now clock
	s := startWith(t, demo.Options{Data: data, Now: now.Now})
	made, _ := s.made(s.Environments["sandbox"], api.NewCredential{Label: "nightly", Expires: time.Now().Add(60 * 24 * time.Hour)})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		forward time.Duration
		records int
	}{{31 * 24 * time.Hour, 1}, {24 * time.Hour, 1}, {22 * 24 * time.Hour, 2}} {
		now.forward(step.forward)
		s = startWith(t, demo.Options{Data: data, Now: now.Now})
		s.client.Transport.(*http.Transport).TLSClientConfig.Time = now.Now
		m := s.operator()
		var found []api.AuditRecord
		eventually(t, "the record", func() bool {
			all, err := m.Audit(t.Context(), api.AuditFilter{Kind: "credential", ID: made.ID})
			if err != nil {
				t.Fatal(err)
			}
			found = found[:0]
			for _, a := range all.Items {
				if a.Action == "expiring" {
					found = append(found, a)
				}
			}
			return len(found) >= step.records
		})
		if len(found) != step.records || found[0].Actor.Kind != "system" || found[0].Org == "" {
			t.Errorf("got %+v, want %d", found, step.records)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
