package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
)

const issuer = "name: ciam, issuer: 'https://ciam.example/realms/one/', audiences: [api]"

func TestAnIssuerHasUsableDefaults(t *testing.T) {
	c := mustComplete(t, "issuers:\n- {"+issuer+"}\nkey_sets: {stale: 2h}\n")
	i := c.Issuers[0]
	if i.ClientClaim != "client_id" || i.UserClaim != "sub" || strings.Join(i.Algorithms, " ") != "RS256 ES256 EdDSA PS256" ||
		strings.Join(i.Types, " ") != "at+jwt JWT" || strings.Join(i.Environments, " ") != "production sandbox" ||
		i.Leeway != config.Duration(30*time.Second) || i.MaxLifetime != config.Duration(24*time.Hour) || i.Stale != config.Duration(2*time.Hour) {
		t.Errorf("got %+v", i)
	}
	c = mustComplete(t, "issuers:\n- {"+issuer+", client: x}\n")
	if c.Issuers[0].ClientClaim != "" {
		t.Errorf("one app for all, and a claim: %+v", c.Issuers[0])
	}
}

func TestAnIssuerThatCannotBeIsRefused(t *testing.T) {
	for _, tt := range []struct{ text, problem string }{
		{"{name: Ciam, issuer: 'https://c.example', audiences: [x]}", "issuers[0].name"},
		{"{name: own, issuer: 'https://c.example', audiences: [x]}", "is our own token service"},
		{"{name: ciam, issuer: 'http://c.example', audiences: [x]}", "issuers[0].issuer: must be an https URL"},
		{"{name: ciam, issuer: 'https://c.example?x=1', audiences: [x]}", "issuers[0].issuer: must be an https URL"},
		{"{name: ciam, issuer: 'https://user@c.example', audiences: [x]}", "issuers[0].issuer: must be an https URL"},
		{"{name: ciam, issuer: 'https://c.example', jwks_uri: 'http://c.example/keys', audiences: [x]}", "issuers[0].jwks_uri"},
		{"{name: ciam, issuer: 'https://c.example'}", "issuers[0].audiences: name at least one"},
		{"{" + issuer + ", algorithms: [HS256]}", `"HS256" is not taken`},
		{"{" + issuer + ", algorithms: [none]}", `"none" is not taken`},
		{"{" + issuer + ", types: [application/at+jwt]}", "without application/"},
		{"{" + issuer + ", environments: [staging]}", `there is no environment "staging"`},
		{"{" + issuer + ", leeway: 1h}", "at most 5m"},
		{"{" + issuer + ", stale: 25h}", "at most 24h"},
		{"{" + issuer + ", client: a, client_claim: azp}", "give one of client"},
		{"{" + issuer + ", client: a, organization_claim: org}", "give one of client"},
		{"{" + issuer + ", organization_claim: org, clients: {a: b}}", "there is none"},
		{"{" + issuer + ", clients: {a: ''}}", "both must be something"},
		{"{" + issuer + ", allow: [10.0.0.1/8]}", "is not a network"},
		{"{" + issuer + "}\n- {" + issuer + ", environments: []}", "is another's too"},
		{"{" + issuer + "}\n- {name: other, issuer: 'https://CIAM.example/realms/one', audiences: [x]}", "a trailing slash alone"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			_, err := complete("issuers:\n- " + tt.text + "\n")
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want %q in it", err, tt.problem)
			}
		})
	}
	if _, err := complete("issuers:\n- {" + issuer + ", environments: [sandbox]}\n- {name: second, issuer: 'https://ciam.example/realms/one/', audiences: [x], environments: [production]}\n"); err != nil {
		t.Errorf("one issuer, configured apart for each environment: %v", err)
	}
}
