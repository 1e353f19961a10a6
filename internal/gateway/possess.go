package gateway

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/dpop"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// possess holds a call to what its token is bound to: the certificate of its own
// connection (RFC 8705 §3), or a key that it proves to hold (RFC 9449 §7). A token
// that is bound to nothing is whoever's who has it. It is asked for every call,
// whether the token was verified just now or is remembered.
func (g *Gateway) possess(c *call, scheme, raw string) error {
	bound := c.principal.Confirmation
	switch {
	case bound == token.Confirmation{} && scheme == oauth.Bearer, c.asked:
		return nil
	case bound.Key != "" && scheme == oauth.DPoP:
		return g.proven(c, raw, bound.Key)
	case bound.Key != "":
		return notPossessed(oauth.DPoP, "The access token is bound to a key. Send it as Authorization: DPoP, with a proof for this request in the header DPoP",
			"a token that is bound to a DPoP key was sent as Bearer")
	case scheme == oauth.DPoP:
		return notPossessed(oauth.DPoP, "The access token is not bound to a DPoP key. Send it as Authorization: Bearer, or get one with a DPoP proof",
			"a token that is not bound to a DPoP key was sent as DPoP")
	}
	shown := httpx.CertificateThumbprint(c.r)
	if subtle.ConstantTimeCompare([]byte(shown), []byte(bound.Certificate)) == 1 {
		return nil
	}
	if shown == "" {
		return notPossessed(oauth.Bearer, "The access token is bound to a client certificate. Call the listener for mutual TLS with the certificate that the token was got with",
			"a token that is bound to a certificate came without one")
	}
	return notPossessed(oauth.Bearer, "The access token is bound to another client certificate. Use the one that the token was got with, or get a new token with this one",
		"a token that is bound to one certificate came with another, x5t#S256 "+shown)
}

func notPossessed(scheme, detail, reason string) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: codeInvalidToken, bearer: true, scheme: scheme, challenge: oauth.BearerInvalidToken,
		detail: detail, reason: reason,
		next: "if the client is the app's own, correct how it sends the token; if not, the token was stolen and is of no use: revoke it, and find out how",
	}
}

// proven holds a call to a proof by the key that its token is bound to (RFC 9449
// §7.1).
func (g *Gateway) proven(c *call, raw, key string) error {
	proof, err := g.Proofs.Check(c.r.Header["Dpop"], dpop.Request{
		Method: c.r.Method, Path: c.r.URL.EscapedPath(), Token: raw, NonceOptional: g.NonceOptional,
	})
	if err == nil && subtle.ConstantTimeCompare([]byte(proof.Thumbprint), []byte(key)) != 1 {
		return notPossessed(oauth.DPoP, "The access token is bound to another key than the DPoP proof was made with. Use the key that the token was got with",
			"a token that is bound to one DPoP key came with a proof by another, jkt "+proof.Thumbprint)
	}
	if err == nil {
		err = g.Proofs.Spend(proof, string(c.client.Org.ID))
	}
	if err != nil {
		return g.badProof(err)
	}
	if proof.NonceDue {
		c.w.Header()["Dpop-Nonce"] = []string{g.Proofs.Nonce()} // RFC 9449 §8.2
	}
	return nil
}

// badProof is the refusal of RFC 9449 §7.1 and §9.
func (g *Gateway) badProof(err error) error {
	var no *dpop.Error
	if !errors.As(err, &no) {
		return err
	}
	if no.Busy {
		return unavailable(no.Reason)
	}
	ref := &refusal{
		status: http.StatusUnauthorized, code: codeInvalidProof, bearer: true, scheme: oauth.DPoP, challenge: oauth.ChallengeInvalidProof,
		detail: no.Reason, reason: no.Diagnosis, skew: no.Skew, parameter: "DPoP",
		next: cmp.Or(no.Next, "make a new proof for every request, as RFC 9449 §4.2 says"),
	}
	if no.Nonce {
		ref.code, ref.challenge, ref.nonce = codeUseNonce, oauth.ChallengeUseNonce, g.Proofs.Nonce()
		ref.next = "nothing, if the client's next call succeeds: a nonce is asked for now and then"
	}
	return ref
}

// challenges are the WWW-Authenticate of a refusal. Whoever sent no token is told of
// both schemes; whoever did, of the one that it is about, and of that alone, since
// clients look for a nonce in an answer with one challenge.
func (g *Gateway) challenges(c *call, ref *refusal) []string {
	switch {
	case ref.scheme == oauth.DPoP:
		return []string{g.challenge(c, ref, oauth.DPoP)}
	case ref.challenge == "":
		return []string{g.challenge(c, ref, oauth.Bearer), g.challenge(c, ref, oauth.DPoP)}
	}
	return []string{g.challenge(c, ref, oauth.Bearer)}
}

// proofAlgorithms is the parameter of a DPoP challenge (RFC 9449 §7.1).
func proofAlgorithms() string { return `, algs="` + strings.Join(jose.Algorithms(), " ") + `"` }
