package token

// AppendClaims is how Mint writes claims.
var AppendClaims = appendClaims

// Remembered returns how many tokens a verifier remembers now.
func (v *Verifier) Remembered() int {
	v.verified.verified.CleanUp()
	return v.verified.verified.EstimatedSize()
}

// Has reports whether a token is remembered.
func (v *Verifier) Has(raw string) bool {
	_, ok := v.verified.verified.GetEntryQuietly(raw)
	return ok
}
