package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/api"
)

// A secret that leaked is rotated, and works until its overlap ends. Whoever has it
// must not use that time to outlive it, or to end what came in its place.
func TestAttackAThiefOutlivesTheRotation(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	_, leaked := s.made(e, api.NewCredential{Label: "leaked"})
	s.token(leaked)
	rotated, err := s.own(leaked).Rotate(t.Context(), "", api.CredentialRotation{})
	if err != nil {
		t.Fatal(err)
	}
	mine := e.with(rotated.ClientSecret.Reveal())
	s.token(mine) // the answer was not lost
	rotate := e.URL + "/oauth2/credentials/rotate"
	thief := []string{"client_id", leaked.ClientID, "client_secret", leaked.ClientSecret}
	for name, more := range map[string][]string{
		"it makes itself another":        nil,
		"it ends its successor":          {"credential", rotated.ID, "overlap_seconds", "0", "force", "true"},
		"it makes a successor of that":   {"credential", rotated.ID},
		"it says what it may not decide": {"expires", "2999-01-01T00:00:00Z"},
	} {
		a := s.form(rotate, append(thief[:4:4], more...)...)
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "in use") || strings.Contains(string(a.body), "client_secret\"") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	s.token(leaked) // it overlaps all the same
	if _, err := s.own(mine).Rotate(t.Context(), "", api.CredentialRotation{}); err != nil {
		t.Errorf("the owner: %v", err)
	}
}
