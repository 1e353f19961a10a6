package token_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/token"
)

func TestVerifyReturnsWhatMintWasTold(t *testing.T) {
	for _, alg := range algorithms {
		p, c := newPair(t, alg), sample()
		v := newVerifier(t, newRing(p), newClock())
		raw := mint(t, p.Key, c)
		want := &token.Principal{
			Issuer: c.Issuer, ClientID: c.ClientID, JTI: c.JTI, Org: c.Org, Credential: c.Credential,
			Environment: c.Environment, ApplicationName: c.ApplicationName, Scope: c.Scope, Products: c.Products,
			IssuedAt: c.IssuedAt, NotBefore: c.NotBefore, Expires: c.Expires,
		}
		for _, time := range []string{"first", "second"} {
			got, err := v.Verify(raw)
			if err != nil {
				t.Fatalf("%s, %s time: %v", alg, time, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s time (-want +got):\n%s", alg, time, diff)
			}
			if !got.HasProduct("MN_Product_Reports_v1") || got.HasProduct("MN_Product_Reports") || got.HasProduct("") {
				t.Error("HasProduct is wrong")
			}
		}
	}
}

func TestVerifyTakesWhatGoJoseMints(t *testing.T) {
	for _, alg := range algorithms {
		p := newPair(t, alg)
		v := newVerifier(t, newRing(p), newClock())
		for _, typ := range []string{"", "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/at+JWT"} {
			for _, aud := range []string{`"apiPlatform"`, `["apiPlatform"]`, `["other","apiPlatform"]`} {
				signed, err := joseSigner(t, p, typ).Sign([]byte(claims(map[string]string{"aud": aud})))
				if err != nil {
					t.Fatal(err)
				}
				raw, err := signed.CompactSerialize()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := v.Verify(raw); err != nil {
					t.Errorf("%s, typ %q, aud %s: %v", alg, typ, aud, err)
				}
			}
		}
	}
}

// RFC 7519 §4.1, RFC 9068 §2.2 and §4; gateway checklist A3.
func TestVerifyJudgesTheClaims(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	type of = map[string]string
	tests := []struct {
		name   string
		claims of
		want   token.Reason // "": taken
	}{
		{"as usual", of{}, ""},
		{"another issuer", of{"iss": `"https://production.apis.example"`}, token.WrongIssuer},
		{"an issuer with a slash more", of{"iss": `"` + issuer + `/"`}, token.WrongIssuer},
		{"an issuer in capitals", of{"iss": `"HTTPS://sandbox.apis.example"`}, token.WrongIssuer},
		{"no issuer", of{"iss": ""}, token.WrongIssuer},
		{"a null issuer", of{"iss": "null"}, token.WrongIssuer},
		{"a list of issuers", of{"iss": `["` + issuer + `"]`}, token.BadClaims},
		{"another audience", of{"aud": `"other"`}, token.WrongAudience},
		{"other audiences", of{"aud": `["other","apiplatform"]`}, token.WrongAudience},
		{"no audience", of{"aud": ""}, token.WrongAudience},
		{"a null audience", of{"aud": "null"}, token.WrongAudience},
		{"an empty list of audiences", of{"aud": "[]"}, token.WrongAudience},
		{"an audience that is a number", of{"aud": "7"}, token.BadClaims},
		{"an audience that is an object", of{"aud": `{"apiPlatform":1}`}, token.BadClaims},
		{"audiences that are not all texts", of{"aud": `["apiPlatform",1]`}, token.BadClaims},
		{"another environment", of{"env": `"production"`}, token.WrongEnvironment},
		{"no environment", of{"env": ""}, token.WrongEnvironment},
		{"no client_id", of{"client_id": ""}, token.MissingClaim},
		{"sub is another client", of{"sub": `"other"`}, token.WrongSubject},
		{"no sub", of{"sub": ""}, token.WrongSubject},
		{"no jti", of{"jti": ""}, token.MissingClaim},
		{"an empty jti", of{"jti": `""`}, token.MissingClaim},
		{"a jti that is a number", of{"jti": "1"}, token.BadClaims},
		{"no exp", of{"exp": ""}, token.MissingClaim},
		{"a null exp", of{"exp": "null"}, token.BadClaims},
		{"exp as a text", of{"exp": `"1767326400"`}, token.BadClaims},
		{"exp as a float", of{"exp": "1767326400.5"}, token.BadClaims},
		{"exp with a zero fraction", of{"exp": "1767326400.0"}, token.BadClaims},
		{"exp with an exponent", of{"exp": "1.7673264e9"}, token.BadClaims},
		{"a negative exp", of{"exp": "-1"}, token.Expired},
		{"exp at the limit", of{"exp": "9007199254740992"}, ""},
		{"exp over the limit", of{"exp": "9007199254740993"}, token.BadClaims},
		{"a huge exp", of{"exp": "99999999999999999999999999"}, token.BadClaims},
		{"a very negative exp", of{"exp": "-9223372036854775808"}, token.BadClaims},
		{"exp true", of{"exp": "true"}, token.BadClaims},
		{"exp as a list", of{"exp": "[1767326400]"}, token.BadClaims},
		{"no nbf", of{"nbf": ""}, ""},
		{"nbf within the leeway", of{"nbf": "1767322830"}, ""},
		{"nbf beyond the leeway", of{"nbf": "1767322831"}, token.NotYetValid},
		{"nbf as a text", of{"nbf": `"0"`}, token.BadClaims},
		{"iat within the leeway", of{"iat": "1767322830"}, ""},
		{"iat beyond the leeway", of{"iat": "1767322831"}, token.NotYetValid},
		{"no iat", of{"iat": ""}, token.MissingClaim},
		{"an iat of long ago", of{"iat": "0", "nbf": "0"}, ""},
		{"claims nobody knows", of{"roles": `{"a":[1,2,{"b":null}]}`}, ""},
		{"a product list that is a text", of{"api_product_list": `"A"`}, token.BadClaims},
		{"no product list", of{"api_product_list": ""}, ""},
		{"a nest", of{"x": nest(80)}, token.BadClaims},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t, newRing(p), newClock())
			_, err := v.Verify(forge(t, p.Key, header(p.Key, ""), claims(tt.claims)))
			if got := token.ReasonOf(err); got != tt.want || (err == nil) != (tt.want == "") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && errors.Is(err, token.ErrExpired) == errors.Is(err, token.ErrInvalid) {
				t.Errorf("%v is neither ErrExpired nor ErrInvalid, or both", err)
			}
		})
	}
	for name, text := range map[string]string{
		"a repeated claim":                claims(nil)[:len(claims(nil))-1] + `,"exp":9007199254740991}`,
		"a claim repeated by an escape":   claims(nil)[:len(claims(nil))-1] + `,"\u0065xp":9007199254740991}`,
		"a repeated claim nobody knows":   claims(map[string]string{"x": `1,"x":2`}),
		"text that is not UTF-8":          claims(map[string]string{"scope": "\"\xff\""}),
		"something behind":                claims(nil) + "{}",
		"claims cut short":                claims(nil)[:50],
		"a list":                          "[" + claims(nil) + "]",
		"a text":                          `"claims"`,
		"nothing":                         "",
		"a nest that never closes":        nest(2000)[:2000],
		"a time with a leading zero":      claims(map[string]string{"exp": "01767326400"}),
		"a time with a plus":              claims(map[string]string{"exp": "+1767326400"}),
		"a time in hexadecimal":           claims(map[string]string{"exp": "0x69574900"}),
		"a time with underscores":         claims(map[string]string{"exp": "1_767_326_400"}),
		"a comment":                       claims(nil) + "//",
		"a claim set with a NUL byte":     claims(nil) + "\x00",
		"a claim set with a byte order":   "\ufeff" + claims(nil),
		"a claim set in single quotation": `{'exp':1}`,
	} {
		if _, err := newVerifier(t, newRing(p), newClock()).Verify(forge(t, p.Key, header(p.Key, ""), text)); token.ReasonOf(err) != token.BadClaims {
			t.Errorf("%s: got %v, want %q", name, err, token.BadClaims)
		}
	}
	// Members are matched by exact case: EXP is not exp.
	if _, err := newVerifier(t, newRing(p), newClock()).Verify(forge(t, p.Key, header(p.Key, ""), claims(map[string]string{"exp": "", "EXP": "1767326400"}))); token.ReasonOf(err) != token.MissingClaim {
		t.Errorf("EXP for exp: %v", err)
	}
	if _, err := newVerifier(t, newRing(p), newClock()).Verify(forge(t, p.Key, header(p.Key, ""), "null")); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("null: %v", err)
	}
}

func nest(depth int) string {
	text := ""
	for range depth {
		text = "[" + text + "]"
	}
	return text
}

// RFC 7519 §4.1.4; CONTRACT 4.1. The same whether the token is remembered or not.
func TestATokenExpiresAfterTheLeeway(t *testing.T) {
	p, c := newPair(t, keyring.EdDSA), newClock()
	raw := mint(t, p.Key, sample())
	keen := newVerifier(t, newRing(p), c)
	for _, at := range []struct {
		second int64
		want   error
	}{
		{now - 31, token.ErrInvalid},
		{now - 30, nil},
		{now, nil},
		{now + 3600, nil},
		{now + 3629, nil},
		{now + 3630, token.ErrExpired},
		{now + 1<<32, token.ErrExpired},
		{now, nil}, // a clock may be set back
		{now - 31, token.ErrInvalid},
	} {
		c.set(at.second)
		for name, v := range map[string]*token.Verifier{"remembered": keen, "fresh": newVerifier(t, newRing(p), c)} {
			if _, err := v.Verify(raw); !errors.Is(err, at.want) {
				t.Errorf("at %+d, %s: %v, want %v", at.second-now, name, err, at.want)
			}
		}
	}
}

func TestOnlyAnAuthenticTokenIsSaidToHaveExpired(t *testing.T) {
	p, c := newPair(t, keyring.ES256), newClock()
	v := newVerifier(t, newRing(p), c)
	c.set(now + 7200)
	raw := mint(t, p.Key, sample())
	if _, err := v.Verify(raw); !errors.Is(err, token.ErrExpired) {
		t.Errorf("got %v", err)
	}
	if _, err := v.Verify(raw[:len(raw)-20] + "AAAAAAAAAAAAAAAAAAAA"); token.ReasonOf(err) != token.BadSignature {
		t.Errorf("with another signature: %v", err)
	}
	other := sample()
	other.Environment = "production"
	if _, err := v.Verify(mint(t, p.Key, other)); token.ReasonOf(err) != token.WrongEnvironment {
		t.Errorf("of another environment: %v", err)
	}
}

func TestPeekTellsWhatIsWrongWithATokenOfOurs(t *testing.T) {
	sandbox, production, c := newPair(t, keyring.ES256), newPair(t, keyring.ES256), newClock()
	raw := mint(t, sandbox.Key, sample())
	here := newVerifier(t, newRing(production), c)
	there := newVerifier(t, newRing(sandbox), c)
	c.set(now + 7200)
	if _, err := here.Peek(raw); token.ReasonOf(err) != token.UnknownKey {
		t.Errorf("production knows a token of the sandbox: %v", err)
	}
	p, err := there.Peek(raw)
	if err != nil || p.Environment != environment || p.Expires != now+3600 || p.JTI != sample().JTI {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err := there.Peek(raw[:len(raw)-4] + "AAAA"); p != nil || token.ReasonOf(err) != token.BadSignature {
		t.Errorf("with another signature: %+v, %v", p, err)
	}
	if _, err := there.Verify(raw); !errors.Is(err, token.ErrExpired) {
		t.Errorf("peeking made it valid: %v", err)
	}
}

func TestErrorsHoldNothingOfTheToken(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	v := newVerifier(t, newRing(p), newClock())
	const canary = "canary4f1d"
	for _, raw := range []string{
		canary, canary + "." + canary + "." + canary,
		forge(t, p.Key, header(p.Key, `,"typ":"`+canary+`"`), claims(nil)),
		forge(t, p.Key, `{"alg":"`+canary+`","kid":"`+canary+`"}`, claims(nil)),
		forge(t, p.Key, header(p.Key, ""), claims(map[string]string{"iss": `"` + canary + `"`})),
		forge(t, p.Key, header(p.Key, ""), claims(map[string]string{canary: `1,"` + canary + `":2`})),
	} {
		_, err := v.Verify(raw)
		if err == nil {
			t.Fatalf("%s was taken", raw)
		}
		if text := err.Error(); len(text) > 200 || contains(text, canary) {
			t.Errorf("the error says %q", text)
		}
	}
}

// FuzzVerify holds that nothing panics, and that go-jose too verifies whatever
// is verified here, with the same claims.
func FuzzVerify(f *testing.F) {
	pairs := []pair{newPair(f, keyring.RS256), newPair(f, keyring.ES256), newPair(f, keyring.EdDSA)}
	byKID := map[string]pair{}
	for _, p := range pairs {
		byKID[p.KID] = p
		f.Add(mint(f, p.Key, sample()))
		f.Add(forge(f, p.Key, header(p.Key, `,"typ":"at+jwt"`), claims(nil)))
	}
	f.Add("")
	f.Add("..")
	f.Add("a.b.c.d.e")
	v := newVerifier(f, newRing(pairs...), newClock())
	check := func(t *testing.T, raw string) {
		got, err := v.Verify(raw)
		peeked, peekErr := v.Peek(raw)
		if err != nil {
			if got != nil || errors.Is(err, token.ErrInvalid) == errors.Is(err, token.ErrExpired) {
				t.Fatalf("%q: %+v, %v", raw, got, err)
			}
			return
		}
		if peekErr != nil || !cmp.Equal(peeked, got) {
			t.Fatalf("%q verifies, but peeking says %v", raw, peekErr)
		}
		parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
		if err != nil {
			t.Fatalf("go-jose does not parse %q: %v", raw, err)
		}
		body, err := parsed.Verify(byKID[parsed.Signatures[0].Protected.KeyID].Public)
		if err != nil {
			t.Fatalf("go-jose does not verify %q: %v", raw, err)
		}
		var c struct {
			Expires int64  `json:"exp"`
			Issuer  string `json:"iss"`
			JTI     string `json:"jti"`
		}
		if err := json.Unmarshal(body, &c); err != nil || c.Expires != got.Expires || c.Issuer != got.Issuer || c.JTI != got.JTI {
			t.Fatalf("%q reads as %+v, and here as %+v (%v)", raw, c, got, err)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		check(t, text)
		// A random text never has a good signature: take it for a header, and for
		// claims, under one.
		for _, p := range pairs[2:] { // the one that signs fastest
			check(t, forge(t, p.Key, header(p.Key, ""), text))
			check(t, forge(t, p.Key, text, claims(nil)))
			check(t, forge(t, p.Key, header(p.Key, text), claims(nil)))
		}
	})
}
