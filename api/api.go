// Package api holds the wire types of Sallyport's management API: what the
// server sends and takes, what the client package and the command line speak,
// and the OpenAPI document that says the same to everybody else.
//
// The rules of the wire:
//
//   - bodies are JSON objects with snake_case members; a member that the server
//     does not know is refused, so that a typing mistake is not a silent no-op;
//   - times are RFC 3339 in UTC; a time that is not there is a missing member;
//   - durations are whole seconds ([Seconds]), unless a name ends in _ms;
//   - lists are a [List]: items, and next, the cursor of the page after it;
//   - a refusal is a [Problem] (RFC 9457), always;
//   - a secret is in exactly one answer, the one that made it ([CreatedCredential],
//     [CreatedOperatorToken]).
//
// Within v1 members are added and never renamed, removed or given another
// meaning: readers ignore those that they do not know.
//
// The package does nothing: no HTTP, no rules. It needs the standard library only.
package api

import (
	_ "embed" // for the OpenAPI document
	"encoding/json"
	"errors"
	"time"
)

//go:embed openapi.yaml
var document string

// OpenAPI returns the OpenAPI 3.1 document of the management API, in YAML.
func OpenAPI() string { return document }

// List is a page of things.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"` // pass as Page.After for the next page; empty: this is the last
}

// Page asks for a part of a list.
type Page struct {
	After string // List.Next of the page before; empty: from the start
	Limit int    // 1 to 1000; 0: 100
}

// Seconds is a duration in whole seconds.
type Seconds int64

// Duration returns s as a [time.Duration].
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// SecondsOf returns d in whole seconds, cut off.
func SecondsOf(d time.Duration) Seconds { return Seconds(d / time.Second) }

// EpochSecond is a second since 1970, or [Now]. On the wire it is a number, or
// the word "now".
type EpochSecond int64

// Now is the moment at which the server handles the request.
const Now EpochSecond = -1

// MarshalJSON implements [json.Marshaler].
func (s EpochSecond) MarshalJSON() ([]byte, error) {
	if s == Now {
		return []byte(`"now"`), nil
	}
	return json.Marshal(int64(s))
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *EpochSecond) UnmarshalJSON(data []byte) error {
	if string(data) == `"now"` {
		*s = Now
		return nil
	}
	var second int64
	if err := json.Unmarshal(data, &second); err != nil || second < 0 {
		return errors.New(`must be a second since 1970, or "now"`)
	}
	*s = EpochSecond(second)
	return nil
}

// Expiry is a moment at which something ends; zero: never. On the wire it is a
// time, or the word "never".
type Expiry struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (e Expiry) MarshalJSON() ([]byte, error) {
	if e.IsZero() {
		return []byte(`"never"`), nil
	}
	return e.UTC().MarshalJSON()
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Expiry) UnmarshalJSON(data []byte) error {
	if string(data) == `"never"` {
		e.Time = time.Time{}
		return nil
	}
	if err := e.Time.UnmarshalJSON(data); err != nil || string(data) == "null" || e.IsZero() {
		return errors.New(`must be a time in RFC 3339, such as 2030-01-31T00:00:00Z, or "never"`)
	}
	return nil
}
