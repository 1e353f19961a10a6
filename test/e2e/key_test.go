package e2e_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// privatePEM is the private key as openssl writes it.
func privatePEM(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// A strict client that is given the issuer and a private key.
func TestOpenidClientAuthenticatesByAKey(t *testing.T) {
	requireNode(t)
	s := start(t)
	e := s.Environments["sandbox"]
	type outcome struct {
		TokenType    string
		Call         int
		Source       string
		ActiveBefore bool
		ActiveAfter  bool
	}
	for _, tt := range []struct{ name, alg, kind, kid, hour, discovery string }{
		{"2.3 RSA", "RS256", `{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}`, "", "", "oauth2"},
		{"2.3 RSA, PSS", "PS256", `{"name":"RSA-PSS","hash":"SHA-256"}`, "mine", "", "oauth2"},
		{"2.3 EC", "ES256", `{"name":"ECDSA","namedCurve":"P-256"}`, "", "1", "oidc"},
		{"2.3 Ed25519", "EdDSA", `{"name":"Ed25519"}`, "", "1", "oauth2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := keyOf(t, tt.alg)
			s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
			var got outcome
			s.node(t, "openid-client.mjs", map[string]string{
				"ISSUER": e.Issuer, "CLIENT_ID": e.ClientID, "AUTH": "key", "ALGORITHM": tt.discovery, "CALL": encode(t, e.api(t, "eligibility")),
				"KEY": privatePEM(t, key), "KEY_TYPE": tt.kind, "KEY_ID": tt.kid, "HOUR": tt.hour,
			}, &got)
			if diff := cmp.Diff(outcome{TokenType: "bearer", Call: 200, Source: "live", ActiveBefore: true}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheSDKAuthenticatesByAKey(t *testing.T) {
	s := start(t)
	for name, e := range s.Environments {
		for _, alg := range []string{"RS256", "ES256", "ES384", "EdDSA"} {
			t.Run("2.3 "+name+" "+alg, func(t *testing.T) {
				signer, err := client.ParsePrivateKey(client.NewSecret(privatePEM(t, keyOf(t, alg))))
				if err != nil {
					t.Fatal(err)
				}
				made := s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, signer)})
				source, err := client.NewTokenSource(client.Config{
					TokenURL: e.TokenURLs["rfc"], ClientID: e.ClientID, HTTP: s.client,
					PrivateKey: &client.PrivateKey{Signer: signer, Issuer: e.Issuer, KeyID: made.Thumbprint},
				})
				if err != nil {
					t.Fatal(err)
				}
				apis := &http.Client{Transport: &client.Transport{Source: source, Base: s.client.Transport}}
				c := e.api(t, "eligibility")
				if a := s.doWith(apis, c.Method, c.URL, c.Headers, c.Body); a.status != http.StatusOK {
					t.Errorf("the call: %d %s", a.status, a.body)
				}
			})
		}
	}
}

// What a client with a key is told that rotates secrets.
func TestAKeyIsNotRotatedAsASecret(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	key := keyOf(t, "EdDSA")
	s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	a := s.form(e.URL+"/oauth2/credentials/rotate", "client_assertion_type", jwtBearer, "client_assertion", sign(t, key, "EdDSA", nil, asserting(e, nil)))
	if a.status == http.StatusOK || a.status >= 500 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
