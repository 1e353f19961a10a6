package authserver

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// readAuthorization reads HTTP Basic client authentication: id and secret are
// form-encoded each, then joined and base64-encoded (RFC 6749 §2.3.1).
func (q *request) readAuthorization(h http.Header) error {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return nil
	case 1:
	default:
		return invalidRequest("Send one Authorization header").about("Authorization")
	}
	q.basic = parseBasic(values[0])
	return nil
}

// parseBasic reads the header, or says why it cannot be read.
func parseBasic(header string) *basicCredentials {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return &basicCredentials{broken: "the Authorization header is not one of the scheme Basic"}
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return &basicCredentials{broken: "what follows Basic in the Authorization header is not base64"}
	}
	name, pass, ok := strings.Cut(string(raw), ":")
	if !ok {
		return &basicCredentials{broken: "the Basic header has no colon between client_id and secret"}
	}
	name, err = url.QueryUnescape(name)
	if err == nil {
		pass, err = url.QueryUnescape(pass)
	}
	if err != nil {
		return &basicCredentials{broken: "client_id and secret in the Basic header are not form-encoded: a percent sign begins no escape"}
	}
	if !printable(name) || !printable(pass) {
		return &basicCredentials{broken: "the Basic header holds a control character, such as a line end behind the secret, or is not UTF-8"}
	}
	return &basicCredentials{id: name, secret: secret.New(pass)}
}

// credentials returns the one pair that the request authenticates by.
func (q *request) credentials() (clientID string, text secret.String, err error) {
	inBody, asserted := q.clientSecret.Reveal() != "", q.asserts()
	switch {
	case q.basic != nil && (inBody || asserted), inBody && asserted:
		return "", text, invalidRequest("Use one way to authenticate the client, not two") // RFC 6749 §2.3
	case q.basic != nil && q.basic.broken != "":
		return q.clientID, text, nil
	case q.basic != nil && q.clientID != "" && q.clientID != q.basic.id:
		return "", text, invalidRequest("The client_id of the body is not the one of the Authorization header").about("client_id")
	case q.basic != nil:
		return q.basic.id, q.basic.secret, nil
	}
	return q.clientID, q.clientSecret, nil
}

// asserts reports whether the client wants to authenticate by an assertion.
func (q *request) asserts() bool { return q.assertion.Reveal() != "" || q.assertionType != "" }

// method is a way to authenticate a client, by its name in the metadata (RFC 8414
// §2, RFC 8705 §2).
type method string

const (
	secretBasic   method = "client_secret_basic"
	secretPost    method = "client_secret_post"
	privateKeyJWT method = "private_key_jwt"
)

// caller is an authenticated client, and how it proved who it is.
type caller struct {
	snapshot.Client
	method method
	// confirmation is what its tokens are bound to; zero: nothing.
	confirmation token.Confirmation
}

// failed is the refusal of RFC 6749 §5.2 for a client that is not
// authenticated. Its words are the same whatever the reason.
func failed(basic bool, reason string) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: oauth.InvalidClient, basic: basic, reason: reason,
		say: "Client authentication failed. Check client_id and client_secret, or the key or the certificate, and that they belong to this environment",
	}
}

// authenticate finds out which client sent the request.
func (s *Server) authenticate(r *http.Request, q *request) (caller, error) {
	clientID, text, err := q.credentials()
	if err != nil {
		return caller{}, err
	}
	if s.Model.Age() > s.MaxStale {
		return caller{}, unavailable("the store has been away for longer than may be gone by what is known")
	}
	if q.basic != nil && q.basic.broken != "" {
		named, _ := s.Model.ByClientID(clientID)
		const next = "send Authorization: Basic and the base64 of client_id:client_secret, each form-encoded first (RFC 6749 §2.3.1); or send both in the body, without the header"
		return caller{}, blamed(s.refuse(r, q, clientID, named, q.basic.broken, next), "Authorization", 0)
	}
	if q.asserts() {
		return s.byAssertion(r, q)
	}
	if q.basic == nil && text.Reveal() == "" && len(httpx.ClientCertificates(r)) > 0 {
		return s.byCertificate(r, q)
	}
	return s.bySecret(r, q, clientID, text)
}

// bySecret authenticates by client_id and client_secret (RFC 6749 §2.3.1).
func (s *Server) bySecret(r *http.Request, q *request, clientID string, text secret.String) (caller, error) {
	// One keyed hash and one look-up by it, and for all that fails one by client_id,
	// whatever is wrong: no answer is faster than another (CONTRACT 2.9).
	client, found := s.Model.ByCredential(s.Hasher.Hash(text.Reveal()))
	if !found || client.App.ClientID != clientID || client.App.Environment != s.Environment || !client.Credential.Live(s.Now()) {
		named, _ := s.Model.ByClientID(clientID)
		var imported snapshot.Client
		right := false
		if !found || client.App.ClientID != clientID {
			var err error
			if imported, right, err = s.byImported(r, named, text); err != nil {
				return caller{}, owned(err, refer(named))
			}
		}
		if !right {
			reason, next := s.whyNot(client, named, clientID, text)
			if !found {
				client = named
			}
			return caller{}, blamed(s.refuse(r, q, clientID, client, reason, next), q.missing(clientID), s.overdue(client, clientID))
		}
		client = imported
	}
	by := secretPost
	if q.basic != nil {
		by = secretBasic
	}
	return s.authenticated(r, client, by), nil
}

// authenticated is the outcome of every method that succeeds.
func (s *Server) authenticated(r *http.Request, client snapshot.Client, by method) caller {
	s.Meter.Use(usage.LastUse{Credential: client.Credential.ID, At: s.Now(), From: httpx.Network(httpx.RemoteAddr(r))})
	return caller{Client: client, method: by}
}

// refuse is the outcome of every method that fails: it counts the failure, and
// tells the owner, if client is known, the reason and what to do next.
func (s *Server) refuse(r *http.Request, q *request, clientID string, client snapshot.Client, reason, next string) error {
	ref := failed(q.basic != nil, reason)
	ref.next = next
	// Whether or not it is known, as much is kept and logged: that takes time, too.
	ref.client = refer(client)
	if wait, ok := s.tooMany(clientID, network(r)); !ok {
		ref.status, ref.code, ref.retry = http.StatusTooManyRequests, oauth.SlowDown, wait
		ref.say = "Too many failed attempts. Wait before the next one"
	}
	return ref
}

// overdue is for how long the secret that was sent has been past its end; zero: that is
// not why it was refused.
func (s *Server) overdue(sent snapshot.Client, clientID string) time.Duration {
	if c := sent.Credential; c != nil && sent.App.ClientID == clientID && sent.App.Environment == s.Environment && !c.Revoked && c.Expires != 0 {
		return max(0, s.Now().Sub(time.UnixMilli(c.Expires)))
	}
	return 0
}

// missing names the credential that a request leaves out, "" if it leaves out none.
func (q *request) missing(clientID string) string {
	switch {
	case clientID == "":
		return "client_id"
	case q.basic == nil && q.clientSecret.Reveal() == "":
		return "client_secret"
	}
	return ""
}

// tooMany counts a failed attempt against the client at that network, and
// against the network.
func (s *Server) tooMany(clientID, from string) (wait time.Duration, ok bool) {
	wait, ok = s.Failures.Take(clientID+" "+from, s.Now())
	if again, free := s.NetworkFailures.Take(from, s.Now()); !free {
		return max(wait, again), false
	}
	return wait, ok
}

// whyNot returns why a client is not authenticated, and what its owner may do. The
// secret is that of owner, if it is anybody's; named is who has the client_id, if
// anybody has.
func (s *Server) whyNot(owner, named snapshot.Client, clientID string, text secret.String) (reason, next string) {
	prefix, intact := market.SecretForm(text) // takes longer than all the rest: so always
	switch {
	case clientID == "":
		return "client_id is missing", "send it beside the client_secret, in the body or by HTTP Basic"
	case text.Reveal() == "":
		return s.whyNothing(named)
	case owner.App == nil && named.App == nil:
		return "there is no such client_id", "compare it with the app's, letter by letter: each environment has others"
	case owner.App == nil:
		return s.whyNobodys(named, prefix, intact, text)
	case owner.App.ClientID != clientID:
		return "the secret is one of another client_id", "send the client_id that the secret was made for"
	case owner.App.Environment != s.Environment:
		return "a " + string(owner.App.Environment) + " credential was sent to " + string(s.Environment),
			"send it to the token URL of " + string(owner.App.Environment)
	case owner.Credential.Revoked:
		return "the secret " + describe(owner.Credential) + " was revoked", "make a new one, and put it in the place of this one"
	}
	return "the secret " + describe(owner.Credential) + " has expired, at " + time.UnixMilli(owner.Credential.Expires).UTC().Format(time.RFC3339), "make a new one, and put it in the place of this one"
}

// whyNothing tells what can be told about a request by which nobody could be
// authenticated: mostly a certificate went to the listener that asks for none.
func (s *Server) whyNothing(named snapshot.Client) (reason, next string) {
	reason, next = "there is a client_id, and neither a secret nor an assertion", "send client_secret, or client_assertion with its client_assertion_type"
	if s.MutualTLS.URL != "" {
		reason += " nor a certificate"
		next += "; a certificate counts at " + s.MutualTLS.URL + " alone: see mtls_endpoint_aliases in the metadata"
	}
	if named.App == nil {
		return reason, next + "; and there is no such client_id"
	} else if named.App.Environment != s.Environment {
		return reason, next + "; and the client_id is of " + string(named.App.Environment)
	}
	return reason, next
}

// describe tells a credential's owner which one it is.
func describe(c *snapshot.Credential) string {
	if c.Label == "" {
		return c.Hint
	}
	return strconv.Quote(c.Label) + " (" + c.Hint + ")"
}

// whyNobodys tells what can be told about a secret that nobody has.
func (s *Server) whyNobodys(named snapshot.Client, prefix string, intact bool, text secret.String) (reason, next string) {
	env, ours := s.SecretPrefix[prefix]
	switch {
	case named.App.Environment != s.Environment:
		return "a " + string(named.App.Environment) + " client_id was sent to " + string(s.Environment),
			"send it to the token URL of " + string(named.App.Environment)
	case strings.Count(text.Reveal(), ".") == 2 && strings.HasPrefix(text.Reveal(), "eyJ"):
		return "an access token was sent in the place of the secret", "send the client_secret"
	case ours && !intact:
		return "the secret has a typing error: its checksum does not hold", "copy it again, whole"
	case ours && env != s.Environment:
		return "a secret of " + string(env) + " was sent to " + string(s.Environment), "send the one made for " + string(s.Environment)
	}
	return "the secret is not one of this client_id's", "compare its first characters with the app's list; make a new one if it is lost"
}

// refer tells whose request it was; of nobody that we know, nothing.
func refer(c snapshot.Client) *clientRef {
	if c.App == nil {
		return &clientRef{}
	}
	ref := &clientRef{org: c.Org.ID, app: c.App.ID}
	if c.Credential != nil {
		ref.credential, ref.label, ref.hint = c.Credential.ID, c.Credential.Label, c.Credential.Hint
	}
	return ref
}

func network(r *http.Request) string {
	addr := httpx.RemoteAddr(r)
	if addr == (netip.Addr{}) {
		return ""
	}
	return httpx.Network(addr)
}
