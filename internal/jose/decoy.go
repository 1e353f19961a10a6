package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// Decoys are keys whose signatures nobody can make, to verify by where there is
// no key: so that who has none is not told by the time that the answer takes.
type Decoys []*Key

// NewDecoys makes a decoy of each type.
func NewDecoys() (Decoys, error) {
	modulus := make([]byte, minRSA/8)
	_, _ = rand.Read(modulus) // never fails: crypto/rand
	modulus[0] |= 0x80        // of the full length
	modulus[len(modulus)-1] |= 1
	decoys := Decoys{{Public: &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}}}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		decoys = append(decoys, &Key{Public: private.Public()})
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	return append(decoys, &Key{Public: public}), err
}

// Verify takes the time of a verification, and fails.
func (d Decoys) Verify(s *Signed) {
	for _, k := range d {
		if k.Takes(s.Header.Algorithm) {
			_ = s.VerifiedBy(k)
		}
	}
}
