package token

import "slices"

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
	IssuedAt        int64 // Unix seconds, as all times here
	NotBefore       int64
	Expires         int64
}

// HasProduct reports whether the token names the product (CONTRACT 3.3). That
// alone does not entitle: the subscription must be active too.
func (p *Principal) HasProduct(name string) bool { return slices.Contains(p.Products, name) }
