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
//	created ─ published in the JWKS ─▶ every node holds it ─ the lead time ends ─▶
//	Activates: signs ─▶ superseded by the next key's Activates ─ still verifies ─▶
//	Retires: gone from the JWKS
type Record struct {
	KID         string
	Environment market.Environment
	Use         Use
	Algorithm   Algorithm
	Public      []byte // PKIX, DER
	Sealed      []byte // the private half, or where it is, sealed; see [Sealer]
	SealingKey  string // id of the sealing key it is sealed under; only of what is handed out
	InVault     bool   // the private half is not in the store; only of what is handed out
	Created     time.Time
	Activates   time.Time // zero: not decided yet, some node does not hold it
	Retires     time.Time // zero: not superseded yet
	Revoked     time.Time // zero: not; a revoked key verifies nothing
}

// begun reports whether the key's time to sign has come.
func (r *Record) begun(now time.Time) bool { return !r.Activates.IsZero() && !now.Before(r.Activates) }

// live reports whether the key is neither retired nor revoked.
func (r *Record) live(now time.Time) bool {
	return r.Revoked.IsZero() && (r.Retires.IsZero() || now.Before(r.Retires))
}

// Stored is what a change of keys is decided by.
type Stored struct {
	Keys  []Record      // of the environment, oldest first
	Nodes []market.Node // of the installation
}

// Store keeps the records.
type Store interface {
	// SigningKeys returns an environment's keys, oldest first.
	SigningKeys(ctx context.Context, env market.Environment) ([]Record, error)
	// Nodes returns the nodes, oldest first.
	Nodes(ctx context.Context) ([]market.Node, error)
	// UpdateSigningKeys gives change the keys of env and stores the records
	// that it returns, with what they are recorded as, in one transaction that
	// excludes all others: two nodes cannot both rotate. Returning no records
	// changes nothing.
	UpdateSigningKeys(ctx context.Context, actor market.Actor, env market.Environment,
		change func(stored Stored) (put []Record, done market.Change, err error)) error
}
