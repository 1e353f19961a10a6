//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"github.com/sallyport-dev/sallyport/internal/keyring"
)

// What PKCS #11 3.0 §2.3.14 adds for Ed25519, and the binding does not name.
const (
	ckmEdwardsKeyPairGen = 0x1055
	ckmEdDSA             = 0x1057
	ckkEdwards           = 0x40
)

// kind is how keys of an algorithm are made and sign.
type kind struct {
	algorithm  keyring.Algorithm
	generate   uint
	sign       uint
	parameters []*pkcs11.Attribute // of the public half
}

func kinds() map[keyring.Algorithm]kind {
	// The DER of an object identifier: P-256 (RFC 5480 §2.1.1.1), Ed25519 (RFC 8410 §3).
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	edwards := []byte{0x06, 0x03, 0x2b, 0x65, 0x70}
	return map[keyring.Algorithm]kind{
		keyring.RS256: {keyring.RS256, pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, pkcs11.CKM_RSA_PKCS, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		}},
		keyring.ES256: {keyring.ES256, pkcs11.CKM_EC_KEY_PAIR_GEN, pkcs11.CKM_ECDSA, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, p256),
		}},
		keyring.EdDSA: {keyring.EdDSA, ckmEdwardsKeyPairGen, ckmEdDSA, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, edwards),
		}},
	}
}

// readPublic reads a public key.
func (m *Module) readPublic(s pkcs11.SessionHandle, object pkcs11.ObjectHandle) (crypto.PublicKey, kind, error) {
	read := func(names ...uint) ([]*pkcs11.Attribute, error) {
		wanted := make([]*pkcs11.Attribute, len(names))
		for i, name := range names {
			wanted[i] = pkcs11.NewAttribute(name, nil)
		}
		return m.lib.GetAttributeValue(s, object, wanted)
	}
	is := func(keyType uint) bool {
		got, err := read(pkcs11.CKA_KEY_TYPE)
		return err == nil && bytes.Equal(got[0].Value, pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType).Value)
	}
	if is(pkcs11.CKK_RSA) {
		got, err := read(pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT)
		if err != nil {
			return nil, kind{}, err
		}
		exponent := new(big.Int).SetBytes(got[1].Value)
		if !exponent.IsInt64() || exponent.Int64() > 1<<31-1 {
			return nil, kind{}, errors.New("an RSA exponent that is too large")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(got[0].Value), E: int(exponent.Int64())}, kinds()[keyring.RS256], nil
	}
	got, err := read(pkcs11.CKA_EC_POINT)
	if err != nil {
		return nil, kind{}, err
	}
	var point []byte // an OCTET STRING (PKCS #11 §2.3.3)
	if rest, err := asn1.Unmarshal(got[0].Value, &point); err != nil || len(rest) != 0 {
		point = got[0].Value // some modules give it bare
	}
	switch {
	case is(pkcs11.CKK_EC):
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		return public, kinds()[keyring.ES256], err
	case is(ckkEdwards) && len(point) == ed25519.PublicKeySize:
		return ed25519.PublicKey(point), kinds()[keyring.EdDSA], nil
	}
	return nil, kind{}, errors.New("a key that is neither RSA, P-256 nor Ed25519")
}

// signer is a private key in a token.
type signer struct {
	module *Module
	id     []byte
	kind   kind
	public crypto.PublicKey
	object atomic.Uint64 // its handle, as it was found last; 0: to be found
}

// Public implements [crypto.Signer].
func (k *signer) Public() crypto.PublicKey { return k.public }

// Sign implements [crypto.Signer]. The token draws its own randomness.
func (k *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	want := crypto.SHA256
	if k.kind.algorithm == keyring.EdDSA {
		want = 0
	}
	if opts.HashFunc() != want || want != 0 && len(digest) != want.Size() {
		return nil, fmt.Errorf("%s does not sign a hash by %v", k.kind.algorithm, opts.HashFunc())
	}
	if k.kind.algorithm == keyring.RS256 {
		digest = append(digestInfo(), digest...)
	}
	err = k.module.do(context.Background(), func(s pkcs11.SessionHandle) error {
		object, err := k.find(s)
		if err != nil {
			return err
		}
		if err := k.module.lib.SignInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(k.kind.sign, nil)}, object); err != nil {
			k.object.Store(0)
			return err
		}
		signature, err = k.module.lib.Sign(s, digest)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sign in the token %q: %w", k.module.Token, err)
	}
	if k.kind.algorithm == keyring.ES256 {
		return der(signature)
	}
	return signature, nil
}

// find returns the key's handle.
func (k *signer) find(s pkcs11.SessionHandle) (pkcs11.ObjectHandle, error) {
	if object := k.object.Load(); object != 0 {
		return pkcs11.ObjectHandle(object), nil
	}
	object, err := k.module.find(s, pkcs11.CKO_PRIVATE_KEY, k.id)
	if err == nil {
		k.object.Store(uint64(object))
	}
	return object, err
}

// digestInfo is what stands before a SHA-256 in a signature (RFC 8017 §9.2, note 1);
// CKM_RSA_PKCS leaves it to the caller.
func digestInfo() []byte {
	return []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
}

// der makes a signature as crypto.Signer gives it of r and s side by side, as
// CKM_ECDSA does (PKCS #11 §2.3.1).
func der(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("an ECDSA signature of %d bytes", len(raw))
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}
