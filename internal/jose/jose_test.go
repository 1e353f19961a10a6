package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	josev4 "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/jose"
)

// The examples of the RFCs.
const (
	rsaKey = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	ecKey  = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	edKey  = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`

	claimed   = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rsaSigned = "eyJhbGciOiJSUzI1NiJ9." + claimed + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	ecSigned  = "eyJhbGciOiJFUzI1NiJ9." + claimed + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	edSigned  = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

func key(t testing.TB, jwk string) *jose.Key {
	t.Helper()
	k, err := jose.ParseKey([]byte(jwk))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTheExamplesOfTheRFCsVerify(t *testing.T) {
	keys := map[string]*jose.Key{"RS256": key(t, rsaKey), "ES256": key(t, ecKey), "EdDSA": key(t, edKey)}
	for alg, text := range map[string]string{"RS256": rsaSigned, "ES256": ecSigned, "EdDSA": edSigned} { // RFC 7515 A.2, A.3; RFC 8037 A.4
		s, err := jose.Parse(text)
		if err != nil || s.Header.Algorithm != alg {
			t.Fatalf("%s: %+v, %v", alg, s, err)
		}
		for other, k := range keys {
			if got := s.VerifiedBy(k); got != (alg == other) {
				t.Errorf("%s verified by the key for %s: %t", alg, other, got)
			}
		}
	}
	s, _ := jose.Parse(ecSigned)
	var claims struct {
		Issuer  string            `json:"iss"`
		Expires *jose.NumericDate `json:"exp"`
	}
	if err := s.Claims(&claims); err != nil || claims.Issuer != "joe" || *claims.Expires != 1300819380 {
		t.Errorf("got %+v, %v", claims, err)
	}
	for jwk, want := range map[string]string{
		edKey: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", // RFC 8037 A.3
		`{"kty":"RSA","alg":"RS256","kid":"2011-04-29","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", // RFC 7638 §3.1
	} {
		if got := key(t, jwk).Thumbprint(); got != want {
			t.Errorf("thumbprint %s, want %s", got, want)
		}
	}
}

// RFC 8725 §3.1: the key says by which algorithms, whatever the header does.
func TestAKeyVerifiesByTheAlgorithmsOfItsTypeAlone(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	all := []struct {
		signing crypto.Signer
		algs    []string
	}{
		{private, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{p256, []string{"ES256"}},
		{p384, []string{"ES384"}},
		{ed, []string{"EdDSA", "Ed25519"}},
	}
	decoys, err := jose.NewDecoys()
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, tt := range all {
		signing, algs := tt.signing, tt.algs
		public, err := jose.NewKey(signing.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range algs {
			text := signed(t, signing, alg)
			s, err := jose.Parse(text)
			if err != nil || !s.VerifiedBy(public) {
				t.Errorf("%s does not verify: %v", alg, err)
				continue
			}
			verified++
			decoys.Verify(s)
			for _, other := range jose.Algorithms() {
				only := *public
				if only.Algorithm = other; other != alg && s.VerifiedBy(&only) != (alg[:2] == "Ed" && other[:2] == "Ed") {
					t.Errorf("a key for %s alone took %s", other, alg)
				}
			}
			if changed, err := jose.Parse(text[:len(text)-3] + "AAA"); err == nil && changed.VerifiedBy(public) {
				t.Errorf("%s: a changed signature verifies", alg)
			}
		}
		for _, alg := range append(jose.Algorithms(), "none", "", "HS256", "ES512", "ES256K") {
			if want := slices.Contains(algs, alg); public.Takes(alg) != want || public.Verify(alg, []byte("x"), nil) {
				t.Errorf("%T takes %q: %t", public.Public, alg, !want)
			}
		}
	}
	if verified != len(jose.Algorithms()) {
		t.Errorf("%d algorithms verify, want %d", verified, len(jose.Algorithms()))
	}
}

// signed is an empty object, signed by alg.
func signed(t *testing.T, key crypto.Signer, alg string) string {
	t.Helper()
	if private, ok := key.(ed25519.PrivateKey); ok && alg == "Ed25519" { // RFC 9864, which go-jose does not know
		input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"Ed25519"}`)) + ".e30"
		return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(input)))
	}
	signer, err := josev4.NewSigner(josev4.SigningKey{Algorithm: josev4.SignatureAlgorithm(alg), Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKeysThatAreNotTaken(t *testing.T) {
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	jwk := func(key any) string {
		text, err := josev4.JSONWebKey{Key: key}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	even := strings.Replace(rsaKey, "AQAB", "AQAA", 1)
	tests := []struct {
		name, text string
		want       error
	}{
		{"symmetric", `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`, jose.ErrSymmetric},
		{"symmetric, in the guise of RSA", strings.Replace(rsaKey, `"n"`, `"k":"AAAA","n"`, 1), jose.ErrSymmetric},
		{"private RSA", jwk(weak), jose.ErrPrivate},
		{"private EC", jwk(p256), jose.ErrPrivate},
		{"private Ed25519", strings.Replace(edKey, `"x"`, `"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x"`, 1), jose.ErrPrivate},
		{"RSA of 1024 bits", jwk(weak.Public()), jose.ErrWeak},
		{"RSA with an even exponent", even, jose.ErrWeak},
		{"RSA with an exponent that takes long", strings.Replace(rsaKey, "AQAB", "f____w", 1), jose.ErrWeak},
		{"P-521", jwk(p521.Public()), jose.ErrWeak},
		{"EC off its curve", strings.Replace(ecKey, "x_FEzRu9m36HLN", "x_FEzRu9m36HLM", 1), jose.ErrMalformed},
		{"X25519, which cannot sign", strings.Replace(edKey, "Ed25519", "X25519", 1), jose.ErrMalformed},
		{"for encryption", strings.Replace(edKey, `"x"`, `"use":"enc","x"`, 1), jose.ErrUse},
		{"whose operations are others", strings.Replace(edKey, `"x"`, `"key_ops":["encrypt"],"x"`, 1), jose.ErrUse},
		{"for an algorithm of another type", strings.Replace(edKey, `"x"`, `"alg":"RS256","x"`, 1), jose.ErrMalformed},
		{"a member twice", strings.Replace(edKey, `"x"`, `"kty":"OKP","x"`, 1), jose.ErrMalformed},
		{"something after it", edKey + "{}", jose.ErrMalformed},
		{"too large", strings.Replace(edKey, `"x"`, `"y":"`+strings.Repeat("a", 16<<10)+`","x"`, 1), jose.ErrMalformed},
		{"an array", `[]`, jose.ErrMalformed},
		{"nothing", ``, jose.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if k, err := jose.ParseKey([]byte(tt.text)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v, want %v", k, err, tt.want)
			}
		})
	}
}

func TestASetLeavesOutWhatCannotBeUsed(t *testing.T) {
	keys, err := jose.ParseSet([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},` + strings.Replace(edKey, `"x"`, `"kid":"a","x"`, 1) + `,{"kty":"new"},null,` + ecKey + `],"more":1}`))
	if err != nil || len(keys) != 2 || keys[0].ID != "a" || keys[1].ID != "" {
		t.Errorf("got %d keys, %v", len(keys), err)
	}
	for name, text := range map[string]string{
		"none that can be used": `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"an empty set":          `{"keys":[]}`,
		"no keys":               `{}`,
		"one key for a set":     edKey,
		"keys twice":            `{"keys":[` + edKey + `],"keys":[]}`,
		"101 keys":              `{"keys":[` + strings.Repeat(edKey+",", 100) + edKey + `]}`,
		"more than 256 KiB":     `{"keys":[` + edKey + `],"a":"` + strings.Repeat("a", 256<<10) + `"}`,
		"a page":                `<html>`,
	} {
		if keys, err := jose.ParseSet([]byte(text)); err == nil {
			t.Errorf("%s: got %d keys", name, len(keys))
		}
	}
}

func TestWhatIsNoSignedObject(t *testing.T) {
	b := base64.RawURLEncoding.EncodeToString
	with := func(header string) string { return b([]byte(header)) + "." + claimed + ".AAAA" }
	for name, text := range map[string]string{
		"nothing":            "",
		"two parts":          "eyJhbGciOiJFUzI1NiJ9." + claimed,
		"five parts":         with(`{"alg":"RS256"}`) + ".AA.AA",
		"padding":            "eyJhbGciOiJFUzI1NiJ9." + claimed + ".AA==",
		"bits to spare":      "eyJhbGciOiJFUzI1NiJ9." + claimed + ".AB",
		"a line break":       "eyJhbGciOiJFUzI1NiJ9." + claimed + ".\nAAAA",
		"the other alphabet": "eyJhbGciOiJFUzI1NiJ9." + claimed + ".++//",
		"a header twice":     with(`{"alg":"RS256","alg":"ES256"}`),
		"crit":               with(`{"alg":"RS256","crit":["b64"],"b64":false}`),
		"crit, null":         with(`{"alg":"RS256","crit":null}`),
		"b64":                with(`{"alg":"RS256","b64":true}`),
		"jku":                with(`{"alg":"RS256","jku":"https://attacker.example"}`),
		"x5u":                with(`{"alg":"RS256","x5u":"https://attacker.example"}`),
		"x5c":                with(`{"alg":"RS256","x5c":[]}`),
		"zip":                with(`{"alg":"RS256","zip":"DEF"}`),
		"enc":                with(`{"alg":"RS256","enc":"A128GCM"}`),
		"alg is a number":    with(`{"alg":1}`),
		"no object":          with(`[]`),
		"17 KiB":             with(`{"alg":"RS256"}`) + strings.Repeat("A", 16<<10),
	} {
		if s, err := jose.Parse(text); err == nil {
			t.Errorf("%s: read as %+v", name, s.Header)
		}
	}
}

func TestATypMayBeWrittenShort(t *testing.T) {
	s, err := jose.Parse(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"Application/dpop+JWT"}`)) + "..")
	if err != nil || !s.Is("dpop+jwt") || s.Is("jwt") || s.Is("") {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestAKeyIsWrittenAsItIsRead(t *testing.T) {
	for _, text := range []string{rsaKey, ecKey, edKey, strings.Replace(edKey, `"x"`, `"kid":"a","alg":"EdDSA","x"`, 1)} {
		k := key(t, text)
		out, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		back := key(t, string(out))
		if back.Thumbprint() != k.Thumbprint() || back.ID != k.ID || back.Algorithm != k.Algorithm {
			t.Errorf("%s became %s", text, out)
		}
	}
}

func TestDatesAndAudiences(t *testing.T) {
	for text, want := range map[string]jose.NumericDate{`0`: 0, `1300819380`: 1300819380, `1300819380.9`: 1300819380, `1.3e9`: 1300000000} {
		var got jose.NumericDate
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want || got.Time().Unix() != int64(want) {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{`-1`, `1e300`, `"1300819380"`, `true`, `{}`, `1099511627777`} {
		var got jose.NumericDate
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was read as %d", text, got)
		}
	}
	for text, want := range map[string]int{`"a"`: 1, `["a"]`: 1, `["a","b"]`: 2, `[]`: 0, `""`: 1} {
		var got jose.Audience
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`1`, `{}`, `[1]`, `[["a"]]`} {
		var got jose.Audience
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was read as %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{rsaSigned, ecSigned, edSigned, "..", "e30.e30.", "eyJhbGciOiJSUzI1NiIsImNyaXQiOltdfQ.e30.AAAA"} {
		f.Add(seed)
	}
	ed := key(f, edKey)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := jose.Parse(text)
		if err != nil {
			return
		}
		if strings.Count(text, ".") != 2 || len(text) > jose.MaxLength {
			t.Errorf("%q was read", text)
		}
		if s.VerifiedBy(ed) && text != edSigned {
			t.Errorf("%q verifies", text)
		}
		var claims struct {
			Audience jose.Audience     `json:"aud"`
			Expires  *jose.NumericDate `json:"exp"`
		}
		_ = s.Claims(&claims)
	})
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{rsaKey, ecKey, edKey, `{"kty":"oct","k":"AA"}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := jose.ParseKey(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(k)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if bytes.Contains(out, []byte(`"d"`)) || bytes.Contains(out, []byte(`"k"`)) {
			t.Errorf("%s holds a private member", out)
		}
		if back, err := jose.ParseKey(out); err != nil || back.Thumbprint() != k.Thumbprint() {
			t.Errorf("%s became %s: %v", data, out, err)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[` + rsaKey + `,` + ecKey + `,` + edKey + `]}`))
	f.Add([]byte(`{"keys":[null,1,{"kty":"oct","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := jose.ParseSet(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if k.Thumbprint() == "" {
				t.Error("a key without a thumbprint")
			}
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	f.Add([]byte(edKey))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := jose.ParsePublic(data); err == nil && k.Thumbprint() == "" {
			t.Error("a key without a thumbprint")
		}
		_, _ = jose.ParseCertificate(data)
	})
}
