package dpop

import (
	"net/url"
	"slices"
	"strings"
)

// ours reports whether a proof's htu is the URL of a request to that path.
func (k *Checker) ours(uri, path string) bool {
	at, ok := normalize(uri)
	if !ok {
		return false
	}
	want := normalizePath(path)
	return slices.ContainsFunc(k.bases, func(base string) bool {
		rest, ok := strings.CutPrefix(at, base)
		return ok && rest == want
	})
}

// normalize writes an absolute http(s) URL as RFC 3986 §6.2.2 and §6.2.3 would,
// without query and fragment (RFC 9449 §4.3). One with a user in it, or of another
// kind, is none of ours.
func normalize(text string) (string, bool) {
	if len(text) > maxProof || strings.ContainsFunc(text, unusual) {
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" || strings.ContainsFunc(u.Host, unusual) || strings.Contains(u.Host, "%") {
		return "", false
	}
	host, port := strings.ToLower(u.Host), u.Port()
	host = strings.TrimSuffix(host, ":"+port)
	switch {
	case u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80", port == "":
	case u.Scheme == "https", u.Scheme == "http":
		host += ":" + port
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return "", false
	}
	return u.Scheme + "://" + host + normalizePath(u.EscapedPath()), true
}

// unusual finds characters that are not in a URL (RFC 3986 §2), nor in a host once
// its escapes are undone.
func unusual(c rune) bool { return c <= ' ' || c > '~' || c == '\\' }

// normalizePath writes an escaped path as RFC 3986 §6.2.2 would: escapes in upper
// case, none of what needs none, and no dot segments.
func normalizePath(path string) string {
	const hex = "0123456789ABCDEF"
	text := make([]byte, 0, len(path)+1)
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' || i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
			text = append(text, c)
			continue
		}
		b := unhex(path[i+1])<<4 | unhex(path[i+2])
		i += 2
		if unreserved(b) {
			text = append(text, b)
		} else {
			text = append(text, '%', hex[b>>4], hex[b&15])
		}
	}
	return withoutDots(string(text))
}

// withoutDots removes dot segments (RFC 3986 §5.2.4).
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		if path == "" {
			return "/"
		}
		return path
	}
	var out []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		case ".":
		default:
			out = append(out, segment)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

func unreserved(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("-._~", b) >= 0
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func unhex(b byte) byte {
	switch {
	case b >= 'a':
		return b - 'a' + 10
	case b >= 'A':
		return b - 'A' + 10
	}
	return b - '0'
}
