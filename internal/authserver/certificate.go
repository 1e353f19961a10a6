package authserver

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

const (
	certifiedName method = "tls_client_auth"             // RFC 8705 §2.1
	selfSigned    method = "self_signed_tls_client_auth" // RFC 8705 §2.2
)

// byCertificate authenticates by client_id and the certificate of the connection
// (RFC 8705 §2). That the client holds its key the handshake has shown.
func (s *Server) byCertificate(r *http.Request, q *request) (caller, error) {
	client, known := s.Model.ByClientID(q.clientID)
	var by method
	var reason, next string
	switch {
	case q.clientID == "":
		reason, next = "client_id is missing beside the certificate", "send client_id in the body (RFC 8705 §2)"
	case !known:
		reason, next = "there is no such client_id", "compare it with the app's"
	case client.App.Environment != s.Environment:
		reason = "a " + string(client.App.Environment) + " client_id was sent to " + string(s.Environment)
		next = "send it to the token URL of " + string(client.App.Environment)
	default:
		client.Credential, by, reason, next = s.certified(client.App, httpx.ClientCertificates(r), httpx.CertificateThumbprint(r))
	}
	if reason != "" {
		leaf, now := httpx.ClientCertificates(r)[0], s.Now()
		parameter, skew := "the certificate", time.Duration(0)
		switch {
		case q.clientID == "" || !known:
			parameter = "client_id"
		case now.After(leaf.NotAfter):
			skew = now.Sub(leaf.NotAfter)
		case now.Before(leaf.NotBefore):
			skew = now.Sub(leaf.NotBefore)
		}
		return caller{}, blamed(s.refuse(r, q, q.clientID, client, reason, next), parameter, skew)
	}
	return s.authenticated(r, client, by), nil
}

// certified finds the credential of the app that a certificate is, or is named by.
// If it is not good, reason says why.
func (s *Server) certified(app *snapshot.App, chain []*x509.Certificate, thumbprint string) (c *snapshot.Credential, by method, reason, next string) {
	leaf, now := chain[0], s.Now()
	if now.After(leaf.NotAfter) {
		return nil, "", "the certificate expired on " + leaf.NotAfter.UTC().Format(time.RFC3339), "use one that is valid, and register it if it is of the client's own making"
	}
	if now.Before(leaf.NotBefore) {
		return nil, "", "the certificate is not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339), "wait, or compare the clocks"
	}
	reason, next = "no credential of the app has this thumbprint, x5t#S256 "+thumbprint, "register the certificate, or the name that it is certified for"
	var certifiedBy string // why the client CA does not name it; found out once
	judged := false
	for credential := range app.Credentials() {
		switch credential.Kind { //nolint:exhaustive // the others have nothing to do with certificates
		case market.Certificate:
			if credential.Material != thumbprint {
				continue
			}
			by = selfSigned
		case market.CertifiedName:
			if !judged {
				certifiedBy, judged = s.notCertified(chain), true
			}
			name, err := market.ParseCertifiedName(credential.Material)
			switch {
			case certifiedBy != "":
				reason, next = certifiedBy, "use a certificate that the operator's client CA issued, or register this one"
				continue
			case err != nil || !name.Matches(leaf):
				reason = "the certificate is good, and does not say " + credential.Material + "; its subject is " + leaf.Subject.String()
				next = "register the name that it says, or use the one that was issued for that name"
				continue
			}
			by = certifiedName
		default:
			continue
		}
		switch {
		case credential.Revoked:
			reason, next = "the credential of this certificate was revoked", "register another"
		case credential.ExpiredAt(now):
			reason, next = "the credential of this certificate has expired", "move its expiry, or register another certificate"
		default:
			return credential, by, "", ""
		}
	}
	return nil, "", reason, next
}

// notCertified says why a certificate is not one that the client CA has issued for a
// client, "" if it is.
func (s *Server) notCertified(chain []*x509.Certificate) string {
	if s.MutualTLS.Roots == nil {
		return "no client CA is configured here, so that certificates have no names"
	}
	between := x509.NewCertPool()
	for _, c := range intermediates(chain[1:]) {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: s.MutualTLS.Roots(), Intermediates: between, CurrentTime: s.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return "the certificate is not signed by the client CA; its issuer is " + chain[0].Issuer.String()
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "the certificate is not for client authentication by its extended key usage"
	}
	return "the certificate is not good: " + err.Error()
}

// maxIntermediates is how many certificates between a client's own and the client
// CA's are looked at.
const maxIntermediates = 4

// intermediates chooses those of the certificates that a stranger sent along by
// which a chain is sought. Each that could have signed costs a verification in each
// place where it could stand, so they are few, of usual keys, and none is there in
// several editions.
func intermediates(sent []*x509.Certificate) (chosen []*x509.Certificate) {
	for _, c := range sent {
		same := func(other *x509.Certificate) bool {
			return bytes.Equal(other.RawSubject, c.RawSubject) && bytes.Equal(other.RawIssuer, c.RawIssuer) &&
				bytes.Equal(other.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
		}
		if _, err := jose.NewKey(c.PublicKey); err != nil {
			continue
		}
		if c.IsCA && !slices.ContainsFunc(chosen, same) {
			chosen = append(chosen, c)
		}
		if len(chosen) == maxIntermediates {
			break
		}
	}
	return chosen
}
