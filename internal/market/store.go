package market

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// Actor is who does something: an operator token, an app, or the program.
type Actor struct {
	Kind string // "operator", "app", "system"
	ID   string
	From string // network address, if it came by the network
}

// System is the program itself.
var System = Actor{Kind: "system", ID: "sallyport"}

// Kind names what an audit record or a change is about.
type Kind string

// The kinds. Those up to KindPlatform are the aggregates that the change feed
// tells nodes to read again.
const (
	KindOrg        Kind = "organization" // with its subscriptions, TINs and submitters
	KindApp        Kind = "app"          // with its credentials
	KindProduct    Kind = "product"
	KindCatalog    Kind = "catalog"
	KindKeys       Kind = "keys"       // the signing keys of an environment
	KindRevocation Kind = "revocation" // one jti
	KindPlatform   Kind = "platform"   // not-before of platform and environments

	KindCredential    Kind = "credential"
	KindSubscription  Kind = "subscription"
	KindTIN           Kind = "tin"
	KindSubmitter     Kind = "submitter"
	KindOperatorToken Kind = "operator_token"
	KindNode          Kind = "node"
)

// Change is one thing done: it becomes an audit record, and, if Feed names an
// aggregate, an entry of the change feed, in the transaction that did it.
type Change struct {
	Action  string // "create", "update", "revoke", …
	Kind    Kind
	ID      string
	Org     id.Org         // whose it is, if anyone's
	Detail  map[string]any // what changed; never a secret or a hash
	Feed    Kind           // the aggregate to read again; empty: none
	FeedKey string
}

// AuditRecord is a Change as it was recorded.
type AuditRecord struct {
	Seq    int64
	At     time.Time
	Actor  Actor
	Action string
	Kind   Kind
	ID     string
	Org    id.Org
	Detail string // JSON object
}

// Page asks for a part of a list: at most Limit items after the cursor.
type Page struct {
	After string // opaque; empty: from the start
	Limit int    // 0: 100
}

// Store runs transactions over the marketplace's data.
type Store interface {
	// View reads one consistent state.
	View(ctx context.Context, read func(Reader) error) error
	// Update runs change; when it returns nil, everything it wrote and
	// recorded is durable before Update returns, else nothing is. A change
	// that records nothing is refused: nothing happens unseen. It may run more
	// than once when the engine asks to try again.
	Update(ctx context.Context, actor Actor, change func(Tx) error) error
}

// Reader is what a use case may read. A missing thing is an [*Error] of code
// NotFound.
type Reader interface {
	OrgReader
	AppReader
	ProductReader
	TenancyReader
	PlatformReader
}

// Tx is what a use case may do within Update.
type Tx interface { //nolint:interfacebloat // one method; the rest is embedded
	Reader
	OrgWriter
	AppWriter
	ProductWriter
	TenancyWriter
	PlatformWriter
	// Record notes a change; see [Change].
	Record(change Change) error
}

// OrgReader reads organizations.
type OrgReader interface {
	Org(id id.Org) (Organization, error)
	Orgs(page Page) (orgs []Organization, next string, err error) // by id
}

// OrgWriter writes organizations; Put replaces or adds.
type OrgWriter interface {
	PutOrg(o Organization) error
}

// AppReader reads apps and their credentials.
type AppReader interface {
	App(id id.App) (App, error)
	AppByClientID(clientID string) (App, error)
	Apps(org id.Org, page Page) (apps []App, next string, err error) // org empty: all; by id
	Credential(id id.Credential) (Credential, error)
	Credentials(app id.App) ([]Credential, error)                                     // oldest first
	CredentialsBy(filter CredentialFilter) (all []Credential, next string, err error) // by id
}

// AppWriter writes apps and their credentials; Put replaces or adds. The
// name of an app is unique in its organization and environment, a client_id
// and a credential's hash everywhere: otherwise Conflict.
type AppWriter interface {
	PutApp(a App) error
	DeleteApp(id id.App) error // with its credentials
	PutCredential(c Credential) error
}

// ProductReader reads products and catalogues.
type ProductReader interface {
	Product(name string) (Product, error)
	Products() ([]Product, error)                       // by name
	Catalog(version int64) (CatalogVersion, error)      // 0: the newest
	CatalogHistory(limit int) ([]CatalogVersion, error) // newest first, without bundles
}

// ProductWriter writes products and catalogues.
type ProductWriter interface {
	PutProduct(p Product) error
	AddCatalog(c CatalogVersion) error
}

// TenancyReader reads what an organization holds.
type TenancyReader interface {
	Subscription(id id.Subscription) (Subscription, error)
	SubscriptionTo(org id.Org, product string) (Subscription, error)
	Subscriptions(org id.Org, state SubscriptionState) ([]Subscription, error) // empty: any; oldest first
	TIN(org id.Org, number string) (TIN, error)
	TINs(org id.Org, state TINState) ([]TIN, error) // empty: any; oldest first
	Submitters(org id.Org) ([]Submitter, error)     // by kind, value
}

// TenancyWriter writes what an organization holds.
type TenancyWriter interface {
	PutSubscription(s Subscription) error
	PutTIN(t TIN) error
	DeleteTIN(org id.Org, number string) error
	PutSubmitter(s Submitter) error
	DeleteSubmitter(org id.Org, kind SubmitterKind, value string) error
}

// PlatformReader reads what belongs to no organization.
type PlatformReader interface {
	OperatorToken(id id.OperatorToken) (OperatorToken, error)
	OperatorTokenByHash(hash Hash) (OperatorToken, error)
	OperatorTokens() ([]OperatorToken, error)
	NotBefores() ([]NotBefore, error)
	Nodes() ([]Node, error)                                                   // oldest first
	Audit(filter AuditFilter) (records []AuditRecord, next string, err error) // newest first
}

// AuditFilter chooses audit records; empty fields choose all.
type AuditFilter struct {
	Org  id.Org
	Kind Kind
	ID   string
	Page Page
}

// PlatformWriter writes what belongs to no organization.
type PlatformWriter interface {
	PutOperatorToken(t OperatorToken) error
	PutNotBefore(n NotBefore) error
	RemoveNode(id id.Node) (Node, error)
	AddRevocation(r Revocation) error // twice is once
}
