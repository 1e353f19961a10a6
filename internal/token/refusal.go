package token

import "errors"

// The ways in which a token is refused. A surface needs to tell only these
// apart (CONTRACT 4.2).
var (
	// ErrInvalid is any refusal but the one below. It comes as an
	// [*InvalidError], which says more to the log.
	ErrInvalid = errors.New("the access token is not valid")
	// ErrExpired is returned for a token that has expired and is valid in every
	// other respect; its signature was verified.
	ErrExpired = errors.New("the access token has expired")
)

// Reason says what is wrong with a token: for the log, and for the owner of the
// credential, not for the caller. It holds nothing of the token.
type Reason string

// The reasons.
const (
	TooLong             Reason = "longer than 8 KiB"
	NotJWS              Reason = "not three segments of base64url"
	BadHeader           Reason = "header is not JSON as it should be"
	CriticalHeader      Reason = "header has a parameter that is not taken: crit, b64, jku, jwk, x5u, x5c, zip or enc"
	WrongType           Reason = "not an access token by its typ"
	UnknownKey          Reason = "signed by no key of this environment that is in force"
	WrongAlgorithm      Reason = "alg is not the key's"
	BadSignature        Reason = "signature is wrong"
	BadClaims           Reason = "claims are not JSON as they should be"
	MissingClaim        Reason = "a claim is missing: exp, iat, jti or client_id"
	WrongIssuer         Reason = "issued by another issuer"
	WrongAudience       Reason = "meant for another audience"
	WrongEnvironment    Reason = "issued for another environment"
	WrongSubject        Reason = "sub is not the client_id"
	UnknownConfirmation Reason = "bound to something that is not known here"
	NotYetValid         Reason = "not valid yet"
	Expired             Reason = "expired"
)

// InvalidError is an [ErrInvalid] with its reason.
type InvalidError struct{ Reason Reason }

// Error implements error.
func (e *InvalidError) Error() string { return ErrInvalid.Error() + ": " + string(e.Reason) }

// Unwrap returns [ErrInvalid].
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// ReasonOf returns the reason in an error of [Verifier.Verify] or
// [Verifier.Peek], "" if it has none.
func ReasonOf(err error) Reason {
	var invalid *InvalidError
	switch {
	case errors.As(err, &invalid):
		return invalid.Reason
	case errors.Is(err, ErrExpired):
		return Expired
	}
	return ""
}

func refuse(reason Reason) error { return &InvalidError{reason} }
