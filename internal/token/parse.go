package token

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// maxKID is how long a kid may be. It is a stranger's text until it has named a
// key (RFC 8725 §3.10), and is used for nothing but that.
const maxKID = 128

// strict reads base64url without padding and without bits to spare.
var strict = base64.RawURLEncoding.Strict()

// header is what is read of a JOSE header (RFC 7515 §4.1).
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`

	// Each of these would have the token, or its key, read in another way.
	Crit present `json:"crit"`
	B64  present `json:"b64"`
	JKU  present `json:"jku"`
	JWK  present `json:"jwk"`
	X5U  present `json:"x5u"`
	X5C  present `json:"x5c"`
	Zip  present `json:"zip"`
	Enc  present `json:"enc"`
}

func (h *header) critical() bool {
	return bool(h.Crit || h.B64 || h.JKU || h.JWK || h.X5U || h.X5C || h.Zip || h.Enc)
}

// accessToken reports whether typ is one of an access token: ours, or none at
// all. A media type is compared without case (RFC 2045 §5.1), and may leave out
// its "application/" (RFC 7515 §4.1.9).
func (h *header) accessToken() bool {
	return h.Type == "" || strings.EqualFold(h.Type, keyring.TypJWT) ||
		strings.EqualFold(h.Type, keyring.TypAccessToken) ||
		strings.EqualFold(h.Type, "application/"+keyring.TypAccessToken)
}

// claims is what is read of an access token's claims.
type claims struct {
	Issuer       string   `json:"iss"`
	Audience     audience `json:"aud"`
	JTI          string   `json:"jti"`
	Subject      string   `json:"sub"`
	ClientID     string   `json:"client_id"`
	Scope        string   `json:"scope"`
	Org          string   `json:"org"`
	Environment  string   `json:"env"`
	Credential   string   `json:"cred"`
	Confirmation *struct {
		Certificate string `json:"x5t#S256"`
		Key         string `json:"jkt"`
	} `json:"cnf"`
	ApplicationName string   `json:"application_name"`
	Products        []string `json:"api_product_list"`
	IssuedAt        date     `json:"iat"`
	NotBefore       date     `json:"nbf"`
	Expires         date     `json:"exp"`
}

// present is true once the member it stands for was there, whatever its value.
type present bool

// UnmarshalJSON implements the decoder's interface.
func (p *present) UnmarshalJSON([]byte) error {
	*p = true
	return nil
}

// audience is a string, or an array of them (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements the decoder's interface.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = make(audience, 1)
		return strictjson.Unmarshal(data, &(*a)[0])
	}
	return strictjson.Unmarshal(data, (*[]string)(a))
}

// date is a NumericDate that is an integer every reader of JSON reads alike:
// written without fraction and exponent, within ±2^53 (RFC 7493 §2.2).
type date struct {
	second int64
	given  bool
}

const maxInteger = 1 << 53

var errDate = errors.New("not an integer within 2^53")

// UnmarshalJSON implements the decoder's interface.
func (d *date) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil || n > maxInteger || n < -maxInteger {
		return errDate
	}
	*d = date{n, true}
	return nil
}

// open verifies the signature of raw and returns what it says, unjudged.
func (v *Verifier) open(raw string) (*keyring.Key, *claims, error) {
	if len(raw) > MaxLength {
		return nil, nil, refuse(TooLong)
	}
	// A decoder of base64 skips line breaks; a token has none.
	if strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") {
		return nil, nil, refuse(NotJWS)
	}
	first, last := strings.IndexByte(raw, '.'), strings.LastIndexByte(raw, '.')
	text := []byte(raw)
	decoded := make([]byte, 0, len(raw))
	head, err := strict.AppendDecode(decoded, text[:first])
	if err != nil {
		return nil, nil, refuse(NotJWS)
	}
	key, err := v.key(head)
	if err != nil {
		return nil, nil, err
	}
	signature, err := strict.AppendDecode(decoded, text[last+1:])
	if err != nil {
		return nil, nil, refuse(NotJWS)
	}
	if !key.Verify(text[:last], signature) {
		return nil, nil, refuse(BadSignature)
	}
	body, err := strict.AppendDecode(decoded, text[first+1:last])
	if err != nil {
		return nil, nil, refuse(NotJWS)
	}
	var c claims
	if err := strictjson.Unmarshal(body, &c); err != nil {
		return nil, nil, refuse(BadClaims)
	}
	return key, &c, nil
}

// key returns the key that a JOSE header names, if the header is in order.
func (v *Verifier) key(head []byte) (*keyring.Key, error) {
	var h header
	switch err := strictjson.Unmarshal(head, &h); {
	case err != nil, len(h.KeyID) > maxKID:
		return nil, refuse(BadHeader)
	case h.critical():
		return nil, refuse(CriticalHeader)
	case !h.accessToken():
		return nil, refuse(WrongType)
	}
	key := v.keys.Lookup(keyring.UseToken, h.KeyID)
	switch {
	case key == nil:
		return nil, refuse(UnknownKey)
	case h.Algorithm != string(key.Algorithm):
		return nil, refuse(WrongAlgorithm)
	}
	return key, nil
}
