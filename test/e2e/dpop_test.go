package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// holder makes DPoP proofs (RFC 9449 §4.2).
type holder struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	nonce string
}

func newHolder(t *testing.T) *holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{t: t, key: key}
}

var proofNumber atomic.Int64

// proof is for a request; change makes it another.
func (h *holder) proof(method, target, token string, change func(header, claims map[string]any)) string {
	h.t.Helper()
	point, err := h.key.PublicKey.Bytes()
	if err != nil {
		h.t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}}
	claims := map[string]any{"jti": "jti-" + b64([]byte{byte(proofNumber.Add(1)), byte(proofNumber.Load() >> 8)}) + time.Now().String(), "htm": method, "htu": target, "iat": time.Now().Unix()}
	if h.nonce != "" {
		claims["nonce"] = h.nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = b64(sum[:])
	}
	if change != nil {
		change(header, claims)
	}
	input := b64([]byte(encode(h.t, header))) + "." + b64([]byte(encode(h.t, claims)))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, h.key, sum[:])
	if err != nil {
		h.t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// thumbprint is the RFC 7638 thumbprint of the key.
func (h *holder) thumbprint() string {
	point, _ := h.key.PublicKey.Bytes()
	b64 := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`))
	return b64(sum[:])
}

// take keeps the nonce of an answer.
func (h *holder) take(a answer) {
	if nonce := a.header.Get("DPoP-Nonce"); nonce != "" {
		h.nonce = nonce
	}
}

// grantWith asks for a token with a proof.
func (s *site) grantWith(e *environment, target, proof string) answer {
	s.t.Helper()
	return s.do("POST", target, map[string]string{"Content-Type": formType, "DPoP": proof},
		"grant_type=client_credentials&client_id="+e.ClientID+"&client_secret="+e.ClientSecret)
}

// bound returns a token that is bound to the holder's key, and its holder the nonce.
func (s *site) bound(e *environment, h *holder) string {
	s.t.Helper()
	target := e.URL + "/oauth2/token"
	h.take(s.grantWith(e, target, h.proof("POST", target, "", nil)))
	a := s.grantWith(e, target, h.proof("POST", target, "", nil))
	if a.status != http.StatusOK {
		s.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	text, _ := a.json(s.t)["access_token"].(string)
	return text
}

// callWith makes an API call with a token and a proof.
func (s *site) callWith(c apiCall, token, proof string) answer {
	s.t.Helper()
	return s.call(c, "", map[string]string{"Authorization": "DPoP " + token, "DPoP": proof})
}

func TestATokenIsBoundToAKeyByAProof(t *testing.T) {
	s := start(t)
	for name, e := range s.Environments {
		for _, path := range []string{"/oauth2/token", "/apip/auth/v1/token", "/apip/auth/v2/token", "/auth/sntl/v1/token", "/apip/auth/sntl/v1/token/"} {
			t.Run(name+" "+path, func(t *testing.T) {
				h := newHolder(t)
				target := e.URL + path
				a := s.grantWith(e, target, h.proof("POST", target, "", nil))
				if a.status != 400 || a.json(t)["error"] != "use_dpop_nonce" || a.header.Get("DPoP-Nonce") == "" {
					t.Fatalf("RFC 9449 8: %d %s, nonce %q", a.status, a.body, a.header.Get("DPoP-Nonce"))
				}
				h.take(a)
				a = s.grantWith(e, target, h.proof("POST", target, "", nil))
				if a.status != 200 || a.json(t)["token_type"] != "DPoP" || a.header.Get("DPoP-Nonce") != "" {
					t.Fatalf("RFC 9449 5: %d %s, another nonce %q", a.status, a.body, a.header.Get("DPoP-Nonce"))
				}
				token, _ := a.json(t)["access_token"].(string)
				_, says := claims(t, token)
				if diff := cmp.Diff(map[string]any{"jkt": h.thumbprint()}, says["cnf"]); diff != "" {
					t.Errorf("RFC 9449 6.1 cnf (-want +got)\n%s", diff)
				}
				if again := s.grantWith(e, target, h.proof("POST", target, "", nil)).json(t); again["access_token"] == token {
					t.Error("2.8: a bound token was given again")
				}
				if plain, _ := s.grant(e, target).json(t)["token_type"].(string); !strings.EqualFold(plain, "bearer") {
					t.Errorf("without a proof: token_type %q", plain)
				}
				call := e.api(t, "eligibility")
				for range 2 { // the nonce of the token endpoint is good here too
					if a := s.callWith(call, token, h.proof(call.Method, call.URL, token, nil)); a.status != 200 {
						t.Errorf("RFC 9449 7.1: %d %s", a.status, a.body)
					}
				}
				about := s.form(e.URL+"/oauth2/introspect", "client_id", e.ClientID, "client_secret", e.ClientSecret, "token", token).json(t)
				if about["token_type"] != "DPoP" || cmp.Diff(says["cnf"], about["cnf"]) != "" {
					t.Errorf("RFC 9449 6.2: %v", about)
				}
			})
		}
	}
}

func TestAnAppThatMustHaveBoundTokensGetsNoOthers(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	m := s.operator()
	app := s.app(m, e.ClientID)
	target := e.URL + "/oauth2/token"
	set := func(binding string) {
		t.Helper()
		if _, err := m.UpdateApp(t.Context(), app.ID, api.AppPatch{Binding: &binding}); err != nil {
			t.Fatal(err)
		}
	}
	set("dpop")
	if a := s.grant(e, target); a.status != 400 || a.json(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("without a proof: %d %s", a.status, a.body)
	}
	h := newHolder(t)
	s.bound(e, h)
	set("certificate")
	if a := s.grantWith(e, target, h.proof("POST", target, "", nil)); a.status != 400 || a.json(t)["error"] != "invalid_request" {
		t.Errorf("a proof where a certificate must be: %d %s", a.status, a.body)
	}
	set("none")
	if a := s.grant(e, target); a.status != 200 {
		t.Errorf("with none again: %d %s", a.status, a.body)
	}
}

// Each is one attack on the token endpoint.
func TestAProofThatIsNotGoodGetsNoToken(t *testing.T) {
	s := start(t)
	e, other := s.Environments["sandbox"], s.Environments["production"]
	target := e.URL + "/oauth2/token"
	h := newHolder(t)
	s.bound(e, h)
	foreign := newHolder(t)
	s.bound(other, foreign)
	used := h.proof("POST", target, "", nil)
	if a := s.grantWith(e, target, used); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	claim := func(name string, value any) string {
		return h.proof("POST", target, "", func(_, claims map[string]any) { claims[name] = value })
	}
	head := func(name string, value any) string {
		return h.proof("POST", target, "", func(header, _ map[string]any) { header[name] = value })
	}
	host := strings.TrimPrefix(e.URL, "https://")
	for name, tt := range map[string]struct{ proof, code string }{
		"RFC 9449 11.1 replayed":             {used, "invalid_dpop_proof"},
		"for another method":                 {claim("htm", "GET"), "invalid_dpop_proof"},
		"for another path":                   {claim("htu", e.URL+"/oauth2/introspect"), "invalid_dpop_proof"},
		"for the other environment":          {claim("htu", other.URL+"/oauth2/token"), "invalid_dpop_proof"},
		"for a host with ours as its user":   {claim("htu", "https://"+host+"@evil.example/oauth2/token"), "invalid_dpop_proof"},
		"with a user before our host":        {claim("htu", "https://evil@"+host+"/oauth2/token"), "invalid_dpop_proof"},
		"for http":                           {claim("htu", "http://"+host+"/oauth2/token"), "invalid_dpop_proof"},
		"for a path that only looks like it": {claim("htu", e.URL+"/oauth2%2Ftoken"), "invalid_dpop_proof"},
		"for the path in other letters":      {claim("htu", e.URL+"/OAUTH2/token"), "invalid_dpop_proof"},
		"stale":                              {claim("iat", time.Now().Unix()-120), "invalid_dpop_proof"},
		"ahead":                              {claim("iat", time.Now().Unix()+120), "invalid_dpop_proof"},
		"signed with none":                   {head("alg", "none"), "invalid_dpop_proof"},
		"signed with HS256":                  {head("alg", "HS256"), "invalid_dpop_proof"},
		"of another type":                    {head("typ", "at+jwt"), "invalid_dpop_proof"},
		"with a private key":                 {h.proof("POST", target, "", func(header, _ map[string]any) { header["jwk"].(map[string]any)["d"] = "AAAA" }), "invalid_dpop_proof"},
		"with somebody else's key":           {head("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}), "invalid_dpop_proof"},
		"an access token":                    {s.token(e), "invalid_dpop_proof"},
		"nothing":                            {"", "invalid_dpop_proof"},
		"two in one header":                  {h.proof("POST", target, "", nil) + "," + h.proof("POST", target, "", nil), "invalid_dpop_proof"},
		"with the other environment's nonce": {claim("nonce", foreign.nonce), "use_dpop_nonce"},
		"with a nonce of its own":            {claim("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "use_dpop_nonce"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.grantWith(e, target, tt.proof)
			if a.status != 400 || a.json(t)["error"] != tt.code {
				t.Errorf("got %d %s, want %s", a.status, a.body, tt.code)
			}
		})
	}
	t.Run("the owner is told how far its clock is off", func(t *testing.T) {
		token, c := s.bound(e, h), e.api(t, "eligibility")
		for off, want := range map[int64]struct {
			least, most int64
			reason      string
		}{-200: {140, 200, "old by its iat"}, 200: {-200, -140, "ahead"}} {
			at := func(url, token string) string {
				return h.proof("POST", url, token, func(_, claims map[string]any) { claims["iat"] = time.Now().Unix() + off })
			}
			for surface, a := range map[string]answer{"token": s.grantWith(e, target, at(target, "")), "call": s.callWith(c, token, at(c.URL, token))} {
				r := s.reason(t, a)
				if r.Code != "invalid_dpop_proof" || r.Surface != surface || r.SkewSeconds < want.least || r.SkewSeconds > want.most ||
					!strings.Contains(r.Reason, want.reason) || !strings.Contains(r.Next, "NTP") || r.Parameter != "DPoP" || r.Org == "" {
					t.Errorf("%d s off, at a %s: %+v", off, surface, r)
				}
			}
		}
	})
	t.Run("two headers", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", target, strings.NewReader("grant_type=client_credentials&client_id="+e.ClientID+"&client_secret="+e.ClientSecret))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {formType}, "Dpop": {h.proof("POST", target, "", nil), h.proof("POST", target, "", nil)}}
		res, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("RFC 9449 4.3: %d", res.StatusCode)
		}
	})
	t.Run("several spellings of the URL are one", func(t *testing.T) {
		for _, uri := range []string{target + "?a=b#c", strings.Replace(target, "https", "HTTPS", 1), e.URL + "/oauth2/%74oken", e.URL + "/x/../oauth2/token", e.MutualTLS + "/oauth2/token", strings.Replace(target, "127.0.0.1", "LOCALHOST", 1)} {
			if a := s.grantWith(e, target, claim("htu", uri)); a.status != 200 {
				t.Errorf("%s: %d %s", uri, a.status, a.body)
			}
		}
	})
	t.Run("a wrong secret is told nothing of the proof", func(t *testing.T) {
		a := s.do("POST", target, map[string]string{"Content-Type": formType, "DPoP": "x"}, "grant_type=client_credentials&client_id="+e.ClientID+"&client_secret=wrong")
		if a.status != 401 || a.json(t)["error"] != "invalid_client" || a.header.Get("DPoP-Nonce") != "" {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
}

// Each is one attack on an API: a stolen token, or a stolen proof.
func TestABoundTokenIsOfNoUseToWhoeverStealsIt(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	call, elsewhere := e.api(t, "eligibility"), e.api(t, "claim-status")
	h, thief := newHolder(t), newHolder(t)
	token, second := s.bound(e, h), s.bound(e, h)
	thief.nonce = h.nonce
	plain := s.token(e)
	good := func() string { return h.proof(call.Method, call.URL, token, nil) }
	used := good()
	if a := s.callWith(call, token, used); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	claim := func(name string, value any) string {
		return h.proof(call.Method, call.URL, token, func(_, claims map[string]any) { claims[name] = value })
	}
	for name, tt := range map[string]struct {
		header map[string]string
		code   string // of the body
		error  string // of the challenge
	}{
		"RFC 9449 7.2 sent as Bearer":        {map[string]string{"Authorization": "Bearer " + token}, "invalid_access_token", "invalid_token"},
		"sent as Bearer, with a proof":       {map[string]string{"Authorization": "Bearer " + token, "DPoP": good()}, "invalid_access_token", "invalid_token"},
		"without a proof":                    {map[string]string{"Authorization": "DPoP " + token}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a proof by another key":        {map[string]string{"Authorization": "DPoP " + token, "DPoP": thief.proof(call.Method, call.URL, token, nil)}, "invalid_access_token", "invalid_token"},
		"with a proof that was used":         {map[string]string{"Authorization": "DPoP " + token, "DPoP": used}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a proof for another token":     {map[string]string{"Authorization": "DPoP " + token, "DPoP": h.proof(call.Method, call.URL, second, nil)}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a proof for no token":          {map[string]string{"Authorization": "DPoP " + token, "DPoP": h.proof(call.Method, call.URL, "", nil)}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a proof for another API":       {map[string]string{"Authorization": "DPoP " + token, "DPoP": h.proof(call.Method, elsewhere.URL, token, nil)}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a proof for another method":    {map[string]string{"Authorization": "DPoP " + token, "DPoP": h.proof("GET", call.URL, token, nil)}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a proof for the token's URL":   {map[string]string{"Authorization": "DPoP " + token, "DPoP": h.proof("POST", e.URL+"/oauth2/token", token, nil)}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"with a stale proof":                 {map[string]string{"Authorization": "DPoP " + token, "DPoP": claim("iat", time.Now().Unix()-90)}, "invalid_dpop_proof", "invalid_dpop_proof"},
		"RFC 9449 9 without a nonce":         {map[string]string{"Authorization": "DPoP " + token, "DPoP": claim("nonce", "")}, "use_dpop_nonce", "use_dpop_nonce"},
		"RFC 9449 7.2 a plain token as DPoP": {map[string]string{"Authorization": "DPoP " + plain, "DPoP": h.proof(call.Method, call.URL, plain, nil)}, "invalid_access_token", "invalid_token"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.call(call, "", tt.header)
			challenges := a.header.Values("WWW-Authenticate")
			if a.status != 401 || a.json(t)["error"] != tt.code {
				t.Errorf("got %d %s, want %s", a.status, a.body, tt.code)
			}
			if len(challenges) != 1 || !strings.HasPrefix(challenges[0], "DPoP ") || !strings.Contains(challenges[0], `error="`+tt.error+`"`) || !strings.Contains(challenges[0], `algs="RS256 ES256`) {
				t.Errorf("RFC 9449 7.1: challenges %q, want %s", challenges, tt.error)
			}
			if (a.header.Get("DPoP-Nonce") != "") != (tt.code == "use_dpop_nonce") {
				t.Errorf("nonce %q", a.header.Get("DPoP-Nonce"))
			}
		})
	}
	t.Run("nobody sent a token", func(t *testing.T) {
		challenges := s.call(call, "", nil).header.Values("WWW-Authenticate")
		if len(challenges) != 2 || !strings.HasPrefix(challenges[0], "Bearer ") || !strings.HasPrefix(challenges[1], "DPoP ") {
			t.Errorf("RFC 9449 7.1: %q", challenges)
		}
	})
	if a := s.callWith(call, token, good()); a.status != 200 {
		t.Errorf("the owner, after all that: %d %s", a.status, a.body)
	}
}

// The proof is for us: an upstream does not get it, and does not ask for one.
func TestAProofEndsAtTheGateway(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	var seen atomic.Pointer[http.Header]
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		seen.Store(&header)
		w.Header().Set("DPoP-Nonce", "the upstream's")
		_ = json.NewEncoder(w).Encode(map[string]any{})
	}))
	defer upstream.Close()
	s.serveAPIs(upstream.URL)
	h := newHolder(t)
	token := s.bound(e, h)
	target := e.URL + plainBase + "/x"
	a := s.do("GET", target, map[string]string{"Authorization": "DPoP " + token, "DPoP": h.proof("GET", target, token, nil)}, "")
	if a.status != 200 || a.header.Get("DPoP-Nonce") != "" {
		t.Errorf("%d %s, nonce %q", a.status, a.body, a.header.Get("DPoP-Nonce"))
	}
	if header := seen.Load(); header == nil || header.Get("DPoP") != "" || header.Get("Authorization") != "" {
		t.Errorf("the upstream got %v", header)
	}
}

// A strict client that is given the issuer and its own key.
func TestOpenidClientGetsBoundTokensByDiscovery(t *testing.T) {
	requireNode(t)
	s := start(t)
	e := s.Environments["sandbox"]
	own := authority{}.issue(t, nil)
	app := s.newApp("own", api.NewCredential{Certificate: pemOf(own)})
	certFile, keyFile := pemFiles(t, own)
	type outcome struct {
		TokenType string
		Bound     []string
		Active    bool
		Calls     []int
		Requests  []string
	}
	call := e.api(t, "eligibility")
	atMutual := call
	atMutual.URL = strings.Replace(call.URL, e.URL, e.MutualTLS, 1)
	path := strings.TrimPrefix(call.URL, e.URL)
	// The nonce of the token endpoint is good at the gateway: one refusal in all.
	withNonce := []string{
		"POST /oauth2/token 400", "POST /oauth2/token 200", "POST " + path + " 200", "POST " + path + " 200",
		"POST /oauth2/introspect 200", "POST /oauth2/revoke 200",
	}
	for name, tt := range map[string]struct {
		env  map[string]string
		want outcome
	}{
		"RFC 9449 with ES256": {
			map[string]string{"CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret, "ALG": "ES256", "CALL": encode(t, call)},
			outcome{"dpop", []string{"jkt"}, true, []int{200, 200}, withNonce},
		},
		"RFC 9449 with PS256": {
			map[string]string{"CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret, "ALG": "PS256", "CALL": encode(t, call)},
			outcome{"dpop", []string{"jkt"}, true, []int{200, 200}, withNonce},
		},
		"RFC 8705 2.1 by the client CA": {
			map[string]string{"CLIENT_ID": e.ClientID, "CERT": s.Client.Certificate, "KEY": s.Client.Key, "CALL": encode(t, atMutual)},
			outcome{"bearer", []string{"x5t#S256"}, true, []int{200, 200}, withNonce[1:]},
		},
		"RFC 8705 2.2 self-signed": {
			map[string]string{"CLIENT_ID": app.ClientID, "CERT": certFile, "KEY": keyFile, "CALL": encode(t, atMutual)},
			outcome{"bearer", []string{"x5t#S256"}, true, []int{200, 200}, withNonce[1:]},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.env["ISSUER"] = e.Issuer
			var got outcome
			s.node(t, "bound.mjs", tt.env, &got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The SDK of ours, at the real thing.
func TestTheSDKUsesBoundTokens(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	c := e.api(t, "eligibility")
	use := func(t *testing.T, config client.Config, base http.RoundTripper, target string) {
		t.Helper()
		config.ClientID = e.ClientID
		source, err := client.NewTokenSource(config)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			a := s.doWith(&http.Client{Transport: &client.Transport{Source: source, Base: base}}, c.Method, target, c.Headers, c.Body)
			if a.status != 200 {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
		token, err := source.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, says := claims(t, token.Access.Reveal()); says["cnf"] == nil {
			t.Error("the token is not bound")
		}
	}
	t.Run("DPoP", func(t *testing.T) {
		key, err := client.NewDPoPKey()
		if err != nil {
			t.Fatal(err)
		}
		use(t, client.Config{TokenURL: e.URL + "/oauth2/token", ClientSecret: client.NewSecret(e.ClientSecret), DPoP: key, HTTP: s.client}, s.client.Transport, c.URL)
	})
	t.Run("mutual TLS", func(t *testing.T) {
		pair, err := tls.LoadX509KeyPair(s.Client.Certificate, s.Client.Key)
		if err != nil {
			t.Fatal(err)
		}
		mutual := s.with(pair)
		use(t, client.Config{TokenURL: e.MutualTLS + "/oauth2/token", ByCertificate: true, HTTP: mutual}, mutual.Transport, strings.Replace(c.URL, e.URL, e.MutualTLS, 1))
	})
}
