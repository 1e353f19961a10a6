// Package localca is the certificate authority that a fresh installation makes
// for itself, so that everything is TLS from the first start (CONTRACT 1.3).
// The authority is made once and kept in a folder; the certificates that it
// signs live in memory and are made anew at each start.
//
// It is for trials and for machines behind a proxy of their own, and does not
// revoke. The demo has a second one, for the certificate of its one client.
package localca

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// How long certificates last. Leaves are made at each start, so they need to
// last only as long as a process may.
const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 397 * 24 * time.Hour // the longest that browsers take
	backdate = time.Hour            // for clocks that are behind
)

// Authority signs certificates. Make or load it with [Open].
type Authority struct {
	File string // the CA certificate, PEM, to be given to clients
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

// Open loads the authority kept in folder, or makes one there: ca-key.pem, which
// only its owner may read and which is written first and holds all of it, and
// ca.pem, the certificate alone, which may be read by all.
func Open(folder string, now func() time.Time) (*Authority, error) {
	return OpenNamed(folder, "Sallyport local CA", now)
}

// OpenNamed is [Open] for an authority of another name: one for clients, say, in a
// folder of its own.
func OpenNamed(folder, name string, now func() time.Time) (*Authority, error) {
	a := &Authority{File: filepath.Join(folder, "ca.pem"), name: name, now: now}
	keyFile := filepath.Join(folder, "ca-key.pem")
	certPEM, certErr := os.ReadFile(a.File)
	keyPEM, keyErr := os.ReadFile(keyFile) //nolint:gosec // in the folder that the operator names
	switch {
	case certErr == nil && keyErr == nil:
		return a, a.load(certPEM, keyPEM)
	case errors.Is(certErr, fs.ErrNotExist) && keyErr == nil:
		// The program was ended between the two files, or ca.pem was removed.
		return a, a.restore(keyPEM)
	case errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist):
		return a, a.create(keyFile)
	}
	return nil, fmt.Errorf("the local CA in %s is not whole: ca-key.pem must be there and readable beside ca.pem, or neither be there: %w",
		folder, cmp.Or(keyErr, certErr))
}

func (a *Authority) load(certPEM, keyPEM []byte) error {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("read the local CA %s: %w", a.File, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("read the local CA %s: its key is not an ECDSA key", a.File)
	}
	a.cert, a.key = pair.Leaf, key
	if a.now().After(a.cert.NotAfter) {
		return fmt.Errorf("the local CA %s has expired: remove it and ca-key.pem, start again, and give clients the new one", a.File)
	}
	return nil
}

// restore writes ca.pem again from what ca-key.pem holds.
func (a *Authority) restore(keyPEM []byte) error {
	if err := a.load(keyPEM, keyPEM); err != nil {
		return err
	}
	return writePEM(a.File, 0o644, &pem.Block{Type: certificateBlock, Bytes: a.cert.Raw})
}

func (a *Authority) create(keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the local CA's key: %w", err)
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: a.name, Organization: []string{"Sallyport"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make the local CA: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("make the local CA: %w", err)
	}
	a.key = key
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the local CA: %w", err)
	}
	cert := &pem.Block{Type: certificateBlock, Bytes: der}
	if err := writePEM(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}, cert); err != nil {
		return err
	}
	return writePEM(a.File, 0o644, cert)
}

const certificateBlock = "CERTIFICATE"

// Issue makes a server certificate for hosts, which are names or addresses.
func (a *Authority) Issue(hosts []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a certificate's key: %w", err)
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: hosts[0]},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", hosts[0], err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the certificate for %s: %w", hosts[0], err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// IssueClient makes a certificate by which a client authenticates under a DNS name
// (RFC 8705 §2.1.2), and writes it and its key to two files, in PEM.
func (a *Authority) IssueClient(name, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a certificate's key: %w", err)
	}
	now := a.now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	return errors.Join(
		writePEM(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		writePEM(certFile, 0o600, &pem.Block{Type: certificateBlock, Bytes: der}),
	)
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n
}

// writePEM writes a file whole or not at all.
func writePEM(file string, mode fs.FileMode, blocks ...*pem.Block) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	for _, b := range blocks {
		err = errors.Join(err, pem.Encode(tmp, b))
	}
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
