package authserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strconv"
	"testing"
	"time"
)

// issuing makes certificates.
type issuing struct {
	t      *testing.T
	serial int64
}

func (i *issuing) key(curve elliptic.Curve) crypto.Signer {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	return key
}

// certificate makes one for key; by nil it signs itself.
func (i *issuing) certificate(name string, key crypto.Signer, by *x509.Certificate, signer crypto.Signer, authority bool) *x509.Certificate {
	i.t.Helper()
	i.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(i.serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"n" + strconv.FormatInt(i.serial, 10) + ".example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: authority,
	}
	if authority {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	if by == nil {
		by = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
	if err != nil {
		i.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return c
}

// Whoever sends a hundred certificates along, of keys as dear as they come, would
// have us verify a hundred signatures for each request of one connection.
func TestAStrangersChainCostsLittle(t *testing.T) {
	i := &issuing{t: t}
	x := i.key(elliptic.P256())
	authority := i.certificate("X", x, nil, x, true)
	var many, dear, twice []*x509.Certificate
	for range 100 {
		many = append(many, i.certificate("X", i.key(elliptic.P256()), authority, x, true))
		dear = append(dear, i.certificate("X", i.key(elliptic.P521()), authority, x, true))
		twice = append(twice, i.certificate("X", x, authority, x, true))
	}
	leaf := i.certificate("client", i.key(elliptic.P256()), authority, x, false)
	for name, tt := range map[string]struct {
		sent []*x509.Certificate
		want int
	}{
		"many": {many, maxIntermediates}, "of dear keys": {dear, 0}, "of one key": {twice, 1}, "of no authority": {[]*x509.Certificate{leaf}, 0},
	} {
		if got := intermediates(tt.sent); len(got) != tt.want {
			t.Errorf("%s: %d are looked at, want %d", name, len(got), tt.want)
		}
	}
}

func TestAChainOfAFewIntermediatesIsFound(t *testing.T) {
	i := &issuing{t: t}
	key := i.key(elliptic.P256())
	root := i.certificate("root", key, nil, key, true)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	s := &Server{Config: Config{MutualTLS: MutualTLS{Roots: func() *x509.CertPool { return roots }}, Now: time.Now}}
	by, chain := root, []*x509.Certificate{}
	for n := range maxIntermediates + 2 {
		next := i.key(elliptic.P256())
		c := i.certificate("level "+strconv.Itoa(n), next, by, key, n <= maxIntermediates)
		by, key, chain = c, next, append([]*x509.Certificate{c}, chain...)
		leaf := i.certificate("client", i.key(elliptic.P256()), by, key, false)
		no := s.notCertified(append([]*x509.Certificate{leaf}, chain...))
		if levels := len(chain); (no == "") != (levels <= maxIntermediates) {
			t.Errorf("%d intermediates: %q", levels, no)
		}
	}
}
