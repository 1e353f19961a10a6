// Package authserver is the surface that clients get tokens from: the token
// endpoints in all their dialects, revocation, introspection, and the metadata
// and keys that others verify by (CONTRACT §2, §3).
//
// A token request goes one way, whatever its dialect:
//
//	parse the body once            request.go
//	authenticate the client        client.go   from the snapshot, never SQL, but
//	                               assertion.go  for the jti of an assertion; certificate.go
//	bind its tokens to a key       bind.go     if it shows one, or must
//	choose products, scope, life   grant.go, resource.go
//	sign, or the same token again  issue.go
//	answer by the dialect's table  dialect.go
//
// A refusal is a value of type [*refusal] from whichever step, and becomes
// bytes in one place (refusal.go): the caller is told what RFC 6749 §5.2 has
// words for, the owner of the credential is told why.
//
// Invariants: no I/O between a request and its answer, but for revocation, for what
// a client does with its own credentials, and for assertions, which are durably used
// up before they are believed; unknown client, wrong secret, other environment and
// dead secret take the same path and get the same words; credentials in the URL are
// never read.
//
// What it does not do: decide about a call (policy), make or keep keys (keyring), or
// keep tokens: none has a row anywhere.
package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sallyport-dev/sallyport/internal/dpop"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// Config is what a Server is made of. All fields are needed unless they say
// otherwise.
type Config struct {
	Environment  market.Environment
	Issuer       string   // https://host[:port][/path], no trailing slash
	BaseURLs     []string // of the environment, no trailing slash; the first is the one that is told
	Audience     string   // of the tokens: "apiPlatform"
	Endpoints    []Endpoint
	SecretPrefix map[string]market.Environment // which environment a secret's prefix tells
	ReuseWindow  time.Duration                 // of dialects that give the same token again
	MaxLifetime  time.Duration                 // of a token, whatever app, product or dialect say: a key verifies no longer
	Leeway       time.Duration                 // of the gateway, on exp
	MaxStale     time.Duration                 // of the model; older: 503
	// TokenURLAudience takes client assertions that were made for the URL of a token
	// endpoint, beside those that were made for the issuer.
	TokenURLAudience bool
	Legacy           Legacy
	Documentation    string // URL for people; may be empty
	MutualTLS        MutualTLS
	Proofs           *dpop.Checker
	NonceOptional    bool // DPoP proofs without a nonce are taken

	Model    *snapshot.Model
	Ring     *keyring.Ring
	Verifier *token.Verifier
	Hasher   market.Hasher
	Revoker  Revoker
	Spender  Spender
	KeySets  KeySets
	// Credentials lets clients rotate their own secrets; nil: they may not.
	Credentials Credentials
	Upgrader    Upgrader
	Checks      *Checks // of imported secrets; all environments have the same
	Meter       *usage.Meter
	Grants      *usage.Grants
	Refusals    *usage.Refusals
	// Failures limits failed attempts by client_id and network, NetworkFailures
	// by network alone, whichever endpoint they are made at.
	Failures        *limit.Table
	NetworkFailures *limit.Table
	Requests        Requests
	Turns           *Turns // to sign; all environments have the same
	Now             func() time.Time
	Logger          *slog.Logger
}

// Revoker makes a revocation durable and known everywhere.
type Revoker interface {
	RevokeToken(ctx context.Context, by market.Actor, r market.Revocation) error
}

// Legacy is about the v1 dialect, which exists for migration only.
type Legacy struct {
	Deprecated time.Time // Deprecation header (RFC 9745)
	Sunset     time.Time // Sunset header (RFC 8594)
	Page       string    // URL of the migration page
	V1Off      bool      // v1 is not served
	V1Alias    bool      // v2 answers carry accessToken too
}

// Server is the authorization server of one environment.
type Server struct {
	Config
	profiles   map[string]Profile // of the endpoints that have one, by path
	platform   []string           // the audience of tokens for all of the environment
	resources  atomic.Pointer[resources]
	demands    demands
	reuse      *otter.Cache[reuseKey, *issued]
	assertions assertions
}

// maxReuse bounds how many tokens are remembered to be given again.
const maxReuse = 1 << 16

// New returns the authorization server. Give it a catalogue with SetCatalog.
func New(c Config) (*Server, error) {
	reuse, err := otter.New(&otter.Options[reuseKey, *issued]{
		MaximumSize:      maxReuse,
		ExpiryCalculator: otter.ExpiryWriting[reuseKey, *issued](maxReuseWindow),
	})
	if err != nil {
		return nil, err
	}
	checks, err := newAssertions()
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, profiles: map[string]Profile{}, platform: []string{c.Audience}, demands: demandsOf(c.Requests), reuse: reuse, assertions: checks}
	for _, e := range s.Endpoints {
		if e.Profile != (Profile{}) {
			s.profiles[e.Path], s.profiles[e.Path+"/"] = e.Profile, e.Profile
		}
	}
	s.SetCatalog(&manifest.Catalog{})
	return s, nil
}

// Routes returns the handlers by exact path; they check methods themselves.
func (s *Server) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{}
	both := func(path string, h http.Handler) {
		routes[path], routes[path+"/"] = h, h
	}
	for _, e := range s.Endpoints {
		both(e.Path, s.handle(s.tokenHandler(e)))
		both(e.healthPath(), s.handle(s.healthHandler(e)))
	}
	both("/oauth2/revoke", s.handle(s.revoke))
	both("/oauth2/introspect", s.handle(s.introspect))
	both("/oauth2/credentials", s.handle(s.listOwn))
	both("/oauth2/credentials/rotate", s.handle(s.rotateOwn))
	metadata := s.handle(s.describe)
	path := issuerPath(s.Issuer)
	routes["/.well-known/oauth-authorization-server"+path] = metadata // RFC 8414 §3.1
	routes["/.well-known/openid-configuration"+path] = metadata
	routes[path+"/.well-known/openid-configuration"] = metadata // OpenID Connect Discovery §4
	routes["/.well-known/jwks.json"] = s.handle(s.jwks(keyring.UseToken))
	routes["/.well-known/identity-jwks.json"] = s.handle(s.jwks(keyring.UseIdentity))
	return routes
}

func (s *Server) handle(h httpx.HandlerFunc) http.Handler { return httpx.Handle(h, s.fail) }

// Fail answers an error that no handler of ours got to answer.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, err) }

func issuerPath(issuer string) string {
	_, rest, _ := strings.Cut(issuer, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return strings.TrimSuffix(rest[i:], "/")
	}
	return ""
}
