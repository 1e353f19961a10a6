package api

import (
	"encoding/json"
	"log/slog"
)

// Call is a call to ask about: what would become of it?
type Call struct {
	Method      string   `json:"method"`
	URL         string   `json:"url"`                   // absolute, or a path with its query
	Environment string   `json:"environment,omitempty"` // needed where the URL does not tell it by its host
	Token       *Secret  `json:"token,omitempty"`       // an access token
	App         string   `json:"app,omitempty"`         // instead of a token: the id of the app whose call it is
	ClientID    string   `json:"client_id,omitempty"`   // instead of a token: the app, by its client_id
	Headers     []string `json:"headers,omitempty"`     // each "Name: value"
	Body        string   `json:"body,omitempty"`
}

// MarshalJSON implements [json.Marshaler]: it writes the token.
func (c Call) MarshalJSON() ([]byte, error) {
	type plain Call
	var token *string
	if c.Token != nil {
		text := c.Token.Reveal()
		token = &text
	}
	c.Token = nil
	return json.Marshal(struct {
		plain
		Token *string `json:"token,omitempty"`
	}{plain(c), token})
}

// LogValue implements [slog.LogValuer]: it does not, nor the headers and the body.
func (c Call) LogValue() slog.Value { return slog.StringValue(c.Method) }

// Explanation is what would become of a call, and why. Nothing was sent, counted
// or remembered.
type Explanation struct {
	Environment string            `json:"environment"`
	Allowed     bool              `json:"allowed"`
	Source      string            `json:"source,omitempty"` // "live", or "mock; reason=…"; missing: refused
	Status      int64             `json:"status,omitempty"` // of the refusal
	Code        string            `json:"code,omitempty"`   // the error that would be answered
	Detail      string            `json:"detail,omitempty"` // what the caller would be told
	Next        string            `json:"next,omitempty"`   // what to do about it
	Steps       []ExplanationStep `json:"steps"`            // in order; the last one refused, if one did
}

// ExplanationStep is what one stage of the gateway says of a call.
type ExplanationStep struct {
	Stage string `json:"stage"`
	Says  string `json:"says"`
}
