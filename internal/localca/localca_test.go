package localca_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/localca"
)

func TestCertificatesVerifyAgainstTheAuthorityThatWasKept(t *testing.T) {
	dir := t.TempDir()
	if _, err := localca.Open(dir, time.Now); err != nil {
		t.Fatal(err)
	}
	again, err := localca.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := again.Issue([]string{"api.example.test", "127.0.0.1", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(again.File)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"api.example.test", "127.0.0.1", "::1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "ca-key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca-key.pem: %v, %v; want mode 0600", info.Mode(), err)
	}
}

// A program that is ended between the two files leaves the key file alone.
func TestOpenRestoresTheCertificateFromTheKeyFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	if _, err := localca.Open(dir, time.Now); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := localca.Open(dir, time.Now); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("another certificate came back, or none: %v", err)
	}
}

func TestOpenDoesNotReplaceAnAuthorityWhoseKeyIsGone(t *testing.T) {
	dir := t.TempDir()
	if _, err := localca.Open(dir, time.Now); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := localca.Open(dir, time.Now); err == nil {
		t.Error("it was replaced without a word")
	}
}
