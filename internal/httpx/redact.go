package httpx

import (
	"regexp"
	"strings"
)

// redactable is the length below which nothing can be a secret of ours or a
// token: what is shorter costs nothing.
const redactable = 40

// secretShape is what a secret of ours looks like (prefix_, then 49 letters and
// digits), cut short or prolonged, and what a JWT does.
var secretShape = regexp.MustCompile(`[0-9A-Za-z]*_[0-9A-Za-z]{40,}|eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]*)?`)

// longest is how much of a path is worth keeping.
const longest = 256

// Redact returns the beginning of s without what looks like a secret or a
// token, as a copy of its own. Paths and trace ids are kept by their nature, and
// some callers put secrets there, or kilobytes.
func Redact(s string) string {
	if len(s) > longest {
		s = strings.Clone(s[:longest]) + "…"
	}
	if len(s) < redactable || !suspect(s) {
		return strings.Clone(s) // spare the usual path the expression
	}
	return secretShape.ReplaceAllLiteralString(s, "[redacted]")
}

// suspect reports whether secretShape may match. Reasons of refusals are of every
// length, and the expression takes microseconds for the longer ones: by that they
// could be told apart.
func suspect(s string) bool {
	run, after := 0, false // letters and digits since the last other character; it was a _
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
			if run++; after && run == 40 {
				return true
			}
			if c == 'e' && strings.HasPrefix(s[i:], "eyJ") {
				return true
			}
		default:
			run, after = 0, c == '_'
		}
	}
	return false
}
