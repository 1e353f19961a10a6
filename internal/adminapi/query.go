package adminapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// query reads the parameters of a request and keeps the first thing that is
// wrong with them, to be returned by err.
type query struct {
	values url.Values
	known  []string
	first  error
}

func readQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.refuse("", "the query is not well-formed")
	}
	return q
}

func (q *query) refuse(name, format string, args ...any) {
	if q.first == nil {
		q.first = market.Invalid(name, format, args...)
	}
}

// text returns a parameter that holds printing characters.
func (q *query) text(name string) string {
	q.known = append(q.known, name)
	all := q.values[name]
	if len(all) > 1 {
		q.refuse(name, "is there more than once")
	}
	if len(all) == 0 {
		return ""
	}
	if !printing(all[0]) || len(all[0]) > 512 {
		q.refuse(name, "is not printing text of at most 512 bytes")
		return ""
	}
	return all[0]
}

// word returns a parameter that is one of a fixed list.
func (q *query) word(name string, words ...string) string {
	value := q.text(name)
	if value != "" && !slices.Contains(words, value) {
		q.refuse(name, "must be one of: %s", strings.Join(words, ", "))
	}
	return value
}

// identifier returns a parameter that has the form of an identifier.
func (q *query) identifier(name, prefix string) string {
	value := q.text(name)
	if value != "" && !identifierForm(value, prefix) {
		q.refuse(name, "must be an id that begins with %s", prefix)
	}
	return value
}

func (q *query) time(name string) time.Time {
	value := q.text(name)
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, value)
	if err == nil {
		t, err = moment(name, t)
	}
	if err != nil {
		q.refuse(name, "must be a time in RFC 3339, such as 2030-01-31T00:00:00Z")
	}
	return t
}

const defaultLimit, maxLimit = 100, 1000

func (q *query) limit() int {
	value := q.text("limit")
	if value == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxLimit {
		q.refuse("limit", "must be a number from 1 to %d", maxLimit)
		return defaultLimit
	}
	return n
}

func (q *query) page() market.Page { return market.Page{After: q.text("after"), Limit: q.limit()} }

// err returns what is wrong, a parameter that nobody asked for included.
func (q *query) err() error {
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			q.refuse("", "there is no parameter of that name; there are: %s", strings.Join(q.known, ", "))
		}
	}
	return q.first
}

func printing(s string) bool {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// identifierForm reports whether s can be an id with that prefix at all.
func identifierForm(s, prefix string) bool {
	body, ok := strings.CutPrefix(s, prefix)
	if !ok || body == "" || len(body) > 64 {
		return false
	}
	for i := range len(body) {
		if c := body[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// pathID returns an identifier of the path. One of another form cannot exist:
// that is NotFound, and the store is not asked.
func pathID[T ~string](r *http.Request, name, prefix, kind string) (T, error) {
	value := r.PathValue(name)
	if !identifierForm(value, prefix) {
		return "", notFound(kind, "its id begins with "+prefix)
	}
	return T(value), nil
}

func notFound(kind, hint string) error {
	return &refusal{code: api.CodeNotFound, detail: "there is no such " + kind, hint: hint}
}

func orgID(r *http.Request) (id.Org, error) {
	return pathID[id.Org](r, "org", "org_", "organization")
}

func appID(r *http.Request) (id.App, error) { return pathID[id.App](r, "app", "app_", "app") }

func credentialID(r *http.Request) (id.Credential, error) {
	return pathID[id.Credential](r, "credential", "cred_", "credential")
}

func subscriptionID(r *http.Request) (id.Subscription, error) {
	return pathID[id.Subscription](r, "subscription", "sub_", "subscription")
}

func operatorTokenID(r *http.Request) (id.OperatorToken, error) {
	return pathID[id.OperatorToken](r, "token", "op_", "operator token")
}

func nodeID(r *http.Request) (id.Node, error) { return pathID[id.Node](r, "node", "node_", "node") }

// environments lists the names of the environments.
func (h *Handler) environments() []string {
	names := make([]string, len(h.Environments))
	for i, env := range h.Environments {
		names[i] = string(env)
	}
	return names
}
