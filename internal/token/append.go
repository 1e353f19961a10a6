package token

import (
	"strconv"
	"unicode/utf8"
)

// appendClaims appends the claims as a JSON object.
func appendClaims(b []byte, c *Claims) []byte {
	b = appendMember(append(b, '{'), `"iss":`, c.Issuer)
	b = appendMember(append(b, ','), `"sub":`, c.ClientID)
	b = appendAudience(append(b, `,"aud":`...), c.Audience)
	b = appendMember(append(b, ','), `"client_id":`, c.ClientID)
	b = appendNumber(append(b, ','), `"iat":`, c.IssuedAt)
	b = appendNumber(append(b, ','), `"nbf":`, c.NotBefore)
	b = appendNumber(append(b, ','), `"exp":`, c.Expires)
	b = appendMember(append(b, ','), `"jti":`, c.JTI)
	b = appendMember(append(b, ','), `"access_token":`, c.Handle)
	b = appendOptional(b, `,"scope":`, c.Scope)
	b = appendMember(append(b, ','), `"org":`, c.Org)
	b = appendMember(append(b, ','), `"env":`, c.Environment)
	b = appendOptional(b, `,"cred":`, c.Credential)
	b = c.Confirmation.append(b)
	b = appendMember(append(b, ','), `"application_name":`, c.ApplicationName)
	b = appendMember(append(b, ','), `"developer_email":`, c.DeveloperEmail)
	return append(appendList(append(b, `,"api_product_list":`...), c.Products), '}')
}

// appendAudience appends one audience as a string, several as an array.
func appendAudience(b []byte, audience []string) []byte {
	if len(audience) == 1 {
		return appendString(b, audience[0])
	}
	return appendList(b, audience)
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// append appends the claim cnf, if there is one.
func (c Confirmation) append(b []byte) []byte {
	switch {
	case c.Certificate != "":
		return append(appendMember(b, `,"cnf":{"x5t#S256":`, c.Certificate), '}')
	case c.Key != "":
		return append(appendMember(b, `,"cnf":{"jkt":`, c.Key), '}')
	}
	return b
}

// appendIdentity appends the claims as a JSON object.
func appendIdentity(b []byte, c *IdentityClaims) []byte {
	b = appendMember(append(b, '{'), `"iss":`, c.Issuer)
	b = appendMember(append(b, ','), `"sub":`, c.Subject)
	b = appendMember(append(b, ','), `"aud":`, c.Audience)
	b = appendNumber(append(b, ','), `"iat":`, c.IssuedAt)
	b = appendNumber(append(b, ','), `"exp":`, c.Expires)
	b = appendMember(append(b, ','), `"jti":`, c.JTI)
	b = appendMember(append(b, ','), `"org":`, c.Org)
	b = appendOptional(b, `,"app":`, c.App)
	b = appendMember(append(b, ','), `"env":`, c.Environment)
	b = appendOptional(b, `,"user":`, c.User)
	b = appendOptional(b, `,"user_issuer":`, c.UserIssuer)
	return append(b, '}')
}

// appendIntrospection appends the claims as a JSON object.
func appendIntrospection(b []byte, c *IntrospectionClaims) []byte {
	b = appendMember(append(b, '{'), `"iss":`, c.Issuer)
	b = appendMember(append(b, ','), `"aud":`, c.Audience)
	b = appendNumber(append(b, ','), `"iat":`, c.IssuedAt)
	b = append(append(b, `,"token_introspection":`...), c.Token...)
	return append(b, '}')
}

func appendMember(b []byte, name, value string) []byte {
	return appendString(append(b, name...), value)
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendMember(b, name, value)
}

func appendNumber(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(append(b, name...), value, 10)
}

// appendString appends s as a JSON string (RFC 8259 §7). Bytes that are not
// UTF-8 become U+FFFD, as in encoding/json: a JWT is UTF-8 (RFC 7519 §7.1).
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	plain := 0 // s[plain:i] needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[plain:i]...)
		switch {
		case c >= utf8.RuneSelf:
			b = append(b, "\ufffd"...)
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i += size
		plain = i
	}
	return append(append(b, s[plain:]...), '"')
}
