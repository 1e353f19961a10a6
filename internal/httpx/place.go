package httpx

import (
	"context"
	"strings"
)

// A path may be about somebody: the id of a member, a tax number, the number of a
// claim. So a record does not show it as it was sent. It shows the place: the words of
// it that are ours or the catalogue's, as the surface that knows them says; of any
// other path what [Shape] leaves.

// longestWord is how long a segment may be that is a word.
const longestWord = 24

// Place says where the request that ctx belongs to went, in words that are about
// nobody: a route's pattern, an operation's template. The last one said is recorded;
// "": nothing is said.
func Place(ctx context.Context, place string) {
	if e := from(ctx); e != nil && place != "" {
		e.place = place
	}
}

// Shape returns what may be kept of a path that no route has: its first segment, if
// that is written like a word of a path, and those that are known. What begins with
// any other segment is "*".
func Shape(path string, known func(word string) bool) string {
	for start := 1; start <= len(path); {
		end := len(path)
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		if word := path[start:end]; word != "" && (start > 1 || !isWord(word)) && (known == nil || !known(word)) {
			return strings.Clone(path[:start]) + "*"
		}
		start = end + 1
	}
	if path == "" || path[0] != '/' {
		return "*" // of OPTIONS, or CONNECT
	}
	return strings.Clone(path)
}

// isWord reports whether a segment is written like those of documents: lower case
// letters, some of them with a hyphen, or a version.
func isWord(segment string) bool {
	if len(segment) > 1 && len(segment) <= 3 && segment[0] == 'v' && strings.Trim(segment[1:], "0123456789") == "" {
		return true
	}
	return len(segment) <= longestWord && strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz-") == ""
}
