package adminapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// refusal is a problem that this surface itself finds, before the market is asked.
type refusal struct {
	code   api.Code
	field  string
	detail string
	hint   string
	errors []string
}

// Error implements error.
func (r *refusal) Error() string { return r.detail }

var (
	errUnauthorized = &refusal{
		code:   api.CodeUnauthorized,
		detail: "an operator token is needed, as Authorization: Bearer …, that is neither expired nor revoked",
		hint:   "another operator can make one: sallyport operator create",
	}
	errNoRoute = &refusal{code: api.CodeNotFound, detail: "the management API has no such path", hint: "GET /v1/openapi.yaml lists them"}
	errMethod  = &refusal{code: api.CodeMethodNotAllowed, detail: "the path does not take this method", hint: "the Allow header lists those that it takes"}
)

// Fail answers err as a problem document, and logs it if it is ours. It is what
// httpx.Recording wants for handlers that panic, too.
func (h *Handler) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	p.Type, p.Title, p.Status = api.ProblemType(p.Code), titles[p.Code].title, titles[p.Code].status
	p.Instance = (&url.URL{Path: r.URL.Path}).EscapedPath() // one spelling, so that hide finds what it looks for
	p.TraceID = httpx.Trace(r.Context())
	switch p.Code { //nolint:exhaustive // those that have more than a body
	case api.CodeInternal:
		if r.Context().Err() != nil { // the caller left: its fault, and nobody reads the answer
			h.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request abandoned", slog.String("trace_id", p.TraceID))
			break
		}
		h.Logger.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelError, "request failed",
			slog.String("trace_id", p.TraceID), slog.Any("error", err))
	case api.CodeUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="sallyport management"`)
	case api.CodeUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	httpx.Note(r.Context(), slog.String("problem", string(p.Code)))
	body, err := json.Marshal(hide(p, bearer(r).Reveal()))
	if err != nil {
		panic(err) // strings and a number
	}
	httpx.WriteBody(w, p.Status, "application/problem+json", append(body, '\n'))
}

// titles holds what is the same for all problems of a code.
var titles = map[api.Code]struct {
	status int
	title  string
}{
	api.CodeInvalid:          {http.StatusBadRequest, "A value breaks a rule"},
	api.CodeMalformed:        {http.StatusBadRequest, "The body cannot be read"},
	api.CodeUnauthorized:     {http.StatusUnauthorized, "No operator token"},
	api.CodeNotFound:         {http.StatusNotFound, "Not found"},
	api.CodeMethodNotAllowed: {http.StatusMethodNotAllowed, "Method not allowed"},
	api.CodeConflict:         {http.StatusConflict, "Not in this state"},
	api.CodeTooLarge:         {http.StatusRequestEntityTooLarge, "The body is too large"},
	api.CodeMediaType:        {http.StatusUnsupportedMediaType, "Not JSON"},
	api.CodeInternal:         {http.StatusInternalServerError, "Internal error"},
	api.CodeUnavailable:      {http.StatusServiceUnavailable, "Temporarily unavailable"},
}

// problemOf maps an error to a problem. Only texts that are made to be shown
// get into it.
func problemOf(err error) api.Problem {
	var own *refusal
	if errors.As(err, &own) {
		return api.Problem{Code: own.code, Field: own.field, Detail: own.detail, Hint: own.hint, Errors: own.errors}
	}
	var refused *market.Error
	if errors.As(err, &refused) {
		return api.Problem{
			Code: codeOf(refused.Code), Field: refused.Field, Detail: refused.Public, Hint: cmp.Or(refused.Hint, listOf(refused.Kind)), Errors: refused.Faults,
		}
	}
	return api.Problem{
		Code:   api.CodeInternal,
		Detail: "something went wrong on our side; the server's log has it under the trace id",
	}
}

// codeOf maps every code of the market.
func codeOf(code market.Code) api.Code {
	switch code {
	case market.InvalidInput:
		return api.CodeInvalid
	case market.NotFound:
		return api.CodeNotFound
	case market.Conflict:
		return api.CodeConflict
	case market.Unavailable:
		return api.CodeUnavailable
	}
	return api.CodeInternal
}

// listOf says where the things of a kind are listed, "" for those that are not.
func listOf(kind string) string {
	switch kind {
	case "organization":
		return "GET /v1/organizations lists them"
	case "app":
		return "GET /v1/apps lists them"
	case "credential":
		return "GET /v1/credentials lists them"
	case "product":
		return "GET /v1/products lists them"
	case "subscription":
		return "GET /v1/subscriptions lists them"
	case "TIN":
		return "GET /v1/tins lists them"
	case "submitter id":
		return "GET /v1/organizations/{org}/submitters lists them"
	case "signing key":
		return "GET /v1/keys lists them"
	case "node":
		return "GET /v1/nodes lists them"
	case "operator token":
		return "GET /v1/operator-tokens lists them"
	case "catalogue version":
		return "GET /v1/catalog/history lists them"
	}
	return ""
}

// hide takes the caller's own token out of a problem, should it have been put
// into a path, a name or a parameter too.
func hide(p api.Problem, token string) api.Problem {
	if len(token) < 8 {
		return p
	}
	clean := func(s string) string { return strings.ReplaceAll(s, token, "[redacted]") }
	p.Detail, p.Instance, p.Field, p.Hint = clean(p.Detail), clean(p.Instance), clean(p.Field), clean(p.Hint)
	for i := range p.Errors {
		p.Errors[i] = clean(p.Errors[i])
	}
	return p
}
