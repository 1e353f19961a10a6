package authserver

import (
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// clockMargin is how far the clocks of nodes may differ: a revocation is kept
// that much longer than its token.
const clockMargin = time.Minute

// strictForm is how revocation and introspection read: forms only (RFC 7009
// §2.1, RFC 7662 §2.1).
func strictForm() Endpoint { return Endpoint{Dialect: RFC} }

// tokenRequest reads a request about a token from an authenticated client.
func (s *Server) tokenRequest(w http.ResponseWriter, r *http.Request) (*request, caller, error) {
	q, err := read(w, r, strictForm())
	if err != nil {
		return nil, caller{}, owned(err, s.named(q))
	}
	client, err := s.authenticate(r, q)
	if err != nil {
		return nil, caller{}, owned(err, s.named(q))
	}
	if q.token.Reveal() == "" {
		return nil, caller{}, owned(invalidRequest("The parameter token is missing").about("token"), refer(client.Client))
	}
	return q, client, nil
}

// revoke ends a token of the caller's own (RFC 7009). What is no token of ours,
// or has ended already, is answered as success (§2.2).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	q, client, err := s.tokenRequest(w, r)
	if err != nil {
		return err
	}
	p, err := s.Verifier.Verify(q.token.Reveal())
	switch {
	case err != nil: // success
	case p.ClientID != client.App.ClientID:
		return &refusal{
			status: http.StatusBadRequest, code: oauth.UnauthorizedClient, client: refer(client.Client),
			say: "The token was issued to another client",
		}
	case s.Model.Revoked(p.JTI):
	default:
		actor := market.Actor{Kind: "app", ID: string(client.App.ID), From: httpx.RemoteAddr(r).String()}
		err := s.Revoker.Revoke(r.Context(), actor, market.Revocation{
			JTI: p.JTI, Org: client.Org.ID, App: client.App.ID,
			Expires: time.Unix(p.Expires, 0).Add(s.Leeway + clockMargin),
		})
		if err != nil {
			return err
		}
	}
	noStore(w.Header())
	w.WriteHeader(http.StatusOK)
	return nil //nolint:nilerr // RFC 7009 §2.2: what does not verify, too
}

// introspection is an answer about a token (RFC 7662 §2.2).
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	Audience  string   `json:"aud,omitempty"`
	JTI       string   `json:"jti,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	NotBefore int64    `json:"nbf,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	Products  []string `json:"api_product_list,omitempty"`
}

// introspect says whether a token of the caller's own is active; any other is
// "not active", whatever it is (RFC 7662 §2.2).
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	q, client, err := s.tokenRequest(w, r)
	if err != nil {
		return err
	}
	var answer introspection
	p, err := s.Verifier.Verify(q.token.Reveal())
	if err == nil && p.ClientID == client.App.ClientID && s.active(p) {
		answer = introspection{
			Active: true, Scope: p.Scope, ClientID: p.ClientID, TokenType: "Bearer", Subject: p.ClientID, Issuer: s.Issuer,
			Audience: s.Audience, JTI: p.JTI, IssuedAt: p.IssuedAt, NotBefore: p.NotBefore, Expires: p.Expires, Products: p.Products,
		}
	}
	noStore(w.Header())
	httpx.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// active reports whether a verified token is honoured now.
func (s *Server) active(p *token.Principal) bool {
	c, revoked, known := s.Model.ByToken(p.ClientID, id.Credential(p.Credential), p.JTI)
	return policy.Standing(p, c, known, revoked) == nil && p.Expires > s.Now().Unix()
}
