package authserver

import (
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// clockMargin is how far the clocks of nodes may differ: a revocation is kept
// that much longer than its token.
const clockMargin = time.Minute

// revoke ends a token of the caller's own, or one that it oversees (RFC 7009). What
// is no token of ours, or has ended already, is answered as success (§2.2).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	q, client, err := s.tokenRequest(w, r, &s.demands.revocation)
	if err != nil {
		return err
	}
	p, err := s.Verifier.Verify(q.token.Reveal())
	switch {
	case err != nil: // success
	case !client.oversees(p):
		return &refusal{
			status: http.StatusBadRequest, code: oauth.UnauthorizedClient, client: refer(client.Client),
			say:  "The token was issued to another client",
			next: "revoke it by the client that it was issued to, or have the operator let this app oversee others' tokens",
		}
	case s.Model.Revoked(p.JTI):
	default:
		actor := market.Actor{Kind: "app", ID: string(client.App.ID), From: httpx.RemoteAddr(r).String()}
		if err := s.Revoker.RevokeToken(r.Context(), actor, s.revocation(p)); err != nil {
			return err
		}
	}
	noStore(w.Header())
	w.WriteHeader(http.StatusOK)
	return nil //nolint:nilerr // RFC 7009 §2.2: what does not verify, too
}

// revocation is filed under whose token it is, whoever asked for it.
func (s *Server) revocation(p *token.Principal) market.Revocation {
	rev := market.Revocation{JTI: p.JTI, Org: id.Org(p.Org), Expires: time.Unix(p.Expires, 0).Add(s.Leeway + clockMargin)}
	if owner, ok := s.Model.ByClientID(p.ClientID); ok {
		rev.Org, rev.App = owner.Org.ID, owner.App.ID
	}
	return rev
}
