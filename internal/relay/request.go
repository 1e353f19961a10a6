package relay

import (
	"fmt"
	"strconv"
)

// appendHead appends the request's head to b. What could be read as anything
// else than what it is meant to be is refused.
func (r *Request) appendHead(b []byte) ([]byte, error) {
	if !isToken(r.Method) || r.Method == "CONNECT" || !isTarget(r.Target) || !isHost(r.Host) {
		return nil, fmt.Errorf("%w: its method, target or host is none", ErrUnsendable)
	}
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, '\r', '\n')
	// The order of net/http: who asks, how the body is framed, the rest.
	for _, f := range r.Fields {
		if f.Name == "User-Agent" && f.Value != "" {
			if !isValue(f.Value) {
				return nil, fmt.Errorf("%w: User-Agent has a value that is none", ErrUnsendable)
			}
			b = appendField(b, f)
			break
		}
	}
	switch {
	case r.Body != nil && r.Length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.Body != nil && r.Length > 0, r.Method == "POST", r.Method == "PUT", r.Method == "PATCH":
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.Length, 10)
		b = append(b, '\r', '\n')
	}
	for _, f := range r.Fields {
		switch {
		case f.Name == "User-Agent":
			continue
		case !isToken(f.Name) || !isValue(f.Value):
			return nil, fmt.Errorf("%w: the field %q has a name or a value that is none", ErrUnsendable, f.Name)
		case frames(f.Name):
			return nil, fmt.Errorf("%w: the field %s is not the caller's to set", ErrUnsendable, f.Name)
		}
		b = appendField(b, f)
	}
	return append(b, '\r', '\n'), nil
}

func appendField(b []byte, f Field) []byte {
	b = append(b, f.Name...)
	b = append(b, ':', ' ')
	b = append(b, trim(f.Value)...)
	return append(b, '\r', '\n')
}

// frames reports whether a field says where a message ends, whom it is for, or
// what becomes of the connection.
func frames(name string) bool {
	switch len(name) {
	case 4, 6, 7, 10, 14, 17:
	default:
		return false
	}
	switch canonical(name) {
	case "Host", "Expect", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding":
		return true
	}
	return false
}

// idempotent reports whether it does no harm to send the request twice. It is
// net/http's rule, which leaves out PUT and DELETE.
func (r *Request) idempotent() bool {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	for _, f := range r.Fields {
		if f.Name == "Idempotency-Key" || f.Name == "X-Idempotency-Key" {
			return true
		}
	}
	return false
}

// isTarget reports whether s is an origin form (RFC 9112 §3.2.1), of visible
// ASCII alone.
func isTarget(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '#' {
			return false
		}
	}
	return true
}

func isHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return s != ""
}
