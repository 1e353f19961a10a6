package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"time"
)

// PrivateKey authenticates a client by a key in the place of a secret
// (private_key_jwt, RFC 7523): each request for a token carries a JWT that is signed
// by it, good for a minute and for this one request. The server knows the public
// half only.
type PrivateKey struct {
	// Signer is an RSA key of 2048 bits or more, an ECDSA key on P-256 or P-384, or an
	// Ed25519 key; it may be one that never leaves its vault. See [ParsePrivateKey].
	Signer crypto.Signer
	// Issuer is the server's issuer identifier: the one that the assertion is for. It
	// is not taken from the token endpoint, nor from what an answer says, so that
	// nobody can have assertions made for somebody else.
	Issuer string
	KeyID  string // kid; empty: the server tries the client's keys
}

// assertionLife is for how long an assertion is good. It is used at once; the rest
// is for clocks that differ.
const assertionLife = time.Minute

// clientAssertionType is the one of RFC 7523 §2.2.
const clientAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ParsePrivateKey reads a private key in PEM, as openssl genpkey writes it (PKCS #8),
// or in the older forms for RSA and EC. It must not be encrypted. The error holds
// nothing of the text.
func ParsePrivateKey(text Secret) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text.Reveal()))
	if block == nil {
		return nil, errors.New("client: the private key is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, errors.New("client: the PEM block is not a private key in the clear")
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("client: the private key cannot be read")
	}
	_, err = algorithmOf(signer)
	return signer, err
}

// algorithmOf is what a key signs by.
func algorithmOf(signer crypto.Signer) (string, error) {
	if signer != nil {
		switch public := signer.Public().(type) {
		case *rsa.PublicKey:
			if public.N.BitLen() >= 2048 {
				return "RS256", nil
			}
		case *ecdsa.PublicKey:
			switch public.Curve {
			case elliptic.P256():
				return "ES256", nil
			case elliptic.P384():
				return "ES384", nil
			}
		case ed25519.PublicKey:
			return "EdDSA", nil
		}
	}
	return "", errors.New("client: the private key must be RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519")
}

// check finds out what would fail with each request.
func (k *PrivateKey) check() error {
	if err := checkURL("Issuer", k.Issuer); err != nil {
		return err
	}
	_, err := algorithmOf(k.Signer)
	return err
}

// authenticate puts an assertion into a request's form, and returns it.
func (k *PrivateKey) authenticate(form url.Values, clientID string) (Secret, error) {
	text, err := k.assertion(clientID)
	if err != nil {
		return Secret{}, err
	}
	form.Set("client_assertion_type", clientAssertionType)
	form.Set("client_assertion", text)
	return NewSecret(text), nil
}

// assertion makes an assertion that nobody has used (RFC 7523 §3).
func (k *PrivateKey) assertion(clientID string) (string, error) {
	alg, err := algorithmOf(k.Signer)
	if err != nil {
		return "", err
	}
	at := now().Unix()
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid,omitempty"`
	}{alg, "JWT", k.KeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		JTI      string `json:"jti"`
		Issued   int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{clientID, clientID, k.Issuer, rand.Text(), at, at + int64(assertionLife/time.Second)})
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := k.sign(alg, []byte(input))
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// sign signs as RFC 7518 §3 and RFC 8037 §3.1 say.
func (k *PrivateKey) sign(alg string, input []byte) ([]byte, error) {
	switch alg {
	case "EdDSA":
		return k.Signer.Sign(rand.Reader, input, crypto.Hash(0))
	case "ES384":
		digest := sha512.Sum384(input)
		return fixed(48)(k.Signer.Sign(rand.Reader, digest[:], crypto.SHA384))
	case "ES256":
		digest := sha256.Sum256(input)
		return fixed(32)(k.Signer.Sign(rand.Reader, digest[:], crypto.SHA256))
	}
	digest := sha256.Sum256(input)
	return k.Signer.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// fixed makes of an ECDSA signature in ASN.1 one of two numbers of size bytes each
// (RFC 7518 §3.4).
func fixed(size int) func([]byte, error) ([]byte, error) {
	return func(der []byte, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		var two struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(der, &two); err != nil || len(rest) > 0 || two.R.Sign() < 0 || two.S.Sign() < 0 ||
			two.R.BitLen() > 8*size || two.S.BitLen() > 8*size {
			return nil, errors.New("the signer made no ECDSA signature")
		}
		out := make([]byte, 2*size)
		two.R.FillBytes(out[:size])
		two.S.FillBytes(out[size:])
		return out, nil
	}
}

// String implements [fmt.Stringer].
func (k *PrivateKey) String() string { return "private key for " + k.Issuer }

// GoString implements [fmt.GoStringer].
func (k *PrivateKey) GoString() string { return k.String() }

// Format implements [fmt.Formatter] for every verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalJSON implements [json.Marshaler].
func (k *PrivateKey) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }
