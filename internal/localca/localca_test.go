package localca_test

import (
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

func TestOpenSaysWhatIsMissingOfHalfAnAuthority(t *testing.T) {
	dir := t.TempDir()
	if _, err := localca.Open(dir, time.Now); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := localca.Open(dir, time.Now); err == nil {
		t.Error("half an authority was replaced without a word")
	}
}
