package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// BenchmarkMint has, for each algorithm, the token beside the bare signature.
func BenchmarkMint(b *testing.B) {
	for _, alg := range algorithms {
		p, c := newPair(b, alg), sample()
		raw := mint(b, p.Key, c)
		input := []byte(raw[:strings.LastIndexByte(raw, '.')])
		b.Run(string(alg)+"/token", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := token.Mint(p.Key, keyring.TypJWT, c); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(alg)+"/bare signature", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				digest := sha256.Sum256(input)
				var err error
				switch private := p.private.(type) {
				case *rsa.PrivateKey:
					_, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
				case *ecdsa.PrivateKey:
					_, err = ecdsa.SignASN1(rand.Reader, private, digest[:])
				case ed25519.PrivateKey:
					ed25519.Sign(private, input)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	c := sample()
	b.Run("claims alone", func(b *testing.B) {
		b.ReportAllocs()
		buffer := make([]byte, 0, 4096)
		for b.Loop() {
			token.AppendClaims(buffer, c)
		}
	})
	b.Run("jti and handle", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			token.NewJTI()
			token.NewHandle()
		}
	})
}

// BenchmarkVerify has RS256 tokens of a real ring: remembered ones, 2,000 in
// turn; ones seen for the first time; what go-jose needs for them, with its
// claims decoded; and the signature alone.
func BenchmarkVerify(b *testing.B) {
	r := newKeyring(b, time.Now)
	if _, err := r.Rotate(b.Context(), operator, keyring.UseToken, keyring.RS256, true); err != nil {
		b.Fatal(err)
	}
	key := r.Signer(keyring.UseToken)
	config := token.VerifierConfig{Ring: r, Issuer: issuer, Audience: audience, Environment: environment, Now: time.Now}
	keen, err := token.NewVerifier(config)
	if err != nil {
		b.Fatal(err)
	}
	config.CacheSize = -1
	fresh, err := token.NewVerifier(config)
	if err != nil {
		b.Fatal(err)
	}
	raws := make([]string, 2000)
	for i := range raws {
		c := sample()
		c.JTI, c.IssuedAt = fmt.Sprint(i), time.Now().Unix()
		c.NotBefore, c.Expires = c.IssuedAt, c.IssuedAt+3600
		raws[i] = mint(b, key, c)
		if _, err := keen.Verify(raws[i]); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name string, verify func(raw string) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := verify(raws[i%len(raws)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
	run("cached", func(raw string) error { _, err := keen.Verify(raw); return err })
	buffer := make([]byte, 0, token.MaxLength)
	run("SHA-256 of the token alone", func(raw string) error {
		buffer = append(buffer[:0], raw...)
		if sha256.Sum256(buffer) == [32]byte{} {
			return errors.New("unlikely")
		}
		return nil
	})
	run("fresh", func(raw string) error { _, err := fresh.Verify(raw); return err })
	run("go-jose", func(raw string) error {
		parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return err
		}
		body, err := parsed.Verify(key.Public)
		if err != nil {
			return err
		}
		var c map[string]any
		return json.Unmarshal(body, &c)
	})
	public := key.Public.(*rsa.PublicKey)
	digests, signatures := make([][32]byte, len(raws)), make([][]byte, len(raws))
	for i, raw := range raws {
		dot := strings.LastIndexByte(raw, '.')
		digests[i], signatures[i] = sha256.Sum256([]byte(raw[:dot])), decode(b, raw[dot+1:])
	}
	b.Run("bare RSA verify", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digests[i%len(raws)][:], signatures[i%len(raws)]); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
	b.Logf("tokens are %d bytes long", len(raws[0]))
}
