package gateway

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// An upstream is told who calls by a JWT that lives a minute and is used for
// half of it: one signature serves the calls of half a minute.
const (
	identityLife  = time.Minute
	identityReuse = 30 * time.Second
	maxIdentities = 1 << 14
)

// identityKey tells whom an identity JWT is about, and for which API. Another
// version of the app, or another key, is another identity.
type identityKey struct {
	app *snapshot.App
	api string
	kid string
	// of another issuer's token, which may name a user, and no app; else nil
	principal *token.Principal
}

// knownIdentity is a JWT that may be used again, and when it was made by the wall clock,
// which upstreams hold it to, and which may have been set since.
type knownIdentity struct {
	text string
	at   time.Time
}

// identity returns the signed identity of the caller for the upstream of the
// call's API (CONTRACT 4.5).
func (g *Gateway) identity(c *call) (string, error) {
	if c.client.App == nil || g.Headers.Identity == "" {
		return "", nil
	}
	key := g.Ring.Signer(keyring.UseIdentity)
	if key == nil {
		return "", unavailable("there is no key to sign identities with")
	}
	cacheKey, subject := identityKey{app: c.client.App, api: c.api.Name, kid: key.KID}, c.client.App.ClientID
	var user, userIssuer string
	if c.principal.Foreign != "" {
		cacheKey.principal, user = c.principal, c.principal.User
	}
	if user != "" {
		userIssuer = c.principal.Issuer
	}
	if c.client.App.ID == "" { // the organization itself, as of this call
		cacheKey.app, subject = nil, string(c.client.Org.ID)
	}
	if known, ok := g.identities.GetIfPresent(cacheKey); ok && c.began.Round(0).Sub(known.at).Abs() < identityReuse {
		return known.text, nil
	}
	now := g.Now().Round(0)
	text, err := token.MintIdentity(key, &token.IdentityClaims{
		Issuer: g.Issuer, Audience: c.api.Name, Subject: subject, JTI: token.NewJTI(),
		Org: string(c.client.Org.ID), App: string(c.client.App.ID), Environment: string(g.Environment),
		User: user, UserIssuer: userIssuer,
		IssuedAt: now.Unix(), Expires: now.Add(identityLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	g.identities.Set(cacheKey, knownIdentity{text.Reveal(), now})
	return text.Reveal(), nil
}
