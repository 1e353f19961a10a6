package authserver

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// FuzzAssertion holds what is taken, before the signature is looked at, to RFC
// 7523 §3.
func FuzzAssertion(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	s := &Server{Config: Config{
		Issuer: "https://issuer.example", Endpoints: DefaultEndpoints(), Leeway: 30 * time.Second, Now: func() time.Time { return now },
	}}
	good := fmt.Sprintf(`{"iss":"c","sub":"c","aud":"https://issuer.example","jti":"j","exp":%d,"iat":%d}`, now.Unix()+60, now.Unix())
	f.Add(`{"alg":"RS256"}`, good)
	f.Add(`{"alg":"EdDSA","typ":"client-authentication+jwt","kid":"k"}`, strings.Replace(good, `"https://issuer.example"`, `["https://issuer.example"]`, 1))
	f.Add(`{"alg":"none"}`, good)
	f.Add(`{"alg":"RS256"}`, `{"iss":null,"sub":"","aud":[],"jti":1,"exp":1e99}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		b := base64.RawURLEncoding.EncodeToString
		text := b([]byte(header)) + "." + b([]byte(payload)) + ".AAAA"
		a, no := s.readAssertion(&request{assertionType: oauth.JWTBearer, assertion: secret.New(text)})
		if no != (why{}) {
			if no.reason == "" || no.next == "" || len(no.reason) > 1000 {
				t.Errorf("refused with %+v", no)
			}
			return
		}
		switch {
		case a.Issuer != a.Subject, a.Subject == "", a.JTI == "", len(a.JTI) > 256, strings.ContainsRune(a.JTI, 0),
			!slices.Equal(a.Aud, jose.Audience{"https://issuer.example"}),
			a.Expires.Time().Before(now.Add(-31 * time.Second)), a.Expires.Time().After(now.Add(time.Hour + 30*time.Second)),
			!slices.Contains(jose.Algorithms(), a.signed.Header.Algorithm):
			t.Errorf("%s was taken", payload)
		}
	})
}

func TestAStrangersTextIsQuotedShort(t *testing.T) {
	for text, want := range map[string]string{
		"a":                                `"a"`,
		"a\nb\"":                           `"a\nb\""`,
		strings.Repeat("é", 60):            `"` + strings.Repeat("é", 50) + `…"`,
		"spsbx_" + strings.Repeat("A", 49): `"[redacted]"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhatHasTheLookOfANumberIsNotQuotedAsAName(t *testing.T) {
	for text, want := range map[string]string{
		"password": `"password"`, "MN_Product_Eligibility_v3": `"MN_Product_Eligibility_v3"`, "oauth2 v1": `"oauth2 v1"`,
		"M123": "what was sent", "123-45-6789": "what was sent",
	} {
		if got := quoteName(text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A key is parsed once, whoever asks.
func TestParsedKeysAreRemembered(t *testing.T) {
	a, err := newAssertions()
	if err != nil {
		t.Fatal(err)
	}
	k, err := jose.NewKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if first := a.parsed(string(text)); first == nil || a.parsed(string(text)) != first {
		t.Error("the same JWK gave two keys")
	}
	if a.parsed("{}") != nil {
		t.Error("what is no key became one")
	}
}
