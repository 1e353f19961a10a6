package token_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// Whoever calls with a token is the same, and may do the same, whether the token was
// minted here, or has been verified.
func TestAMintedTokenIsRememberedAsItWouldBeVerified(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringN(0, 12, -1)
		c := sample()
		c.ApplicationName, c.Scope = text.Draw(r, "application_name"), text.Draw(r, "scope")
		c.Products = rapid.SliceOfN(text, 0, 3).Draw(r, "products")
		c.Audience = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{audience, issuer, issuer + "/claims/v1", "https://elsewhere.example"}), 1, 4, rapid.ID[string]).Draw(r, "aud")
		c.Credential = text.Draw(r, "cred")
		switch rapid.IntRange(0, 2).Draw(r, "cnf") {
		case 1:
			c.Confirmation.Key = "thumbprint"
		case 2:
			c.Confirmation.Certificate = "digest"
		}
		at := newClock()
		fresh, knowing := forResources(t, p, at), forResources(t, p, at)
		made, err := knowing.Mint(p.Key, keyring.TypAccessToken, c)
		if err != nil {
			r.Fatal(err)
		}
		raw := made.Reveal()
		want, refused := fresh.Verify(raw)
		got, err := knowing.Recall(raw)
		if err != nil || (got != nil) != (refused == nil) {
			r.Fatalf("recalled %v, %v; verified %v, %v", got, err, want, refused)
		}
		if refused != nil {
			return
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || (want.Resources == nil) != (got.Resources == nil) {
			r.Fatalf("-verified +minted\n%s", diff)
		}
	})
}

// forResources returns a verifier of tokens that are for resources, too.
func forResources(t *testing.T, p pair, at *clock) *token.Verifier {
	t.Helper()
	v, err := token.NewVerifier(token.VerifierConfig{
		Ring: newRing(p), Issuer: issuer, Audience: audience, Resources: []string{issuer}, Environment: environment, Now: at.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A token that is meant for another environment is not remembered in this one.
func TestATokenForOthersIsNotRememberedWhereItIsMinted(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	v := newVerifier(t, newRing(p), newClock())
	for name, change := range map[string]func(*token.Claims){
		"issuer":      func(c *token.Claims) { c.Issuer += "/other" },
		"environment": func(c *token.Claims) { c.Environment = "other" },
		"audience":    func(c *token.Claims) { c.Audience = []string{"https://elsewhere.example"} },
	} {
		c := sample()
		change(c)
		made, err := v.Mint(p.Key, keyring.TypJWT, c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Recall(made.Reveal()); got != nil || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
