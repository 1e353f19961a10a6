package api

import "time"

// Key is a signing key, without its private half.
type Key struct {
	KID         string    `json:"kid"`
	Environment string    `json:"environment"`
	Use         string    `json:"use"`       // "token", "identity"
	Algorithm   string    `json:"algorithm"` // "RS256", "ES256", "EdDSA"
	State       string    `json:"state"`     // "published", "signing", "superseded", "retired", "revoked"
	Created     time.Time `json:"created"`
	Activates   time.Time `json:"activates,omitzero"`    // signs from then on; missing: not decided, some node does not hold it yet
	Retires     time.Time `json:"retires,omitzero"`      // leaves the JWKS; missing: not superseded yet
	Revoked     time.Time `json:"revoked,omitzero"`      // verifies nothing since; missing: not
	WaitingFor  []string  `json:"waiting_for,omitempty"` // names of the nodes that do not hold it yet
	Revokes     []string  `json:"revokes,omitempty"`     // of an emergency's answer: the kids that it revoked
	Kept        string    `json:"kept"`                  // where its private half is: "store", "module"
	SealingKey  string    `json:"sealing_key"`           // id of the sealing key that its record is sealed under
}

// KeyRotation asks for a new signing key.
type KeyRotation struct {
	Environment string `json:"environment"`
	Use         string `json:"use,omitempty"`       // missing: "token"
	Algorithm   string `json:"algorithm,omitempty"` // missing: as the key before
	Emergency   bool   `json:"emergency,omitempty"` // sign with it at once, and revoke those before
}
