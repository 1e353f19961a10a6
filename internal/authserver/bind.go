package authserver

import (
	"cmp"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/dpop"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
)

// bind decides what the tokens of an authenticated client are bound to: the key of
// its DPoP proof, if it sent one (RFC 9449 §5), else its certificate, if it
// authenticated by that or its app has to be bound to one (RFC 8705 §3). An app that
// must have bound tokens gets no others.
func (s *Server) bind(w http.ResponseWriter, r *http.Request, c *caller) error {
	proofs := r.Header["Dpop"]
	switch {
	case len(proofs) > 0 && c.App.Binding == market.BoundToCertificate:
		ref := invalidRequest("The tokens of this app are bound to its certificate. Leave the header DPoP out")
		ref.client = refer(c.Client)
		return ref
	case len(proofs) > 0:
		return s.bindToKey(w, r, c, proofs)
	case c.App.Binding == market.BoundToDPoP:
		return &refusal{
			status: http.StatusBadRequest, code: oauth.InvalidDPoPProof, client: refer(c.Client),
			say:  "The tokens of this app are bound to a DPoP key. Send a proof in the header DPoP",
			next: "send a DPoP proof, or set the app's binding to none",
		}
	}
	if c.App.Binding != market.BoundToCertificate && c.method != certifiedName && c.method != selfSigned {
		return nil
	}
	c.confirmation.Certificate = httpx.CertificateThumbprint(r)
	if c.confirmation.Certificate == "" {
		ref := invalidRequest("The tokens of this app are bound to its certificate, and the connection has none. Use the token_endpoint of mtls_endpoint_aliases in the metadata, with a client certificate")
		if s.MutualTLS.URL == "" {
			ref.say = "The tokens of this app are bound to its certificate, and this environment has no listener for mutual TLS. Ask the operator for one"
		}
		ref.client, ref.next = refer(c.Client), "connect to the listener for mutual TLS with a client certificate, or set the app's binding to none"
		return ref
	}
	return nil
}

// bindToKey binds the client's tokens to the key of its proof.
func (s *Server) bindToKey(w http.ResponseWriter, r *http.Request, c *caller, proofs []string) error {
	proof, err := s.Proofs.Check(proofs, dpop.Request{Method: r.Method, Path: r.URL.EscapedPath(), NonceOptional: s.NonceOptional})
	if err == nil {
		err = s.Proofs.Spend(proof, string(c.Org.ID))
	}
	if err != nil {
		return s.badProof(c, err)
	}
	if proof.NonceDue {
		w.Header()["Dpop-Nonce"] = []string{s.Proofs.Nonce()}
	}
	c.confirmation.Key = proof.Thumbprint
	return nil
}

// badProof is the refusal of RFC 9449 §5 and §8.
func (s *Server) badProof(c *caller, err error) error {
	var no *dpop.Error
	if !errors.As(err, &no) {
		return err
	}
	if no.Busy {
		return unavailable(no.Reason)
	}
	ref := &refusal{
		status: http.StatusBadRequest, code: oauth.InvalidDPoPProof, say: no.Reason, client: refer(c.Client),
		reason: no.Diagnosis, skew: no.Skew, parameter: "DPoP", next: cmp.Or(no.Next, "make a new proof for every request, as RFC 9449 §4.2 says"),
	}
	if no.Nonce {
		ref.code, ref.nonce = oauth.UseDPoPNonce, s.Proofs.Nonce()
		ref.next = "nothing, if the client's next request succeeds: a nonce is asked for now and then"
	}
	return ref
}

// MutualTLS is about clients' certificates.
type MutualTLS struct {
	URL   string                // of the listener that asks for them; empty: none
	Roots func() *x509.CertPool // who may certify a client's name now; nil: nobody
}
