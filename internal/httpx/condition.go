package httpx

import (
	"net/http"
	"strings"
)

// NoneMatch reports whether If-None-Match names the entity tag of what would be
// sent, so that 304 is the answer to a GET or HEAD (RFC 9110 §13.1.2). Tags are
// compared weakly (§8.8.3.2). A field that is not a list of entity tags names
// none: the answer is whole then.
func NoneMatch(h http.Header, etag string) bool {
	field := strings.Join(h.Values("If-None-Match"), ",")
	if strings.TrimSpace(field) == "*" {
		return true
	}
	etag = strings.TrimPrefix(etag, "W/")
	matched := false
	for rest := field; ; {
		rest = strings.TrimLeft(rest, " \t,") // RFC 9110 §5.6.1.2: empty elements are nothing
		if rest == "" {
			return matched
		}
		opaque, ok := strings.CutPrefix(strings.TrimPrefix(rest, "W/"), `"`)
		end := strings.IndexFunc(opaque, func(r rune) bool { return r < 0x21 || r == '"' || r == 0x7f })
		if !ok || end < 0 || opaque[end] != '"' {
			return false
		}
		matched = matched || `"`+opaque[:end]+`"` == etag
		rest = strings.TrimLeft(opaque[end+1:], " \t")
		if rest != "" && rest[0] != ',' {
			return false
		}
	}
}
