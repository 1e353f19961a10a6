package api

import "time"

// Organization is a customer.
type Organization struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`      // "active", "suspended"
	NotBefore int64     `json:"not_before"` // epoch second before which its tokens are revoked; 0: none
	Created   time.Time `json:"created"`
}

// NewOrganization asks for an organization.
type NewOrganization struct {
	Name string `json:"name"`
}

// OrganizationPatch changes what is not nil.
type OrganizationPatch struct {
	Name      *string      `json:"name,omitempty"`
	State     *string      `json:"state,omitempty"`
	NotBefore *EpochSecond `json:"not_before,omitempty"`
}

// NotBefore is the moment before which all tokens of a level are revoked.
type NotBefore struct {
	Level     string    `json:"level"`            // "platform", or an environment
	NotBefore int64     `json:"not_before"`       // epoch second; 0: none
	Updated   time.Time `json:"updated,omitzero"` // missing: never set
}

// NotBeforePut sets a not-before. It cannot lie ahead, nor go back.
type NotBeforePut struct {
	NotBefore *EpochSecond `json:"not_before"`
}

// TIN is a provider's tax identification number with an organization.
type TIN struct {
	Org     string    `json:"org"`
	TIN     string    `json:"tin"`   // nine digits
	State   string    `json:"state"` // "requested", "associated", "refused"
	Note    string    `json:"note,omitempty"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// NewTIN requests the association of a TIN.
type NewTIN struct {
	TIN string `json:"tin"`
}

// TINDecision decides about a TIN; one that nobody requested may be associated too.
type TINDecision struct {
	State string `json:"state"` // "associated", "refused"
	Note  string `json:"note,omitempty"`
}

// Submitter is an identifier assigned to an organization for pharmacy claims.
type Submitter struct {
	Org     string    `json:"org"`
	Kind    string    `json:"kind"` // "submitter", "host"
	Value   string    `json:"value"`
	Created time.Time `json:"created"`
}

// NewSubmitter assigns a submitter id.
type NewSubmitter struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}
