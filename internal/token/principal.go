package token

import (
	"slices"
	"strings"
)

// Principal is what a verified token says: who calls, and for what. It is shared
// by all calls with the token, and must not be changed.
type Principal struct {
	Issuer          string
	ClientID        string
	JTI             string
	Org             string
	Credential      string // empty: the client did not use a secret
	Environment     string
	ApplicationName string
	Scope           string
	Products        []string
	// Foreign is the name of the issuer of a token that is not ours, empty if it is
	// ours. Such a token names no credential, and an app or an organization by what
	// the operator says its claims mean (CONTRACT 4.3).
	Foreign string
	// AllProducts says that the token does not narrow the products of whom it names.
	AllProducts bool
	User        string // the user that a token not ours was issued for, by that issuer; empty: none
	// Resources are the resources that the token is for (RFC 8707), if it is not
	// for all of the environment.
	Resources    []string
	Confirmation Confirmation // zero: a bearer token
	IssuedAt     int64        // Unix seconds, as all times here
	NotBefore    int64
	Expires      int64
}

// For reports whether the token is for a resource, an absolute URI: one of its own,
// or one below it by whole segments of the path.
func (p *Principal) For(resource string) bool {
	return p.Resources == nil || slices.ContainsFunc(p.Resources, func(own string) bool {
		return below(resource, strings.TrimSuffix(own, "/"))
	})
}

// below reports whether an absolute URI is base, or below it by whole segments.
func below(uri, base string) bool {
	rest, ok := strings.CutPrefix(uri, base)
	return ok && (rest == "" || rest[0] == '/')
}

// HasProduct reports whether the token names the product (CONTRACT 3.3). That
// alone does not entitle: the subscription must be active too.
func (p *Principal) HasProduct(name string) bool {
	return p.AllProducts || slices.Contains(p.Products, name)
}
