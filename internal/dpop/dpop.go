// Package dpop checks proofs of possession (RFC 9449): the signed objects by which
// a client shows, request by request, that it holds the key that its token is bound
// to.
//
// A surface hands the DPoP headers of a request to [Checker.Check] with what the
// request is, and gets the thumbprint of the key, or an [*Error] that says what is
// wrong and what to do. Once it knows the caller to be one of ours it calls
// [Checker.Spend], so that the proof is good for nothing more.
//
// Invariants: a proof is for one method, one URL of this environment, one token and
// one moment, and is taken once by each node; its key is public and strong; nothing
// that it says is followed. A nonce is made from the clock and a key that all nodes
// share, so no node keeps any. What strangers send is not kept.
//
// What it does not do: know tokens, clients or HTTP.
package dpop

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
)

// Type is the typ of a proof (RFC 9449 §4.2).
const Type = "dpop+jwt"

// How long a proof is good for by its iat: as long as a request may take to
// arrive, and as far as clocks may differ. See the ADR 0017.
const (
	maxAge   = time.Minute
	maxAhead = 30 * time.Second
)

// The longest texts that are looked at.
const (
	maxProof = 8 << 10
	maxJTI   = 256
)

// Config is what a Checker is made of. All fields are needed.
type Config struct {
	// Bases are the URLs by which the environment is reached, https://host[:port]
	// and perhaps a path, no trailing slash. A proof is for one of them.
	Bases []string
	Key   []byte // of the nonces; the same at every node, another in every environment
	Now   func() time.Time
}

// Checker checks the proofs that are sent to one environment.
type Checker struct {
	bases  []string // normalized, without a slash at the end
	nonces nonces
	now    func() time.Time
	spent  spent
}

// New returns a checker.
func New(c Config) *Checker {
	k := &Checker{nonces: nonces{c.Key}, now: c.Now}
	for _, base := range c.Bases {
		if text, ok := normalize(base); ok {
			k.bases = append(k.bases, strings.TrimSuffix(text, "/"))
		}
	}
	return k
}

// Request is what a proof has to be for.
type Request struct {
	Method        string
	Path          string // as it was sent: escaped
	Token         string // the access token that comes with it; empty at a token endpoint
	NonceOptional bool   // a proof without a nonce is taken
}

// Proof is a proof that was found good.
type Proof struct {
	Thumbprint string // of its key (RFC 7638)
	NonceDue   bool   // the client is to be given the present nonce
	id         [16]byte
}

// Error is why a proof is not taken: text of ours, for the client. It may stand in
// error_description (RFC 6749 §5.2).
type Error struct {
	Reason string
	// Nonce is true if there is nothing wrong but that the proof has no nonce, or
	// not one of now: the client is to be given one (RFC 9449 §8).
	Nonce bool
	// Busy is true if there is nothing wrong with the proof, and no room to
	// remember it.
	Busy bool
	// Skew is how far the proof's time is off: past its end, or, if negative, ahead;
	// zero: it is not about that. Diagnosis tells the owner how far, and what to do.
	Skew      time.Duration
	Diagnosis string
	Next      string
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

func wrong(reason string) error { return &Error{Reason: reason} }

// claims is what is read of a proof's claims (RFC 9449 §4.2).
type claims struct {
	JTI      string `json:"jti"`
	Method   string `json:"htm"`
	URI      string `json:"htu"`
	IssuedAt *int64 `json:"iat"`
	Hash     string `json:"ath"`
	Nonce    string `json:"nonce"`
}

// Check judges the DPoP headers of a request in the order of RFC 9449 §4.3.
func (k *Checker) Check(headers []string, r Request) (Proof, error) {
	switch {
	case len(headers) == 0:
		return Proof{}, wrong("The DPoP proof is missing. Send one, made for this request, in the header DPoP")
	case len(headers) > 1 || strings.Contains(headers[0], ","):
		return Proof{}, wrong("The request has more than one DPoP proof. Send one DPoP header")
	case len(headers[0]) > maxProof:
		return Proof{}, wrong("The DPoP proof is longer than 8 KiB")
	}
	signed, key, err := open(headers[0])
	if err != nil {
		return Proof{}, err
	}
	if !signed.VerifiedBy(key) {
		return Proof{}, wrong("The signature of the DPoP proof is not that of the key in its header by the alg in its header")
	}
	var c claims
	if signed.Claims(&c) != nil {
		return Proof{}, wrong("The claims of the DPoP proof are not one JSON object with each member once, jti, htm, htu, ath and nonce as strings and iat as whole seconds")
	}
	if err := k.judge(&c, r); err != nil {
		return Proof{}, err
	}
	p := Proof{Thumbprint: key.Thumbprint(), NonceDue: c.Nonce != "" && c.Nonce != k.Nonce()}
	sum := sha256.Sum256([]byte(p.Thumbprint + " " + c.JTI))
	copy(p.id[:], sum[:])
	return p, nil
}

// open reads a proof and the key in its header.
func open(raw string) (*jose.Signed, *jose.Key, error) {
	signed, err := jose.Parse(raw)
	switch {
	case err != nil:
		return nil, nil, wrong("The DPoP proof is not a signed JWT in compact form, or has a header member that is not taken: crit, b64, zip, jku, x5u or x5c")
	case !signed.Is(Type):
		return nil, nil, wrong("The typ of the DPoP proof is not dpop+jwt")
	case !slices.Contains(jose.Algorithms(), signed.Header.Algorithm):
		return nil, nil, wrong("The alg of the DPoP proof is not one that is taken here. Use ES256")
	case signed.Header.Key == nil:
		return nil, nil, wrong("The header of the DPoP proof has no jwk. Put the public key there")
	}
	key, err := jose.ParseKey(signed.Header.Key)
	if err != nil {
		return nil, nil, wrong("The jwk of the DPoP proof is " + err.Error())
	}
	return signed, key, nil
}

// judge holds the claims to what the request is.
func (k *Checker) judge(c *claims, r Request) error {
	now := k.now()
	var age, ahead time.Duration // one is not the other's negative where they are cut to what fits
	if c.IssuedAt != nil {
		made := time.Unix(*c.IssuedAt, 0)
		age, ahead = now.Sub(made), made.Sub(now)
	}
	switch {
	case c.JTI == "" || len(c.JTI) > maxJTI:
		return wrong("The DPoP proof has no jti, or one of more than 256 bytes. Make a new random one for every request")
	case c.Method != r.Method: // methods are told apart by case (RFC 9110 §9.1)
		return wrong("The htm of the DPoP proof is not the method of this request")
	case !k.ours(c.URI, r.Path):
		return wrong("The htu of the DPoP proof is not the URL of this request. Sign scheme, host, port and path as they are sent, without the query")
	case c.IssuedAt == nil:
		return wrong("The DPoP proof has no iat")
	case age > maxAge:
		return &Error{
			Reason: "The DPoP proof is older than a minute by its iat. Make a new one for every request, and compare the clock with the Date of this answer",
			Skew:   seconds(age - maxAge), Diagnosis: "the DPoP proof is " + seconds(age).String() + " old by its iat; it is good for " + maxAge.String(),
			Next: "if the client makes a proof for every request, as it is sent, its clock is slow: let it be set by NTP; if it keeps proofs, let it make new ones",
		}
	case ahead > maxAhead:
		return &Error{
			Reason: "The iat of the DPoP proof lies ahead. Compare the clock with the Date of this answer",
			Skew:   -seconds(ahead), Diagnosis: "the iat of the DPoP proof lies " + seconds(ahead).String() + " ahead; " + maxAhead.String() + " are let pass",
			Next: "the client's clock is fast: let it be set by NTP",
		}
	case r.Token != "" && c.Hash == "":
		return wrong("The DPoP proof has no ath. Put the SHA-256 of the access token there, in base64url")
	case r.Token != "" && c.Hash != hashOf(r.Token):
		return wrong("The ath of the DPoP proof is not of the access token that came with it")
	case c.Nonce == "" && !r.NonceOptional:
		return &Error{Reason: "The DPoP proof needs a nonce. Make it again with the one in the DPoP-Nonce of this answer", Nonce: true}
	case c.Nonce != "" && !k.nonces.good(c.Nonce, now):
		return &Error{Reason: "The nonce of the DPoP proof is not one of now. Make it again with the one in the DPoP-Nonce of this answer", Nonce: true}
	}
	return nil
}

// seconds is d in whole seconds, one at least.
func seconds(d time.Duration) time.Duration {
	return max(d.Truncate(time.Second), time.Second)
}

// hashOf is the ath of a token (RFC 9449 §4.2).
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Nonce returns the nonce that proofs are to have now.
func (k *Checker) Nonce() string { return k.nonces.at(k.now()) }

// Spend remembers a proof for as long as it would be taken. It is an [*Error] if
// the proof was spent before, or if there is no room to remember it: then it must
// not be taken either. Call it for callers that are known, so that strangers do not
// fill the room; owner is whose they are, so that none of them does for all others.
func (k *Checker) Spend(p Proof, owner string) error {
	switch k.spent.add(p.id, owner, k.now()) {
	case spentBefore:
		return wrong("The DPoP proof was used before. Make a new one, with a new jti, for every request")
	case spentFull:
		return &Error{Reason: "Too many DPoP proofs are in use at once", Busy: true}
	case spentNow:
	}
	return nil
}
