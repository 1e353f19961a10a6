package issuer

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// Issuers are the issuers of one environment. It is safe for concurrent use.
type Issuers struct {
	all         []*Issuer // as configured
	environment string
	resources   []string
	elsewhere   []string
	now         func() time.Time
	verified    *token.Memory[verifiedBy]
}

// verifiedBy is what a token was verified by. The first member of the set tells
// whether the set is still the same.
type verifiedBy struct {
	issuer *Issuer
	key    *jose.Key
	first  *jose.Key
}

// remembered is how many tokens are remembered: half as many as of our own, since
// they may be twice as long.
const remembered = 10_000

// Of returns the issuers of an environment. Tokens whose audience is below one of
// its URLs, resources, are for that alone (RFC 8707), and those whose audience is
// below one of the other environments', elsewhere, are not for this one.
func Of(environment string, resources, elsewhere []string, now func() time.Time, all ...*Issuer) (*Issuers, error) {
	leeway := time.Duration(0)
	for _, i := range all {
		leeway = max(leeway, i.Leeway)
	}
	verified, err := token.NewMemory[verifiedBy](remembered, leeway, now)
	if err != nil {
		return nil, err
	}
	return &Issuers{all: all, environment: environment, resources: resources, elsewhere: elsewhere, now: now, verified: verified}, nil
}

// Named returns the issuer with that name, nil if there is none here.
func (s *Issuers) Named(name string) *Issuer {
	for _, i := range s.all {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// Claimed returns the issuer that a token says it is of, letter by letter, nil if
// none of these. Nothing is believed by it: it tells by whose keys a token is to be
// verified (RFC 8725 §3.8).
func (s *Issuers) Claimed(raw string) *Issuer {
	signed, err := jose.Parse(raw)
	if err != nil {
		return nil
	}
	var says struct {
		Issuer string `json:"iss"`
	}
	if err := signed.Claims(&says); err != nil || says.Issuer == "" {
		return nil
	}
	for _, i := range s.all {
		if i.URL == says.Issuer {
			return i
		}
	}
	return nil
}

// Recall is Verify for a token that is remembered, nil and no error for any other.
func (s *Issuers) Recall(ctx context.Context, raw string) (*token.Principal, error) {
	if len(raw) > jose.MaxLength {
		return nil, nil //nolint:nilnil // neither good nor refused: not known
	}
	r, ok := s.verified.Recall(raw)
	if !ok {
		return nil, nil //nolint:nilnil // the same
	}
	by := r.Key
	keys, err := by.issuer.keys(ctx, "")
	if err != nil {
		s.verified.Forget(raw)
		return nil, err
	}
	if keys[0] != by.first { // read anew: is the key still there?
		if key := again(keys, by.key); key != nil {
			by.key, by.first = key, keys[0]
			s.verified.Remember(raw, &token.Remembered[verifiedBy]{Principal: r.Principal, Key: by})
		} else {
			s.verified.Forget(raw)
			return nil, nil //nolint:nilnil // it is verified, and refused, anew
		}
	}
	return &r.Principal, by.issuer.inTime(&r.Principal)
}

// again finds a key in a set that was read anew.
func again(keys []*jose.Key, key *jose.Key) *jose.Key {
	for _, k := range keys {
		if k.ID == key.ID && k.Algorithm == key.Algorithm && k.Thumbprint() == key.Thumbprint() {
			return k
		}
	}
	return nil
}

// Verify returns what a token says if it is the issuer's and in force now: otherwise
// an error of package token, or an [*UnavailableError]. With an error about its times
// comes what it says too, which nothing may be allowed by.
func (s *Issuers) Verify(ctx context.Context, i *Issuer, raw string) (*token.Principal, error) {
	signed, err := jose.Parse(raw)
	switch {
	case len(raw) > jose.MaxLength:
		return nil, refuse(TooLong)
	case err != nil:
		return nil, refuse(NotJWS)
	}
	key, keys, err := i.verify(ctx, signed)
	if err != nil {
		return nil, err
	}
	p, err := i.read(signed)
	if err != nil {
		return nil, err
	}
	p.Environment = s.environment
	var here bool
	if p.Resources, here = s.narrow(p.Resources); !here {
		return nil, refuse(OtherEnvironment)
	}
	r := &token.Remembered[verifiedBy]{Principal: *p, Key: verifiedBy{i, key, keys[0]}}
	if err := i.inTime(&r.Principal); err != nil {
		return &r.Principal, err
	}
	s.verified.Remember(raw, r)
	return &r.Principal, nil
}

// narrow returns what of the environment a token with those accepted audiences is
// for; nil, all of it. Here is false if it is for other environments alone.
func (s *Issuers) narrow(audience []string) (resources []string, here bool) {
	everywhere := false
	for _, a := range audience {
		switch {
		case below(s.resources, a):
			resources = append(resources, a)
		case !below(s.elsewhere, a):
			everywhere = true // a name, which says nothing of where
		}
	}
	if everywhere {
		return nil, true
	}
	return resources, resources != nil
}

// below reports whether an audience is one of the URLs, or below one.
func below(urls []string, audience string) bool {
	return slices.ContainsFunc(urls, func(u string) bool {
		rest, ok := strings.CutPrefix(audience, u)
		return ok && (rest == "" || rest[0] == '/')
	})
}

// verify finds the key that a token is signed by, among its issuer's.
func (i *Issuer) verify(ctx context.Context, signed *jose.Signed) (key *jose.Key, keys []*jose.Key, err error) {
	h := &signed.Header
	switch {
	case len(h.Key) > 0:
		return nil, nil, refuse(token.CriticalHeader)
	case len(h.KeyID) > maxKID:
		return nil, nil, refuse(token.BadHeader)
	case !slices.Contains(i.Algorithms, h.Algorithm): // RFC 8725 §3.1
		return nil, nil, refuse(WrongAlgorithm)
	case !i.takes(h.Type): // RFC 8725 §3.11, §3.12
		return nil, nil, refuse(WrongType)
	}
	if keys, err = i.keys(ctx, h.KeyID); err != nil {
		return nil, nil, err
	}
	var fit []*jose.Key
	for _, k := range keys {
		if (h.KeyID == "" || k.ID == h.KeyID) && k.Takes(h.Algorithm) {
			fit = append(fit, k)
		}
	}
	switch {
	case len(fit) == 0:
		return nil, nil, refuse(UnknownKey)
	case len(fit) > 1 && h.KeyID == "":
		return nil, nil, refuse(NoKeyID)
	case len(fit) > 1:
		return nil, nil, refuse(SameKeyID)
	case !signed.VerifiedBy(fit[0]):
		return nil, nil, refuse(token.BadSignature)
	}
	return fit[0], keys, nil
}

// takes reports whether a typ is one that the issuer's access tokens have.
func (i *Issuer) takes(typ string) bool {
	if len(typ) > len("application/") && strings.EqualFold(typ[:len("application/")], "application/") {
		typ = typ[len("application/"):]
	}
	if typ == "" {
		typ = "JWT"
	}
	return slices.ContainsFunc(i.Types, func(own string) bool { return strings.EqualFold(own, typ) })
}

// claims is what is read of every token.
type claims struct {
	Issuer       string            `json:"iss"`
	Audience     jose.Audience     `json:"aud"`
	JTI          string            `json:"jti"`
	IssuedAt     *jose.NumericDate `json:"iat"`
	NotBefore    *jose.NumericDate `json:"nbf"`
	Expires      *jose.NumericDate `json:"exp"`
	Confirmation map[string]any    `json:"cnf"`
}

// maxText is how long a claim may be that is kept.
const maxText = 256

// read judges all claims but the times, and reads who calls.
func (i *Issuer) read(signed *jose.Signed) (*token.Principal, error) {
	var c claims
	var all map[string]any
	if signed.Claims(&c) != nil || signed.Claims(&all) != nil || len(c.JTI) > maxText {
		return nil, refuse(token.BadClaims)
	}
	accepted := slices.DeleteFunc(slices.Clone(c.Audience), func(a string) bool { return !slices.Contains(i.Audiences, a) })
	switch {
	case c.Issuer != i.URL: // RFC 8725 §3.8
		return nil, refuse(token.WrongIssuer)
	case len(accepted) == 0: // RFC 8725 §3.9
		return nil, refuse(WrongAudience)
	case c.Expires == nil, c.IssuedAt == nil: // without iat no not-before would end it
		return nil, refuse(MissingClaim)
	case int64(*c.Expires-*c.IssuedAt) > int64(i.MaxLifetime/time.Second):
		return nil, refuse(TooLongLived)
	}
	p := &token.Principal{
		Issuer: i.URL, Foreign: i.Name, JTI: c.JTI, Resources: accepted,
		IssuedAt: int64(*c.IssuedAt), NotBefore: int64(*c.IssuedAt), Expires: int64(*c.Expires),
	}
	if c.NotBefore != nil {
		p.NotBefore = int64(*c.NotBefore)
	}
	var known bool
	if p.Confirmation, known = confirmation(c.Confirmation); !known {
		return nil, refuse(token.UnknownConfirmation)
	}
	if !i.Mapping.read(all, p) {
		return nil, refuse(token.BadClaims)
	}
	return p, nil
}

// confirmation reads what a token is bound to: nothing, or one thing that is known.
func confirmation(cnf map[string]any) (c token.Confirmation, known bool) {
	if cnf == nil {
		return c, true
	}
	certificate, _ := cnf["x5t#S256"].(string)
	key, _ := cnf["jkt"].(string)
	return token.Confirmation{Certificate: certificate, Key: key}, (certificate == "") != (key == "")
}

// inTime judges the times, in whole seconds (RFC 7519 §4.1.4, §4.1.5).
func (i *Issuer) inTime(p *token.Principal) error {
	now, leeway := i.Now().Unix(), int64(i.Leeway/time.Second)
	switch {
	case now+leeway < max(p.NotBefore, p.IssuedAt):
		return refuse(token.NotYetValid)
	case now-leeway >= p.Expires:
		return token.ErrExpired
	}
	return nil
}

// The reasons that are not package token's.
const (
	TooLong        token.Reason = "longer than 16 KiB"
	NotJWS         token.Reason = "not a signed JWT in compact form, or its header has a parameter that is not taken"
	WrongAlgorithm token.Reason = "alg is not one that is taken of this issuer"
	WrongType      token.Reason = "not an access token by its typ: see the types of the issuer"
	UnknownKey     token.Reason = "signed by no key that the issuer publishes for its alg"
	NoKeyID        token.Reason = "has no kid, and the issuer publishes several keys"
	SameKeyID      token.Reason = "signed by a kid that the issuer gives to several keys"
	WrongAudience  token.Reason = "meant for another audience: see the audiences of the issuer"
	// OtherEnvironment is of a token whose audience is the URL of another environment.
	OtherEnvironment token.Reason = "meant for another environment, whose URL is its audience"
	MissingClaim     token.Reason = "a claim is missing: exp or iat"
	TooLongLived     token.Reason = "lives longer than is taken of this issuer: see its max_lifetime"
)

func refuse(reason token.Reason) error { return &token.InvalidError{Reason: reason} }

// at returns the claim that a name, or a JSON pointer, names.
func at(all map[string]any, name string) (any, bool) {
	if strings.HasPrefix(name, "/") {
		return strictjson.At(all, name)
	}
	v, ok := all[name]
	return v, ok
}
