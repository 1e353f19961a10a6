package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	Line int
	Text string // what is wrong; what is allowed
}

// Problems is everything that is wrong with a document, by line.
type Problems []Problem

// Error implements error: a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = fmt.Sprintf("line %d: %s", problem.Line, problem.Text)
	}
	return strings.Join(lines, "\n")
}

// Reader takes nodes apart and collects what is wrong with them. The zero value
// is ready to use.
type Reader struct{ problems Problems }

// maxProblems is how many problems are told at once; more help nobody.
const maxProblems = 100

// Problem notes that something is wrong at n; nil stands for the first line.
func (r *Reader) Problem(n *Node, format string, args ...any) {
	line := 1
	if n != nil {
		line = max(n.Line, 1)
	}
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{Line: line, Text: oneLine(fmt.Sprintf(format, args...))})
	}
}

// Add takes over the problems of err, if it is a [Problems], or notes err at
// the first line.
func (r *Reader) Add(err error) {
	switch err := err.(type) { //nolint:errorlint // Parse and its like return Problems as they are.
	case nil:
	case Problems:
		r.problems = append(r.problems, err...)
	default:
		r.Problem(nil, "%v", err)
	}
}

// Err returns the problems as an error, or nil if there are none.
func (r *Reader) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return slices.CompactFunc(r.problems, func(a, b Problem) bool { return a == b })
}

// Fields says what to do with each member that a map may have.
type Fields map[string]func(*Node)

// Map hands each member of n to its function. A member that fields does not
// know is a problem; what names the map in it.
func (r *Reader) Map(n *Node, what string, fields Fields) {
	if !r.Is(n, what, Map) {
		return
	}
	for _, member := range n.Members {
		if read, ok := fields[member.Name]; ok {
			read(member.Value)
			continue
		}
		allowed := make([]string, 0, len(fields))
		for name := range fields {
			allowed = append(allowed, name)
		}
		slices.Sort(allowed)
		r.Problem(&Node{Line: member.Line}, "%s has no member %q; allowed are: %s", what, member.Name, strings.Join(allowed, ", "))
	}
}

// Is reports whether n is of one of the kinds, and notes a problem if not.
func (r *Reader) Is(n *Node, what string, kinds ...Kind) bool {
	if slices.Contains(kinds, n.Kind) {
		return true
	}
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = string(kind)
	}
	r.Problem(n, "%s is %s; it must be %s", what, n.Kind, strings.Join(words, " or "))
	return false
}

// Each hands each item of the list n on.
func (r *Reader) Each(n *Node, what string, read func(*Node)) {
	if r.Is(n, what, List) {
		for _, item := range n.Items {
			read(item)
		}
	}
}

// Text returns a function that reads a text that is not empty.
func (r *Reader) Text(what string, to *string) func(*Node) {
	return func(n *Node) {
		switch {
		case !r.Is(n, what, Text):
		case strings.TrimSpace(n.Scalar) == "":
			r.Problem(n, "%s is empty; leave it out or give a text", what)
		default:
			*to = n.Scalar
		}
	}
}

// Bool returns a function that reads true or false.
func (r *Reader) Bool(what string, to *bool) func(*Node) {
	return func(n *Node) {
		if r.Is(n, what, Bool) {
			*to = n.Scalar == "true"
		}
	}
}

// Texts returns a function that reads a list of texts, each once.
func (r *Reader) Texts(what string, to *[]string) func(*Node) {
	return func(n *Node) {
		r.Each(n, what, func(item *Node) {
			switch {
			case !r.Is(item, "an item of "+what, Text):
			case slices.Contains(*to, item.Scalar):
				r.Problem(item, "%s names %q twice; once is enough", what, item.Scalar)
			default:
				*to = append(*to, item.Scalar)
			}
		})
	}
}

// Duration returns a function that reads a duration, as Go writes it ("1h30m")
// or as a whole number of seconds, from low up to high.
func (r *Reader) Duration(what string, low, high time.Duration, to *time.Duration) func(*Node) {
	return func(n *Node) {
		if !r.Is(n, what, Text, Number) {
			return
		}
		d, err := time.ParseDuration(n.Scalar)
		if n.Kind == Number {
			var seconds int64
			seconds, err = strconv.ParseInt(n.Scalar, 10, 32)
			d = time.Duration(seconds) * time.Second
		}
		switch {
		case err != nil:
			r.Problem(n, "%s %q is not a duration; write it as 90s, 1h30m or a whole number of seconds", what, n.Scalar)
		case d < low || d > high:
			r.Problem(n, "%s is %s; it must be from %s to %s", what, d, low, high)
		default:
			*to = d
		}
	}
}

// Int returns a function that reads a whole number from low up to high.
func (r *Reader) Int(what string, low, high int64, to *int64) func(*Node) {
	return func(n *Node) {
		if !r.Is(n, what, Number) {
			return
		}
		value, err := strconv.ParseInt(n.Scalar, 10, 64)
		if err != nil || value < low || value > high {
			r.Problem(n, "%s is %s; it must be a whole number from %d to %d", what, n.Scalar, low, high)
			return
		}
		*to = value
	}
}
