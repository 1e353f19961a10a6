// Package id holds the typed identifiers of the marketplace. An identifier is
// a prefix that tells its kind and 130 random bits, so that one can be read in
// a log line without a schema and cannot be guessed or mixed up in code.
package id

import (
	"crypto/rand"
	"slices"
	"strings"
)

// The kinds of identifier.
type (
	// Org identifies an organization: org_….
	Org string
	// App identifies an app, one OAuth client in one environment: app_….
	App string
	// Credential identifies one client secret of an app: cred_….
	Credential string
	// Subscription identifies an organization's subscription to a product: sub_….
	Subscription string
	// OperatorToken identifies a token of the management API: op_….
	OperatorToken string
	// Node identifies one run of the program: node_….
	Node string
)

// NewOrg returns a fresh organization id.
func NewOrg() Org { return Org("org_" + random()) }

// NewApp returns a fresh app id.
func NewApp() App { return App("app_" + random()) }

// NewCredential returns a fresh credential id.
func NewCredential() Credential { return Credential("cred_" + random()) }

// NewSubscription returns a fresh subscription id.
func NewSubscription() Subscription { return Subscription("sub_" + random()) }

// NewOperatorToken returns a fresh operator token id.
func NewOperatorToken() OperatorToken { return OperatorToken("op_" + random()) }

// NewNode returns a fresh node id.
func NewNode() Node { return Node("node_" + random()) }

// NewClientID returns a fresh client_id: 32 lower-case letters and digits, the
// shape that deployed clients already store.
func NewClientID() string {
	return (random() + random())[:32]
}

// IsOurs reports whether s is written like one of the identifiers of this package.
func IsOurs(s string) bool {
	kind, rest, ok := strings.Cut(s, "_")
	return ok && slices.Contains([]string{"org", "app", "cred", "sub", "op", "node"}, kind) &&
		len(rest) == 26 && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// random is 26 lower-case base32 characters, 130 bits.
func random() string { return strings.ToLower(rand.Text()) }
