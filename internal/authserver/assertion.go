package authserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// Spender remembers at every node, and over restarts, which assertions were used.
type Spender interface {
	// SpendAssertion reports whether it is the first use. After an error nothing is
	// known.
	SpendAssertion(ctx context.Context, clientID, jti string, expires time.Time) (first bool, err error)
}

// KeySets reads the keys that clients publish at their jwks_uri.
type KeySets interface {
	// Keys returns the keys at a URL. If none is called kid, and kid is not empty, they
	// were read a moment ago. The text of an error is for the URL's owner.
	Keys(ctx context.Context, url, kid string) ([]*jose.Key, error)
}

// The bounds of assertions and of what is remembered of them.
const (
	maxAssertionLife = time.Hour // that exp may lie ahead
	maxJTI           = 256       // bytes
	maxKeysTried     = 8         // for one assertion, of those that were registered, and of those at all URLs
	maxSetsTried     = 3
	maxParsedKeys    = 1 << 14
	maxSpent         = 1 << 14 // that are known without asking the store
	spendPatience    = 3 * time.Second
)

// assertions is what client assertions are checked with (RFC 7523 §3).
type assertions struct {
	keys   *otter.Cache[string, *jose.Key] // parsed, by the JWK
	spent  *otter.Cache[[sha256.Size]byte, struct{}]
	decoys jose.Decoys
}

func newAssertions() (a assertions, err error) {
	if a.keys, err = otter.New(&otter.Options[string, *jose.Key]{MaximumSize: maxParsedKeys}); err != nil {
		return a, err
	}
	a.spent, err = otter.New(&otter.Options[[sha256.Size]byte, struct{}]{
		MaximumSize:      maxSpent,
		ExpiryCalculator: otter.ExpiryWriting[[sha256.Size]byte, struct{}](maxAssertionLife + 2*clockMargin),
	})
	if err != nil {
		return a, err
	}
	a.decoys, err = jose.NewDecoys()
	return a, err
}

// parsed returns the key that a JWK holds, nil if it is none that is taken.
func (a *assertions) parsed(jwk string) *jose.Key {
	if k, ok := a.keys.GetIfPresent(jwk); ok {
		return k
	}
	k, err := jose.ParseKey([]byte(jwk))
	if err != nil {
		return nil
	}
	a.keys.Set(jwk, k)
	return k
}

// assertion is a client assertion whose form and claims were read (RFC 7523 §3).
type assertion struct {
	signed  *jose.Signed
	Issuer  string            `json:"iss"`
	Subject string            `json:"sub"`
	Aud     jose.Audience     `json:"aud"`
	Expires *jose.NumericDate `json:"exp"`
	Begins  *jose.NumericDate `json:"nbf"`
	Issued  *jose.NumericDate `json:"iat"`
	JTI     string            `json:"jti"`
}

// why is the reason for which a client is not authenticated, and what its owner
// may do. The zero why is none.
type why struct{ reason, next string }

// byAssertion authenticates by a JWT that the client signed (RFC 7523 §2.2, OpenID
// Connect Core §9: private_key_jwt).
//
// The order is part of it: what can be told from the assertion alone comes first,
// and is the same whoever the client is; then one verification or a few, with a
// decoy where there is no key; and the jti is spent last, so that nobody but the
// key's owner can spend it.
func (s *Server) byAssertion(r *http.Request, q *request) (caller, error) {
	a, no := s.readAssertion(q)
	clientID := q.clientID
	if clientID == "" {
		clientID = a.Subject
	}
	client, known := s.Model.ByClientID(clientID)
	if no == (why{}) {
		client, no = s.whyNotSigned(r.Context(), client, known, a)
	}
	if no != (why{}) {
		return caller{}, blamed(s.refuse(r, q, clientID, client, no.reason, no.next), "client_assertion", s.skewOf(a))
	}
	spent := sha256.Sum256([]byte(clientID + "\n" + a.JTI))
	if _, seen := s.assertions.spent.GetIfPresent(spent); !seen { // what is one too many writes nothing
		if err := s.withinLimit(q, client); err != nil {
			return caller{}, err
		}
	}
	first, err := s.spend(r.Context(), clientID, a, spent)
	if err != nil {
		s.Logger.WarnContext(r.Context(), "cannot note that an assertion was used", slog.Any("error", err), slog.String("trace_id", httpx.Trace(r.Context())))
		ref := unavailable("the store is away, and nobody else knows whether the assertion was used before")
		ref.client = refer(client)
		return caller{}, ref
	}
	if !first {
		err := s.refuse(r, q, clientID, client, "the jti of the assertion was used before", "make a new assertion, with a jti of its own, for each request")
		return caller{}, blamed(err, "client_assertion", 0)
	}
	return s.authenticated(r, client, privateKeyJWT), nil
}

// readAssertion reads what was sent, and judges all that needs no key.
func (s *Server) readAssertion(q *request) (*assertion, why) {
	a := &assertion{}
	switch {
	case q.assertionType != oauth.JWTBearer:
		return a, why{"client_assertion_type is not the one that is taken", "send " + oauth.JWTBearer}
	case q.assertion.Reveal() == "":
		return a, why{"client_assertion is missing", "send the signed JWT in it"}
	}
	var err error
	if a.signed, err = jose.Parse(q.assertion.Reveal()); err != nil {
		return a, why{"the assertion is " + err.Error(), "send a JWS in compact form, with alg, kid and typ in its header"}
	}
	if err := a.signed.Claims(a); err != nil {
		return &assertion{}, why{"the assertion cannot be read: " + err.Error(), "iss, sub and jti are strings, exp, iat and nbf numbers, aud is the issuer"}
	}
	h := a.signed.Header
	switch {
	case !slices.Contains(jose.Algorithms(), h.Algorithm):
		return a, why{"the assertion is signed by " + quote(h.Algorithm), "sign by one of " + strings.Join(jose.Algorithms(), ", ")}
	case h.Type != "" && !a.signed.Is("JWT") && !a.signed.Is("client-authentication+jwt"):
		return a, why{"the typ of the assertion is " + quote(h.Type), `leave typ out, or send "JWT" or "client-authentication+jwt"`}
	case a.Subject == "":
		return a, why{"the assertion has no sub", "iss and sub are both the client_id"}
	case a.Issuer != a.Subject:
		return a, why{"iss and sub of the assertion differ", "iss and sub are both the client_id"}
	case q.clientID != "" && q.clientID != a.Subject:
		return a, why{"the client_id of the request is not the assertion's", "leave client_id out, or send the one that is iss and sub"}
	case a.JTI == "":
		return a, why{"the assertion has no jti", "put a random jti into each assertion"}
	case len(a.JTI) > maxJTI || !printable(a.JTI):
		return a, why{"the jti of the assertion is longer than 256 bytes, or not plain text", "a UUID does"}
	}
	if no := s.whyNotTime(a); no != (why{}) {
		return a, no
	}
	return a, s.whyNotAudience(a.Aud)
}

// whyNotTime judges exp, nbf and iat (RFC 7523 §3 items 4 to 6).
func (s *Server) whyNotTime(a *assertion) why {
	now := s.Now()
	const clock = "compare the client's clock with the Date header of any answer"
	switch {
	case a.Expires == nil:
		return why{"the assertion has no exp", "let it end a minute after it is made"}
	case !now.Before(a.Expires.Time().Add(s.Leeway)):
		return why{fmt.Sprintf("the assertion expired %s ago", now.Sub(a.Expires.Time()).Truncate(time.Second)), "make a new one for each request; " + clock}
	case a.Expires.Time().After(now.Add(maxAssertionLife + s.Leeway)):
		return why{fmt.Sprintf("the assertion ends in %s, which is more than an hour", a.Expires.Time().Sub(now).Truncate(time.Second)), "let it end a minute after it is made; " + clock}
	case a.Begins != nil && a.Begins.Time().After(now.Add(s.Leeway)):
		return why{fmt.Sprintf("the nbf of the assertion is %s ahead", a.Begins.Time().Sub(now).Truncate(time.Second)), clock}
	case a.Issued != nil && a.Issued.Time().After(now.Add(s.Leeway)):
		return why{fmt.Sprintf("the iat of the assertion is %s ahead", a.Issued.Time().Sub(now).Truncate(time.Second)), clock}
	}
	return why{}
}

// skewOf is how far the clock is past the end of an assertion, or, if negative, ahead
// of its beginning; zero if it is in time.
func (s *Server) skewOf(a *assertion) time.Duration {
	now := s.Now()
	switch {
	case a.Expires != nil && !now.Before(a.Expires.Time().Add(s.Leeway)):
		return now.Sub(a.Expires.Time())
	case a.Begins != nil && a.Begins.Time().After(now.Add(s.Leeway)):
		return now.Sub(a.Begins.Time())
	case a.Issued != nil && a.Issued.Time().After(now.Add(s.Leeway)):
		return now.Sub(a.Issued.Time())
	}
	return 0
}

// whyNotAudience judges aud: the issuer, and nothing else. A client that signs for
// whatever URL it was told to be our token endpoint can be made to sign for
// another server's, and that server to pass the assertion on to us
// (CVE-2025-27370); no name but the issuer is safe from it.
func (s *Server) whyNotAudience(aud jose.Audience) why {
	send := "send the issuer alone, " + s.Issuer
	switch {
	case len(aud) == 0:
		return why{"the assertion has no aud", send}
	case len(aud) > 1:
		return why{"the assertion has more than one aud", send}
	case aud[0] == s.Issuer:
		return why{}
	case s.isTokenURL(aud[0]):
		if s.TokenURLAudience {
			return why{}
		}
		return why{"aud is the token URL", send}
	}
	return why{"the assertion was made for " + quote(aud[0]), send}
}

// isTokenURL reports whether the URL is that of one of our token endpoints.
func (s *Server) isTokenURL(text string) bool {
	text = strings.TrimSuffix(text, "/")
	return slices.ContainsFunc(s.BaseURLs, func(base string) bool {
		path, ours := strings.CutPrefix(text, base)
		return ours && slices.ContainsFunc(s.Endpoints, func(e Endpoint) bool { return e.Path == path })
	})
}

// whyNotSigned finds the credential that the assertion was signed with, and
// judges it. The client that it returns has the credential only if its key
// verified: whoever just knows a client_id is told nothing by it, nor in the name
// of its owner's credential.
func (s *Server) whyNotSigned(ctx context.Context, client snapshot.Client, known bool, a *assertion) (snapshot.Client, why) {
	switch {
	case !known:
		s.assertions.decoys.Verify(a.signed)
		return client, why{"there is no such client_id", "compare it with the app's"}
	case client.App.Environment != s.Environment:
		s.assertions.decoys.Verify(a.signed)
		return client, why{
			"a " + string(client.App.Environment) + " client_id was sent to " + string(s.Environment),
			"send it to the token URL of " + string(client.App.Environment),
		}
	}
	credential, no := s.signer(client.App, a)
	if credential == nil {
		if credential, no = s.publisher(ctx, client.App, a, no); credential == nil {
			return client, no
		}
	}
	client.Credential = credential
	named := "the key " + credential.Hint
	switch {
	case credential.Revoked:
		return client, why{named + " was revoked", "make a new key pair, and add its public key"}
	case credential.ExpiredAt(s.Now()):
		return client, why{named + " has expired", "make a new key pair, and add its public key; or move the expiry"}
	}
	return client, why{}
}

// candidate is a key that may have signed, and whose it is.
type candidate struct {
	credential *snapshot.Credential
	key        *jose.Key
}

// named reports whether a kid means the key.
func (c candidate) named(kid string) bool {
	return kid == c.key.ID || kid == c.key.Thumbprint() || kid == string(c.credential.ID)
}

// signer returns the credential of app whose key verifies the assertion, or why
// there is none. Dead keys are tried after the live ones: for the reason.
func (s *Server) signer(app *snapshot.App, a *assertion) (*snapshot.Credential, why) {
	var keys []candidate
	now, kid, alg := s.Now(), a.signed.Header.KeyID, a.signed.Header.Algorithm
	for _, live := range []bool{true, false} {
		for c := range app.Credentials() {
			if c.Kind != market.PublicKey || c.Live(now) != live {
				continue
			}
			if k := s.assertions.parsed(c.Material); k != nil {
				keys = append(keys, candidate{c, k})
			}
		}
	}
	registered := len(keys)
	isNamed := func(c candidate) bool { return kid != "" && c.named(kid) }
	if slices.ContainsFunc(keys, isNamed) {
		keys = slices.DeleteFunc(keys, func(c candidate) bool { return !isNamed(c) })
	}
	found := len(keys)
	keys = slices.DeleteFunc(keys, func(c candidate) bool { return !c.key.Takes(alg) })
	for _, c := range keys[:min(len(keys), maxKeysTried)] {
		if a.signed.VerifiedBy(c.key) {
			return c.credential, why{}
		}
	}
	if len(keys) == 0 {
		s.assertions.decoys.Verify(a.signed)
	}
	switch {
	case registered == 0:
		return nil, why{"the app has no public key", "add one: sallyport credential create APP --public-key FILE, or --jwks-uri URL"}
	case found < registered && len(keys) == 0:
		return nil, why{"the key with the kid " + quote(kid) + " is not one for " + alg, "sign by the algorithm of the key"}
	case len(keys) == 0:
		return nil, why{"the app has no key for " + alg, "sign by the algorithm of the key, or add the key"}
	case found < registered:
		return nil, why{"the signature is not that of the key " + quote(kid), "sign with the private key that belongs to it"}
	case len(keys) > maxKeysTried:
		return nil, why{"none of the first keys made the signature, and the kid names none", "name the key by its kid or thumbprint: the app has too many to try"}
	case kid != "":
		return nil, why{"no key of the app has the kid " + quote(kid) + ", and none made the signature", "compare the thumbprints: sallyport credential list APP"}
	}
	return nil, why{"no key of the app made the signature", "compare the thumbprints: sallyport credential list APP"}
}

// publisher returns the credential of app at whose URL there is a key that verifies
// the assertion, or why there is none: no, if the app has no URL, or the kid is that
// of another key.
func (s *Server) publisher(ctx context.Context, app *snapshot.App, a *assertion, no why) (*snapshot.Credential, why) {
	kid, tried, left := a.signed.Header.KeyID, 0, maxKeysTried
	for c := range app.Credentials() {
		if c.Kind != market.KeySetURL || !c.Live(s.Now()) {
			continue
		}
		if tried++; tried > maxSetsTried {
			break
		}
		keys, err := s.KeySets.Keys(ctx, c.Material, kid)
		if err != nil {
			no = why{"the key set at " + c.Hint + " cannot be had: " + err.Error(), "let " + quote(c.Material) + " answer with a JWK Set"}
			continue
		}
		// A key without a name may be the one that is named, if that is not there.
		keys = slices.DeleteFunc(slices.Clone(keys), func(k *jose.Key) bool {
			return !k.Takes(a.signed.Header.Algorithm) || kid != "" && k.ID != "" && !candidate{c, k}.named(kid)
		})
		few := keys[:min(len(keys), left)]
		for _, k := range few {
			if a.signed.VerifiedBy(k) {
				return c, why{}
			}
		}
		left -= len(few)
		switch {
		case len(keys) == 0 && kid != "":
			no = why{"the key set at " + c.Hint + " has no key for " + a.signed.Header.Algorithm + " with the kid " + quote(kid), "publish the key before you sign with it; it is looked for again after 30 seconds"}
		case len(keys) == 0:
			no = why{"the key set at " + c.Hint + " has no key for " + a.signed.Header.Algorithm, "publish the key before you sign with it"}
		case len(keys) > len(few):
			no = why{"none of the first keys at " + c.Hint + " made the signature, and the kid names none", "name the key by its kid"}
		default:
			no = why{"no key at " + c.Hint + " made the signature", "publish the key before you sign with it, and name it by its kid"}
		}
	}
	return nil, no
}

// spend notes that the assertion was used, and reports whether it is the first
// time. What this node has seen needs no store.
func (s *Server) spend(ctx context.Context, clientID string, a *assertion, key [sha256.Size]byte) (first bool, err error) {
	if _, seen := s.assertions.spent.GetIfPresent(key); seen {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, spendPatience)
	defer cancel()
	// Kept for as long as any node may take it for unexpired.
	first, err = s.Spender.SpendAssertion(ctx, clientID, a.JTI, a.Expires.Time().Add(s.Leeway+clockMargin))
	if err != nil {
		return false, errors.Join(errUnspent, err)
	}
	s.assertions.spent.Set(key, struct{}{})
	return first, nil
}

var errUnspent = errors.New("authserver: spend an assertion")

// quoteName quotes what is sent for a name of ours, unless it has the look of somebody's
// number: it is told to find a name that is mistyped, and kept.
func quoteName(text string) string {
	digits := 0
	for i := range len(text) {
		if '0' <= text[i] && text[i] <= '9' {
			digits++
		}
	}
	if digits > 2 {
		return "what was sent"
	}
	return quote(text)
}

// quote writes a stranger's text into a reason: short, printable, and without what
// could be a secret.
func quote(text string) string {
	const longest = 100
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return fmt.Sprintf("%q", httpx.Redact(text))
}
