package token

import (
	"crypto/rand"
	"encoding/hex"
)

// Claims is what an access token says (CONTRACT 3.2). Times are Unix seconds
// (NumericDate, RFC 7519 §2).
type Claims struct {
	Issuer          string       // iss
	Audience        []string     // aud; one is written as a string (RFC 7519 §4.1.3)
	JTI             string       // jti: [NewJTI]
	Handle          string       // access_token: [NewHandle]; a secret, never logged
	ClientID        string       // client_id and sub (RFC 9068 §2.2)
	Scope           string       // scope; none if empty
	Org             string       // org
	Environment     string       // env
	Credential      string       // cred, what the client authenticated by; none if empty
	Confirmation    Confirmation // cnf; none if zero
	ApplicationName string       // application_name
	DeveloperEmail  string       // developer_email
	Products        []string
	IssuedAt        int64 // iat
	NotBefore       int64 // nbf
	Expires         int64 // exp
}

// Confirmation says which key whoever presents a token has to hold: one, or none
// (RFC 7800 §3.1).
type Confirmation struct {
	Certificate string // x5t#S256: the SHA-256 of a certificate, base64url (RFC 8705 §3.1)
	Key         string // jkt: the thumbprint of a DPoP key (RFC 9449 §6.1)
}

// IdentityClaims is what an upstream is told about a call (CONTRACT 4.5).
type IdentityClaims struct {
	Issuer      string // iss
	Audience    string // aud: the API
	Subject     string // sub: the client_id, or the organization, if the call is no app's
	JTI         string // jti
	Org         string // org
	App         string // app; none if empty
	Environment string // env
	User        string // user; none if empty: as the issuer named in UserIssuer calls them
	UserIssuer  string // user_issuer; none if empty
	IssuedAt    int64  // iat
	Expires     int64  // exp
}

// IntrospectionClaims is a signed answer about a token (RFC 9701 §5).
type IntrospectionClaims struct {
	Issuer   string // iss
	Audience string // aud: the client_id of who asked
	IssuedAt int64  // iat
	Token    []byte // token_introspection: a JSON object
}

// NewJTI returns a fresh token id, a UUID of version 4 (RFC 9562 §5.4).
func NewJTI() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

const (
	handleLength   = 28
	handleAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// NewHandle returns a fresh handle, the claim access_token: 28 letters and
// digits, 166 bits.
func NewHandle() string {
	// A byte at or above the greatest multiple of the alphabet's length is
	// thrown away: taken modulo, the first letters would come up more often.
	const fair = 256 - 256%len(handleAlphabet)
	var (
		text  [handleLength]byte
		bytes [handleLength + 8]byte
	)
	for n := 0; n < len(text); {
		_, _ = rand.Read(bytes[:])
		for _, b := range bytes {
			if int(b) < fair && n < len(text) {
				text[n] = handleAlphabet[int(b)%len(handleAlphabet)]
				n++
			}
		}
	}
	return string(text[:])
}
