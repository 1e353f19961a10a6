package api

import (
	"encoding/json"
	"log/slog"
	"time"
)

// App is one OAuth client in one environment.
type App struct {
	ID             string    `json:"id"`
	Org            string    `json:"org"`
	Environment    string    `json:"environment"`
	Name           string    `json:"name"`            // the claim application_name
	DeveloperEmail string    `json:"developer_email"` // the claim developer_email
	ClientID       string    `json:"client_id"`
	State          string    `json:"state"`                  // "active", "disabled"
	Products       []string  `json:"products"`               // narrows the organization's to these; empty: all
	TokenLifetime  Seconds   `json:"token_lifetime"`         // 0: the products', else the endpoint's
	ReuseWindow    *Seconds  `json:"reuse_window,omitempty"` // missing: the environment's
	Binding        string    `json:"binding"`                // what its tokens must be bound to: "certificate", "dpop", "none"
	Oversees       string    `json:"oversees"`               // whose tokens it may introspect and revoke: "own", "organization", "environment"
	NotBefore      int64     `json:"not_before"`             // epoch second; 0: none
	Created        time.Time `json:"created"`
}

// NewApp asks for an app.
type NewApp struct {
	Org            string   `json:"org"`
	Environment    string   `json:"environment"`
	Name           string   `json:"name"`
	DeveloperEmail string   `json:"developer_email"`
	Products       []string `json:"products,omitempty"`
	TokenLifetime  Seconds  `json:"token_lifetime,omitempty"`
	ReuseWindow    *Seconds `json:"reuse_window,omitempty"`
	Binding        string   `json:"binding,omitempty"`
	Oversees       string   `json:"oversees,omitempty"` // missing: "own"
}

// AppPatch changes what is not nil.
type AppPatch struct {
	Name           *string      `json:"name,omitempty"`
	DeveloperEmail *string      `json:"developer_email,omitempty"`
	State          *string      `json:"state,omitempty"`
	Force          bool         `json:"force,omitempty"` // disable it although a credential of it is in use
	Products       *[]string    `json:"products,omitempty"`
	TokenLifetime  *Seconds     `json:"token_lifetime,omitempty"`
	ReuseWindow    *Seconds     `json:"reuse_window,omitempty"` // -1: the environment's
	Binding        *string      `json:"binding,omitempty"`
	Oversees       *string      `json:"oversees,omitempty"`
	NotBefore      *EpochSecond `json:"not_before,omitempty"`
}

// Credential is one thing that an app authenticates by, without the secret if it
// is one.
type Credential struct {
	ID            string    `json:"id"`
	App           string    `json:"app"`
	Kind          string    `json:"kind"` // "secret", "imported_secret", "public_key", "jwks_uri", "certificate", "certified_name"
	Label         string    `json:"label,omitempty"`
	Hint          string    `json:"hint"`                     // a secret's first characters, the start of a thumbprint: to recognize it by
	Thumbprint    string    `json:"thumbprint,omitempty"`     // of a public key (RFC 7638) or a certificate (x5t#S256)
	JWKSURI       string    `json:"jwks_uri,omitempty"`       // where the app publishes its keys
	CertifiedName string    `json:"certified_name,omitempty"` // such as "san_dns:client.example"
	Live          bool      `json:"live"`                     // neither revoked nor expired
	Created       time.Time `json:"created"`
	CreatedBy     string    `json:"created_by"`
	Replaces      string    `json:"replaces,omitempty"`       // id of the one that it was rotated in for
	Expires       time.Time `json:"expires,omitzero"`         // missing: never
	Revoked       time.Time `json:"revoked,omitzero"`         // missing: not
	LastUsed      time.Time `json:"last_used,omitzero"`       // missing: never
	LastUsedFrom  string    `json:"last_used_from,omitempty"` // network, /24 or /48
}

// NewCredential asks for a credential: a client secret, if none of PublicKey,
// JWKSURI, Certificate and CertifiedName is given.
type NewCredential struct {
	Kind          string    `json:"kind,omitempty"` // missing: what is given says it
	Label         string    `json:"label,omitempty"`
	Expires       time.Time `json:"expires,omitzero"`         // missing: never; a certificate's own end
	PublicKey     string    `json:"public_key,omitempty"`     // a JWK, or PEM of a public key or certificate
	JWKSURI       string    `json:"jwks_uri,omitempty"`       // https
	Certificate   string    `json:"certificate,omitempty"`    // PEM; only its SHA-256 is kept
	CertifiedName string    `json:"certified_name,omitempty"` // subject_dn, san_dns, san_uri, san_ip or san_email, a colon, the value
}

// CreatedCredential is a new credential; if it is a client secret, in the one
// answer that shows it.
type CreatedCredential struct {
	Credential
	ClientID     string `json:"client_id"`
	ClientSecret Secret `json:"client_secret,omitzero"` // missing: the kind is no secret
}

// MarshalJSON implements [json.Marshaler]: it writes the secret.
func (c CreatedCredential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Credential
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret,omitempty"`
	}{c.Credential, c.ClientID, c.ClientSecret.Reveal()})
}

// LogValue implements [slog.LogValuer]: it does not.
func (c CreatedCredential) LogValue() slog.Value { return slog.AnyValue(c.Credential) }

// CredentialPatch moves the moment at which a credential stops to authenticate.
type CredentialPatch struct {
	Expires *Expiry `json:"expires"`
	Force   bool    `json:"force,omitempty"` // end it now although it is in use
}

// OperatorToken is a token of the management API, without the token.
type OperatorToken struct {
	ID      string    `json:"id"`
	Label   string    `json:"label"`
	Hint    string    `json:"hint"` // its first characters
	Live    bool      `json:"live"` // neither revoked nor expired
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // missing: never
	Revoked time.Time `json:"revoked,omitzero"` // missing: not
}

// NewOperatorToken asks for a token of the management API.
type NewOperatorToken struct {
	Label   string    `json:"label"`
	Expires time.Time `json:"expires,omitzero"` // missing: never
}

// CreatedOperatorToken is a new token, in the one answer that shows it.
type CreatedOperatorToken struct {
	OperatorToken
	Token Secret `json:"token"`
}

// MarshalJSON implements [json.Marshaler]: it writes the token.
func (t CreatedOperatorToken) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		OperatorToken
		Token string `json:"token"`
	}{t.OperatorToken, t.Token.Reveal()})
}

// LogValue implements [slog.LogValuer]: it does not.
func (t CreatedOperatorToken) LogValue() slog.Value { return slog.AnyValue(t.OperatorToken) }

// TokenRevocation ends one access token before its time.
type TokenRevocation struct {
	JTI     string    `json:"jti"`
	Expires time.Time `json:"expires"`       // the token's exp: it is remembered until then
	Org     string    `json:"org,omitempty"` // whose it is, for the audit
	App     string    `json:"app,omitempty"`
}
