// Package issuer reads the access tokens of other issuers: OpenID Connect providers
// that the operator has configured, for calls that carry a user (CONTRACT 4.3).
//
// [Issuers] are those of one environment. Verifying ([Issuers.Verify]) goes: the
// issuer, by the claim iss, exactly as it is configured; then its algorithms and
// types; then its keys, and no others; then the signature; then the claims. What
// passed is remembered as our own tokens are. Then [Issuers.Client] says who calls
// by what is so now: the app or the organization that the claims name by the
// operator's mapping.
//
// Invariants: a key verifies tokens of its own issuer alone (RFC 8725 §3.8), by the
// algorithms that are allowed to that issuer (§3.1); the token chooses neither; no
// claim is believed before the signature is, but that iss chooses whose keys are
// asked; a remembered token is forgotten when its issuer's key set no longer has its
// key, or is older than its bound; nobody's request waits for an issuer that is away.
//
// What it does not do: read our own tokens (token), fetch keys (keyset), or decide
// what whoever calls may do (policy).
package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/keyset"
)

// Config is an issuer as the operator describes it.
type Config struct {
	Name        string
	URL         string // its iss, letter by letter
	JWKSURI     string // where its keys are; empty: it is discovered
	Audiences   []string
	Algorithms  []string
	Types       []string // of the header's typ, without "application/"; a token without one is a "JWT"
	Leeway      time.Duration
	MaxLifetime time.Duration // from iat to exp
	Mapping     Mapping

	Sets   *keyset.Sets
	Now    func() time.Time
	Logger *slog.Logger
}

// Mapping says who calls, by the claims of a token. One of Client, ClientClaim and
// OrganizationClaim is set. A claim is named by its name, or by a JSON pointer to
// what is inside one (RFC 6901).
type Mapping struct {
	Client            string            // the client_id of the app that all its tokens are of
	ClientClaim       string            // names an app by its client_id, or by Clients
	Clients           map[string]string // client_ids by the values of ClientClaim; nil: the value is one
	OrganizationClaim string            // names an organization by its id: no app calls
	Organizations     []id.Org          // whom its tokens may speak for; nil: everybody
	ProductsClaim     string            // names the products; empty: all that are subscribed to
	UserClaim         string
}

// Issuer is one other issuer. Create it with [New].
type Issuer struct {
	Config

	mu         sync.Mutex
	jwksURI    string // empty: not discovered yet
	discovered time.Time
	failure    error // of the last discovery; nil: it succeeded
	state      string
}

// How often an issuer is asked where its keys are, and what is allowed to take.
const (
	rediscover = 15 * time.Minute
	maxKID     = 256
)

// New returns an issuer whose keys are not known yet.
func New(c Config) *Issuer { return &Issuer{Config: c, jwksURI: c.JWKSURI} }

// Refresh finds out where the issuer's keys are, if that is due, and has them read
// ahead of need. It says what has changed in the log. Call it every few seconds.
func (i *Issuer) Refresh(ctx context.Context) {
	if i.JWKSURI == "" {
		i.discover(ctx)
	}
	if uri := i.keysAt(); uri != "" {
		_, _ = i.Sets.Keys(ctx, uri, "") // why not is in its state
	}
	s := i.Status()
	i.mu.Lock()
	before := i.state
	i.state = s.State
	i.mu.Unlock()
	if before == s.State {
		return
	}
	level := slog.LevelInfo
	if s.State != OK {
		level = slog.LevelWarn
	}
	i.Logger.Log(ctx, level, "the state of an issuer has changed", slog.String("issuer", i.Name), slog.String("state", s.State), slog.String("url", i.URL), slog.Int("keys", s.Keys), slog.String("problem", s.Problem))
}

func (i *Issuer) discover(ctx context.Context) {
	i.mu.Lock()
	due := i.jwksURI == "" || clock.Elapsed(i.discovered, i.Now()) >= rediscover
	i.mu.Unlock()
	if !due {
		return
	}
	uri, err := i.Sets.Discover(ctx, i.URL)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failure = err
	if err == nil {
		i.jwksURI, i.discovered = uri, i.Now()
	}
}

// keysAt is where the keys are, empty if that is not known.
func (i *Issuer) keysAt() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.jwksURI
}

// keys returns the issuer's keys; if none is called kid, they were read a moment ago.
func (i *Issuer) keys(ctx context.Context, kid string) ([]*jose.Key, error) {
	uri := i.keysAt()
	if uri == "" {
		return nil, &UnavailableError{i.Name, errors.New("where they are was not found out yet")}
	}
	keys, err := i.Sets.Kept(ctx, uri, kid)
	if err != nil {
		return nil, &UnavailableError{i.Name, err}
	}
	return keys, nil
}

// The states of an issuer.
const (
	OK     = "ok"
	Stale  = "stale"  // its keys cannot be read, and those that are known are gone by
	Absent = "absent" // its keys are not known: its tokens cannot be verified
)

// Status is how an issuer is at this node.
type Status struct {
	Name, URL string
	State     string
	Keys      int
	Read      time.Time // when its keys were read last; zero: never
	Problem   string    // why they cannot be read; empty: they can
	// Fetches and Failures count what was fetched of it, and what could not be.
	Fetches, Failures int64
}

// Status tells how the issuer is.
func (i *Issuer) Status() Status {
	i.mu.Lock()
	uri, failure := i.jwksURI, i.failure
	i.mu.Unlock()
	s := Status{Name: i.Name, URL: i.URL, State: Absent}
	s.Fetches, s.Failures = i.Sets.Fetches()
	if uri != "" {
		known := i.Sets.State(uri)
		s.Keys, s.Read = known.Keys, known.Read
		if known.Failure != nil {
			failure = fmt.Errorf("%s: %w", uri, known.Failure)
		}
	}
	if failure != nil {
		s.Problem = failure.Error()
	}
	switch {
	case s.Keys > 0 && s.Problem == "":
		s.State = OK
	case s.Keys > 0:
		s.State = Stale
	}
	return s
}

// UnavailableError is returned while the keys of an issuer are not known: whether a
// token is good cannot be said.
type UnavailableError struct {
	Issuer string
	Err    error
}

// Error implements error.
func (e *UnavailableError) Error() string {
	return "the keys of the issuer " + e.Issuer + " are not known: " + e.Err.Error()
}

// Unwrap returns why.
func (e *UnavailableError) Unwrap() error { return e.Err }
