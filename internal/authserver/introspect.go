package authserver

import (
	"bytes"
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// strictForm is how revocation and introspection read: forms only (RFC 7009
// §2.1, RFC 7662 §2.1).
func strictForm() Endpoint { return Endpoint{Dialect: RFC} }

// tokenRequest reads a request about a token from an authenticated client.
// token_type_hint is not looked at: there is one type (RFC 7009 §2.1, RFC 7662
// §2.1).
func (s *Server) tokenRequest(w http.ResponseWriter, r *http.Request, d *demand) (*request, caller, error) {
	q, err := read(w, r, strictForm())
	if err != nil {
		return nil, caller{}, s.attributed(err, q)
	}
	q.demand = d
	client, err := s.authenticate(r, q)
	if err != nil {
		return nil, caller{}, s.attributed(err, q)
	}
	if err := s.withinLimit(q, client.Client); err != nil {
		return nil, caller{}, err
	}
	if ref := s.mayHaveTokens(client.Client); ref != nil {
		return nil, caller{}, ref
	}
	if q.token.Reveal() == "" {
		return nil, caller{}, owned(invalidRequest("The parameter token is missing").about("token"), refer(client.Client))
	}
	return q, client, nil
}

// oversees reports whether the client may know and revoke a token of this
// environment: its own, and those that the operator granted it.
func (c *caller) oversees(p *token.Principal) bool {
	switch c.App.Oversees {
	case market.EnvironmentTokens:
		return true
	case market.OrganizationTokens:
		return p.ClientID == c.App.ClientID || p.Org == string(c.Org.ID)
	case market.OwnTokens:
	}
	return p.ClientID == c.App.ClientID
}

// introspection is an answer about a token (RFC 7662 §2.2): what whoever takes the
// token has to know, and no more (RFC 9701 §9).
type introspection struct {
	Active       bool          `json:"active"`
	Scope        string        `json:"scope,omitempty"`
	ClientID     string        `json:"client_id,omitempty"`
	TokenType    string        `json:"token_type,omitempty"`
	Subject      string        `json:"sub,omitempty"`
	Issuer       string        `json:"iss,omitempty"`
	Audience     audience      `json:"aud,omitempty"`
	JTI          string        `json:"jti,omitempty"`
	IssuedAt     int64         `json:"iat,omitempty"`
	NotBefore    int64         `json:"nbf,omitempty"`
	Expires      int64         `json:"exp,omitempty"`
	Products     []string      `json:"api_product_list,omitempty"`
	Confirmation *confirmation `json:"cnf,omitempty"` // RFC 8705 §3.2, RFC 9449 §6.2
}

// confirmation is the claim cnf (RFC 7800 §3.1).
type confirmation struct {
	Certificate string `json:"x5t#S256,omitempty"`
	Key         string `json:"jkt,omitempty"`
}

// audience is written as a string if it is one (RFC 7519 §4.1.3).
type audience []string

// MarshalJSON implements [json.Marshaler].
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// about is the answer about a token to a client. Of what is not active, or not the
// client's to know, it says nothing (RFC 7662 §2.2).
func (s *Server) about(text secret.String, client *caller) introspection {
	p, err := s.Verifier.Verify(text.Reveal())
	if err != nil || !client.oversees(p) || !s.active(p) {
		return introspection{}
	}
	answer := introspection{
		Active: true, Scope: p.Scope, ClientID: p.ClientID, TokenType: oauth.Bearer, Subject: p.ClientID, Issuer: p.Issuer,
		Audience: s.platform, JTI: p.JTI, IssuedAt: p.IssuedAt, NotBefore: p.NotBefore, Expires: p.Expires, Products: p.Products,
	}
	if p.Resources != nil {
		answer.Audience = p.Resources
	}
	if bound := p.Confirmation; bound != (token.Confirmation{}) {
		answer.Confirmation = &confirmation{Certificate: bound.Certificate, Key: bound.Key}
		if bound.Key != "" {
			answer.TokenType = oauth.DPoP
		}
	}
	return answer
}

// active reports whether a verified token is honoured now.
func (s *Server) active(p *token.Principal) bool {
	c, revoked, known := s.Model.ByToken(p.ClientID, id.Credential(p.Credential), p.JTI)
	return policy.Standing(p, c, known, revoked) == nil && p.Expires > s.Now().Unix()
}

// introspect says whether a token is active (RFC 7662), in a signed JWT if the
// client asks for one (RFC 9701).
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	q, client, err := s.tokenRequest(w, r, &s.demands.introspection)
	if err != nil {
		return err
	}
	answer := s.about(q.token, &client)
	noStore(w.Header())
	if !wantsJWT(r.Header["Accept"]) {
		httpx.WriteJSON(w, http.StatusOK, answer)
		return nil
	}
	signed, err := s.sign(r.Context(), &client, answer)
	if err != nil {
		return err
	}
	httpx.WriteBody(w, http.StatusOK, introspectionType, []byte(signed.Reveal()))
	return nil
}

// sign makes the JWT of an answer, for its client alone (RFC 9701 §5).
func (s *Server) sign(ctx context.Context, client *caller, answer introspection) (secret.String, error) {
	body, err := json.Marshal(answer)
	if err != nil {
		return secret.String{}, err
	}
	key, done, err := s.turn(ctx, client.App.ID)
	if err != nil {
		return secret.String{}, err
	}
	defer done()
	return token.MintIntrospection(key, &token.IntrospectionClaims{
		Issuer: s.Issuer, Audience: client.App.ClientID, IssuedAt: s.Now().Unix(), Token: bytes.TrimSpace(body),
	})
}

// introspectionType is the media type of RFC 9701 §4.
const introspectionType = "application/" + keyring.TypIntrospection

// wantsJWT reports whether an Accept header asks for a JWT: by its name, and not
// less than for JSON (RFC 9110 §12.5.1).
func wantsJWT(accept []string) bool {
	var signed, plain float64
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			mediaType, params, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			weight := 1.0
			if q, ok := params["q"]; ok {
				if weight, err = strconv.ParseFloat(q, 64); err != nil || !(weight >= 0 && weight <= 1) { // nor NaN
					continue
				}
			}
			switch mediaType {
			case introspectionType:
				signed = max(signed, weight)
			case "application/json":
				plain = max(plain, weight)
			}
		}
	}
	return signed > 0 && signed >= plain
}
