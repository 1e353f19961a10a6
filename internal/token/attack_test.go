package token_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/token"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// refused fails the test unless raw is refused, fresh and again, for a reason.
func refused(t *testing.T, v *token.Verifier, name, raw string, want ...token.Reason) {
	t.Helper()
	for range 2 {
		p, err := v.Verify(raw)
		if err == nil || p != nil {
			t.Errorf("%s: taken", name)
			return
		}
		got := token.ReasonOf(err)
		ok := len(want) == 0
		for _, reason := range want {
			ok = ok || got == reason
		}
		if !ok {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Gateway checklist A1; RFC 8725 §2.1, §3.1: the algorithm is the key's.
func TestTheTokenDoesNotChooseItsAlgorithm(t *testing.T) {
	for _, alg := range algorithms {
		p := newPair(t, alg)
		v := newVerifier(t, newRing(p), newClock())
		for _, none := range []string{"none", "None", "NONE", "nOnE", ""} {
			head := encode(`{"alg":"` + none + `","kid":"` + p.KID + `"}`)
			refused(t, v, "alg "+none, head+"."+encode(claims(nil))+".", token.WrongAlgorithm)
			refused(t, v, "alg "+none+", two segments", head+"."+encode(claims(nil)), token.NotJWS)
		}
		refused(t, v, "no alg", encode(`{"kid":"`+p.KID+`"}`)+"."+encode(claims(nil))+".", token.WrongAlgorithm)
		refused(t, v, "a null alg", encode(`{"alg":null,"kid":"`+p.KID+`"}`)+"."+encode(claims(nil))+".", token.WrongAlgorithm)

		// HS256 under everything of the public key that an implementation might
		// have taken for a secret.
		public, err := x509.MarshalPKIXPublicKey(p.Public)
		if err != nil {
			t.Fatal(err)
		}
		document, err := json.Marshal(jose.JSONWebKey{Key: p.Public, KeyID: p.KID})
		if err != nil {
			t.Fatal(err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
		for _, key := range [][]byte{public, block, []byte(strings.TrimSpace(string(block))), document, {}} {
			input := encode(`{"alg":"HS256","kid":"`+p.KID+`","typ":"JWT"}`) + "." + encode(claims(nil))
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(input))
			refused(t, v, "HS256 with the public key", input+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), token.WrongAlgorithm)
		}
		// The right signature under another name.
		for _, other := range []string{"RS384", "RS512", "PS256", "ES256K", "ES384", "Ed25519", "EdDSA", "RS256", "ES256", "rs256", "es256", "eddsa"} {
			if other != string(alg) {
				refused(t, v, string(alg)+" called "+other, forge(t, p.Key, `{"alg":"`+other+`","kid":"`+p.KID+`"}`, claims(nil)), token.WrongAlgorithm)
			}
		}
	}
}

func TestAPSSSignatureIsNotOneOfRS256(t *testing.T) {
	p := newPair(t, keyring.RS256)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: p.private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign([]byte(claims(nil)))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := signed.CompactSerialize()
	v := newVerifier(t, newRing(p), newClock())
	_, rest, _ := strings.Cut(raw, ".")
	refused(t, v, "PS256", encode(header(p.Key, ""))+"."+rest, token.BadSignature)
}

// Gateway checklist A2; RFC 8725 §3.10.
func TestKIDNamesAKeyOfThisRingAndNothingElse(t *testing.T) {
	ours, second, theirs := newPair(t, keyring.RS256), newPair(t, keyring.ES256), newPair(t, keyring.RS256)
	v := newVerifier(t, newRing(ours, second), newClock())
	for _, kid := range []string{
		"", "..", "../../../../dev/null", "/dev/null", "' OR '1'='1", "x' UNION SELECT 'key", "http://evil.example/jwks",
		"0", ours.KID + " ", " " + ours.KID, strings.ToLower(ours.KID), ours.KID + `\u0000`, ours.KID[1:], theirs.KID,
		strings.Repeat("k", 128),
	} {
		refused(t, v, "kid "+kid, forge(t, ours.Key, `{"alg":"RS256","kid":"`+kid+`"}`, claims(nil)), token.UnknownKey)
	}
	refused(t, v, "a long kid", forge(t, ours.Key, `{"alg":"RS256","kid":"`+strings.Repeat("k", 129)+`"}`, claims(nil)), token.BadHeader)
	refused(t, v, "no kid", forge(t, ours.Key, `{"alg":"RS256"}`, claims(nil)), token.UnknownKey)
	refused(t, v, "a kid that is a number", forge(t, ours.Key, `{"alg":"RS256","kid":1}`, claims(nil)), token.BadHeader)
	refused(t, v, "a kid that is a list", forge(t, ours.Key, `{"alg":"RS256","kid":["`+ours.KID+`"]}`, claims(nil)), token.BadHeader)
	refused(t, v, "two kids", forge(t, ours.Key, header(ours.Key, `,"kid":"`+second.KID+`"`), claims(nil)), token.BadHeader)
	refused(t, v, "two algs", forge(t, ours.Key, header(ours.Key, `,"alg":"none"`), claims(nil)), token.BadHeader)
	refused(t, v, "their signature, our kid", forge(t, theirs.Key, header(ours.Key, ""), claims(nil)), token.BadSignature)
	refused(t, v, "the one key's signature, the other's kid", forge(t, ours.Key, header(second.Key, ""), claims(nil)), token.BadSignature)
	refused(t, v, "and that one's kid under its own alg", forge(t, second.Key, `{"alg":"RS256","kid":"`+ours.KID+`"}`, claims(nil)), token.BadSignature)
	refused(t, v, "mixed up", forge(t, ours.Key, `{"alg":"RS256","kid":"`+second.KID+`"}`, claims(nil)), token.WrongAlgorithm)
}

// Gateway checklist A2; RFC 7515 §4.1.11, RFC 7797.
func TestHeaderParametersThatWouldChangeTheReadingAreRefused(t *testing.T) {
	ours, theirs := newPair(t, keyring.ES256), newPair(t, keyring.ES256)
	v := newVerifier(t, newRing(ours), newClock())
	jwk, err := json.Marshal(jose.JSONWebKey{Key: theirs.Public, KeyID: ours.KID})
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{
		`"jwk":` + string(jwk), `"jwk":null`, `"jku":"https://evil.example/jwks"`, `"x5u":"https://evil.example/x"`,
		`"x5c":["MIIB"]`, `"x5c":[]`, `"crit":["exp"]`, `"crit":[]`, `"crit":null`, `"b64":false`, `"b64":true`,
		`"zip":"DEF"`, `"enc":"A256GCM"`, `"crit":["b64"],"b64":false`,
	} {
		refused(t, v, more, forge(t, ours.Key, header(ours.Key, ","+more), claims(nil)), token.CriticalHeader)
		refused(t, v, more+" by them", forge(t, theirs.Key, header(ours.Key, ","+more), claims(nil)), token.CriticalHeader)
	}
	// Harmless ones are ignored, as RFC 7515 §4 has it.
	if _, err := v.Verify(forge(t, ours.Key, header(ours.Key, `,"x5t":"abc","cty":"x","mine":{"a":1}`), claims(nil))); err != nil {
		t.Errorf("a parameter nobody knows: %v", err)
	}
}

// RFC 8725 §3.11, §3.12: kinds of JWT do not stand in for each other.
func TestAnotherKindOfJWTIsNotAnAccessToken(t *testing.T) {
	p := newPair(t, keyring.EdDSA)
	v := newVerifier(t, newRing(p), newClock())
	for _, typ := range []string{"identity+jwt", "id_token", "dpop+jwt", "logout+jwt", "token-introspection+jwt", "JOSE", "application/jwt+x", "at+jwt ", "at", "ＪＷＴ", "K+jwt"} {
		refused(t, v, "typ "+typ, forge(t, p.Key, header(p.Key, `,"typ":"`+typ+`"`), claims(nil)), token.WrongType)
	}
	refused(t, v, "typ 1", forge(t, p.Key, header(p.Key, `,"typ":1`), claims(nil)), token.BadHeader)
	identity, err := token.MintIdentity(p.Key, &token.IdentityClaims{
		Issuer: issuer, Audience: audience, Subject: "client", JTI: "1", Environment: environment, IssuedAt: now, Expires: now + 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, v, "an identity", identity.Reveal(), token.WrongType)
	answer, err := token.MintIntrospection(p.Key, &token.IntrospectionClaims{
		Issuer: issuer, Audience: audience, IssuedAt: now, Token: []byte(`{"active":true}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, v, "an answer of introspection", answer.Reveal(), token.WrongType)
}

// Gateway checklist A3, A4: one token has one spelling.
func TestATokenHasOneSpelling(t *testing.T) {
	for _, alg := range algorithms {
		p := newPair(t, alg)
		v := newVerifier(t, newRing(p), newClock())
		raw := mint(t, p.Key, sample())
		if _, err := v.Verify(raw); err != nil { // remembered: its likes must not be
			t.Fatal(err)
		}
		part := strings.Split(raw, ".")
		for i := range part {
			other := func(name, segment string) {
				t.Helper()
				parts := []string{part[0], part[1], part[2]}
				parts[i] = segment
				if segment != part[i] {
					refused(t, v, name, strings.Join(parts, "."))
				}
			}
			other("padding", part[i]+"=")
			other("two of padding", part[i]+"==")
			other("a line break", part[i]+"\n")
			other("a line break within", part[i][:4]+"\r\n"+part[i][4:])
			other("a blank", part[i]+" ")
			other("a blank before", " "+part[i])
			other("a character more", part[i]+"A")
			other("one less", part[i][:len(part[i])-1])
			other("none", "")
			other("a NUL", part[i]+"\x00")
			other("the other alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(part[i]))
			other("percent encoding", strings.Replace(part[i], part[i][:1], "%41", 1))
			last := part[i][len(part[i])-1]
			for bit := range 6 { // of which two or four are to spare
				other("another last bit", part[i][:len(part[i])-1]+flip(last, bit))
			}
		}
		for name, text := range map[string]string{
			"a blank behind": raw + " ", "a dot behind": raw + ".", "a dot before": "." + raw,
			"the scheme before": "Bearer " + raw, "twice": raw + raw, "twice with a comma": raw + "," + raw,
			"quotation marks": `"` + raw + `"`, "capitals": strings.ToUpper(raw), "as JSON": `{"payload":"` + part[1] + `"}`,
			"no signature": part[0] + "." + part[1] + ".", "segments in another order": part[1] + "." + part[0] + "." + part[2],
		} {
			refused(t, v, name, text)
		}
	}
}

// flip returns the base64url character whose value differs in one bit.
func flip(c byte, bit int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, c)
	return alphabet[i^1<<bit : i^1<<bit+1]
}

// Gateway checklist A3: golang-jwt CVE-2025-30204, go-jose CVE-2025-27144,
// CVE-2024-28180.
func TestWhatIsNotACompactJWSIsRefusedEarly(t *testing.T) {
	p := newPair(t, keyring.RS256)
	v := newVerifier(t, newRing(p), newClock())
	jwe, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: p.Public}, &jose.EncrypterOptions{Compression: jose.DEFLATE})
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := jwe.Encrypt([]byte(claims(nil)))
	if err != nil {
		t.Fatal(err)
	}
	five, _ := encrypted.CompactSerialize()
	refused(t, v, "a JWE", five, token.NotJWS)
	refused(t, v, "nothing", "", token.NotJWS)
	refused(t, v, "no dots", "abc", token.NotJWS)
	refused(t, v, "only dots", "..", token.BadHeader)
	refused(t, v, "many dots", strings.Repeat(".", token.MaxLength), token.NotJWS)
	refused(t, v, "at the limit", strings.Repeat("a", token.MaxLength), token.NotJWS)
	refused(t, v, "over it", strings.Repeat("a", token.MaxLength+1), token.TooLong)
	refused(t, v, "a long one that is well made", forge(t, p.Key, header(p.Key, ""), claims(map[string]string{"x": `"` + strings.Repeat("x", token.MaxLength) + `"`})), token.TooLong)
	huge := strings.Repeat(".", 64<<20)
	if n := testing.AllocsPerRun(5, func() { _, _ = v.Verify(huge) }); n > 1 {
		t.Errorf("%v allocations for a huge text", n)
	}
}

// An ECDSA signature has numbers: of a wrong size, zero, or the group's order.
func TestAnECDSASignatureOfOddNumbersIsRefused(t *testing.T) {
	p := newPair(t, keyring.ES256)
	v := newVerifier(t, newRing(p), newClock())
	input := encode(header(p.Key, "")) + "." + encode(claims(nil))
	digest := sha256.Sum256([]byte(input))
	der, err := p.private.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for name, signature := range map[string][]byte{
		"zeros": make([]byte, 64), "DER": der, "ones": []byte(strings.Repeat("\xff", 64)), "96 bytes": make([]byte, 96),
		"r zero": append(make([]byte, 32), []byte(strings.Repeat("\x01", 32))...), "empty": {}, "one byte": {1},
	} {
		refused(t, v, name, input+"."+base64.RawURLEncoding.EncodeToString(signature), token.BadSignature)
	}
}

// Gateway checklist A4: no input makes it panic, whatever is cut off or changed.
func TestNoDamageToATokenIsOverlooked(t *testing.T) {
	for _, alg := range []keyring.Algorithm{keyring.ES256, keyring.EdDSA} {
		p := newPair(t, alg)
		v := newVerifier(t, newRing(p), newClock())
		raw := mint(t, p.Key, sample())
		if _, err := v.Verify(raw); err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			if _, err := v.Verify(raw[:i]); err == nil {
				t.Errorf("taken when cut off at %d", i)
			}
			for _, c := range []byte{raw[i] ^ 1, raw[i] ^ 0x80, '.'} {
				if changed := raw[:i] + string([]byte{c}) + raw[i+1:]; changed != raw {
					if _, err := v.Verify(changed); err == nil {
						t.Errorf("byte %d: taken when changed to %q", i, c)
					}
				}
			}
		}
	}
}

func TestAVerifierNeedsToKnowWhatToExpect(t *testing.T) {
	whole := token.VerifierConfig{Ring: newRing(), Issuer: issuer, Audience: audience, Environment: environment, Now: time.Now}
	for name, spoil := range map[string]func(*token.VerifierConfig){
		"no ring":        func(c *token.VerifierConfig) { c.Ring = nil },
		"no issuer":      func(c *token.VerifierConfig) { c.Issuer = "" },
		"no audience":    func(c *token.VerifierConfig) { c.Audience = "" },
		"no environment": func(c *token.VerifierConfig) { c.Environment = "" },
		"no clock":       func(c *token.VerifierConfig) { c.Now = nil },
	} {
		c := whole
		spoil(&c)
		if _, err := token.NewVerifier(c); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}
