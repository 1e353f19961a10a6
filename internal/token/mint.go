package token

import (
	"encoding/base64"
	"errors"
	"fmt"
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
	if typ != keyring.TypJWT && typ != keyring.TypAccessToken {
		return secret.String{}, errTyp
	}
	b := buffers.take()
	defer buffers.give(b)
	b.claims = appendClaims(b.claims, c)
	return b.sign(key, typ, MaxLength)
}

// MintIdentity returns an identity JWT, signed by key. Its type keeps it from
// being taken for an access token (RFC 8725 §3.11, §3.12).
func MintIdentity(key *keyring.Key, c *IdentityClaims) (secret.String, error) {
	b := buffers.take()
	defer buffers.give(b)
	b.claims = appendIdentity(b.claims, c)
	return b.sign(key, keyring.TypIdentity, MaxLength)
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
	return b.sign(key, keyring.TypIntrospection, maxIntrospection)
}

// buffer holds the claims and the token while it is made.
type buffer struct{ claims, token []byte }

// sign makes the token of b.claims (RFC 7515 §5.1), at most limit bytes of it.
func (b *buffer) sign(key *keyring.Key, typ string, limit int) (secret.String, error) {
	if key == nil {
		return secret.String{}, errNoKey
	}
	header, ok := key.Header(typ)
	if !ok {
		return secret.String{}, errTyp
	}
	b.token = append(append(b.token, header...), '.')
	b.token = base64.RawURLEncoding.AppendEncode(b.token, b.claims)
	input := len(b.token)
	b.token = append(b.token, '.')
	var err error
	if b.token, err = key.Sign(b.token, b.token[:input]); err != nil {
		return secret.String{}, fmt.Errorf("mint a token: %w", err)
	}
	if len(b.token) > limit {
		return secret.String{}, ErrTooLong
	}
	return secret.New(string(b.token)), nil
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
