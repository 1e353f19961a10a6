package authserver

import (
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// Foreseen is what a token request of a client would get: what the token would say, or
// why there would be none. No token is made.
type Foreseen struct {
	Principal *token.Principal // nil: none

	Status       int // of the refusal, as the rest
	Code, Detail string
	Reason, Next string
}

// Foresee says what the client would get that asks for a token of all it may have, by a
// live credential of its own. Nothing is counted or remembered.
func (s *Server) Foresee(c snapshot.Client) Foreseen {
	now := s.Now()
	for cred := range c.App.Credentials() {
		if cred.Live(now) {
			c.Credential = cred
			break
		}
	}
	if s.Model.Age() > s.MaxStale {
		return refused(unavailable("the store has been away for longer than may be gone by what is known"))
	}
	if c.Credential == nil {
		ref := failed(false, "the app has no credential that is live")
		ref.next = "make one: sallyport credential create"
		return refused(ref)
	}
	g, err := s.grant(caller{Client: c}, &request{}, RFC)
	if err != nil {
		return refused(err)
	}
	if wait := time.Unix(c.NotBefore, 0).Sub(now); wait > signingPatience {
		return refused(notYet(wait))
	}
	at := now.Unix()
	var bound token.Confirmation // to what, the client's request would say
	switch c.App.Binding {
	case market.BoundToCertificate:
		bound.Certificate = "foreseen"
	case market.BoundToDPoP:
		bound.Key = "foreseen"
	case market.Unbound:
	}
	return Foreseen{
		Principal: &token.Principal{
			Issuer: s.Issuer, ClientID: c.App.ClientID, JTI: "foreseen", Org: string(c.Org.ID), Credential: string(c.Credential.ID),
			Environment: string(s.Environment), ApplicationName: c.App.Name, Scope: g.scope, Products: g.products,
			Confirmation: bound, IssuedAt: max(at, c.NotBefore), NotBefore: at, Expires: at + int64(g.lifetime/time.Second),
		},
	}
}

// refused is the foresight of a refusal.
func refused(err error) Foreseen {
	ref := refusalOf(err)
	f := Foreseen{Status: ref.status, Code: string(ref.code), Detail: ref.say, Reason: ref.reason, Next: ref.next}
	if f.Reason == "" {
		f.Reason = strings.ToLower(f.Detail[:1]) + f.Detail[1:]
	}
	return f
}
