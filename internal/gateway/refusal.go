package gateway

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// The codes that deployed clients match on (CONTRACT 4.2), beside policy's.
const (
	codeInvalidRequest = "invalid_request"
	codeInvalidToken   = "invalid_access_token"
	codeExpired        = "access_token_expired"
	codeInvalidProof   = "invalid_dpop_proof"
	codeUseNonce       = "use_dpop_nonce"
	codeNotFound       = "not_found"
	codeMethod         = "method_not_allowed"
	codeBadGateway     = "bad_gateway"
	codeTimeout        = "gateway_timeout"
	codeUnavailable    = "service_unavailable"
	codeTooLarge       = "request_too_large"
	codeMediaType      = "unsupported_media_type"
	codeRateLimit      = "rate_limit_exceeded"
	codeNoMock         = "not_implemented"
)

// refusal is an answer of the gateway's own that is not a success.
type refusal struct {
	status    int
	code      string
	detail    string  // what is wrong and what to do; nothing of the request
	field     string  // the field of the request that it is about
	faults    []fault // what all does not match, if the request was held to the document
	challenge oauth.BearerError
	bearer    bool   // send a challenge at all (RFC 6750 §3)
	scheme    string // of the challenge, if it is not Bearer
	nonce     string // for the next DPoP proof; empty: none
	allow     string
	retry     time.Duration

	reason    string // for the owner alone
	next      string
	parameter string           // what it is about, where field is not said
	skew      time.Duration    // see [usage.Refusal]
	owner     *token.Principal // whose it was, when the chain does not know
}

// about names what a refusal is about: a header, or a part of the URL.
func (r *refusal) about(parameter string) *refusal {
	r.parameter = parameter
	return r
}

// Error implements error.
func (r *refusal) Error() string { return r.code + ": " + r.detail }

// fault is one thing that does not match, in the form of RFC 9457 §3.1.
type fault struct {
	Pointer   string `json:"pointer,omitempty"`   // into the body, as a fragment (RFC 6901 §6)
	Parameter string `json:"parameter,omitempty"` // such as "query limit"
	Detail    string `json:"detail"`
}

// problem is the body of every refusal: RFC 9457 for those who read that, and
// the members that deployed clients match on.
type problem struct {
	Type        string  `json:"type"`
	Title       string  `json:"title"`
	Status      int     `json:"status"`
	Detail      string  `json:"detail"`
	Instance    string  `json:"instance"`
	Error       string  `json:"error"`
	Description string  `json:"error_description"`
	TraceID     string  `json:"traceId"`
	Field       string  `json:"field,omitempty"`
	Errors      []fault `json:"errors,omitempty"`
}

// refuse answers err and returns its code.
func (g *Gateway) refuse(c *call, err error) string {
	ref := g.refusalOf(c, err)
	trace := httpx.Trace(c.r.Context())
	h := c.w.Header()
	h["Cache-Control"] = []string{"no-store"}
	if ref.bearer {
		h["Www-Authenticate"] = g.challenges(c, ref)
	}
	if ref.nonce != "" {
		h["Dpop-Nonce"] = []string{ref.nonce}
	}
	if ref.allow != "" {
		h["Allow"] = []string{ref.allow}
	}
	if ref.retry > 0 {
		h["Retry-After"] = []string{strconv.Itoa(max(1, int((ref.retry+time.Second-1)/time.Second)))}
	}
	httpx.Note(c.r.Context(), slog.String("error", ref.code))
	c.status = ref.status
	if isGRPC(c.r) {
		refuseGRPC(c.w, ref)
		g.keep(c, ref, trace)
		return ref.code
	}
	body, _ := json.Marshal(problem{
		Type: g.problemType(ref.code), Title: http.StatusText(ref.status), Status: ref.status, Detail: ref.detail,
		Instance: "urn:trace:" + trace, Error: ref.code, Description: description(ref), TraceID: trace, Field: ref.field, Errors: ref.faults,
	})
	httpx.WriteBody(c.w, ref.status, "application/problem+json", append(body, '\n'))
	g.keep(c, ref, trace)
	return ref.code
}

// description is the text that deployed clients know, where there is one.
func description(ref *refusal) string {
	switch ref.code {
	case codeInvalidToken:
		return "Invalid access token"
	case codeExpired:
		return "The access token has expired"
	case string(policy.InvalidProduct):
		return "Permission Denied."
	}
	return ref.detail
}

func (g *Gateway) problemType(code string) string {
	if g.Docs == "" {
		return "about:blank"
	}
	return g.Docs + "/errors/" + code
}

// challenge is the WWW-Authenticate of RFC 6750 §3, with the pointer of RFC
// 9728 §5.1. Its texts hold no character that would need escaping.
func (g *Gateway) challenge(c *call, ref *refusal, scheme string) string {
	text := scheme + ` realm="` + string(g.Environment) + `"`
	if scheme == oauth.DPoP {
		text += proofAlgorithms()
	}
	if ref.challenge != "" {
		text += `, error="` + string(ref.challenge) + `", error_description="` + description(ref) + `"`
	}
	about := ""
	if c.api != nil {
		about = c.api.BasePath
	}
	return text + `, resource_metadata="` + g.metadataURL(c.r, about) + `"`
}

// refusalOf maps every error of the chain to its answer.
func (g *Gateway) refusalOf(c *call, err error) *refusal {
	var ref *refusal
	var no *policy.Refusal
	switch {
	case errors.As(err, &ref):
		return ref
	case errors.As(err, &no):
		return g.fromPolicy(no)
	}
	g.Logger.ErrorContext(c.r.Context(), "call failed", slog.Any("error", err), slog.String("trace_id", httpx.Trace(c.r.Context())))
	return unavailable("internal error")
}

func (g *Gateway) fromPolicy(no *policy.Refusal) *refusal {
	ref := &refusal{code: string(no.Code), detail: no.Detail, reason: no.Reason, next: no.Next, parameter: no.Parameter}
	switch no.Code {
	case policy.NotApproved:
		ref.status, ref.bearer, ref.challenge = http.StatusUnauthorized, true, oauth.BearerInvalidToken
	case policy.InvalidProduct:
		ref.status, ref.bearer, ref.challenge = http.StatusForbidden, true, oauth.BearerInsufficientScope
		if g.Options.InvalidProductIs401 {
			ref.status = http.StatusUnauthorized
		}
	case policy.AccessDenied:
		ref.status = http.StatusForbidden
	case policy.InvalidRequest:
		ref.status = http.StatusBadRequest
	}
	return ref
}

func unavailable(reason string) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: codeUnavailable, retry: time.Second, reason: reason,
		detail: "The service cannot answer right now. Try again shortly",
	}
}

// keep remembers the refusal for whoever may ask why, by its trace id.
func (g *Gateway) keep(c *call, ref *refusal, trace string) {
	kept := usage.Refusal{
		Trace: trace, At: g.Now(), Environment: g.Environment, Surface: c.surface(), Method: httpx.Redact(c.r.Method), Path: c.place,
		Status: ref.status, Code: ref.code, Reason: ref.reason, Next: ref.next, Parameter: httpx.Redact(ref.field), Skew: ref.skew,
	}
	if kept.Parameter == "" {
		kept.Parameter = ref.parameter
	}
	if kept.Reason == "" {
		kept.Reason = ref.detail
	}
	client := c.client
	if client.App == nil && ref.owner != nil {
		client, _, _ = g.authority(ref.owner)
	}
	if client.App != nil {
		kept.Org, kept.App = client.Org.ID, client.App.ID
		if client.Credential != nil {
			kept.Credential, kept.Label, kept.Hint = client.Credential.ID, client.Credential.Label, client.Credential.Hint
		}
	}
	g.Refusals.Add(kept)
}

// surface is what a refusal is told of: a call, or a call that passed all the same.
func (c *call) surface() string {
	if c.told {
		return "report"
	}
	return "call"
}

// Fail answers an error that happened outside the chain.
func (g *Gateway) Fail(w http.ResponseWriter, r *http.Request, err error) {
	g.refuse(&call{w: w, r: r, began: g.Now()}, err)
}
