package dpop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/dpop"
)

// moment is when the tests happen: in the middle of a nonce's span.
var moment = time.Unix(1_800_000_150, 0)

const accessToken = "eyJ.a.token"

func newChecker(now func() time.Time) *dpop.Checker {
	return dpop.New(dpop.Config{
		Bases: []string{"https://api.example", "https://mtls.api.example:8443", "https://proxy.example/sandbox"},
		Key:   []byte("the key of this environment's nonces"), Now: now,
	})
}

func fixed() time.Time { return moment }

// signer makes proofs as a client would, and as one would that means no good.
type signer struct {
	key    *ecdsa.PrivateKey
	header map[string]any
	claims map[string]any
}

func newSigner(t testing.TB, k *dpop.Checker) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{
		key:    key,
		header: map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwkOf(t, key)},
		claims: map[string]any{
			"jti": "one", "htm": "POST", "htu": "https://api.example/orders", "iat": moment.Unix(),
			"ath": hashOf(accessToken), "nonce": k.Nonce(),
		},
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func jwkOf(t testing.TB, key *ecdsa.PrivateKey) map[string]any {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}

func (s *signer) input(t testing.TB) string {
	t.Helper()
	header, err := json.Marshal(s.header)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(s.claims)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
}

func (s *signer) sign(t testing.TB) string {
	t.Helper()
	input := s.input(t)
	sum := sha256.Sum256([]byte(input))
	a, b, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	pair := append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	return input + "." + base64.RawURLEncoding.EncodeToString(pair)
}

// order is the request that the proofs are for.
func order() dpop.Request {
	return dpop.Request{Method: "POST", Path: "/orders", Token: accessToken}
}

func TestAProofForThisRequestIsTaken(t *testing.T) {
	k := newChecker(fixed)
	s := newSigner(t, k)
	p, err := k.Check([]string{s.sign(t)}, order())
	if err != nil {
		t.Fatal(err)
	}
	jwk := jwkOf(t, s.key)
	want := hashOf(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, jwk["x"], jwk["y"])) // RFC 7638 §3
	if p.Thumbprint != want || p.NonceDue {
		t.Errorf("thumbprint %s, want %s; nonce due: %t", p.Thumbprint, want, p.NonceDue)
	}
	if err := k.Spend(p, "org"); err != nil {
		t.Error(err)
	}
}

// Each of these is one attack, or one mistake, and nothing else is wrong.
func TestAProofThatIsNotForThisRequestIsRefused(t *testing.T) {
	other := dpop.New(dpop.Config{Key: []byte("the key of another environment"), Now: fixed})
	for name, tt := range map[string]struct {
		change func(s *signer)
		words  string
	}{
		"4.3.4 typ of another kind":     {func(s *signer) { s.header["typ"] = "JWT" }, "typ"},
		"4.3.4 no typ":                  {func(s *signer) { delete(s.header, "typ") }, "typ"},
		"4.3.5 alg none":                {func(s *signer) { s.header["alg"] = "none" }, "alg"},
		"4.3.5 alg HS256":               {func(s *signer) { s.header["alg"] = "HS256" }, "alg"},
		"4.3.5 alg of another key type": {func(s *signer) { s.header["alg"] = "RS256" }, "signature"},
		"4.3.7 a private key":           {func(s *signer) { s.header["jwk"].(map[string]any)["d"] = "AAAA" }, "private key"},
		"4.3.7 a symmetric key":         {func(s *signer) { s.header["jwk"] = map[string]any{"kty": "oct", "k": "c2VjcmV0"} }, "symmetric"},
		"4.2 no jwk":                    {func(s *signer) { delete(s.header, "jwk") }, "jwk"},
		"4.2 a jwk off the curve": {func(s *signer) {
			s.header["jwk"].(map[string]any)["x"] = s.header["jwk"].(map[string]any)["y"]
		}, "jwk"},
		"a key by reference":               {func(s *signer) { s.header["jku"] = "https://evil.example/keys" }, "header member"},
		"a certificate in the header":      {func(s *signer) { s.header["x5c"] = []string{"AAAA"} }, "header member"},
		"an extension that is critical":    {func(s *signer) { s.header["crit"] = []string{"b64"} }, "header member"},
		"4.3.3 no jti":                     {func(s *signer) { delete(s.claims, "jti") }, "jti"},
		"4.3.3 a jti that fills memory":    {func(s *signer) { s.claims["jti"] = strings.Repeat("a", 257) }, "jti"},
		"4.3.3 no iat":                     {func(s *signer) { delete(s.claims, "iat") }, "no iat"},
		"4.3.3 iat as text":                {func(s *signer) { s.claims["iat"] = "1800000150" }, "claims"},
		"4.3.8 another method":             {func(s *signer) { s.claims["htm"] = "GET" }, "htm"},
		"4.3.8 the method in another case": {func(s *signer) { s.claims["htm"] = "post" }, "htm"},
		"4.3.11 stale":                     {func(s *signer) { s.claims["iat"] = moment.Unix() - 61 }, "older than a minute"},
		"4.3.11 ahead":                     {func(s *signer) { s.claims["iat"] = moment.Unix() + 31 }, "lies ahead"},
		"4.3.11 stale by all there is":     {func(s *signer) { s.claims["iat"] = json.Number("-9223372036854775808") }, "older than a minute"},
		"4.3.11 ahead by all there is":     {func(s *signer) { s.claims["iat"] = json.Number("200000000000000") }, "lies ahead"},
		"4.3.12 no ath":                    {func(s *signer) { delete(s.claims, "ath") }, "no ath"},
		"4.3.12 the ath of another token":  {func(s *signer) { s.claims["ath"] = hashOf("another") }, "ath"},
		"8 no nonce":                       {func(s *signer) { delete(s.claims, "nonce") }, "needs a nonce"},
		"8 a nonce of its own making":      {func(s *signer) { s.claims["nonce"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, "not one of now"},
		"8 a nonce of another environment": {func(s *signer) { s.claims["nonce"] = other.Nonce() }, "not one of now"},
		"8 the nonce in another spelling":  {func(s *signer) { s.claims["nonce"] = s.claims["nonce"].(string) + "=" }, "not one of now"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newChecker(fixed)
			s := newSigner(t, k)
			tt.change(s)
			_, err := k.Check([]string{s.sign(t)}, order())
			var refused *dpop.Error
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason, tt.words) {
				t.Fatalf("got %v, want %q", err, tt.words)
			}
			if refused.Nonce != strings.HasPrefix(name, "8 ") {
				t.Errorf("asks for a nonce: %t", refused.Nonce)
			}
		})
	}
}

// The owner is told how far the clock is off, in seconds, and what to do.
func TestAProofThatIsOutOfTimeSaysByHowMuch(t *testing.T) {
	for iat, want := range map[int64]struct {
		skew  time.Duration
		words string
	}{
		-61: {time.Second, "1m1s old"}, -300: {4 * time.Minute, "5m0s old"}, 31: {-31 * time.Second, "31s ahead"}, 3600: {-time.Hour, "1h0m0s ahead"},
	} {
		k := newChecker(fixed)
		s := newSigner(t, k)
		s.claims["iat"] = moment.Unix() + iat
		_, err := k.Check([]string{s.sign(t)}, order())
		var refused *dpop.Error
		if !errors.As(err, &refused) || refused.Skew != want.skew || !strings.Contains(refused.Diagnosis, want.words) || !strings.Contains(refused.Next, "NTP") {
			t.Errorf("%d: %+v", iat, err)
		}
	}
}

func TestAProofSignedWithAnotherKeyIsRefused(t *testing.T) {
	k := newChecker(fixed)
	s, thief := newSigner(t, k), newSigner(t, k)
	whole := s.sign(t)
	thief.header = s.header // shows the owner's key, signs with its own
	for name, proof := range map[string]string{
		"another key":  thief.sign(t),
		"no signature": whole[:strings.LastIndexByte(whole, '.')+1],
		"HMAC by the public key": func() string {
			s := newSigner(t, k)
			s.header["alg"] = "HS256"
			jwk, _ := json.Marshal(s.header["jwk"])
			mac := hmac.New(sha256.New, jwk)
			mac.Write([]byte(s.input(t)))
			return s.input(t) + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}(),
	} {
		if _, err := k.Check([]string{proof}, order()); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestOneProofIsSent(t *testing.T) {
	k := newChecker(fixed)
	proof := newSigner(t, k).sign(t)
	for name, headers := range map[string][]string{
		"none": nil, "two headers": {proof, proof}, "two in one header": {proof + ", " + proof}, "an empty one": {""},
		"a long one": {strings.Repeat("a", 9<<10)},
	} {
		if _, err := k.Check(headers, order()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAProofIsSpentOnce(t *testing.T) {
	now := moment
	k := newChecker(func() time.Time { return now })
	s := newSigner(t, k)
	s.claims["iat"] = moment.Add(30 * time.Second).Unix() // the longest that a proof can be good for
	proof := s.sign(t)
	p, err := k.Check([]string{proof}, order())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Spend(p, "org"); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for ; now.Before(moment.Add(3 * time.Minute)); now = now.Add(time.Second) {
		again, err := k.Check([]string{proof}, order())
		if err != nil {
			continue
		}
		taken++
		if k.Spend(again, "org") == nil {
			t.Fatalf("spent again after %s", now.Sub(moment))
		}
	}
	if taken < 80 {
		t.Errorf("the proof was good for %d seconds only: nothing was shown", taken)
	}
	now = moment
	s.claims["jti"] = "two"
	if p, err = k.Check([]string{s.sign(t)}, order()); err != nil {
		t.Fatal(err)
	}
	if err := k.Spend(p, "org"); err != nil {
		t.Errorf("another proof: %v", err)
	}
	other := newSigner(t, k) // the jti is one of its own key
	if p, err = k.Check([]string{other.sign(t)}, order()); err != nil {
		t.Fatal(err)
	}
	if err := k.Spend(p, "org"); err != nil {
		t.Errorf("another client's proof with the same jti: %v", err)
	}
}

// The URL of a request has several spellings (RFC 3986 §6.2.2, §6.2.3) and no more.
func TestTheURLIsComparedAsRFC3986Says(t *testing.T) {
	for uri, path := range map[string]string{
		"https://api.example/orders":                       "/orders",
		"HTTPS://API.Example/orders":                       "/orders",
		"https://api.example:443/orders":                   "/orders",
		"https://api.example:/orders":                      "/orders",
		"https://api.example/orders?a=b#c":                 "/orders",
		"https://api.example/%6Frders":                     "/orders",
		"https://api.example/a%2fb":                        "/a%2Fb",
		"https://api.example/x/../orders":                  "/orders",
		"https://api.example/./orders":                     "/orders",
		"https://api.example":                              "/",
		"https://mtls.api.example:8443/orders":             "/orders",
		"https://proxy.example/sandbox/orders":             "/orders",
		"https://api.example/a%20b":                        "/a%20b",
		"https://evil.example/orders":                      "",
		"https://api.example.evil.example/orders":          "",
		"https://api.example@evil.example/orders":          "",
		"https://user@api.example/orders":                  "",
		"https://user:secret@api.example/orders":           "",
		"http://api.example/orders":                        "",
		"https://api.example:8443/orders":                  "",
		"https://mtls.api.example/orders":                  "",
		"https://api.example./orders":                      "",
		"//api.example/orders":                             "",
		"/orders":                                          "",
		"orders":                                           "",
		"":                                                 "",
		"https:api.example/orders":                         "",
		"https:///orders":                                  "",
		"https://api.example/Orders":                       "",
		"https://api.example/orders/":                      "",
		"https://api.example//orders":                      "",
		"https://api.example/a/orders":                     "",
		"https://api.example/orders%3Fa":                   "",
		"https://api.example/%2e%2e%2forders":              "",
		"https://api.example\\orders":                      "",
		" https://api.example/orders":                      "",
		"https://api.example/orders\n":                     "",
		"https://%61pi.example/orders":                     "",
		"https://proxy.example/orders":                     "",
		"https://proxy.example/sandboxorders":              "",
		"https://api.example/ördérs":                       "",
		"https://api.example" + strings.Repeat("/a", 8000): "",
	} {
		k := newChecker(fixed)
		s := newSigner(t, k)
		s.claims["htu"] = uri
		request := order()
		if path != "" {
			request.Path = path
		}
		_, err := k.Check([]string{s.sign(t)}, request)
		if (err == nil) != (path != "") {
			t.Errorf("%.60q for %q: %v", uri, request.Path, err)
		}
	}
}

func TestANonceLivesForMinutesAndIsThenReplaced(t *testing.T) {
	now := moment
	k := newChecker(func() time.Time { return now })
	node := newChecker(func() time.Time { return now }) // shares the key, and nothing else
	nonce := k.Nonce()
	check := func(at *dpop.Checker) (dpop.Proof, error) {
		s := newSigner(t, at)
		s.claims["nonce"], s.claims["iat"] = nonce, now.Unix()
		return at.Check([]string{s.sign(t)}, order())
	}
	for _, tt := range []struct {
		after time.Duration
		good  bool
		due   bool
	}{{0, true, false}, {4 * time.Minute, true, true}, {8 * time.Minute, false, false}, {-4 * time.Minute, true, true}, {-8 * time.Minute, false, false}} {
		now = moment.Add(tt.after)
		for _, at := range []*dpop.Checker{k, node} {
			p, err := check(at)
			if (err == nil) != tt.good || p.NonceDue != tt.due {
				t.Errorf("after %s: %v, due %t", tt.after, err, p.NonceDue)
			}
		}
	}
	now = moment
	request := order()
	request.NonceOptional = true
	s := newSigner(t, k)
	delete(s.claims, "nonce")
	if _, err := k.Check([]string{s.sign(t)}, request); err != nil {
		t.Errorf("none, where none is needed: %v", err)
	}
	s.claims["nonce"] = "old"
	if _, err := k.Check([]string{s.sign(t)}, request); err == nil {
		t.Error("a wrong one was taken where none is needed")
	}
}

// A proof at a token endpoint is for no token, and an ath in it is none of our
// business.
func TestAtATokenEndpointThereIsNoToken(t *testing.T) {
	k := newChecker(fixed)
	s := newSigner(t, k)
	request := dpop.Request{Method: "POST", Path: "/orders"}
	for range 2 {
		if _, err := k.Check([]string{s.sign(t)}, request); err != nil {
			t.Error(err)
		}
		delete(s.claims, "ath")
	}
}
