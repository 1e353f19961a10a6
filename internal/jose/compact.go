package jose

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// MaxLength is how long a signed object may be, in bytes.
const MaxLength = 16 << 10

// ErrNotCompact is returned for what is no signed object in compact form, or has
// a header that is not taken.
var ErrNotCompact = errors.New("not a signed JWT in compact form, or one whose header has crit, b64, zip, jku, x5u or x5c")

// Header is what is read of a JOSE header.
type Header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
	// Key is the public key in the header, where the kind of object has one
	// there (RFC 9449 §4.2): whoever reads such an object parses it.
	Key rawMember `json:"jwk"`

	Crit present `json:"crit"`
	B64  present `json:"b64"`
	JKU  present `json:"jku"`
	X5U  present `json:"x5u"`
	X5C  present `json:"x5c"`
	Zip  present `json:"zip"`
	Enc  present `json:"enc"`
}

// present is true once the member it stands for was there, whatever its value.
type present bool

// UnmarshalJSON implements the decoder's interface.
func (p *present) UnmarshalJSON([]byte) error {
	*p = true
	return nil
}

// Signed is a signed object whose signature was not looked at yet.
type Signed struct {
	Header    Header
	payload   []byte
	input     []byte // what was signed
	signature []byte
}

// strict reads base64url without padding and without bits to spare.
var strict = base64.RawURLEncoding.Strict()

// Parse reads a signed object in compact form. Nothing of it may be believed
// before [Signed.VerifiedBy].
func Parse(raw string) (*Signed, error) {
	if len(raw) > MaxLength || strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") {
		return nil, ErrNotCompact
	}
	parts := strings.Split(raw, ".")
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = strict.DecodeString(part); err != nil {
			return nil, ErrNotCompact
		}
	}
	s := &Signed{payload: decoded[1], signature: decoded[2], input: []byte(raw[:len(parts[0])+1+len(parts[1])])}
	h := &s.Header
	if err := strictjson.Unmarshal(decoded[0], h); err != nil || bool(h.Crit || h.B64 || h.JKU || h.X5U || h.X5C || h.Zip || h.Enc) {
		return nil, ErrNotCompact
	}
	return s, nil
}

// Is reports whether the header's typ is typ, which may be written with
// "application/" before it and in any case (RFC 7515 §4.1.9).
func (s *Signed) Is(typ string) bool {
	return strings.EqualFold(s.Header.Type, typ) || strings.EqualFold(s.Header.Type, "application/"+typ)
}

// VerifiedBy reports whether the signature is the key's.
func (s *Signed) VerifiedBy(k *Key) bool { return k.Verify(s.Header.Algorithm, s.input, s.signature) }

// Claims decodes the payload into v, strictly. Call it once the signature is
// known to hold; or, to find out whose it claims to be, before, and believe
// nothing.
func (s *Signed) Claims(v any) error {
	if err := strictjson.Unmarshal(s.payload, v); err != nil {
		return errors.New("the claims are not one JSON object with each member once, of the types that they should have")
	}
	return nil
}
