//go:build !cgo

package pkcs11_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/pkcs11"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func TestWithoutCgoItSaysHowToBuild(t *testing.T) {
	_, err := pkcs11.Open(pkcs11.Config{Module: "m", Token: "t", PIN: secret.New("1")})
	if err == nil || !strings.Contains(err.Error(), "make build-pkcs11") {
		t.Errorf("got %v", err)
	}
}
