package token_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// CONTRACT 3.2. testdata/s002.jwt is the token printed in S002.
func TestATokenHasTheClaimsOfTheSample(t *testing.T) {
	printed, err := os.ReadFile("testdata/s002.jwt")
	if err != nil {
		t.Fatal(err)
	}
	want := payload(t, strings.TrimSpace(string(printed)))
	c := sample()
	c.Issuer = "https://sandbox.apis.changehealthcare.com"
	c.IssuedAt, c.NotBefore, c.Expires = 1610493110, 1610493110, 1610496710
	got := payload(t, mint(t, newPair(t, keyring.RS256).Key, c))
	for name, value := range map[string]any{ // added to it
		"sub": c.ClientID, "client_id": c.ClientID, "scope": c.Scope, "org": c.Org, "env": c.Environment, "cred": c.Credential,
	} {
		want[name] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-sample +ours):\n%s", diff)
	}
}

func TestATokenWithoutProductsHasAnEmptyList(t *testing.T) {
	c := sample()
	c.Products, c.Scope, c.Credential = nil, "", ""
	got := payload(t, mint(t, newPair(t, keyring.EdDSA).Key, c))
	if list, ok := got["api_product_list"].([]any); !ok || len(list) != 0 {
		t.Errorf("api_product_list is %v", got["api_product_list"])
	}
	for _, name := range []string{"scope", "cred"} {
		if _, ok := got[name]; ok {
			t.Errorf("an empty %s is there", name)
		}
	}
}

// CONTRACT 3.1; RFC 9068 §2.1.
func TestTheHeaderHasAlgKidAndTyp(t *testing.T) {
	for _, alg := range algorithms {
		p := newPair(t, alg)
		for _, typ := range []string{keyring.TypJWT, keyring.TypAccessToken} {
			raw, err := token.Mint(p.Key, typ, sample())
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jose.ParseSignedCompact(raw.Reveal(), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			h := parsed.Signatures[0].Protected
			if h.Algorithm != string(alg) || h.KeyID != p.KID || h.ExtraHeaders["typ"] != typ || len(h.ExtraHeaders) != 1 {
				t.Errorf("%s: header is %+v", alg, h)
			}
		}
	}
}

func TestGoJoseVerifiesWhatWeMint(t *testing.T) {
	for _, alg := range algorithms {
		p := newPair(t, alg)
		identity, err := token.MintIdentity(p.Key, &token.IdentityClaims{
			Issuer: issuer, Audience: "eligibility", Subject: "client", JTI: "2", Org: "org_1", App: "app_1",
			Environment: environment, IssuedAt: now, Expires: now + 60,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{mint(t, p.Key, sample()), identity.Reveal()} {
			parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parsed.Verify(p.Public); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
		want := map[string]any{
			"iss": issuer, "aud": "eligibility", "sub": "client", "jti": "2", "org": "org_1", "app": "app_1",
			"env": environment, "iat": float64(now), "exp": float64(now + 60),
		}
		if diff := cmp.Diff(want, payload(t, identity.Reveal())); diff != "" {
			t.Errorf("identity claims (-want +got):\n%s", diff)
		}
	}
}

func TestMintRefusesWhatNobodyCouldUse(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	if _, err := token.Mint(nil, keyring.TypJWT, sample()); err == nil {
		t.Error("minted without a key")
	}
	if _, err := token.Mint(p.Key, keyring.TypIdentity, sample()); err == nil {
		t.Error("minted an access token typed as an identity")
	}
	if _, err := token.Mint(&keyring.Key{}, keyring.TypJWT, sample()); err == nil {
		t.Error("minted with no key")
	}
	c := sample()
	c.Products = []string{strings.Repeat("P", token.MaxLength)}
	if _, err := token.Mint(p.Key, keyring.TypJWT, c); err == nil {
		t.Error("minted a token that is too long")
	}
	if got := payload(t, mint(t, p.Key, sample())); len(got) != 16 {
		t.Errorf("after that, a token has %d claims", len(got))
	}
}

func TestMintAllocatesTheTokenAndTheSignatureOnly(t *testing.T) {
	p, c := newPair(t, keyring.EdDSA), sample()
	input := []byte(mint(t, p.Key, c))
	bare := testing.AllocsPerRun(100, func() { _, _ = p.Sign(input[:0:0], input) }) - 1 // the appended array
	// Two more: the text, and the pointer that keeps it from being printed.
	if got := testing.AllocsPerRun(100, func() { _, _ = token.Mint(p.Key, keyring.TypJWT, c) }); got > bare+2 {
		t.Errorf("%v allocations, the signature makes %v", got, bare)
	}
}

func TestIdentifiersLookAsTheyShould(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	handle := regexp.MustCompile(`^[A-Za-z0-9]{28}$`)
	seen, letters := map[string]bool{}, map[rune]int{}
	for range 4000 {
		jti, h := token.NewJTI(), token.NewHandle()
		if !uuid.MatchString(jti) || !handle.MatchString(h) || seen[jti] || seen[h] {
			t.Fatalf("%q, %q", jti, h)
		}
		seen[jti], seen[h] = true, true
		for _, r := range h {
			letters[r]++
		}
	}
	// 112,000 characters, 1806 of each; the deviation is 42. Bias by modulo would
	// give eight letters a quarter more.
	for r, n := range letters {
		if n < 1806-300 || n > 1806+300 {
			t.Errorf("%q came %d times, 1806 are expected", r, n)
		}
	}
	if len(letters) != 62 {
		t.Errorf("%d characters came up", len(letters))
	}
}

// FuzzMintEscapes holds that any text comes back out of the claims as
// encoding/json would have brought it.
func FuzzMintEscapes(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\x7f", "é\u2028😀", "\xff\xc0\xafa", "</script>&", "\ud7ff\ue000\ufffd", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := token.AppendClaims(nil, &token.Claims{ApplicationName: s, Products: []string{s, s}, Scope: s})
		if !utf8.Valid(text) {
			t.Fatalf("%q: not UTF-8", text)
		}
		var got struct {
			Name     string   `json:"application_name"`
			Products []string `json:"api_product_list"`
			Scope    string   `json:"scope"`
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		reference, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(reference, &want); err != nil {
			t.Fatal(err)
		}
		if got.Name != want || got.Scope != want || len(got.Products) != 2 || got.Products[0] != want || got.Products[1] != want {
			t.Fatalf("%q became %+q, want %+q", s, got, want)
		}
	})
}
