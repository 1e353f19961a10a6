package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// authenticate finds out whose token the call brings, and whether it is
// honoured now.
func (g *Gateway) authenticate(c *call) error {
	if g.Model.Age() > g.MaxStale {
		return unavailable("the store has been away for longer than may be gone by what is known")
	}
	if c.public {
		return nil
	}
	scheme, raw, err := g.presented(c)
	if err != nil {
		return err
	}
	principal, err := g.verify(c, raw)
	if err != nil {
		return err
	}
	c.principal = principal
	client, revoked, known := g.authority(principal)
	if !known && principal.Foreign != "" {
		return g.unmapped(principal)
	}
	if no := policy.Standing(principal, client, known, revoked); no != nil {
		if known {
			c.client = client
		}
		return no
	}
	c.client = client
	if err := g.possess(c, scheme, raw); err != nil {
		return err
	}
	if !isFor(principal, c.resources) {
		return otherAudience(principal)
	}
	return nil
}

// verify returns what the token says, if it is one that the API takes.
func (g *Gateway) verify(c *call, raw string) (*token.Principal, error) {
	if c.api.Request.Issuers != nil {
		return g.verifyOf(c, raw)
	}
	principal, err := g.Verifier.Verify(raw)
	if err != nil {
		return nil, g.notVerified(c, raw, err)
	}
	return principal, nil
}

// isFor reports whether a token may be used at a resource, by one of its names: a
// token for others must be refused (RFC 9700 §2.3).
func isFor(p *token.Principal, names []string) bool {
	return p.Resources == nil || slices.ContainsFunc(names, p.For)
}

func otherAudience(p *token.Principal) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: codeInvalidToken, bearer: true, challenge: oauth.BearerInvalidToken,
		detail: "The access token was made for other APIs. Get one with the parameter resource naming this API, or without that parameter",
		reason: "the token is for " + strings.Join(p.Resources, " and "),
		next:   "ask for a token with this API's URL as resource, or without resource",
	}
}

// presented returns the token of the Authorization header and its scheme, which is
// Bearer (RFC 6750 §2.1) or DPoP (RFC 9449 §7.1), or the token of IMA-Token on the
// routes that take it (S000). A token in the URL is ignored.
func (g *Gateway) presented(c *call) (scheme, raw string, err error) {
	values := c.r.Header["Authorization"]
	if c.api.Request.IMAToken {
		values = append(values[:len(values):len(values)], c.r.Header["Ima-Token"]...)
	}
	if len(values) > 1 {
		return "", "", &refusal{
			status: http.StatusBadRequest, code: codeInvalidRequest, bearer: true, challenge: oauth.BearerInvalidRequest, parameter: "Authorization",
			detail: "The access token was sent more than once. Send it in one header",
		}
	}
	if len(values) == 0 {
		ref := g.missingToken("")
		if len(c.r.Header["Ima-Token"]) > 0 {
			ref.reason = "the token came in the header IMA-Token, which this API does not take"
			ref.next = "send it as Authorization: Bearer, or let the API's manifest say ima_token: true"
		}
		return "", "", ref
	}
	scheme, raw, hasScheme := strings.Cut(values[0], " ")
	if !hasScheme && len(c.r.Header["Ima-Token"]) == 1 && c.api.Request.IMAToken && len(c.r.Header["Authorization"]) == 0 {
		return oauth.Bearer, values[0], nil // IMA-Token may come without a scheme
	}
	switch {
	case strings.EqualFold(scheme, oauth.Bearer) && raw != "":
		return oauth.Bearer, raw, nil
	case strings.EqualFold(scheme, oauth.DPoP) && raw != "":
		return oauth.DPoP, raw, nil
	}
	return "", "", g.missingToken(": the Authorization header does not begin with Bearer, or DPoP, and a space")
}

func (g *Gateway) missingToken(how string) *refusal {
	ref := &refusal{
		status: http.StatusUnauthorized, code: codeInvalidRequest, bearer: true, parameter: "Authorization",
		detail: "The access token is missing" + how + ". Get one from the token endpoint and send it as Authorization: Bearer",
	}
	if g.Options.MissingTokenIs400 {
		ref.status = http.StatusBadRequest
	}
	return ref
}

// notVerified refuses a token, and finds out for its owner, if it has one, what
// it was.
func (g *Gateway) notVerified(c *call, raw string, err error) *refusal {
	ref := invalid(err)
	if reason := token.ReasonOf(err); reason == token.Expired || reason == token.NotYetValid {
		ref.owner, _ = g.Verifier.Peek(raw)
		g.outOfTime(ref, err, "the clocks of the nodes differ by more than the leeway: the operator compares them")
		return ref
	}
	for env, other := range g.Foreign {
		if owner, err := other.Peek(raw); err == nil {
			ref.owner = owner
			ref.reason = "a " + string(env) + " token was sent to " + string(g.Environment)
			ref.next = "send it to the gateway of " + string(env) + ", or get one for " + string(g.Environment)
			return ref
		}
	}
	if i := g.Issuers.Claimed(raw); i != nil {
		return g.notTaken(c, i, raw)
	}
	return ref
}

// invalid is the refusal of a token that is not valid, for whatever reason.
func invalid(err error) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: codeInvalidToken, bearer: true, challenge: oauth.BearerInvalidToken,
		detail: "The access token is not valid here. Get a new one from the token endpoint of this environment",
		reason: err.Error(), next: "get a new token from this environment's token endpoint",
	}
}

// outOfTime says of a token whose signature is good, and whose owner is known, how
// far it is off. early is what to do about one that has not begun.
func (g *Gateway) outOfTime(ref *refusal, err error, early string) {
	expired := errors.Is(err, token.ErrExpired)
	if expired {
		ref.code, ref.detail = codeExpired, "The access token has expired. Get a new one, a little ahead of time"
		ref.next = "get a new token ahead of the end of this one's life"
	}
	switch {
	case ref.owner == nil:
	case expired:
		ref.skew = g.Now().Sub(time.Unix(ref.owner.Expires, 0))
		ref.reason = "the token expired " + ref.skew.Round(time.Second).String() + " ago"
	default:
		ref.skew = g.Now().Sub(time.Unix(max(ref.owner.NotBefore, ref.owner.IssuedAt), 0))
		ref.reason, ref.next = "the token begins "+(-ref.skew).Round(time.Second).String()+" from now", early
	}
}
