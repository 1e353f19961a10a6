package authserver

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/oauth"
)

// Profile is how an endpoint departs from the RFCs, because clients that were
// written against an older one count on it. All is off by default (CONTRACT 2.9).
type Profile struct {
	BadCredentialsAre400 bool // but for a client that used the Authorization header: RFC 6749 §5.2 has 401 for it
	FailureReason        bool // refusals are {status, failureReason, Errors}
	GrantTypeOptional    bool // in JSON
}

// profileOf is the profile of the endpoint that a request was for.
func (s *Server) profileOf(r *http.Request) Profile { return s.profiles[r.URL.Path] }

// as is the refusal as an endpoint with that profile gives it.
func (r *refusal) as(p Profile) *refusal {
	status := r.status
	if p.BadCredentialsAre400 && r.code == oauth.InvalidClient && !r.basic {
		status = http.StatusBadRequest
	}
	if p.FailureReason && failures[r.code].status != 0 {
		status = failures[r.code].status
	}
	if status == r.status {
		return r
	}
	other := *r
	other.status = status
	return &other
}

// failure is what a code is called where refusals have a failureReason.
type failure struct {
	reason string
	status int // instead of the refusal's own, if not 0
}

// failures holds the codes that have a name of their own; what can be wrong with a
// request itself has one for all.
var failures = map[oauth.ErrorCode]failure{
	oauth.InvalidClient:          {reason: "InvalidClient"},
	oauth.InvalidScope:           {reason: "InsufficientScope", status: http.StatusForbidden},
	oauth.InvalidTarget:          {reason: "InsufficientScope", status: http.StatusForbidden},
	oauth.UnauthorizedClient:     {reason: "InsufficientScope", status: http.StatusForbidden},
	oauth.SlowDown:               {reason: "TooManyRequests"},
	oauth.TemporarilyUnavailable: {reason: "ServerError"},
}

// failureReason is the body of a refusal in that profile: status is a text, and
// Errors begins with a capital.
func (r *refusal) failureReason() []byte {
	reason := failures[r.code].reason
	switch {
	case reason != "":
	case r.status == http.StatusUnsupportedMediaType:
		reason = "UnsupportedMediaType"
	default:
		reason = "ValidationError"
	}
	body, _ := json.Marshal(struct {
		Status        string   `json:"status"`
		FailureReason string   `json:"failureReason"`
		Errors        []string `json:"Errors"`
	}{strconv.Itoa(r.status), reason, []string{r.say}})
	return body
}
