package api

import "time"

// Product is what is subscribed to and what a token authorizes.
type Product struct {
	Name          string    `json:"name"` // as in the claim api_product_list
	Title         string    `json:"title"`
	Description   string    `json:"description,omitempty"`
	TokenLifetime Seconds   `json:"token_lifetime"` // 0: does not set one
	Plans         []Plan    `json:"plans"`          // of a catalogue's product; the first is that of subscriptions which name none
	State         string    `json:"state"`          // "active", "retired"
	Source        string    `json:"source"`         // "catalog", "operator": where it is changed
	Created       time.Time `json:"created"`
}

// Plan says how much each app of an organization may call by a subscription.
type Plan struct {
	Name       string          `json:"name"`
	Title      string          `json:"title,omitempty"`
	Limits     PlanLimits      `json:"limits"` // of all operations together
	Operations []PlanOperation `json:"operations,omitempty"`
}

// PlanOperation bounds one operation, beside what bounds all.
type PlanOperation struct {
	Operation string     `json:"operation"` // its operationId
	Limits    PlanLimits `json:"limits"`
}

// PlanLimits bounds calls; what is missing is not bounded.
type PlanLimits struct {
	Rate  *PlanRate `json:"rate,omitempty"`
	Day   int64     `json:"day,omitempty"`   // calls in a day of UTC
	Month int64     `json:"month,omitempty"` // calls in a month of UTC
}

// PlanRate is a rate: calls in each period, and burst at once after a pause.
type PlanRate struct {
	Calls int64   `json:"calls"`
	Per   Seconds `json:"per"`
	Burst int64   `json:"burst"`
}

// NewProduct asks for a product that no catalogue names.
type NewProduct struct {
	Name          string  `json:"name"`
	Title         string  `json:"title"`
	Description   string  `json:"description,omitempty"`
	TokenLifetime Seconds `json:"token_lifetime,omitempty"`
}

// ProductPatch changes what is not nil. Of a catalogue's product only the state
// can be changed here.
type ProductPatch struct {
	Title         *string  `json:"title,omitempty"`
	Description   *string  `json:"description,omitempty"`
	TokenLifetime *Seconds `json:"token_lifetime,omitempty"`
	State         *string  `json:"state,omitempty"`
}

// Subscription is an organization's standing with a product.
type Subscription struct {
	ID        string    `json:"id"`
	Org       string    `json:"org"`
	Product   string    `json:"product"`
	State     string    `json:"state"`              // "sandbox", "requested", "subscribed", "suspended", "ended"
	Plan      string    `json:"plan,omitempty"`     // of the product; missing: its first
	Contract  string    `json:"contract,omitempty"` // its reference
	Note      string    `json:"note,omitempty"`     // the last decision's reason
	Requested time.Time `json:"requested,omitzero"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Actions   []string  `json:"actions"`              // what can be done to it now
	NextActor string    `json:"next_actor,omitempty"` // "operator", "customer"; missing: nobody has to act
}

// NewSubscription opens a product's sandbox to an organization.
type NewSubscription struct {
	Org     string `json:"org"`
	Product string `json:"product"`
}

// SubscriptionPatch changes a subscription.
type SubscriptionPatch struct {
	Plan *string `json:"plan"` // of the product; empty: its first
}

// SubscriptionStep accompanies an action on a subscription.
type SubscriptionStep struct {
	Contract string `json:"contract,omitempty"` // its reference; needed to approve
	Note     string `json:"note,omitempty"`     // the reason, shown to both sides
}

// Catalog is the catalogue that is in force.
type Catalog struct {
	CatalogVersion
	APIs     []CatalogAPI `json:"apis"`
	Products []string     `json:"products"`
}

// CatalogAPI is an API of the catalogue.
type CatalogAPI struct {
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	Version    string   `json:"version"`
	BasePath   string   `json:"base_path"`
	Products   []string `json:"products"`
	Operations int      `json:"operations"`
	Live       []string `json:"live"` // the environments that have an upstream for it
}

// CatalogVersion is one applied catalogue.
type CatalogVersion struct {
	Version int64     `json:"version"`
	SHA256  string    `json:"sha256"` // of the bundle, hex
	Applied time.Time `json:"applied"`
	By      string    `json:"by"`
	Summary []string  `json:"summary"` // what it changed
}

// CatalogPut applies a catalogue: all of its files, as text by path.
type CatalogPut struct {
	Files  map[string]string `json:"files"`
	DryRun bool              `json:"dry_run,omitempty"` // check and compare only
	// AllowPublic says that operations which become callable without a token are
	// meant to: else a catalogue with such is refused.
	AllowPublic bool `json:"allow_public,omitempty"`
}

// CatalogResult says what applying a catalogue did, or would do.
type CatalogResult struct {
	Applied bool     `json:"applied"`         // false: a dry run, or nothing to change
	Version int64    `json:"version"`         // in force now; 0: none
	SHA256  string   `json:"sha256"`          // of the bundle that was sent
	Diff    []string `json:"diff"`            // a line for each change
	Opens   []string `json:"opens,omitempty"` // operations that become callable without a token
}
