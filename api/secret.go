package api

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a secret text. Whatever prints, logs or encodes it, directly or
// inside another value, writes "[redacted]" or an address, never the text; only
// [CreatedCredential], [RotatedCredential], [CreatedOperatorToken], [ImportCredential]
// and [Call], whose purpose it is, encode theirs. The zero Secret is the empty one.
//
// The text sits behind a pointer because fmt does not call methods on
// unexported fields: a plain string would be printed by a %v of any struct that
// holds a Secret in one.
type Secret struct {
	_ [0]func() // not comparable: == takes time that depends on the text
	p *string
}

// NewSecret returns text as a secret.
func NewSecret(text string) Secret { return Secret{p: &text} }

// Reveal returns the text. Do not print it.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// Equal reports whether s and t hold the same text, in time that depends only
// on their lengths.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String implements [fmt.Stringer].
func (Secret) String() string { return redacted }

// GoString implements [fmt.GoStringer].
func (Secret) GoString() string { return redacted }

// Format implements [fmt.Formatter] for every verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements [json.Marshaler].
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New("a secret must be a string") // the cause could quote it
	}
	*s = NewSecret(text)
	return nil
}
