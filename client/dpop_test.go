package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/client"
)

// proofClaims reads a proof's claims; whether it is good Sallyport's own tests ask.
func proofClaims(t *testing.T, r *http.Request) map[string]any {
	t.Helper()
	parts := strings.Split(r.Header.Get("DPoP"), ".")
	if len(parts) != 3 || len(r.Header["Dpop"]) != 1 {
		t.Fatalf("no proof, but %q", r.Header["Dpop"])
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func dpopKey(t *testing.T) *client.DPoPKey {
	t.Helper()
	key, err := client.NewDPoPKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A nonce is asked for once at each endpoint; the request is made again with it, body
// and all, and no proof is sent twice.
func TestBoundTokensComeWithAProofForEachRequest(t *testing.T) {
	seen := map[string]bool{}
	var requests []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims := proofClaims(t, r)
		requests = append(requests, r.URL.Path)
		if jti := claims["jti"].(string); seen[jti] {
			t.Error("a jti was used twice")
		} else {
			seen[jti] = true
		}
		if claims["htu"] != "https://"+r.Host+r.URL.EscapedPath() || claims["htm"] != r.Method {
			t.Errorf("proof for %v %v at %s %s", claims["htm"], claims["htu"], r.Method, r.URL)
		}
		w.Header().Set("DPoP-Nonce", r.URL.Path)
		switch atToken := r.URL.Path == "/token"; {
		case atToken && claims["nonce"] != "/token":
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":"use_dpop_nonce"}`)
		case atToken:
			fmt.Fprint(w, `{"access_token":"t1","token_type":"DPoP","expires_in":3600}`)
		case claims["nonce"] != "/a b":
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", algs="ES256"`)
			w.WriteHeader(401)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprint(w, r.Header.Get("Authorization"), " ", claims["ath"] != nil, " ", string(body))
		}
	}))
	defer server.Close()
	source, err := client.NewTokenSource(client.Config{
		TokenURL: server.URL + "/token", ClientID: "id", ClientSecret: client.NewSecret(canary), HTTP: server.Client(), DPoP: dpopKey(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	apis := &http.Client{Transport: &client.Transport{Source: source, Base: server.Client().Transport}}
	for range 2 {
		resp, err := apis.Post(server.URL+"/a%20b?query=1", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(text) != "DPoP t1 true body" {
			t.Errorf("%d %q", resp.StatusCode, text)
		}
	}
	if got := strings.Join(requests, " "); got != "/token /token /a b /a b /a b" {
		t.Errorf("requests: %s", got)
	}
}

func TestATokenThatWasNotBoundIsNotTakenForOneThatIs(t *testing.T) {
	for kind, bound := range map[string]bool{"Bearer": true, "DPoP": false, "MAC": false} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"access_token":%q,"token_type":%q,"expires_in":3600}`, canary, kind)
		}))
		config := client.Config{TokenURL: server.URL, ClientID: "id", ClientSecret: client.NewSecret("s"), HTTP: server.Client()}
		if bound {
			config.DPoP = dpopKey(t)
		}
		source, err := client.NewTokenSource(config)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := source.Token(t.Context()); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s with a key: %t: %v, %v", kind, bound, token, err)
		}
		server.Close()
	}
}

func TestAClientWithACertificateNeedsNoSecret(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["Authorization"]; sent || r.FormValue("client_id") != "id" || r.PostForm.Has("client_secret") {
			t.Errorf("sent %v", r.PostForm)
		}
		w.WriteHeader(401)
		fmt.Fprint(w, `{"error":"invalid_client","error_description":"no"}`)
	}))
	defer server.Close()
	if _, err := client.NewTokenSource(client.Config{TokenURL: server.URL, ClientID: "id", ByCertificate: true}); err == nil {
		t.Error("without an HTTP that has the certificate")
	}
	source, err := client.NewTokenSource(client.Config{TokenURL: server.URL, ClientID: "id", ByCertificate: true, HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Token(t.Context()); err == nil || err.Error() != "token endpoint: 401 invalid_client: no" {
		t.Errorf("got %v", err)
	}
}

func TestADPoPKeyIsOnP256AndDoesNotPrint(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DPoPKeyOf(key); err == nil {
		t.Error("a key on P-384 was taken")
	}
	if _, err := client.DPoPKeyOf(nil); err == nil {
		t.Error("no key was taken")
	}
	k := dpopKey(t)
	if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); text != strings.TrimSpace(strings.Repeat("DPoP key ", 4)) {
		t.Errorf("prints as %q", text)
	}
}
