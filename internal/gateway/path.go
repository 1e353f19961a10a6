package gateway

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canonical gives the call the one spelling of its path that is matched,
// entitled, metered and forwarded. Paths that two readers could read in two
// ways are refused rather than repaired.
func (g *Gateway) canonical(c *call) error {
	if c.r.ProtoMajor > 1 && !plainHTTP2(c.r) {
		return badPath("The request is not HTTP/2 as it should be: the path begins with / and has no space, and Content-Length says once how long the body is").about("the path")
	}
	if !plainAuthority(c.r) {
		return badPath("The host of the request cannot be read: send one name or address, with a port or without, in Host; a whole URL begins with https").about("Host")
	}
	path, err := canonicalPath(c.r.URL)
	if err != nil {
		return err
	}
	if !plainQuery(c.r.URL.RawQuery) {
		return badPath("The query of the URL cannot be read: use & between parameters, and escape what has to be").about("the query")
	}
	if !plainConnection(c.r.Header["Connection"]) {
		return badPath("The Connection header may say close, keep-alive, TE or Upgrade, and name no other header").about("Connection")
	}
	if c.r.Method == http.MethodConnect || c.r.Method == http.MethodTrace {
		return &refusal{status: http.StatusMethodNotAllowed, code: codeMethod, detail: "CONNECT and TRACE are not served"}
	}
	c.path = path
	return nil
}

// canonicalPath returns the decoded path, if it has but one reading.
func canonicalPath(u *url.URL) (string, error) {
	raw := u.EscapedPath()
	if u.Opaque != "" || raw == "" || raw[0] != '/' {
		return "", badPath("The URL must have a path that begins with /").about("the path")
	}
	path := u.Path
	if strings.IndexByte(raw, '%') >= 0 {
		for i := 0; i+2 < len(raw); i++ {
			if raw[i] == '%' && ambiguous(unhex(raw[i+1])<<4|unhex(raw[i+2])) {
				return "", badPath("The path has an escaped / \\ % ? # ; or control character, which is not taken here").about("the path")
			}
		}
	}
	if !utf8.ValidString(path) {
		return "", badPath("The path is not UTF-8").about("the path")
	}
	start := 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) {
			if ch := path[i]; ch < 0x20 || ch == 0x7f || ch == '\\' || ch == ';' {
				return "", badPath("The path has a control character, a backslash or a semicolon, which is not taken here").about("the path")
			}
			if path[i] != '/' {
				continue
			}
		}
		if segment := path[start:i]; segment == "." || segment == ".." || segment == "" && i > 0 && start > 0 && i < len(path) {
			return "", badPath("The path has an empty segment, or one that is . or .. : write it plainly").about("the path")
		}
		start = i + 1
	}
	return path, nil
}

// plainHTTP2 reports whether a request's path and length are what RFC 9113 §8.1.1
// and §8.3.1 have them be: net/http is content with more, and the upstream is told
// what net/http has made of it.
func plainHTTP2(r *http.Request) bool {
	if r.Method != http.MethodConnect && (r.RequestURI == "" || r.RequestURI[0] != '/' || strings.IndexByte(r.RequestURI, ' ') >= 0) {
		return false
	}
	switch lengths := r.Header["Content-Length"]; len(lengths) {
	case 0:
		return true
	case 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		return err == nil && int64(n) == r.ContentLength
	default:
		return false
	}
}

// plainAuthority reports whether a request is for a host (RFC 9112 §3.2), which it
// may name in an absolute form too (§3.2.2). Which one it is does not matter here,
// but somebody on the way may have gone by it.
func plainAuthority(r *http.Request) bool {
	if u := r.URL; u.Scheme != "" && (u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Host == "") {
		return false
	}
	name, port := r.Host, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		name, port = name[:i], name[i+1:]
	}
	if strings.Trim(port, "0123456789") != "" || len(port) > 5 {
		return false
	}
	if strings.HasPrefix(name, "[") {
		address, err := netip.ParseAddr(strings.TrimSuffix(name[1:], "]"))
		return err == nil && address.Is6() && address.Zone() == "" && strings.HasSuffix(name, "]")
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// ambiguous lists the characters that change what a path means when somebody
// on the way decodes them.
func ambiguous(b byte) bool {
	return b < 0x20 || b == 0x7f || strings.IndexByte(`/\%?#;`, b) >= 0
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0
}

// maxQueryParameters is how many parameters a query may have: more than that
// and the parsers on the way begin to disagree.
const maxQueryParameters = 1000

// plainQuery reports whether query is one by RFC 3986 §3.4 and nothing else: a
// space would end the request line of HTTP/1.1, some parsers take ; for &, and
// an escaped end of line is for those who write what they decode.
func plainQuery(query string) bool {
	if strings.Count(query, "&") >= maxQueryParameters {
		return false
	}
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '%':
			if i+2 >= len(query) || !isHex(query[i+1]) || !isHex(query[i+2]) {
				return false
			}
			if b := unhex(query[i+1])<<4 | unhex(query[i+2]); b == 0 || b == '\r' || b == '\n' {
				return false
			}
			i += 2
		case strings.IndexByte(queryMarks, c) < 0:
			return false
		}
	}
	return true
}

// queryMarks is what a query may hold beside letters, digits and escapes: RFC
// 3986's pchar, / and ?, without the semicolon.
const queryMarks = "-._~!$&'()*+,=:@/?"

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// withoutToken takes the parameter access_token out of a query and leaves the
// rest as it was: a token in the URL opens nothing here (CONTRACT 4.1), and must
// not end in the upstream's log.
func withoutToken(query string) string {
	if !mayHoldToken(query) {
		return query
	}
	kept := make([]string, 0, 8)
	for parameter := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if name, err := url.QueryUnescape(name); err == nil && strings.EqualFold(strings.TrimSpace(name), "access_token") {
			continue
		}
		kept = append(kept, parameter)
	}
	return strings.Join(kept, "&")
}

// mayHoldToken spares the usual query a second reading.
func mayHoldToken(query string) bool {
	return len(query) >= len("access_token") && (strings.IndexByte(query, '%') >= 0 || strings.Contains(strings.ToLower(query), "access_token"))
}

func badPath(detail string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: codeInvalidRequest, detail: detail}
}
