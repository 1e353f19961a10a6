package keyring

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Algorithm is a JWS algorithm (RFC 7518 §3.1, RFC 8037). A key has exactly one.
type Algorithm string

// The algorithms that sign.
const (
	RS256 Algorithm = "RS256" // RSA-2048
	ES256 Algorithm = "ES256" // P-256
	EdDSA Algorithm = "EdDSA" // Ed25519
)

// Use says what a key signs. The uses never share a key or a key set.
type Use string

// The uses.
const (
	UseToken    Use = "token"    // access tokens
	UseIdentity Use = "identity" // the identity JWTs that upstreams get
)

// Record is a signing key as it is stored: its life and its sealed private half.
//
//	created ─ published in the JWKS ─▶ Activates: signs ─▶ superseded by the
//	next key's Activates ─ still verifies ─▶ Retires: gone from the JWKS
type Record struct {
	KID         string
	Environment market.Environment
	Use         Use
	Algorithm   Algorithm
	Public      []byte // PKIX, DER
	Sealed      []byte // PKCS #8, DER, sealed under the sealing key
	Created     time.Time
	Activates   time.Time
	Retires     time.Time // zero: not superseded yet
	Revoked     time.Time // zero: not; a revoked key verifies nothing
}

// Store keeps the records.
type Store interface {
	// SigningKeys returns an environment's keys, oldest first.
	SigningKeys(ctx context.Context, env market.Environment) ([]Record, error)
	// UpdateSigningKeys gives change the keys of env and stores the records
	// that it returns, with what they are recorded as, in one transaction that
	// excludes all others: two nodes cannot both rotate. Returning no records
	// changes nothing.
	UpdateSigningKeys(ctx context.Context, actor market.Actor, env market.Environment,
		change func(keys []Record) (put []Record, done market.Change, err error)) error
}
