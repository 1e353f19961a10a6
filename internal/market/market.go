// Package market is the domain: organizations, their apps and the secrets of
// those, the products they subscribe to, the provider TINs and submitters that
// are theirs, and the rules that hold between them. It knows neither HTTP nor
// SQL.
//
// The use cases are the methods of [Market]. Each reads and writes inside one
// transaction of the [Store] it is given, records who did what, and so reaches
// every node by the change feed. A use case returns an [*Error] whose Public
// text may be shown to whoever asked; any other error is internal.
//
// What it does not do: decide about a call in flight (that is policy, over the
// snapshot) or mint anything (token).
package market

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// Environment names a world: credentials, keys and tokens of one never work in
// another (CONTRACT 1.1). Operators may add more than the two below.
type Environment string

// The two environments that every installation has.
const (
	Sandbox    Environment = "sandbox"
	Production Environment = "production"
)

// Organization is a customer: it owns apps, subscriptions, TINs, submitters.
type Organization struct {
	ID        id.Org
	Name      string
	State     OrgState
	NotBefore int64 // epoch second before which its tokens are revoked; 0: none
	Created   time.Time
}

// OrgState says whether an organization may do anything at all.
type OrgState string

// The states of an organization.
const (
	OrgActive    OrgState = "active"
	OrgSuspended OrgState = "suspended" // no token, no call
)

// App is one OAuth client in one environment (RFC 6749 §1.1).
type App struct {
	ID             id.App
	Org            id.Org
	Environment    Environment
	Name           string // the claim application_name
	DeveloperEmail string // the claim developer_email
	ClientID       string
	State          AppState
	Products       []string       // narrows the organization's products to these; empty: all
	TokenLifetime  time.Duration  // 0: by product, then by dialect (CONTRACT 2.7)
	ReuseWindow    *time.Duration // nil: the environment's (CONTRACT 2.8); 0: never the same token twice
	NotBefore      int64          // epoch second before which its tokens are revoked; 0: none
	Binding        Binding        // what its tokens must be bound to
	Oversees       Oversight      // whose tokens it may introspect and revoke beside its own
	Created        time.Time
}

// Binding says that an app gets no token but one that is bound to a key of its
// own, so that a stolen one is of no use. An app that needs no binding gets bound
// tokens all the same when it brings a certificate or a proof.
type Binding string

// The bindings.
const (
	Unbound            Binding = ""
	BoundToCertificate Binding = "certificate" // RFC 8705 §3
	BoundToDPoP        Binding = "dpop"        // RFC 9449 §6
)

// Oversight says whose tokens an app may introspect and revoke. More than its own
// is the operator's to grant.
type Oversight string

// The oversights.
const (
	OwnTokens          Oversight = ""
	OrganizationTokens Oversight = "organization"
	EnvironmentTokens  Oversight = "environment"
)

// AppState says whether an app may get tokens and call.
type AppState string

// The states of an app.
const (
	AppActive   AppState = "active"
	AppDisabled AppState = "disabled"
)

// Credential is one thing that an app authenticates by: a secret, a key, a
// certificate. Several may be live at once (CONTRACT 6.3). A secret itself is known
// only to whoever was shown it.
type Credential struct {
	ID    id.Credential
	App   id.App
	Kind  CredentialKind
	Label string
	Hint  string // to recognize it by: a secret's first characters, the start of a thumbprint
	// Hash is what a secret is found by. Of the other kinds it is the SHA-256 of
	// the app and what identifies the material: an app has nothing twice.
	Hash         Hash
	Material     string // what is held of a kind that is no secret of ours; see the kinds
	Created      time.Time
	CreatedBy    string
	Replaces     id.Credential // that it was made to take the place of; empty: none
	Expires      time.Time     // zero: never
	Warned       int           // days before its end of the last warning (Expiring); 0: none yet
	Revoked      time.Time     // zero: not
	LastUsed     time.Time     // zero: never; to the nearest flush
	LastUsedFrom string        // network of the last use: /24 or /48
}

// CredentialKind says what a credential is, and so by which method of client
// authentication it is used (CONTRACT 2.3).
type CredentialKind string

// The kinds. Material is what the comment says.
const (
	ClientSecret   CredentialKind = "secret"          // empty
	ImportedSecret CredentialKind = "imported_secret" // a slow hash made elsewhere, until it was used once
	PublicKey      CredentialKind = "public_key"      // a public JWK; private_key_jwt (RFC 7523)
	KeySetURL      CredentialKind = "jwks_uri"        // where the client publishes its keys; private_key_jwt
	Certificate    CredentialKind = "certificate"     // x5t#S256 of it; self_signed_tls_client_auth (RFC 8705 §2.2)
	CertifiedName  CredentialKind = "certified_name"  // "san_dns:…" and so on; tls_client_auth (RFC 8705 §2.1)
)

// CredentialKinds lists the kinds.
func CredentialKinds() []CredentialKind {
	return []CredentialKind{ClientSecret, ImportedSecret, PublicKey, KeySetURL, Certificate, CertifiedName}
}

// Live reports whether the credential authenticates at now.
func (c Credential) Live(now time.Time) bool {
	return c.Revoked.IsZero() && (c.Expires.IsZero() || now.Before(c.Expires))
}

// Product is what is subscribed to and what a token authorizes: a name that
// routes of the catalogue are filed under.
type Product struct {
	Name          string // as in the claim api_product_list
	Title         string
	Description   string
	TokenLifetime time.Duration // 0: does not set one
	Plans         []Plan        // how much may be called; none: without limits
	State         ProductState
	Source        ProductSource
	Created       time.Time
}

// ProductState says whether a product can be had.
type ProductState string

// The states of a product.
const (
	ProductActive  ProductState = "active"
	ProductRetired ProductState = "retired" // in no token, and no route takes it
)

// ProductSource says where a product is changed.
type ProductSource string

// The sources of a product.
const (
	FromCatalog  ProductSource = "catalog"  // by applying a catalogue
	FromOperator ProductSource = "operator" // by the management API
)

// Subscription is an organization's standing with a product.
type Subscription struct {
	ID        id.Subscription
	Org       id.Org
	Product   string
	State     SubscriptionState
	Plan      string // of the product; empty: its first
	Contract  string // reference of the contract, once there is one
	Note      string // the last decision's reason, shown to both sides
	Requested time.Time
	Created   time.Time
	Updated   time.Time
}

// TIN is a provider's tax identification number that an organization has asked
// to use, or may use, for live data (CONTRACT 5.2, 5.3).
type TIN struct {
	Org     id.Org
	Number  string // nine digits
	State   TINState
	Note    string
	Created time.Time
	Updated time.Time
}

// TINState says how far the association of a TIN has come.
type TINState string

// The states of a TIN.
const (
	TINRequested  TINState = "requested"  // the operator acts next
	TINAssociated TINState = "associated" // live data
	TINRefused    TINState = "refused"    // the organization acts next
)

// Submitter is an identifier assigned to an organization for pharmacy claims
// (S003: submitterID and hostSubmitterID).
type Submitter struct {
	Org     id.Org
	Kind    SubmitterKind
	Value   string
	Created time.Time
}

// SubmitterKind tells the two identifiers of S003 apart.
type SubmitterKind string

// The kinds of submitter.
const (
	SubmitterOwn  SubmitterKind = "submitter"
	SubmitterHost SubmitterKind = "host"
)

// OperatorToken is a credential of the management API.
type OperatorToken struct {
	ID      id.OperatorToken
	Label   string
	Hint    string
	Hash    Hash
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: not
}

// Revocation ends one token before its time (RFC 7009).
type Revocation struct {
	JTI     string
	Org     id.Org
	App     id.App
	Expires time.Time // when the token would have ended, leeway included: forgotten then
	Created time.Time
}

// NotBefore is the moment before which all tokens of an environment, or of all
// of them, are revoked (CONTRACT 2.5).
type NotBefore struct {
	Environment Environment // empty: the platform
	Second      int64
	Updated     time.Time
}

// CatalogVersion is one applied catalogue.
type CatalogVersion struct {
	Version int64
	SHA256  string // of the bundle, hex
	Bundle  []byte // zip of the catalogue's files
	Applied time.Time
	By      string
	Summary string // what it changed, a line each
}
