package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// Tokens are remembered to be given again by the words in which they were asked for,
// and there is no end of words for one thing: sixty thousand long ones were gigabytes.
func TestAttackATokenIsRememberedUnderKilobytes(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	target := e.TokenURLs["v2"]
	given := func(scope string) string {
		a := s.form(target, "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret, "scope", scope)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		token, _ := a.json(t)["access_token"].(string)
		return token
	}
	product := "MN_Product_Eligibility_v3"
	if first, again := given(product), given(product); first != again {
		t.Error("the same words, and another token")
	}
	long := product + strings.Repeat(" ", 4000-len(product))
	if first, again := given(long), given(long); first == again {
		t.Error("four kilobytes were remembered")
	}
}
