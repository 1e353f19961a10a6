//go:build !cgo

package pkcs11

import (
	"context"
	"crypto"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/keyring"
)

// Module is a token; there is none in a program without cgo.
type Module struct{}

var errAbsent = errors.New("this program was built without cgo and cannot load a PKCS #11 module: build it with `make build-pkcs11`, or leave keys.pkcs11 out")

// Open says that there is no PKCS #11 here.
func Open(c Config) (*Module, error) {
	if _, err := c.check(); err != nil {
		return nil, err
	}
	return nil, errAbsent
}

// Make implements [keyring.Vault].
func (*Module) Make(context.Context, keyring.Algorithm) (string, crypto.Signer, error) {
	return "", nil, errAbsent
}

// Open implements [keyring.Vault].
func (*Module) Open(context.Context, string) (crypto.Signer, error) { return nil, errAbsent }

// Remove implements [keyring.Vault].
func (*Module) Remove(context.Context, string) error { return errAbsent }

// Close does nothing.
func (*Module) Close() error { return nil }
