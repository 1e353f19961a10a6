package authserver

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// refusal is an answer that is not a success (RFC 6749 §5.2, CONTRACT 2.9).
type refusal struct {
	status int
	code   oauth.ErrorCode
	say    string // error_description: %x20-21 / %x23-5B / %x5D-7E, nothing of the request
	retry  time.Duration
	basic  bool   // challenge: the client tried the Authorization header
	allow  string // of a 405
	nonce  string // for the next DPoP proof; empty: none

	// For the owner of the credential, not for the wire.
	reason    string
	next      string
	parameter string        // what it is about, by its name in the request
	skew      time.Duration // see [usage.Refusal]
	client    *clientRef
	unknown   bool // the error is one that no refusal was made for
}

// clientRef is whose request it was, if we know.
type clientRef struct {
	org         id.Org
	app         id.App
	credential  id.Credential // empty: not known
	label, hint string        // of the credential
}

// about names the parameter that a refusal is about.
func (r *refusal) about(parameter string) *refusal {
	r.parameter = parameter
	return r
}

// Error implements error.
func (r *refusal) Error() string {
	if r.reason != "" {
		return string(r.code) + ": " + r.reason
	}
	return string(r.code) + ": " + r.say
}

func invalidRequest(say string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: oauth.InvalidRequest, say: say}
}

func unavailable(reason string) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: oauth.TemporarilyUnavailable,
		say: "The service cannot answer right now. Try again shortly", retry: time.Second, reason: reason,
	}
}

func onlyGet(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	return &refusal{status: http.StatusMethodNotAllowed, code: oauth.InvalidRequest, say: "Use GET here", allow: "GET, HEAD"}
}

func onlyPost(r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	return &refusal{status: http.StatusMethodNotAllowed, code: oauth.InvalidRequest, say: "Use POST here", allow: "POST"}
}

// refusalOf maps every error to its answer.
func refusalOf(err error) *refusal {
	var ref *refusal
	switch {
	case errors.As(err, &ref):
		return ref
	case errors.Is(err, httpx.ErrTooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: oauth.InvalidRequest, say: "The body is larger than a token request can be"}
	case errors.Is(err, market.Unavailable):
		return unavailable(err.Error())
	}
	ref = unavailable("internal error")
	ref.unknown = true
	return ref
}

// fail answers err.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	ref := refusalOf(err)
	if ref.unknown {
		s.Logger.ErrorContext(r.Context(), "token request failed", slog.Any("error", err), slog.String("trace_id", httpx.Trace(r.Context())))
	}
	profile := s.profileOf(r)
	ref = ref.as(profile)
	h := w.Header()
	noStore(h)
	if ref.retry > 0 {
		seconds := int64((ref.retry + time.Second - 1) / time.Second)
		h["Retry-After"] = []string{strconv.FormatInt(max(1, seconds), 10)}
	}
	if ref.basic && ref.status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{`Basic realm="` + string(s.Environment) + `", charset="UTF-8"`}
	}
	if ref.allow != "" {
		h["Allow"] = []string{ref.allow}
	}
	if ref.nonce != "" {
		h["Dpop-Nonce"] = []string{ref.nonce}
	}
	httpx.Note(r.Context(), slog.String("error", string(ref.code)))
	s.keep(r, ref)
	if profile.FailureReason {
		httpx.WriteBody(w, ref.status, "application/json", append(ref.failureReason(), '\n'))
		return
	}
	body, _ := json.Marshal(struct {
		Error       oauth.ErrorCode `json:"error"`
		Description string          `json:"error_description"`
		URI         string          `json:"error_uri,omitempty"`
		TraceID     string          `json:"trace_id"`
	}{ref.code, ref.say, s.errorURI(ref.code), httpx.Trace(r.Context())})
	httpx.WriteBody(w, ref.status, "application/json", append(body, '\n'))
}

// errorURI is the page that explains a code, "" if there is none, or none whose
// address RFC 6749 §5.2 lets into the answer.
func (s *Server) errorURI(code oauth.ErrorCode) string {
	if s.Documentation == "" {
		return ""
	}
	uri := s.Documentation + "/errors/" + string(code)
	for i := range len(uri) { // %x21 / %x23-5B / %x5D-7E
		if c := uri[i]; c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return ""
		}
	}
	return uri
}

// owned tells whose request a refusal was, where the refusal itself does not know.
func owned(err error, client *clientRef) error {
	var ref *refusal
	if client == nil || !errors.As(err, &ref) || ref.client != nil {
		return err
	}
	known := *ref
	known.client = client
	return &known
}

// attributed is owned by the client that the request names, if no other is known.
func (s *Server) attributed(err error, q *request) error {
	var ref *refusal
	if errors.As(err, &ref) && ref.client != nil {
		return err // without another look-up
	}
	return owned(err, s.named(q))
}

// blamed names the parameter that a refusal is about, and how far a time was off.
func blamed(err error, parameter string, skew time.Duration) error {
	var ref *refusal
	if errors.As(err, &ref) {
		ref.parameter, ref.skew = parameter, skew
	}
	return err
}

// named is the client that a request calls itself, nil if there is none of that
// name: nothing is proven by it.
func (s *Server) named(q *request) *clientRef {
	if q == nil {
		return nil
	}
	clientID := q.clientID
	if q.basic != nil {
		clientID = q.basic.id
	}
	client, ok := s.Model.ByClientID(clientID)
	if !ok {
		return nil
	}
	return refer(client)
}

// keep remembers the refusal for whoever may ask why, by its trace id.
func (s *Server) keep(r *http.Request, ref *refusal) {
	reason := ref.reason
	if reason == "" {
		reason = ref.say
	}
	kept := usage.Refusal{
		Trace: httpx.Trace(r.Context()), At: s.Now(), Environment: s.Environment, Surface: "token",
		Method: httpx.Redact(r.Method), Path: httpx.Redact(r.URL.Path), Status: ref.status, Code: string(ref.code), Reason: httpx.Redact(reason), Next: ref.next,
		Parameter: ref.parameter, Skew: ref.skew,
	}
	key := usage.Key{Environment: s.Environment, Outcome: string(ref.code), Source: "token"}
	if c := ref.client; c != nil {
		kept.Org, kept.App, kept.Credential, kept.Label, kept.Hint = c.org, c.app, c.credential, c.label, c.hint
		key.Org, key.App = c.org, c.app
		httpx.Note(r.Context(), slog.String("org_id", string(c.org)), slog.String("app_id", string(c.app)),
			slog.String("credential_id", string(c.credential)))
	}
	s.Refusals.Add(kept)
	s.Meter.Count(key, kept.At, httpx.Took(r.Context(), kept.At))
}

// noStore keeps an answer out of every cache (RFC 6749 §5.1).
func noStore(h http.Header) {
	h["Cache-Control"] = []string{"no-store"}
	h["Pragma"] = []string{"no-cache"}
}
