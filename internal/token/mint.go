package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// MaxLength is how long a token may be, in bytes: what is longer is not minted,
// and refused unread. Proxies and servers in between take 8 KiB for a header.
const MaxLength = 8 << 10

// ErrTooLong is what Mint returns for claims that fill more than [MaxLength].
var ErrTooLong = fmt.Errorf("token: longer than %d bytes: its app has too many products", MaxLength)

var (
	errNoKey = errors.New("token: no key signs now")
	errTyp   = errors.New("token: not a type of token that is minted here")
)

// Mint returns an access token, signed by key. typ is [keyring.TypJWT] or
// [keyring.TypAccessToken].
func Mint(key *keyring.Key, typ string, c *Claims) (secret.String, error) {
	text, err := mint(key, typ, c)
	return secret.New(text), err
}

func mint(key *keyring.Key, typ string, c *Claims) (string, error) {
	if typ != keyring.TypJWT && typ != keyring.TypAccessToken {
		return "", errTyp
	}
	b := buffers.take()
	defer buffers.give(b)
	b.claims = appendClaims(b.claims, c)
	return b.sign(key, typ, MaxLength)
}

// Mint is [Mint] for a token that v is to verify: whoever has made one need not find
// out, at its first use, that it is good. If it is not for v, it is not remembered.
func (v *Verifier) Mint(key *keyring.Key, typ string, c *Claims) (secret.String, error) {
	text, err := mint(key, typ, c)
	if err == nil {
		v.minted(text, key, c)
	}
	return secret.New(text), err
}

// minted remembers a token as if it had been verified.
func (v *Verifier) minted(text string, key *keyring.Key, c *Claims) {
	if v.verified == nil || c.Issuer != v.issuer || c.Environment != v.environment {
		return
	}
	e := &Remembered[*keyring.Key]{c.principal(), key}
	if !slices.Contains(c.Audience, v.audience) {
		if e.Resources = v.ours(c.Audience); len(e.Resources) == 0 {
			return
		}
	}
	v.verified.keep(text, e)
}

// principal is what a token with these claims says of who calls. Its texts are its
// own: those of the claims may be parts of a request.
func (c *Claims) principal() Principal {
	return Principal{
		Issuer: c.Issuer, ClientID: c.ClientID, JTI: c.JTI, Org: c.Org, Credential: c.Credential,
		Environment: c.Environment, ApplicationName: c.ApplicationName, Scope: strings.Clone(c.Scope), Products: slices.Clone(c.Products),
		Confirmation: c.Confirmation, IssuedAt: c.IssuedAt, NotBefore: c.NotBefore, Expires: c.Expires,
	}
}

// MintIdentity returns an identity JWT, signed by key. Its type keeps it from
// being taken for an access token (RFC 8725 §3.11, §3.12).
func MintIdentity(key *keyring.Key, c *IdentityClaims) (secret.String, error) {
	b := buffers.take()
	defer buffers.give(b)
	b.claims = appendIdentity(b.claims, c)
	text, err := b.sign(key, keyring.TypIdentity, MaxLength)
	return secret.New(text), err
}

// maxIntrospection bounds an answer about a token, which travels in a body: it may
// say more than a token that is as long as one can be.
const maxIntrospection = 2 * MaxLength

// MintIntrospection returns an answer about a token, signed by key (RFC 9701 §5).
// Its type keeps it from being taken for an access token, as does what it lacks.
func MintIntrospection(key *keyring.Key, c *IntrospectionClaims) (secret.String, error) {
	b := buffers.take()
	defer buffers.give(b)
	b.claims = appendIntrospection(b.claims, c)
	text, err := b.sign(key, keyring.TypIntrospection, maxIntrospection)
	return secret.New(text), err
}

// buffer holds the claims and the token while it is made.
type buffer struct{ claims, token []byte }

// sign makes the token of b.claims (RFC 7515 §5.1), at most limit bytes of it.
func (b *buffer) sign(key *keyring.Key, typ string, limit int) (string, error) {
	if key == nil {
		return "", errNoKey
	}
	header, ok := key.Header(typ)
	if !ok {
		return "", errTyp
	}
	b.token = append(append(b.token, header...), '.')
	b.token = base64.RawURLEncoding.AppendEncode(b.token, b.claims)
	input := len(b.token)
	b.token = append(b.token, '.')
	var err error
	if b.token, err = key.Sign(b.token, b.token[:input]); err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	if len(b.token) > limit {
		return "", ErrTooLong
	}
	return string(b.token), nil
}

// bufferPool is a pool of empty buffers.
type bufferPool struct{ pool sync.Pool }

var buffers = bufferPool{sync.Pool{New: func() any {
	return &buffer{make([]byte, 0, 2<<10), make([]byte, 0, 4<<10)}
}}}

func (p *bufferPool) take() *buffer {
	b, _ := p.pool.Get().(*buffer)
	return b
}

func (p *bufferPool) give(b *buffer) {
	if cap(b.token) > 2*MaxLength {
		return // one huge token must not keep its memory
	}
	b.claims, b.token = b.claims[:0], b.token[:0]
	p.pool.Put(b)
}
