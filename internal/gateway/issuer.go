package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/issuer"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// verifyOf is verify at an API that names the issuers whose tokens it takes. What is
// remembered is looked for first: of any other token iss is read, which says by whose
// keys it is to be verified (RFC 8725 §3.8), and no other's are tried.
func (g *Gateway) verifyOf(c *call, raw string) (*token.Principal, error) {
	p, err := g.Verifier.Recall(raw)
	if p == nil && err == nil {
		p, err = g.Issuers.Recall(c.r.Context(), raw)
	}
	if p != nil && err == nil {
		if !c.api.Request.TakesTokensOf(nameOf(p)) {
			return nil, g.otherIssuer(c, nameOf(p), p, true)
		}
		return p, nil
	}
	if i := g.Issuers.Claimed(raw); i != nil {
		if !c.api.Request.TakesTokensOf(i.Name) {
			return nil, g.notTaken(c, i, raw)
		}
		p, err := g.Issuers.Verify(c.r.Context(), i, raw)
		if err != nil {
			return nil, g.notForeign(i, p, err)
		}
		return p, nil
	}
	if p, err = g.Verifier.Verify(raw); err != nil {
		return nil, g.notVerified(c, raw, err)
	}
	if !c.api.Request.TakesTokensOf(manifest.OwnIssuer) {
		return nil, g.otherIssuer(c, manifest.OwnIssuer, p, true)
	}
	return p, nil
}

// nameOf is what a manifest calls the issuer of a token.
func nameOf(p *token.Principal) string {
	if p.Foreign == "" {
		return manifest.OwnIssuer
	}
	return p.Foreign
}

// notForeign refuses a token that says it is of another issuer. owner is known where
// only its times are wrong.
func (g *Gateway) notForeign(i *issuer.Issuer, owner *token.Principal, err error) *refusal {
	var away *issuer.UnavailableError
	if errors.As(err, &away) {
		ref := unavailable(away.Error())
		ref.next = "the operator looks at the issuer's state: sallyport status"
		return ref
	}
	ref := invalid(err)
	ref.detail = "The access token is not valid here. Get a new one from its issuer, for this API"
	ref.reason = "a token of " + i.Name + ": " + err.Error()
	ref.next = "get a new token from " + i.Name + "; if that fails too, the operator compares the issuer's settings with its tokens"
	ref.owner = owner
	if owner != nil {
		g.outOfTime(ref, err, "the clock of "+i.Name+" and ours differ by more than the leeway: the operator compares them")
		ref.reason = "a token of " + i.Name + ": " + ref.reason
	}
	return ref
}

// notTaken refuses a token that says it is of an issuer whose tokens the API does not
// take. Whose it really is is found out for the reason alone.
func (g *Gateway) notTaken(c *call, i *issuer.Issuer, raw string) *refusal {
	owner, err := g.Issuers.Verify(c.r.Context(), i, raw)
	return g.otherIssuer(c, i.Name, owner, owner != nil || err == nil)
}

func (g *Gateway) otherIssuer(c *call, name string, owner *token.Principal, genuine bool) *refusal {
	what := "a token of " + name
	if !genuine {
		what = "what says that it is a token of " + name + ", and could not be verified,"
	}
	takes := []string{manifest.OwnIssuer}
	if c.api.Request.Issuers != nil {
		takes = c.api.Request.Issuers
	}
	only := "tokens of " + strings.Join(takes, " and ") + " only"
	if slices.Equal(takes, []string{manifest.OwnIssuer}) {
		only = "own tokens only"
	}
	return &refusal{
		status: http.StatusUnauthorized, code: codeInvalidToken, bearer: true, challenge: oauth.BearerInvalidToken,
		detail: "This API does not take access tokens of that issuer. Get one from an authorization server that the API's metadata list",
		reason: what + " was sent to an API that takes " + only,
		next:   "get a token of " + strings.Join(takes, " or ") + ", or name the issuer in the API's manifest", owner: owner,
	}
}

// unmapped refuses a good token whose claims lead to nobody here: it opens nothing.
func (g *Gateway) unmapped(p *token.Principal) error {
	ref := &policy.Refusal{
		Code:   policy.InvalidProduct,
		Detail: "The access token is good, and its issuer's, but it leads to no app or organization here. Ask the operator to register the client that it was issued to",
	}
	_, _, err := g.Issuers.Client(g.Model, p)
	var why *issuer.UnmappedError
	if errors.As(err, &why) {
		ref.Reason, ref.Next = "a token of "+p.Foreign+": "+why.Reason, why.Next
	}
	return ref
}

// authorizationServers are the issuers whose tokens an API takes in this environment
// (RFC 9728 §2).
func (g *Gateway) authorizationServers(api *manifest.API) []string {
	servers := []string{}
	if api.Request.TakesTokensOf(manifest.OwnIssuer) {
		servers = append(servers, g.Issuer)
	}
	for _, name := range api.Request.Issuers {
		if i := g.Issuers.Named(name); i != nil {
			servers = append(servers, i.URL)
		}
	}
	return servers
}
