package e2e_test

import (
	"net/http"
	"strconv"
	"testing"
)

func TestTooManyFailuresAreSlowedDownAndTheRightSecretIsNot(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	wrong := *e
	wrong.ClientSecret = "wrong"
	var limited answer
	for i := 0; i < 1000 && limited.status != http.StatusTooManyRequests; i++ {
		limited = s.grant(&wrong, e.URL+"/oauth2/token")
		if limited.status != http.StatusUnauthorized && limited.status != http.StatusTooManyRequests {
			t.Fatalf("attempt %d: %d %s", i, limited.status, limited.body)
		}
	}
	if limited.status != http.StatusTooManyRequests {
		t.Fatal("2.9: a thousand wrong secrets in a row were all answered")
	}
	if seconds, err := strconv.Atoi(limited.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("2.9: Retry-After is %q", limited.header.Get("Retry-After"))
	}
	if limited.json(t)["error"] != "slow_down" {
		t.Errorf("got %s", limited.body)
	}
	if a := s.grant(e, e.URL+"/oauth2/token"); a.status != http.StatusOK {
		t.Errorf("the right secret, from where the flood came: %d %s", a.status, a.body)
	}
	other := wrong
	other.ClientID = e.Newcomer.ClientID
	if a := s.grant(&other, e.URL+"/oauth2/token"); a.status != http.StatusUnauthorized {
		t.Errorf("another client's first mistake: %d %s", a.status, a.body)
	}
}
