package api

import (
	"encoding/json"
	"log/slog"
	"time"
)

// CredentialRevocation ends a credential.
type CredentialRevocation struct {
	Force bool `json:"force,omitempty"` // although it was used in the last 24 hours
}

// CredentialRotation asks for a secret in the place of another.
type CredentialRotation struct {
	Label   string    `json:"label,omitempty"`           // missing: the old one's
	Expires time.Time `json:"expires,omitzero"`          // of the new one; missing: never
	Overlap *Seconds  `json:"overlap_seconds,omitempty"` // for how long the old one goes on working; missing: a day
	Force   bool      `json:"force,omitempty"`           // end the old one now, with an overlap of 0, although it is in use
}

// RotatedCredential is a new secret, in the one answer that shows it, and when
// the one in whose place it is ends.
type RotatedCredential struct {
	CreatedCredential
	OldExpires time.Time `json:"old_expires"` // of the credential that replaces names
}

// MarshalJSON implements [json.Marshaler]: it writes the secret.
func (c RotatedCredential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Credential
		ClientID     string    `json:"client_id"`
		ClientSecret string    `json:"client_secret"`
		OldExpires   time.Time `json:"old_expires"`
	}{c.Credential, c.ClientID, c.ClientSecret.Reveal(), c.OldExpires})
}

// LogValue implements [slog.LogValuer]: it does not.
func (c RotatedCredential) LogValue() slog.Value { return slog.AnyValue(c.Credential) }

// CredentialFilter chooses credentials; empty fields choose all.
type CredentialFilter struct {
	Org      string
	App      string
	Expiring int // only live ones that end within so many days; 0: any
}
