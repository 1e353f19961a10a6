// Package strictjson reads JSON that others may read too, and leaves no room
// for two readings: member names match by exact case, a repeated member is an
// error, nothing may follow the value, the text is UTF-8 and is not nested
// deeper than a document of an API is (64), and few of its numbers are as small or
// as large as can be. The decoder is go-jose's fork of encoding/json, which was made
// for this.
package strictjson

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 64

// maxExtremes is how many numbers may have an exponent of three digits or more. One
// such as 5e-324 takes a hundred times as long to read as others do, so that of a
// body full of them each kilobyte would cost two milliseconds.
const maxExtremes = 1000

// The ways in which a text can fail. Their texts hold nothing of the input, so
// they may be shown to whoever sent it.
var (
	ErrUTF8      = errors.New("not UTF-8 text")
	ErrDepth     = errors.New("nested too deeply")
	ErrNumbers   = errors.New("too many numbers with an exponent of three digits")
	ErrMalformed = errors.New("not one well-formed JSON value without repeated members")
)

// Unmarshal decodes data into v, which is used as by encoding/json. Members
// that v does not know are ignored.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return ErrUTF8
	}
	if err := bounded(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return malformed(data, err)
	}
	return nil
}

// SyntaxError is an [ErrMalformed] of which is known where it is. It holds nothing of
// the input either.
type SyntaxError struct {
	Line, Column int  // of the first character that cannot be; from 1, the column in bytes
	Early        bool // the text ends before its value does
}

// Error implements error.
func (e *SyntaxError) Error() string {
	if e.Early {
		return "no well-formed JSON value: it ends too early; see whether quotes and brackets are closed"
	}
	return "no well-formed JSON value: it cannot be read from line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) + " on"
}

// Unwrap returns [ErrMalformed].
func (e *SyntaxError) Unwrap() error { return ErrMalformed }

// malformed says where data is not as it should be, if the decoder does.
func malformed(data []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > int64(len(data)) {
		return ErrMalformed
	}
	if strings.HasPrefix(syntax.Error(), "unexpected end") {
		return &SyntaxError{Early: true}
	}
	before := data[:max(0, syntax.Offset-1)]
	return &SyntaxError{Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n')}
}

// bounded counts brackets and exponents outside strings; it runs before the decoder,
// whose recursion has no limit of its own.
func bounded(data []byte) error {
	depth, extremes, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return ErrDepth
			}
		case c == '}' || c == ']':
			depth--
		case (c == 'e' || c == 'E') && extreme(data[i+1:]):
			if extremes++; extremes > maxExtremes {
				return ErrNumbers
			}
		}
	}
	return nil
}

// extreme reports whether what follows an e is an exponent of three digits or more.
func extreme(rest []byte) bool {
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		rest = rest[1:]
	}
	const digits = 3
	for i := range digits {
		if i >= len(rest) || rest[i] < '0' || rest[i] > '9' {
			return false
		}
	}
	return true
}

// Values returns how many values there are in data, within others and empty ones
// counted twice at most. It reads no further than it has to for saying that there are
// more than most.
func Values(data []byte, most int) int {
	n, inString := 1, false
	for i := 0; i < len(data) && n <= most; i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}
