package keyring

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// randomNonce is an AEAD that makes its own nonces, and puts them before what it
// seals. It is what cipher.NewGCMWithRandomNonce returns, byte for byte, which a
// build with BoringCrypto has not got.
type randomNonce struct{ cipher.AEAD }

var errSealed = errors.New("too short, or not what was sealed")

func (r randomNonce) NonceSize() int { return 0 }

func (r randomNonce) Overhead() int { return r.AEAD.NonceSize() + r.AEAD.Overhead() }

func (r randomNonce) Seal(dst, _, plain, more []byte) []byte {
	nonce := make([]byte, r.AEAD.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand
	return r.AEAD.Seal(append(dst, nonce...), nonce, plain, more)
}

func (r randomNonce) Open(dst, _, sealed, more []byte) ([]byte, error) {
	size := r.AEAD.NonceSize()
	if len(sealed) < size {
		return nil, errSealed
	}
	return r.AEAD.Open(dst, sealed[:size], sealed[size:], more)
}
