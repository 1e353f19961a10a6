package market

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// distinguishedName is a subject: its relative names, the most special first, as
// RFC 4514 writes them.
type distinguishedName [][]attribute

// attribute is one of them: an object identifier in dots, and its value.
type attribute struct{ oid, value string }

// keywords are the names that RFC 4514 §3 and certificates' usual tools have for
// attributes.
func keyword(name string) string {
	switch strings.ToUpper(name) {
	case "CN":
		return "2.5.4.3"
	case "SN":
		return "2.5.4.4"
	case "SERIALNUMBER":
		return "2.5.4.5"
	case "C":
		return "2.5.4.6"
	case "L":
		return "2.5.4.7"
	case "ST":
		return "2.5.4.8"
	case "STREET":
		return "2.5.4.9"
	case "O":
		return "2.5.4.10"
	case "OU":
		return "2.5.4.11"
	case "T", "TITLE":
		return "2.5.4.12"
	case "POSTALCODE":
		return "2.5.4.17"
	case "GIVENNAME":
		return "2.5.4.42"
	case "ORGANIZATIONIDENTIFIER":
		return "2.5.4.97"
	case "DC":
		return "0.9.2342.19200300.100.1.25"
	case "UID":
		return "0.9.2342.19200300.100.1.1"
	case "EMAILADDRESS", "E":
		return "1.2.840.113549.1.9.1"
	}
	return name
}

// parseDN reads the text of a distinguished name (RFC 4514 §3). ok is false for
// what is none, and for an attribute that has neither a name known here nor an
// object identifier.
func parseDN(text string) (dn distinguishedName, ok bool) {
	for rdn := range splitUnescaped(text, ',') {
		var set []attribute
		for pair := range splitUnescaped(rdn, '+') {
			name, value, found := strings.Cut(pair, "=")
			oid := keyword(strings.TrimSpace(name))
			value, good := unescapeDN(value)
			if !found || !good || !isOID(oid) || value == "" {
				return nil, false
			}
			set = append(set, attribute{oid, value})
		}
		dn = append(dn, sortedSet(set))
	}
	return dn, true
}

// splitUnescaped yields the parts of text between separators that have no \ before
// them.
func splitUnescaped(text string, separator byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		from := 0
		for i := 0; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case separator:
				if !yield(text[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(text[from:])
	}
}

// unescapeDN reads a value: #hex of its DER, or a text with escapes. Blanks at the
// ends do not belong to it unless they are escaped.
func unescapeDN(text string) (value string, ok bool) {
	text = strings.TrimLeft(text, " ")
	if digits, isHex := strings.CutPrefix(text, "#"); isHex {
		der, err := hex.DecodeString(strings.TrimRight(digits, " "))
		var decoded any
		if rest, bad := asn1.Unmarshal(der, &decoded); err != nil || bad != nil || len(rest) > 0 {
			return "", false
		}
		value, ok = decoded.(string)
		return value, ok
	}
	var out []byte
	kept := 0 // how much of out is not blanks at the end
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c != '\\':
			if out = append(out, c); c != ' ' {
				kept = len(out)
			}
			continue
		case i+2 < len(text) && isHexDigit(text[i+1]) && isHexDigit(text[i+2]):
			n, _ := strconv.ParseUint(text[i+1:i+3], 16, 8) // two hex digits
			out = append(out, byte(n))
			i += 2
		case i+1 < len(text) && strings.IndexByte(` "#+,;<=>\`, text[i+1]) >= 0:
			out = append(out, text[i+1])
			i++
		default:
			return "", false
		}
		kept = len(out)
	}
	return string(out[:kept]), true
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isOID(text string) bool {
	numbers := strings.Split(text, ".")
	return len(numbers) > 1 && !slices.ContainsFunc(numbers, func(n string) bool {
		_, err := strconv.ParseUint(n, 10, 32)
		return err != nil
	})
}

// subjectOf returns the name in a certificate, which lists the most general first.
// ok is false if it holds a value that is no text.
func subjectOf(sequence pkix.RDNSequence) (dn distinguishedName, ok bool) {
	for _, rdn := range slices.Backward(sequence) {
		var set []attribute
		for _, a := range rdn {
			value, isText := a.Value.(string)
			if !isText {
				return nil, false
			}
			set = append(set, attribute{a.Type.String(), value})
		}
		dn = append(dn, sortedSet(set))
	}
	return dn, true
}

func sortedSet(set []attribute) []attribute {
	slices.SortFunc(set, func(a, b attribute) int { return strings.Compare(a.oid+"="+a.value, b.oid+"="+b.value) })
	return set
}

// is reports whether two names are the same: the same attributes with the same
// values, to the letter, in the same order. Attributes of one relative name have
// none (RFC 4514 §2.2).
func (dn distinguishedName) is(other distinguishedName) bool {
	return len(dn) > 0 && slices.EqualFunc(dn, other, slices.Equal[[]attribute])
}
