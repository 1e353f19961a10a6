package token

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
)

// Keys is where a verifier finds keys; a [*keyring.Ring] is one.
type Keys interface {
	// Lookup returns a key that is in force now, or nil.
	Lookup(use keyring.Use, kid string) *keyring.Key
}

// VerifierConfig is what a verifier needs. Fields without a default must be set.
type VerifierConfig struct {
	Ring     Keys
	Issuer   string // the iss of the environment
	Audience string // among the aud: the token is for all of the environment
	// Resources are what the identifiers of the environment's resources begin with
	// (RFC 8707): a token may be for some of those instead. None: it may not.
	Resources   []string
	Environment string // the env
	// Leeway is how far exp, nbf and iat may be off; default 30 seconds
	// (CONTRACT 4.1). A ring's leeway must not be shorter.
	Leeway    time.Duration
	CacheSize int // how many tokens are remembered; default 50,000; negative: none
	Now       func() time.Time
}

// The defaults of VerifierConfig.
const (
	DefaultLeeway    = 30 * time.Second
	DefaultCacheSize = 50_000
)

// Verifier verifies the access tokens of one environment. It is safe for
// concurrent use.
type Verifier struct {
	keys                          Keys
	issuer, audience, environment string
	resources                     []string
	leeway                        int64 // seconds
	now                           func() time.Time

	verified     *Memory[*keyring.Key] // nil: none
	hits, misses atomic.Int64
}

// Counts is how many tokens were remembered, and how many were not, since the start
// of the program.
func (v *Verifier) Counts() (hits, misses int64) { return v.hits.Load(), v.misses.Load() }

// NewVerifier returns a verifier.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	if c.Ring == nil || c.Now == nil || c.Issuer == "" || c.Audience == "" || c.Environment == "" {
		return nil, errors.New("token: Ring, Issuer, Audience, Environment and Now must be set")
	}
	if c.Leeway == 0 {
		c.Leeway = DefaultLeeway
	}
	if c.CacheSize == 0 {
		c.CacheSize = DefaultCacheSize
	}
	v := &Verifier{
		keys: c.Ring, issuer: c.Issuer, audience: c.Audience, environment: c.Environment, resources: c.Resources,
		leeway: int64(c.Leeway / time.Second), now: c.Now,
	}
	if c.CacheSize > 0 {
		var err error
		if v.verified, err = NewMemory[*keyring.Key](c.CacheSize, c.Leeway, c.Now); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Verify returns what the token raw says if it is one of ours and in force now:
// otherwise [ErrExpired], or an [*InvalidError].
func (v *Verifier) Verify(raw string) (*Principal, error) {
	if p, err := v.Recall(raw); p != nil || err != nil {
		return p, err
	}
	v.misses.Add(1)
	key, c, err := v.open(raw)
	if err != nil {
		return nil, err
	}
	if err := v.check(c); err != nil {
		return nil, err
	}
	e := &Remembered[*keyring.Key]{c.principal(), key}
	if !slices.Contains(c.Audience, v.audience) {
		e.Resources = v.ours(c.Audience)
	}
	if err := v.inTime(&e.Principal); err != nil {
		return nil, err
	}
	if v.verified != nil {
		v.verified.Remember(raw, e)
	}
	return &e.Principal, nil
}

// Recall is Verify for a token that is remembered: it returns nil and no error for
// any other, whatever that is.
func (v *Verifier) Recall(raw string) (*Principal, error) {
	if v.verified == nil || len(raw) > MaxLength {
		return nil, nil //nolint:nilnil // neither one of ours nor refused: not known
	}
	e, ok := v.verified.Recall(raw)
	if !ok {
		return nil, nil //nolint:nilnil // the same
	}
	if v.keys.Lookup(keyring.UseToken, e.Key.KID) != e.Key {
		v.verified.Forget(raw)
		return nil, nil //nolint:nilnil // the same
	}
	if err := v.inTime(&e.Principal); err != nil {
		return nil, err
	}
	v.hits.Add(1)
	return &e.Principal, nil
}

// Peek returns what a token says whose signature is that of a key of this
// verifier's ring, whatever it says: it may have expired, or be meant for others.
// It is for telling the owner of a credential why Verify refused; the verifier
// of another environment knows that one's tokens. Nothing may be allowed by it.
func (v *Verifier) Peek(raw string) (*Principal, error) {
	_, c, err := v.open(raw)
	if err != nil {
		return nil, err
	}
	p := c.principal()
	return &p, nil
}

// check judges all claims but the times.
func (v *Verifier) check(c *claims) error {
	switch {
	case c.Issuer != v.issuer: // RFC 8725 §3.8
		return refuse(WrongIssuer)
	case !slices.Contains(c.Audience, v.audience) && len(v.ours(c.Audience)) == 0: // RFC 8725 §3.9
		return refuse(WrongAudience)
	case c.Environment != v.environment: // CONTRACT 1.2
		return refuse(WrongEnvironment)
	case !c.Expires.given, !c.IssuedAt.given, c.JTI == "", c.ClientID == "": // RFC 9068 §2.2
		return refuse(MissingClaim)
	case c.Subject != c.ClientID:
		return refuse(WrongSubject)
	case c.Confirmation != nil && (c.Confirmation.Certificate == "") == (c.Confirmation.Key == ""): // none, or two
		return refuse(UnknownConfirmation)
	}
	return nil
}

// ours returns the resources of this environment among an audience.
func (v *Verifier) ours(audience []string) []string {
	return slices.DeleteFunc(slices.Clone(audience), func(resource string) bool {
		return !slices.ContainsFunc(v.resources, func(ours string) bool { return below(resource, ours) })
	})
}

// inTime judges the times, in whole seconds (RFC 7519 §4.1.4, §4.1.5).
func (v *Verifier) inTime(p *Principal) error {
	now := v.now().Unix()
	switch {
	case now+v.leeway < max(p.NotBefore, p.IssuedAt):
		return refuse(NotYetValid)
	case now-v.leeway >= p.Expires:
		return ErrExpired
	}
	return nil
}

// principal is what the claims say of who calls. Without nbf, iat stands for it.
func (c *claims) principal() Principal {
	p := Principal{
		Issuer: c.Issuer, ClientID: c.ClientID, JTI: c.JTI, Org: c.Org, Credential: c.Credential,
		Environment: c.Environment, ApplicationName: c.ApplicationName, Scope: c.Scope, Products: c.Products,
		IssuedAt: c.IssuedAt.second, NotBefore: c.NotBefore.second, Expires: c.Expires.second,
	}
	if c.Confirmation != nil {
		p.Confirmation = Confirmation{Certificate: c.Confirmation.Certificate, Key: c.Confirmation.Key}
	}
	if !c.NotBefore.given {
		p.NotBefore = p.IssuedAt
	}
	return p
}
