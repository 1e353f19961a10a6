package keyring

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// The types of what a key signs, the header parameter typ (RFC 7515 §4.1.9).
const (
	TypJWT         = "JWT"          // an access token as deployed clients know it (S002)
	TypAccessToken = "at+jwt"       // an access token after RFC 9068 §2.1
	TypIdentity    = "identity+jwt" // what tells an upstream who calls
	// TypIntrospection is an answer about a token (RFC 9701 §5).
	TypIntrospection = "token-introspection+jwt"
)

// rsaBits is the size of the RSA keys that are made. Larger ones sign in several
// times the time, and no client asked for one.
const rsaBits = 2048

// Key is a signing key ready for use: parsed, precomputed, immutable.
type Key struct {
	KID       string // RFC 7638 thumbprint, SHA-256, base64url
	Use       Use
	Algorithm Algorithm        // the only one that the key signs and verifies with (RFC 8725 §3.1)
	Public    crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey

	// The private half is behind a function because fmt, given a verb that does
	// not fit, prints what unexported fields point to, and an Ed25519 key is a
	// slice of bytes.
	private   func() crypto.Signer
	headers   headers
	reference string // of a key in a vault; else empty
}

// headers are the encoded JOSE headers that the key signs under.
type headers struct{ jwt, accessToken, identity, introspection string }

// Header returns the first segment of a JWS of that typ by this key: the JOSE
// header {"alg","kid","typ"}, base64url. A typ that is not one of the constants
// of this package has none.
func (k *Key) Header(typ string) (segment string, ok bool) {
	switch typ {
	case TypJWT:
		return k.headers.jwt, true
	case TypAccessToken:
		return k.headers.accessToken, true
	case TypIdentity:
		return k.headers.identity, true
	case TypIntrospection:
		return k.headers.introspection, true
	}
	return "", false
}

// ErrSign is wrapped by what is returned when a key did not sign.
var ErrSign = errors.New("the signing key did not sign")

// Sign appends the signature of signingInput to dst, base64url without padding
// (RFC 7515 §5.1, step 6). dst may share its array with signingInput.
func (k *Key) Sign(dst, signingInput []byte) ([]byte, error) {
	var (
		signature []byte
		raw       [rawSize]byte
		err       error
	)
	if k.private == nil {
		return dst, errors.New("not a key: it was not made by this package")
	}
	switch private := k.private().(type) {
	case *rsa.PrivateKey: // RFC 7518 §3.3
		digest := sha256.Sum256(signingInput)
		signature, err = rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey: // RFC 7518 §3.4
		digest := sha256.Sum256(signingInput)
		// Without a source of randomness the nonce is RFC 6979's: a weak
		// generator cannot give the key away (RFC 8725 §3.2).
		if signature, err = private.Sign(nil, digest[:], crypto.SHA256); err == nil {
			err = rawFromDER(&raw, signature)
			signature = raw[:]
		}
	case ed25519.PrivateKey: // RFC 8037 §3.1
		signature = ed25519.Sign(private, signingInput)
	default:
		signature, err = k.signElsewhere(private, signingInput)
	}
	if err != nil {
		return dst, fmt.Errorf("%w: key %s: %w", ErrSign, k.KID, err)
	}
	return base64.RawURLEncoding.AppendEncode(dst, signature), nil
}

// Verify reports whether signature, decoded, is the key's over signingInput. The
// key's own algorithm is used whatever a token says (RFC 8725 §3.1).
func (k *Key) Verify(signingInput, signature []byte) bool {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256(signingInput)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		var der [maxDER]byte
		if len(signature) != rawSize {
			return false
		}
		digest := sha256.Sum256(signingInput)
		return ecdsa.VerifyASN1(public, digest[:], derFromRaw(der[:0], signature))
	case ed25519.PublicKey:
		return ed25519.Verify(public, signingInput, signature)
	}
	return false
}

// Format implements [fmt.Formatter]: a key prints as its name, never as itself.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s key %s", k.Algorithm, k.KID) }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.KID) }

// NewKey makes a private key of RSA (2048 to 4096 bits), P-256 or Ed25519 ready for
// use, whether it is in memory or signs elsewhere. A ring does that by itself.
func NewKey(use Use, private crypto.Signer) (*Key, error) {
	key := &Key{Use: use, Public: private.Public(), private: func() crypto.Signer { return private }}
	switch public := key.Public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < rsaBits || bits > 2*rsaBits {
			return nil, fmt.Errorf("an RSA key of %d bits", bits)
		}
		key.Algorithm = RS256
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, errors.New("an EC key that is not on P-256")
		}
		key.Algorithm = ES256
	case ed25519.PublicKey:
		key.Algorithm = EdDSA
	default:
		return nil, fmt.Errorf("a key of type %T", private)
	}
	thumbprint, err := (&jose.JSONWebKey{Key: key.Public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("thumbprint: %w", err)
	}
	key.KID = base64.RawURLEncoding.EncodeToString(thumbprint)
	key.headers = headers{key.header(TypJWT), key.header(TypAccessToken), key.header(TypIdentity), key.header(TypIntrospection)}
	return key, nil
}

// header spells a header; nothing in it needs an escape.
func (k *Key) header(typ string) string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(`{"alg":"` + string(k.Algorithm) + `","kid":"` + k.KID + `","typ":"` + typ + `"}`))
}

// generate makes a key, in the vault if there is one.
func (r *Ring) generate(ctx context.Context, use Use, alg Algorithm) (*Key, error) {
	if alg != RS256 && alg != ES256 && alg != EdDSA {
		return nil, errAlgorithm(alg)
	}
	if r.cfg.Vault != nil && !r.cfg.LeaveVault {
		return makeElsewhere(ctx, r.cfg.Vault, use, alg)
	}
	var (
		private crypto.Signer
		err     error
	)
	switch alg {
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return NewKey(use, private)
}

// errAlgorithm refuses an algorithm.
func errAlgorithm(alg Algorithm) error {
	return market.Invalid("algorithm", "there is no algorithm %q; there are: %s, %s, %s", alg, RS256, ES256, EdDSA)
}

// record seals a key into a record without times.
func (s Sealer) record(env market.Environment, key *Key) (Record, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		return Record{}, fmt.Errorf("encode a public key: %w", err)
	}
	what, plain := byte(sealedReference), []byte(key.reference)
	if key.reference == "" {
		what = sealedKey
		if plain, err = x509.MarshalPKCS8PrivateKey(key.private()); err != nil {
			return Record{}, fmt.Errorf("encode a private key: %w", err)
		}
	}
	return Record{
		KID: key.KID, Environment: env, Use: key.Use, Algorithm: key.Algorithm,
		Public: public, Sealed: s.seal(what, env, key.Use, key.KID, plain),
	}, nil
}

// key unseals a record. Only what was sealed is believed: the record's other
// columns must agree with it.
func (r *Ring) key(ctx context.Context, record Record) (*Key, error) {
	what, plain, err := r.cfg.Sealer.open(r.cfg.Environment, record.Use, record.KID, record.Sealed)
	if err != nil {
		return nil, err
	}
	var key *Key
	if what == sealedReference {
		key, err = openElsewhere(ctx, r.cfg.Vault, record.Use, string(plain))
	} else {
		key, err = parseKey(record.Use, plain)
	}
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		return nil, fmt.Errorf("encode a public key: %w", err)
	}
	if key.KID != record.KID || key.Algorithm != record.Algorithm || !bytes.Equal(public, record.Public) {
		return nil, errors.New("the record's kid, algorithm or public key is not that of the sealed key")
	}
	return key, nil
}

// parseKey reads a private key that was sealed.
func parseKey(use Use, der []byte) (*Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the sealed key is not PKCS #8") // err could quote the key
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the sealed key cannot sign")
	}
	return NewKey(use, private)
}
