package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/token"
)

const (
	issuer      = "https://sandbox.apis.example"
	audience    = "apiPlatform"
	environment = "sandbox"
	now         = int64(1_767_322_800)
)

// pair is a key as a token service has it and as anyone could.
type pair struct {
	*keyring.Key
	private crypto.Signer
}

func newPair(tb testing.TB, alg keyring.Algorithm) pair {
	tb.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case keyring.RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case keyring.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keyring.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		tb.Fatal(err)
	}
	key, err := keyring.NewKey(keyring.UseToken, private)
	if err != nil {
		tb.Fatal(err)
	}
	return pair{key, private}
}

var algorithms = []keyring.Algorithm{keyring.RS256, keyring.ES256, keyring.EdDSA}

// ring is a token.Keys of fixed keys.
type ring struct {
	mu   sync.Mutex
	keys map[string]*keyring.Key
}

func newRing(pairs ...pair) *ring {
	r := &ring{keys: map[string]*keyring.Key{}}
	for _, p := range pairs {
		r.keys[p.KID] = p.Key
	}
	return r
}

func (r *ring) Lookup(use keyring.Use, kid string) *keyring.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	if use != keyring.UseToken {
		return nil
	}
	return r.keys[kid]
}

func (r *ring) forget(kid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, kid)
}

// clock tells a settable time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(now, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(second int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = time.Unix(second, 0)
}

func newVerifier(tb testing.TB, keys token.Keys, c *clock) *token.Verifier {
	tb.Helper()
	v, err := token.NewVerifier(token.VerifierConfig{
		Ring: keys, Issuer: issuer, Audience: audience, Environment: environment, Now: c.now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// sample is the claims of the token printed in S002, with ours.
func sample() *token.Claims {
	return &token.Claims{
		Issuer: issuer, Audience: []string{audience},
		JTI: "c64880c0-ad1a-4571-8bcb-6bb64d5adea8", Handle: "dsRoE33HV3nzdb8wjMaYkERf8UQy",
		ClientID: "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4", Scope: "read_healthcheck", Org: "org_abcdefghijklmnopqrstuvwxyz",
		Environment: environment, Credential: "cred_abcdefghijklmnopqrstuvwxyz",
		ApplicationName: "IN_APIP_MN_CHC_TestApp", DeveloperEmail: "cdpteam@changehealthcare.com",
		Products: []string{
			"MN_Product_ClaimStatus_v2", "MN_Product_Eligibility_v3", "MN_Product_ProfessionalClaims_v3",
			"TP_Product_TradingPartners_v7", "MN_Product_Reports_v1", "MN_Product_Attachments_v1",
			"MN_Product_InstitutionalClaims_v1", "MN_Product_PD_ClaimsStatus_v1", "MN_Product_PD_Claims_v1",
			"MN_Product_PD_Eligibility_v1", "TP_Product_TradingPartner",
		},
		IssuedAt: now, NotBefore: now, Expires: now + 3600,
	}
}

func mint(tb testing.TB, key *keyring.Key, c *token.Claims) string {
	tb.Helper()
	text, err := token.Mint(key, keyring.TypJWT, c)
	if err != nil {
		tb.Fatal(err)
	}
	return text.Reveal()
}

// forge signs any header and claims with a key, as whoever holds it could.
func forge(tb testing.TB, key *keyring.Key, header, claims string) string {
	tb.Helper()
	input := encode(header) + "." + encode(claims)
	text, err := key.Sign([]byte(input+"."), []byte(input))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// header is an ordinary JOSE header of a key, with more members behind it.
func header(key *keyring.Key, more string) string {
	return `{"alg":"` + string(key.Algorithm) + `","kid":"` + key.KID + `"` + more + `}`
}

// claims is an ordinary set of claims as JSON, in which names are replaced by
// other JSON, or left out for "".
func claims(replace map[string]string) string {
	names := []string{"iss", "sub", "aud", "client_id", "iat", "nbf", "exp", "jti", "env", "api_product_list"}
	values := map[string]string{
		"iss": `"` + issuer + `"`, "sub": `"client"`, "aud": `"` + audience + `"`, "client_id": `"client"`,
		"iat": "1767322800", "nbf": "1767322800", "exp": "1767326400", "jti": `"1"`,
		"env": `"` + environment + `"`, "api_product_list": `["A"]`,
	}
	text := ""
	for name, value := range replace {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		values[name] = value
	}
	for _, name := range names {
		if values[name] != "" {
			text += `,"` + name + `":` + values[name]
		}
	}
	return "{" + text[1:] + "}"
}

// joseSigner signs with go-jose.
func joseSigner(tb testing.TB, p pair, typ string) jose.Signer {
	tb.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", p.KID)
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(p.Algorithm), Key: p.private}, options)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// payload decodes the claims of a token.
func payload(tb testing.TB, raw string) map[string]any {
	tb.Helper()
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		tb.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &c); err != nil {
		tb.Fatal(err)
	}
	return c
}

// memory is a keyring.Store that forgets.
type memory struct {
	mu      sync.Mutex
	records []keyring.Record
}

func (m *memory) SigningKeys(context.Context, market.Environment) ([]keyring.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records), nil
}

func (m *memory) Nodes(context.Context) ([]market.Node, error) { return nil, nil }

func (m *memory) UpdateSigningKeys(_ context.Context, _ market.Actor, _ market.Environment,
	change func(keyring.Stored) ([]keyring.Record, market.Change, error),
) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	put, _, err := change(keyring.Stored{Keys: slices.Clone(m.records)})
	for _, record := range put {
		if i := slices.IndexFunc(m.records, func(r keyring.Record) bool { return r.KID == record.KID }); i >= 0 {
			m.records[i] = record
		} else {
			m.records = append(m.records, record)
		}
	}
	return err
}

func decode(tb testing.TB, text string) []byte {
	tb.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
