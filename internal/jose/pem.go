package jose

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// ErrNotPEM is returned for what is not exactly one block of PEM.
var ErrNotPEM = errors.New("not one PEM block of a public key or a certificate, with nothing before or after it")

// ParsePublic reads one public key in the form in which people have it at hand: a
// JWK, or PEM that holds a public key or a certificate. A certificate is nothing
// but the wrapping of its key here.
func ParsePublic(data []byte) (*Key, error) {
	if len(data) > maxJWK {
		return nil, ErrMalformed
	}
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("{")) {
		return ParseKey(data)
	}
	block, err := onlyBlock(data)
	if err != nil {
		return nil, err
	}
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, ErrPrivate
		}
		return nil, ErrNotPEM
	}
	if err != nil {
		return nil, ErrNotPEM
	}
	return NewKey(public)
}

// ParseCertificate reads one certificate in PEM whose key is strong enough.
func ParseCertificate(data []byte) (*x509.Certificate, error) {
	if len(data) > maxJWK {
		return nil, ErrNotPEM
	}
	block, err := onlyBlock(bytes.TrimSpace(data))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, ErrPrivate
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if block.Type != "CERTIFICATE" || err != nil {
		return nil, ErrNotPEM
	}
	if !strong(certificate.PublicKey) {
		return nil, ErrWeak
	}
	return certificate, nil
}

// onlyBlock returns the one block of PEM that data is.
func onlyBlock(data []byte) (*pem.Block, error) {
	if !bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		return nil, ErrNotPEM
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, ErrNotPEM
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		if bytes.Contains(rest, []byte("PRIVATE KEY")) {
			return nil, ErrPrivate
		}
		return nil, ErrNotPEM
	}
	return block, nil
}
