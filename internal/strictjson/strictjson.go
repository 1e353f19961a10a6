// Package strictjson reads JSON that others may read too, and leaves no room
// for two readings: member names match by exact case, a repeated member is an
// error, nothing may follow the value, the text is UTF-8 and is not nested
// deeper than a document of an API is (64). The decoder is go-jose's fork of
// encoding/json, which was made for this.
package strictjson

import (
	"errors"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 64

// The ways in which a text can fail. Their texts hold nothing of the input, so
// they may be shown to whoever sent it.
var (
	ErrUTF8      = errors.New("not UTF-8 text")
	ErrDepth     = errors.New("nested too deeply")
	ErrMalformed = errors.New("not one well-formed JSON value without repeated members")
)

// Unmarshal decodes data into v, which is used as by encoding/json. Members
// that v does not know are ignored.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return ErrUTF8
	}
	if tooDeep(data) {
		return ErrDepth
	}
	if err := json.Unmarshal(data, v); err != nil {
		return ErrMalformed
	}
	return nil
}

// tooDeep counts brackets outside strings; it runs before the decoder, whose
// recursion has no limit of its own.
func tooDeep(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
