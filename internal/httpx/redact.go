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
	if len(s) < redactable || strings.IndexByte(s, '_') < 0 && !strings.Contains(s, "eyJ") {
		return strings.Clone(s) // the shape has one of them: spare the usual path the search for the rest
	}
	return secretShape.ReplaceAllLiteralString(s, "[redacted]")
}
