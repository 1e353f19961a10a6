package authserver

import (
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/oauth"
)

// Endpoint is a token endpoint: where it is, what it speaks, what it takes.
// Endpoints are data: an operator may mount a dialect elsewhere (CONTRACT 2.1).
type Endpoint struct {
	Path    string // no trailing slash
	Dialect Dialect
	JSON    bool // takes application/json beside forms
	Profile Profile
	rotates bool // takes the parameters of a rotation
}

// DefaultEndpoints is the table of CONTRACT 2.1.
func DefaultEndpoints() []Endpoint {
	return []Endpoint{
		{Path: "/apip/auth/v1/token", Dialect: V1, JSON: true},
		{Path: "/apip/auth/v2/token", Dialect: V2, JSON: true},
		{Path: "/auth/sntl/v1/token", Dialect: V3, JSON: false},
		{Path: "/apip/auth/sntl/v1/token", Dialect: V3, JSON: true},
		{Path: "/oauth2/token", Dialect: RFC, JSON: false},
	}
}

// healthPath is beside the endpoint (CONTRACT 2.10).
func (e Endpoint) healthPath() string {
	return e.Path[:len(e.Path)-len("/token")] + "/healthcheck"
}

// Dialect is how a token is answered. The dialects differ in nothing else.
type Dialect string

// The dialects.
const (
	V1  Dialect = "v1"  // accessToken; for migration only (S000)
	V2  Dialect = "v2"  // access_token, bearer (S000, S002)
	V3  Dialect = "v3"  // Bearer, not-before-policy, scope (S001, S003)
	RFC Dialect = "rfc" // RFC 6749 §5.1, RFC 9068
)

// face is what a dialect's answer looks like (CONTRACT 2.4).
type face struct {
	lifetime  time.Duration // default, CONTRACT 2.1
	tokenType string
	typ       string // of the JWT, CONTRACT 3.1
	alias     bool   // accessToken beside access_token
	refresh   bool   // refresh_expires_in
	notBefore bool   // not-before-policy
	scope     bool
	reuse     bool // the same token within the window, CONTRACT 2.8
}

var faces = map[Dialect]face{
	V1:  {lifetime: time.Hour, tokenType: "bearer", typ: "JWT", alias: true, reuse: true},
	V2:  {lifetime: time.Hour, tokenType: "bearer", typ: "JWT", reuse: true},
	V3:  {lifetime: 2 * time.Hour, tokenType: "Bearer", typ: "JWT", refresh: true, notBefore: true, scope: true, reuse: true},
	RFC: {lifetime: time.Hour, tokenType: "Bearer", typ: "at+jwt", scope: true},
}

// Lifetime is the dialect's default.
func (d Dialect) Lifetime() time.Duration { return faces[d].lifetime }

// size is room enough for an answer.
func (f face) size(t *issued) int {
	n := len(t.token.Reveal())
	if f.alias {
		n *= 2
	}
	return n + len(t.scope) + 256
}

// answer appends the body of a token answer. Token, scope and type hold only
// characters that JSON takes as they are (RFC 6749 §3.3, RFC 7515 §7.1).
func (f face) answer(dst []byte, t *issued, expiresIn, notBefore int64) []byte {
	text := t.token.Reveal()
	dst = append(dst, `{"access_token":"`...)
	dst = append(dst, text...)
	if f.alias {
		dst = append(dst, `","accessToken":"`...)
		dst = append(dst, text...)
	}
	dst = append(dst, `","expires_in":`...)
	dst = strconv.AppendInt(dst, expiresIn, 10)
	if f.refresh {
		dst = append(dst, `,"refresh_expires_in":0`...)
	}
	dst = append(dst, `,"token_type":"`...)
	dst = append(dst, f.tokenType...)
	dst = append(dst, '"')
	if f.notBefore {
		dst = append(dst, `,"not-before-policy":`...)
		dst = strconv.AppendInt(dst, notBefore, 10)
	}
	if f.scope {
		dst = append(dst, `,"scope":"`...)
		dst = append(dst, t.scope...)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

// refusedHere is what a wrong media type is told, which depends on what the
// endpoint takes (S001: "can only be sent in application/x-www-form-urlencoded").
func (e Endpoint) refusedHere() *refusal {
	say := "Send the parameters as application/x-www-form-urlencoded; this endpoint takes nothing else"
	if e.JSON {
		say = "Send the parameters as application/x-www-form-urlencoded or as application/json"
	}
	return &refusal{status: 415, code: oauth.InvalidRequest, parameter: "Content-Type", say: say}
}
