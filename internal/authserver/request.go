package authserver

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// maxBody bounds a token request: an assertion and a certificate chain fit.
const maxBody = 64 << 10

// maxParameters bounds how many parameters a form may have.
const maxParameters = 64

// request is a request to any of the endpoints, read once. Values that were
// absent and values that were empty are both "" (RFC 6749 §3.2).
type request struct {
	grantType     string
	clientID      string
	clientSecret  secret.String
	scope         string
	assertion     secret.String // client_assertion (RFC 7521 §4.2)
	assertionType string
	resources     []string // RFC 8707 §2
	token         secret.String
	json          bool // the body was JSON
	braced        bool // the body was a form, and looks like JSON
	basic         *basicCredentials
	rotation      *rotationForm // nil where nothing is rotated
	demand        *demand       // still to be counted against what its client may ask for; nil: not limited, or counted
}

// basicCredentials is what an Authorization header brought.
type basicCredentials struct {
	id     string
	secret secret.String
	broken string // why it cannot be read; empty: it can
}

// put keeps the value of a parameter that we use. Unknown ones are ignored (RFC
// 6749 §3.2).
func (q *request) put(name, value string) {
	switch name {
	case "grant_type":
		q.grantType = value
	case "client_id":
		q.clientID = value
	case "client_secret":
		q.clientSecret = secret.New(value)
	case "scope":
		q.scope = value
	case "client_assertion":
		q.assertion = secret.New(value)
	case "client_assertion_type":
		q.assertionType = value
	case "resource":
		if value != "" {
			q.resources = append(q.resources, value)
		}
	case "token":
		q.token = secret.New(value)
	default:
		if q.rotation != nil {
			q.rotation.put(name, value)
		}
	}
}

// read reads a request whole: its header, its query (only to refuse what must
// not be there) and its body, which is a form or, if takesJSON, a JSON object.
func read(w http.ResponseWriter, r *http.Request, e Endpoint) (*request, error) {
	if err := onlyPost(r); err != nil {
		return nil, err
	}
	if err := refuseQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	q := &request{}
	if e.rotates {
		q.rotation = &rotationForm{}
	}
	if err := q.readAuthorization(r.Header); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.Header["Content-Encoding"], func(coding string) bool { return coding != "" && !strings.EqualFold(coding, "identity") }) {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: "invalid_request", parameter: "Content-Encoding", say: "Send the body without a Content-Encoding"}
	}
	types := r.Header["Content-Type"]
	if len(types) > 1 {
		return nil, invalidRequest("Send one Content-Type").about("Content-Type")
	}
	body, err := httpx.ReadBody(w, r, maxBody)
	if err != nil {
		return nil, bodyError(err)
	}
	if len(types) == 0 && len(body) == 0 {
		return q, nil // nothing was sent: what is missing is the better answer
	}
	var contentType string
	if len(types) == 1 {
		contentType = types[0]
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, e.refusedHere()
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: "invalid_request", parameter: "Content-Type", say: "Send the body in UTF-8"}
	}
	switch {
	case mediaType == "application/x-www-form-urlencoded":
		return q, q.readForm(string(body))
	case mediaType == "application/json" && e.JSON:
		q.json = true
		return q, q.readJSON(body)
	}
	return nil, e.refusedHere()
}

// readHeader reads a request that has no body.
func readHeader(r *http.Request) (*request, error) {
	if err := refuseQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	q := &request{}
	return q, q.readAuthorization(r.Header)
}

func bodyError(err error) error {
	if err == httpx.ErrTooLarge { //nolint:errorlint // ReadBody returns it as it is
		return err
	}
	return invalidRequest("The body broke off before its end")
}

// refuseQuery refuses credentials in the URL, without looking at them (RFC 6749
// §2.3.1, CONTRACT 2.9).
func refuseQuery(query string) error {
	for pair := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return invalidRequest("The query of the URL cannot be read; send the parameters in the body")
		}
		switch strings.ToLower(name) {
		case "client_id", "client_secret", "client_assertion", "client_assertion_type", "token", "access_token", "password", "refresh_token":
			return invalidRequest("Credentials do not belong in the URL: send them in the body or in the Authorization header, and replace the secret, which may have been logged on its way").about(shown(strings.ToLower(name)))
		}
	}
	return nil
}

// readForm reads a form strictly: every name once (RFC 6749 §3.2), no broken
// escape, UTF-8 only.
func (q *request) readForm(body string) error {
	if !utf8.ValidString(body) {
		return invalidRequest("The body is not UTF-8")
	}
	q.braced = strings.HasPrefix(body, "{")
	var seen [maxParameters]string
	n := 0
	for body != "" {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return invalidRequest("The body has a broken percent escape")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return invalidRequest("The body has a broken percent escape")
		}
		if !printable(name) || !printable(value) {
			return invalidRequest("The body has a parameter that is not plain UTF-8 text").about(shown(name))
		}
		if slices.Contains(seen[:n], name) && !mayRepeat(name) {
			return invalidRequest("A parameter is sent more than once").about(shown(name))
		}
		if n == maxParameters {
			return invalidRequest("The body has too many parameters")
		}
		seen[n] = name
		n++
		q.put(name, value)
	}
	return nil
}

// readJSON reads a JSON object whose values for our parameters are strings
// (S002). Members that are null count as absent.
func (q *request) readJSON(body []byte) error {
	var members map[string]any
	if err := strictjson.Unmarshal(body, &members); err != nil {
		return invalidRequest("The body is not one JSON object in UTF-8 with each member once")
	}
	if members == nil {
		return invalidRequest("The body is not a JSON object")
	}
	var wrong error
	for name, value := range members { // all of them: whose request it is may come last
		switch value := value.(type) {
		case nil:
		case string:
			if !printable(value) {
				wrong = invalidRequest("The body has a parameter that is not plain text").about(shown(name))
				continue
			}
			q.put(name, value)
		case []any:
			if err := q.putAll(name, value); err != nil {
				wrong = err
			}
		default:
			if isOurs(name) {
				wrong = errNoString(name)
			}
		}
	}
	return wrong
}

// putAll keeps the values of an array, which stands for a parameter that repeats.
func (q *request) putAll(name string, values []any) error {
	if isOurs(name) && !mayRepeat(name) {
		return errNoString(name)
	}
	if !isOurs(name) {
		return nil
	}
	if len(values) > maxParameters {
		return invalidRequest("The body has too many parameters")
	}
	for _, value := range values {
		text, ok := value.(string)
		if !ok || !printable(text) {
			return errNoString(name)
		}
		q.put(name, text)
	}
	return nil
}

func errNoString(name string) error {
	return invalidRequest("The parameters grant_type, client_id, client_secret and scope are JSON strings; resource is one, or an array of them").about(shown(name))
}

// mayRepeat names the parameters that an extension lets repeat (RFC 8707 §2, RFC
// 8693 §2.1). We do not use the second.
func mayRepeat(name string) bool { return name == "resource" || name == "audience" }

func isOurs(name string) bool {
	switch name {
	case "grant_type", "client_id", "client_secret", "scope", "client_assertion", "client_assertion_type", "resource":
		return true
	}
	return false
}

// shown is the name of a parameter as it may be kept: names are lower case letters,
// and what is none may be a value that went astray.
func shown(name string) string {
	const longest = 32
	if len(name) > longest || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return strings.Clone(name) // which is a part of all the body
}

// printable refuses control characters and broken UTF-8, which no parameter of
// ours can hold.
func printable(s string) bool {
	for _, c := range s {
		if c < 0x20 || c == 0x7f || c == utf8.RuneError {
			return false
		}
	}
	return true
}
