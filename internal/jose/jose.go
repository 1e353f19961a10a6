// Package jose reads what others sign: public keys as JWK (RFC 7517) and signed
// objects in compact form (RFC 7515 §7.1), such as the assertions that clients
// authenticate with and the proofs that bind tokens to keys.
//
// It has one strict way to read each, and no policy: a reader is told which
// algorithms it may believe and which keys there are, by whoever decides that.
//
// Invariants: a key is public, strong enough, and verifies with the algorithms of
// its type alone (RFC 8725 §3.1); symmetric keys and "none" do not exist here; a
// signed object has one spelling, and no header parameter in it is followed
// (jku, x5u) or tolerated (crit, b64, zip).
//
// What it does not do: sign, hold our own keys (keyring), read our own tokens
// (token), or fetch anything.
package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	josev4 "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// The asymmetric algorithms that are believed (RFC 7518 §3.1, RFC 8037 §3.1). EdDSA
// and Ed25519, which RFC 9864 calls it, are one here.
const (
	RS256 = "RS256"
	RS384 = "RS384"
	RS512 = "RS512"
	PS256 = "PS256"
	PS384 = "PS384"
	PS512 = "PS512"
	ES256 = "ES256"
	ES384 = "ES384"
	EdDSA = "EdDSA"

	Ed25519 = "Ed25519"
)

// Algorithms lists them, the usual ones first.
func Algorithms() []string {
	return []string{RS256, ES256, EdDSA, Ed25519, PS256, RS384, RS512, PS384, PS512, ES384}
}

// The sizes that a key may have. Verifying with a larger RSA key, or by a larger
// exponent, costs whoever verifies more than whoever sent it: with both at what the
// library takes, some ten times what a usual key does.
const (
	minRSA      = 2048
	maxRSA      = 4096
	maxExponent = 1<<16 + 1
	maxJWK      = 16 << 10
	maxSet      = 256 << 10
	maxKeys     = 100
)

// Key is somebody's public key.
type Key struct {
	ID        string // kid; empty: it has none
	Public    crypto.PublicKey
	Algorithm string // alg, if the key is for one alone; else empty

	thumbprint string
}

// ErrSymmetric, ErrPrivate and ErrWeak are why a JWK is not taken.
var (
	ErrSymmetric = errors.New("a symmetric key: only public keys are taken")
	ErrPrivate   = errors.New("a private key: send its public half alone, and replace the key, which is now known to others")
	ErrWeak      = errors.New("a key that is too short, too long or of an unusual kind: take RSA from 2048 to 4096 bits, P-256, P-384 or Ed25519")
	ErrMalformed = errors.New("not a JSON Web Key (RFC 7517)")
	ErrUse       = errors.New("a key whose use or key_ops is not signing")
)

// ParseKey reads one public JWK.
func ParseKey(data []byte) (*Key, error) {
	if len(data) > maxJWK {
		return nil, ErrMalformed
	}
	var members struct {
		Type       string   `json:"kty"`
		Use        string   `json:"use"`
		Operations []string `json:"key_ops"`
		D          any      `json:"d"`
		K          any      `json:"k"`
	}
	if err := strictjson.Unmarshal(data, &members); err != nil {
		return nil, ErrMalformed
	}
	switch {
	case members.Type == "oct" || members.K != nil:
		return nil, ErrSymmetric
	case members.D != nil:
		return nil, ErrPrivate
	case members.Use != "" && members.Use != "sig", len(members.Operations) > 0 && !slices.Contains(members.Operations, "verify"):
		return nil, ErrUse
	}
	var jwk josev4.JSONWebKey
	if err := jwk.UnmarshalJSON(data); err != nil || !jwk.Valid() {
		return nil, ErrMalformed
	}
	return newKey(jwk.Key, jwk.KeyID, jwk.Algorithm)
}

// NewKey makes a Key of a public key.
func NewKey(public crypto.PublicKey) (*Key, error) { return newKey(public, "", "") }

func newKey(public crypto.PublicKey, kid, alg string) (*Key, error) {
	if !strong(public) {
		return nil, ErrWeak
	}
	k := &Key{ID: kid, Public: public, Algorithm: alg}
	if alg != "" && !k.fits(alg) {
		return nil, fmt.Errorf("%w: its alg is not one of its kty", ErrMalformed)
	}
	sum, err := (&josev4.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, ErrMalformed
	}
	k.thumbprint = base64.RawURLEncoding.EncodeToString(sum)
	return k, nil
}

// ParseSet reads a JWK Set (RFC 7517 §5). Keys in it that cannot be used here
// are left out, as §5 says; it is an error if none is left.
func ParseSet(data []byte) ([]*Key, error) {
	if len(data) > maxSet {
		return nil, errors.New("a key set of more than 256 KiB")
	}
	var set struct {
		Keys []rawMember `json:"keys"`
	}
	if err := strictjson.Unmarshal(data, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a JWK Set (RFC 7517 §5)")
	}
	if len(set.Keys) > maxKeys {
		return nil, errors.New("a key set of more than 100 keys")
	}
	var keys []*Key
	for _, raw := range set.Keys {
		if k, err := ParseKey(raw); err == nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("a key set without a public signing key that can be used here")
	}
	return keys, nil
}

// rawMember is a JSON value as it was written.
type rawMember []byte

// UnmarshalJSON implements the decoder's interface.
func (m *rawMember) UnmarshalJSON(data []byte) error {
	*m = slices.Clone(data)
	return nil
}

// Thumbprint returns the key's RFC 7638 thumbprint: SHA-256, base64url.
func (k *Key) Thumbprint() string { return k.thumbprint }

// MarshalJSON returns the key as a public JWK.
func (k *Key) MarshalJSON() ([]byte, error) {
	return josev4.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}.MarshalJSON()
}

// Takes reports whether the key verifies signatures by alg.
func (k *Key) Takes(alg string) bool {
	both := func(alg string) bool { return alg == EdDSA || alg == Ed25519 }
	return (k.Algorithm == "" || k.Algorithm == alg || both(k.Algorithm) && both(alg)) && k.fits(alg)
}

// Verify reports whether signature, decoded, is the key's over input by alg.
func (k *Key) Verify(alg string, input, signature []byte) bool {
	if !k.Takes(alg) {
		return false
	}
	hash, digest := digestOf(alg, input)
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		if alg[0] == 'P' {
			return rsa.VerifyPSS(public, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		half := (public.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*half { // RFC 7518 §3.4
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return ecdsa.Verify(public, digest, r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	}
	return false
}

// fits reports whether an algorithm is one of the key's type.
func (k *Key) fits(alg string) bool {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{RS256, RS384, RS512, PS256, PS384, PS512}, alg)
	case *ecdsa.PublicKey:
		return public.Curve == elliptic.P256() && alg == ES256 || public.Curve == elliptic.P384() && alg == ES384
	case ed25519.PublicKey:
		return alg == EdDSA || alg == Ed25519
	}
	return false
}

// strong reports whether a public key is one that we believe.
func strong(public crypto.PublicKey) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return bits >= minRSA && bits <= maxRSA && public.E > 2 && public.E <= maxExponent && public.E&1 == 1
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() && public.Curve != elliptic.P384() {
			return false
		}
		_, err := public.ECDH() // it lies on the curve
		return err == nil
	case ed25519.PublicKey:
		return len(public) == ed25519.PublicKeySize
	}
	return false
}

func digestOf(alg string, input []byte) (crypto.Hash, []byte) {
	switch alg[2:] {
	case "384":
		sum := sha512.Sum384(input)
		return crypto.SHA384, sum[:]
	case "512":
		sum := sha512.Sum512(input)
		return crypto.SHA512, sum[:]
	}
	sum := sha256.Sum256(input)
	return crypto.SHA256, sum[:]
}
