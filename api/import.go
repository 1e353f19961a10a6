package api

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Import asks for clients of another server to be taken over, with their client_id
// and what they authenticate by: all of them or none.
type Import struct {
	Environment  string      `json:"environment"`
	Contract     string      `json:"contract,omitempty"`      // recorded where a product has to be subscribed; missing: none is
	SkipExisting bool        `json:"skip_existing,omitempty"` // leave apps alone whose client_id is there already
	DryRun       bool        `json:"dry_run,omitempty"`       // say what would be, and change nothing
	Apps         []ImportApp `json:"apps"`                    // at most 5000
}

// ImportApp is a client of another server.
type ImportApp struct {
	Org            string             `json:"org,omitempty"`      // missing: the one that is called OrgName, which is made if there is none
	OrgName        string             `json:"org_name,omitempty"` // without Org
	Name           string             `json:"name"`
	DeveloperEmail string             `json:"developer_email"`
	ClientID       string             `json:"client_id"`
	Disabled       bool               `json:"disabled,omitempty"`
	Products       []string           `json:"products,omitempty"`
	Credentials    []ImportCredential `json:"credentials,omitempty"`
}

// ImportCredential is what a client authenticated by: one of Secret, Hash,
// PublicKey, JWKSURI, Certificate and CertifiedName.
type ImportCredential struct {
	Label         string    `json:"label,omitempty"`
	Expires       time.Time `json:"expires,omitzero"` // missing: never
	Secret        Secret    `json:"secret,omitzero"`  // in the clear; only a hash of it is kept
	Hash          Secret    `json:"hash,omitzero"`    // bcrypt, PBKDF2 or Argon2: in modular form, or Keycloak's JSON
	PublicKey     string    `json:"public_key,omitempty"`
	JWKSURI       string    `json:"jwks_uri,omitempty"`
	Certificate   string    `json:"certificate,omitempty"`
	CertifiedName string    `json:"certified_name,omitempty"`
}

// MarshalJSON implements [json.Marshaler]: it writes the secret.
func (c ImportCredential) MarshalJSON() ([]byte, error) {
	type plain ImportCredential // without this method
	return json.Marshal(struct {
		plain
		Secret string `json:"secret,omitempty"`
		Hash   string `json:"hash,omitempty"`
	}{plain(c), c.Secret.Reveal(), c.Hash.Reveal()})
}

// LogValue implements [slog.LogValuer]: it does not.
func (c ImportCredential) LogValue() slog.Value { return slog.StringValue(c.Label) }

// ImportResult is what an import did, or would.
type ImportResult struct {
	Applied       bool           `json:"applied"`       // false: nothing was changed
	Organizations []string       `json:"organizations"` // names of those that are made
	Subscriptions []Subscription `json:"subscriptions"` // those that are made or approved
	Apps          []ImportedApp  `json:"apps"`
}

// ImportedApp is what became of one client.
type ImportedApp struct {
	ID          string       `json:"id"` // of a dry run: of no meaning
	ClientID    string       `json:"client_id"`
	Name        string       `json:"name"`
	Org         string       `json:"org"`
	Skipped     bool         `json:"skipped"` // it was there already
	Credentials []Credential `json:"credentials"`
	Notes       []string     `json:"notes"` // what its owner should know
}
