// Package problem is the registry of every error code that a caller can meet at
// the gateway and at the token endpoints: what it means, why it comes, and what
// to do next.
//
// The codes are the `error` member of a refusal (CONTRACT 2.9, 4.2). A call's
// refusal links to its code's page by its `type`; the portal renders that page
// from here, and docs/errors.md is generated from here, so that the two cannot
// disagree.
//
// Invariants: a code stands once for each surface; every code that a surface
// can send is here (the test reads the surfaces' sources); each has at least
// one cause and one next step; no text depends on a request or on
// configuration.
//
// What it does not do: write answers, or decide which code is right. The
// surfaces do that, and tell the caller what is wrong with this one request.
package problem

// Surface is where a code is met.
type Surface string

// The surfaces.
const (
	Call  Surface = "call"  // the gateway, CONTRACT 4.2
	Token Surface = "token" // token, revocation and introspection endpoints, CONTRACT 2.9
)

// Problem explains one code of one surface. Texts are plain sentences without
// markup.
type Problem struct {
	Code     string // the `error` member
	Surface  Surface
	Statuses []int    // HTTP statuses it may come with, the usual one first
	Title    string   // a few words, without a full stop
	Meaning  string   // what it says
	Causes   []string // why it comes, the likeliest first
	Next     []string // what to do, in order
}

// All returns every problem: the gateway's, then the token endpoints', each
// roughly in the order in which a request meets them.
func All() []Problem { return append(calls(), tokens()...) }

// ByCode returns the problems with that code, at most one for each surface;
// none if there is no such code.
func ByCode(code string) []Problem {
	var found []Problem
	for _, p := range All() {
		if p.Code == code {
			found = append(found, p)
		}
	}
	return found
}

// On returns the problems of one surface, in the order of [All].
func On(surface Surface) []Problem {
	var found []Problem
	for _, p := range All() {
		if p.Surface == surface {
			found = append(found, p)
		}
	}
	return found
}
