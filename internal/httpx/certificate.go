package httpx

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
)

// ClientCertificates returns the certificate that the client proved to hold the key
// of, and after it those that it sent along; nil if it showed none. Only listeners
// for mutual TLS ask for one. What a header says of certificates is never believed.
func ClientCertificates(r *http.Request) []*x509.Certificate {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

// CertificateThumbprint returns the x5t#S256 of the client's certificate (RFC 8705
// §3.1), "" if it showed none.
func CertificateThumbprint(r *http.Request) string {
	chain := ClientCertificates(r)
	if len(chain) == 0 {
		return ""
	}
	sum := sha256.Sum256(chain[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
