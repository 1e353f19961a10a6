// Package oauth is the vocabulary of the OAuth 2.0 documents that Sallyport
// speaks: error codes, grant types and token types, each with its source.
package oauth

// ErrorCode is the `error` member of a refusal at a token endpoint
// (RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 8707 §2).
type ErrorCode string

// The error codes of the token, revocation and introspection endpoints.
const (
	InvalidRequest         ErrorCode = "invalid_request"         // RFC 6749 §5.2
	InvalidClient          ErrorCode = "invalid_client"          // RFC 6749 §5.2
	UnauthorizedClient     ErrorCode = "unauthorized_client"     // RFC 6749 §5.2
	UnsupportedGrantType   ErrorCode = "unsupported_grant_type"  // RFC 6749 §5.2
	InvalidScope           ErrorCode = "invalid_scope"           // RFC 6749 §5.2
	InvalidTarget          ErrorCode = "invalid_target"          // RFC 8707 §2
	InvalidDPoPProof       ErrorCode = "invalid_dpop_proof"      // RFC 9449 §5
	UseDPoPNonce           ErrorCode = "use_dpop_nonce"          // RFC 9449 §8
	UnsupportedTokenType   ErrorCode = "unsupported_token_type"  // RFC 7009 §2.2.1
	TemporarilyUnavailable ErrorCode = "temporarily_unavailable" // RFC 6749 §4.1.2.1, used with 503
	SlowDown               ErrorCode = "slow_down"               // RFC 8628 §3.5, used with 429
)

// ClientCredentials is the one grant type served (RFC 6749 §4.4).
const ClientCredentials = "client_credentials"

// JWTBearer is the one client_assertion_type taken (RFC 7523 §2.2).
const JWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" //nolint:gosec // a name, no secret

// BearerError is the `error` parameter of a WWW-Authenticate challenge
// (RFC 6750 §3.1).
type BearerError string

// The challenge errors.
const (
	BearerInvalidRequest    BearerError = "invalid_request"
	BearerInvalidToken      BearerError = "invalid_token"
	BearerInsufficientScope BearerError = "insufficient_scope"
	ChallengeInvalidProof   BearerError = "invalid_dpop_proof" // RFC 9449 §7.1
	ChallengeUseNonce       BearerError = "use_dpop_nonce"     // RFC 9449 §9
)

// The token types, which are the schemes of the Authorization header too.
const (
	Bearer = "Bearer" // RFC 6750
	DPoP   = "DPoP"   // RFC 9449 §5, §7.1
)

// ValidScopeToken reports whether s may stand as one scope token: %x21 /
// %x23-5B / %x5D-7E, at least one character (RFC 6749 §3.3).
func ValidScopeToken(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
