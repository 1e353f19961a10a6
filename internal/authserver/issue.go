package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/tracing"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// maxReuseWindow is the longest window in which a token may be given again.
const maxReuseWindow = 30 * time.Second

// maxReusedScope bounds the words for which a token is remembered: one thing can be
// asked for in any number of spellings.
const maxReusedScope = 512

// signingPatience is how long a request waits until it can be signed: for its turn, or
// for the second of a not-before to end.
const signingPatience = 2 * time.Second

// reuseKey tells which requests may be given the same token: the same secret
// asking the same thing in the same words.
type reuseKey struct {
	credential id.Credential
	dialect    Dialect
	scope      string // as asked for
}

// issued is a token that was given out.
type issued struct {
	token     secret.String
	scope     string
	jti, kid  string
	at        int64 // iat
	expires   int64 // exp
	app       *snapshot.App
	org       *snapshot.Org
	version   uint64 // of the model's shared part
	notBefore int64
}

// tokenHandler serves one token endpoint.
func (s *Server) tokenHandler(e Endpoint) httpx.HandlerFunc {
	f := faces[e.Dialect]
	return func(w http.ResponseWriter, r *http.Request) (err error) {
		began := s.Now()
		var q *request
		var client caller
		outcome := "aborted" // unless it gets to an end
		defer func() { s.tally(e, attempted(r, q, client), outcome, err) }()
		if e.Dialect == V1 {
			if s.Legacy.V1Off {
				return &refusal{status: http.StatusNotFound, code: oauth.InvalidRequest, say: s.v1Off()}
			}
			s.Legacy.announce(w.Header())
		}
		if q, err = read(w, r, e); err != nil {
			return s.attributed(err, q)
		}
		q.demand = &s.demands.token
		if err := q.checkGrant(e.Profile); err != nil {
			return s.attributed(err, q)
		}
		span := httpx.Span(r.Context()).Child("authenticate", tracing.Internal)
		client, err = s.authenticate(r, q)
		span.End()
		if err != nil {
			return s.attributed(err, q)
		}
		if err := s.withinLimit(q, client.Client); err != nil {
			return err
		}
		if err := s.bind(w, r, &client); err != nil {
			return err
		}
		t, source, err := s.issue(r.Context(), client, q, e.Dialect)
		if err != nil {
			return owned(err, refer(client.Client))
		}
		f := f
		if client.confirmation.Key != "" {
			f.tokenType = oauth.DPoP // RFC 9449 §5
		}
		f.alias = f.alias || e.Dialect == V2 && s.Legacy.V1Alias
		noStore(w.Header())
		now := s.Now()
		announceExpiry(w.Header(), client.Credential, now)
		body := f.answer(make([]byte, 0, f.size(t)), t, t.expires-now.Unix(), t.notBefore)
		httpx.WriteBody(w, http.StatusOK, "application/json", body)
		httpx.Note(r.Context(), slog.String("org_id", string(client.Org.ID)), slog.String("app_id", string(client.App.ID)),
			slog.String("credential_id", string(client.Credential.ID)), slog.String("jti", t.jti), slog.String("source", source))
		if outcome = source; source == "token" {
			outcome = "ok"
		}
		s.Meter.Count(usage.Key{
			Environment: s.Environment, Org: client.Org.ID, App: client.App.ID, Outcome: "ok", Source: source,
		}, now, now.Sub(began))
		return nil
	}
}

// attempted is how a client authenticates, or how far it has tried to; "none" if
// nothing of it was seen.
func attempted(r *http.Request, q *request, c caller) method {
	switch {
	case c.method != "":
		return c.method
	case q == nil:
	case q.basic != nil:
		return secretBasic
	case q.asserts():
		return privateKeyJWT
	case q.clientSecret.Reveal() != "":
		return secretPost
	case len(httpx.ClientCertificates(r)) > 0:
		return certifiedName
	}
	return "none"
}

// tally counts a token request.
func (s *Server) tally(e Endpoint, by method, outcome string, err error) {
	if err != nil {
		outcome = string(refusalOf(err).code)
	}
	s.Grants.Count(usage.Grant{Environment: s.Environment, Dialect: string(e.Dialect), Method: string(by), Outcome: outcome})
}

// announceExpiry tells a client that what it authenticates by will end
// (CONTRACT 2.12).
func announceExpiry(h http.Header, c *snapshot.Credential, now time.Time) {
	if c.Expires != 0 && c.Expires-now.UnixMilli() <= market.Expiring.Milliseconds() {
		h["Credential-Expires"] = []string{time.UnixMilli(c.Expires).UTC().Format(http.TimeFormat)} // RFC 9110 §5.6.7
	}
}

// checkGrant refuses any grant but client_credentials (S000).
func (q *request) checkGrant(p Profile) error {
	switch {
	case q.grantType == oauth.ClientCredentials, q.grantType == "" && q.json && p.GrantTypeOptional:
		return nil
	case q.grantType == "" && q.braced:
		return invalidRequest("The body looks like JSON, and its Content-Type says that it is a form. Send grant_type=client_credentials as application/x-www-form-urlencoded, as every token endpoint takes it").about("Content-Type")
	case q.grantType == "":
		return invalidRequest("The parameter grant_type is missing. Send grant_type=client_credentials").about("grant_type")
	}
	return &refusal{
		status: http.StatusBadRequest, code: oauth.UnsupportedGrantType, parameter: "grant_type", say: "The only grant type here is client_credentials",
		reason: "the grant_type is " + quoteName(q.grantType), next: "send grant_type=client_credentials, spelled so: tokens here are for apps, not for users",
	}
}

// issue gives the client a token: the one it got a moment ago, if it may have
// that again, or a new one.
func (s *Server) issue(ctx context.Context, c caller, q *request, d Dialect) (t *issued, source string, err error) {
	window := s.window(c, q, d)
	key := reuseKey{c.Credential.ID, d, q.scope}
	if window > 0 {
		if t, ok := s.reuse.GetIfPresent(key); ok && s.again(t, c, window) {
			return t, "reused", nil
		}
	}
	g, err := s.grant(c, q, d)
	if err != nil {
		return nil, "", err
	}
	if t, err = s.mint(ctx, g, faces[d].typ); err != nil {
		return nil, "", err
	}
	if window > 0 {
		key.scope = strings.Clone(key.scope) // which may be a part of all the request
		s.reuse.Set(key, t)
	}
	return t, "token", nil
}

// window is how long after its issue the client may get the same token again
// (CONTRACT 2.8).
func (s *Server) window(c caller, q *request, d Dialect) time.Duration {
	a := c.App
	switch {
	case c.confirmation != token.Confirmation{}, len(q.resources) > 0: // bound, or made for less than all
		return 0
	case len(q.scope) > maxReusedScope:
		return 0
	case !faces[d].reuse && a.ReuseWindow == nil:
		return 0
	case a.ReuseWindow != nil:
		return min(*a.ReuseWindow, maxReuseWindow)
	}
	return min(s.ReuseWindow, maxReuseWindow)
}

// again reports whether t is what the client would get now, but for its age.
func (s *Server) again(t *issued, c caller, window time.Duration) bool {
	age := s.Now().Unix() - t.at
	return age >= 0 && age < int64(window/time.Second) &&
		t.app == c.App && t.org == c.Org && t.version == c.Version && t.notBefore == c.NotBefore &&
		s.Ring.Lookup(keyring.UseToken, t.kid) != nil && !s.Model.Revoked(t.jti)
}

// mint signs a new token.
func (s *Server) mint(ctx context.Context, g *grant, typ string) (*issued, error) {
	if err := s.awaitNotBefore(ctx, g.client.NotBefore); err != nil {
		return nil, err
	}
	span := httpx.Span(ctx).Child("sign", tracing.Internal) // and wait for it
	defer span.End()
	key, done, err := s.turn(ctx, g.client.App.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	c := g.client
	if now, ok := s.Model.ByClientID(c.App.ClientID); !ok || now.NotBefore > c.NotBefore {
		return nil, unavailable("the app's tokens were revoked while this one waited to be signed")
	}
	at := s.Now().Unix()
	claims := token.Claims{
		Issuer: s.Issuer, Audience: g.audience, JTI: token.NewJTI(), Handle: token.NewHandle(),
		ClientID: c.App.ClientID, Scope: g.scope, Org: string(c.Org.ID), Environment: string(s.Environment),
		Credential: string(c.Credential.ID), Confirmation: c.confirmation, ApplicationName: c.App.Name, DeveloperEmail: c.App.DeveloperEmail,
		Products: g.products, IssuedAt: at, NotBefore: at, Expires: at + int64(g.lifetime/time.Second),
	}
	text, err := s.Verifier.Mint(key, typ, &claims)
	if errors.Is(err, token.ErrTooLong) {
		return nil, &refusal{
			status: http.StatusBadRequest, code: oauth.InvalidScope, client: refer(c.Client),
			say:    "The app has more products than one token can hold. Ask for some of them by scope",
			reason: "a token for all products of the app would be too long for a header",
			next:   "ask for fewer products by scope, or narrow the app to those that it needs",
		}
	}
	if err != nil {
		return nil, err
	}
	return &issued{
		token: text, scope: g.scope, jti: claims.JTI, kid: key.KID, at: at, expires: claims.Expires,
		app: c.App, org: c.Org, version: c.Version, notBefore: c.NotBefore,
	}, nil
}

// turn returns the key that signs now, when it is the app's turn to use it, and
// what ends the turn. Only RSA is waited for: others cost less than a turn does.
func (s *Server) turn(ctx context.Context, app id.App) (key *keyring.Key, done func(), err error) {
	done = func() {}
	if key = s.Ring.Signer(keyring.UseToken); key != nil && key.Algorithm == keyring.RS256 {
		began, err := s.Turns.take(ctx, app)
		if err != nil {
			return nil, nil, err
		}
		done = func() { s.Turns.give(began) }
		key = s.Ring.Signer(keyring.UseToken) // which may be another by now
	}
	if key == nil {
		done()
		return nil, nil, unavailable("there is no signing key")
	}
	return key, done, nil
}

// awaitNotBefore lets the second end in which everything was revoked. A token
// of that second would be taken for a revoked one, and one that said a later
// second would outlive the next revocation.
func (s *Server) awaitNotBefore(ctx context.Context, notBefore int64) error {
	wait := time.Unix(notBefore, 0).Sub(s.Now())
	switch {
	case wait <= 0:
		return nil
	case wait > signingPatience:
		return notYet(wait)
	}
	return sleep(ctx, wait)
}

// notYet refuses a token that would have to wait for so long.
func notYet(wait time.Duration) *refusal {
	ref := unavailable("the not-before lies ahead of this node's clock: compare the clocks of the nodes; if it was set by one that was wrong, set it to now once more")
	ref.retry, ref.skew = min(wait, longestRetry), -wait
	return ref
}

// longestRetry is what a client is told to wait at the most, where a wrong clock would
// say hours: it may be set right at any time.
const longestRetry = time.Minute

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return unavailable("the client has gone")
	}
}

// v1Off is what a v1 client is told where v1 is not served.
func (s *Server) v1Off() string {
	say := "Version 1 is switched off here"
	if path := s.endpoint(V2); path != "" {
		say += ". Change the URL to " + path + "; nothing else has to change"
	}
	return say
}

// announce tells v1 clients that their dialect ends (CONTRACT 2.6).
func (l Legacy) announce(h http.Header) {
	if !l.Deprecated.IsZero() {
		h["Deprecation"] = []string{"@" + itoa(l.Deprecated.Unix())} // RFC 9745 §2.1
	}
	if !l.Sunset.IsZero() {
		h["Sunset"] = []string{l.Sunset.UTC().Format(http.TimeFormat)} // RFC 8594 §3
	}
	if l.Page != "" {
		h["Link"] = []string{"<" + l.Page + `>; rel="deprecation"; type="text/html"`} // RFC 9745 §3
	}
}
