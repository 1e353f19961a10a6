package api

// Problem is a refusal (RFC 9457), sent as application/problem+json.
type Problem struct {
	Type     string   `json:"type"`               // a URN that ends in the code
	Title    string   `json:"title"`              // the same for all problems of a type
	Status   int      `json:"status"`             // the HTTP status
	Detail   string   `json:"detail,omitempty"`   // what is wrong with this request
	Instance string   `json:"instance,omitempty"` // the path that was asked for
	Code     Code     `json:"code"`               // for programs to decide by
	Field    string   `json:"field,omitempty"`    // the member, parameter or header at fault
	Hint     string   `json:"hint,omitempty"`     // what to do next
	TraceID  string   `json:"trace_id,omitempty"` // finds the request in the server's log
	Errors   []string `json:"errors,omitempty"`   // each fault, where there can be many
}

// Code is the kind of a [Problem].
type Code string

// The codes, with their status.
const (
	CodeInvalid          Code = "invalid"                // 400: a value breaks a rule; Field names it
	CodeMalformed        Code = "malformed"              // 400: the body is not the JSON that is asked for
	CodeUnauthorized     Code = "unauthorized"           // 401: no operator token, or not a live one
	CodeNotFound         Code = "not_found"              // 404: there is no such thing
	CodeMethodNotAllowed Code = "method_not_allowed"     // 405: Allow says which are
	CodeConflict         Code = "conflict"               // 409: its state, or another's, does not allow it
	CodeTooLarge         Code = "too_large"              // 413
	CodeMediaType        Code = "unsupported_media_type" // 415: send application/json
	CodeInternal         Code = "internal"               // 500: our fault; the log has it under the trace id
	CodeUnavailable      Code = "unavailable"            // 503: try again; Retry-After says when
)

// Codes lists every code.
func Codes() []Code {
	return []Code{
		CodeInvalid, CodeMalformed, CodeUnauthorized, CodeNotFound, CodeMethodNotAllowed,
		CodeConflict, CodeTooLarge, CodeMediaType, CodeInternal, CodeUnavailable,
	}
}

// ProblemType returns the type member of problems of that code.
func ProblemType(code Code) string { return "urn:sallyport:problem:" + string(code) }
