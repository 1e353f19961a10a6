package market

import "fmt"

// Code is the kind of a refusal. A Code is itself an error, so that
// errors.Is(err, market.NotFound) reads well.
type Code string

// The codes. Every surface maps all of them, in one switch.
const (
	InvalidInput Code = "invalid"     // a value breaks a rule; Field names it
	NotFound     Code = "not_found"   // there is no such thing
	Conflict     Code = "conflict"    // its state, or another's, does not allow it
	Unavailable  Code = "unavailable" // the store is away: try again
)

// Codes lists every code.
func Codes() []Code { return []Code{InvalidInput, NotFound, Conflict, Unavailable} }

// Error implements error.
func (c Code) Error() string { return string(c) }

// Error is a refusal. Public, Hint and Faults may be shown to whoever asked; Err is for
// the log alone.
type Error struct {
	Code   Code
	Field  string // the offending field, for InvalidInput
	Kind   string // what there is none of, for NotFound; may be empty
	Public string // what is wrong
	Hint   string // what to do next; may be empty
	Err    error
	Faults []string // each of them, where there can be many
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Public
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the code and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Invalid is an error about one field of an input.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: InvalidInput, Field: field, Public: fmt.Sprintf(format, args...)}
}

// Missing is the error for a thing that is not there.
func Missing(kind, name string) *Error {
	return &Error{Code: NotFound, Kind: kind, Public: fmt.Sprintf("there is no %s %q", kind, name)}
}
