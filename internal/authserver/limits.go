package authserver

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// Requests limits what an authenticated client may ask for, at each kind of endpoint by
// itself: a resource server that introspects every call gets its own tokens all the
// same. A nil table is no limit.
type Requests struct {
	Token, Introspection, Revocation, Credentials *limit.Table
}

// demand is what a request asks for, as far as it is limited.
type demand struct {
	table             *limit.Table
	say, reason, next string // of the refusal
}

// demands are what there is to ask for.
type demands struct{ token, introspection, revocation, credentials demand }

func demandsOf(r Requests) demands {
	const say = "The client sends too many requests to this endpoint. Wait before the next one"
	return demands{
		token: demand{
			r.Token, "The client asks for too many tokens. Keep a token until shortly before it expires, and wait before the next request",
			"more token requests than the environment allows one client (token_requests_per_second)",
			"fetch one token, and use it for all calls of its lifetime",
		},
		introspection: demand{
			r.Introspection, say, "more introspections than the environment allows one client (introspection_requests_per_second)",
			"keep an answer for some seconds, verify tokens by the key set, or ask the operator for a higher limit",
		},
		revocation: demand{
			r.Revocation, say, "more revocations than the environment allows one client (token_requests_per_second, counted apart)",
			"let tokens that are not needed any more expire; to end all of an app at once, the operator sets its not-before",
		},
		credentials: demand{
			r.Credentials, say, "more requests about its own credentials than one client may send",
			"list and rotate when there is a reason to, not in a loop",
		},
	}
}

// withinLimit counts a request against what its client may ask for, once.
func (s *Server) withinLimit(q *request, c snapshot.Client) error {
	d := q.demand
	if d == nil || d.table == nil {
		return nil
	}
	q.demand = nil
	wait, ok := d.table.Take(c.App.ClientID, s.Now())
	if ok {
		return nil
	}
	return &refusal{
		status: http.StatusTooManyRequests, code: oauth.SlowDown, retry: wait, client: refer(c),
		say: d.say, reason: d.reason, next: d.next,
	}
}
