package client_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/client"
)

// keys are a key of each type, by its algorithm.
func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RS256": private, "ES256": p256, "ES384": p384, "EdDSA": ed}
}

const issuer = "https://sandbox.example.com"

func TestEachRequestIsSignedAnew(t *testing.T) {
	all := keys(t)
	synctest.Test(t, func(t *testing.T) {
		for alg, key := range all {
			seen := map[string]bool{}
			transport := roundTripper(func(r *http.Request) (*http.Response, error) {
				if err := r.ParseForm(); err != nil {
					t.Fatal(err)
				}
				if r.PostForm.Has("client_secret") || r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
					t.Errorf("%s: the form has %d members", alg, len(r.PostForm))
				}
				signed, err := jose.ParseSignedCompact(r.PostForm.Get("client_assertion"), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
				if err != nil {
					t.Fatal(err)
				}
				payload, err := signed.Verify(key.Public())
				if err != nil {
					t.Errorf("%s: %v", alg, err)
				}
				var claims struct {
					Iss, Sub, Aud, JTI string
					Iat, Exp           int64
				}
				if err := json.Unmarshal(payload, &claims); err != nil {
					t.Fatal(err)
				}
				if claims.Iss != "c1" || claims.Sub != "c1" || claims.Aud != issuer || claims.Iat != time.Now().Unix() || claims.Exp != claims.Iat+60 ||
					len(claims.JTI) < 22 || seen[claims.JTI] || signed.Signatures[0].Header.KeyID != "k1" {
					t.Errorf("%s: %s", alg, payload)
				}
				seen[claims.JTI] = true
				return answer(r, 200, nil, `{"access_token":"t","token_type":"Bearer","expires_in":600}`), nil
			})
			s, err := client.NewTokenSource(client.Config{
				TokenURL: issuer + "/oauth2/token", ClientID: "c1", HTTP: &http.Client{Transport: transport},
				PrivateKey: &client.PrivateKey{Signer: key, Issuer: issuer, KeyID: "k1"},
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				token(t, s)
				time.Sleep(11 * time.Minute)
			}
			if len(seen) != 3 {
				t.Errorf("%s: %d assertions", alg, len(seen))
			}
		}
	})
}

func TestARefusedAssertionIsNotRepeatedInTheError(t *testing.T) {
	key := keys(t)["EdDSA"]
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
		return answer(r, 401, nil, fmt.Sprintf(`{"error":"invalid_client","error_description":"no: %s"}`, r.PostForm.Get("client_assertion"))), nil
	})
	s, err := client.NewTokenSource(client.Config{
		TokenURL: issuer + "/oauth2/token", ClientID: "c1", HTTP: &http.Client{Transport: transport},
		PrivateKey: &client.PrivateKey{Signer: key, Issuer: issuer},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context()); err == nil || err.Error() != "token endpoint: 401 invalid_client: no: [redacted]" {
		t.Errorf("got %v", err)
	}
}

// broken signs nothing that is a signature.
type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte("not ASN.1"), nil
}

func TestKeysThatCannotAuthenticate(t *testing.T) {
	all := keys(t)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	for name, k := range map[string]*client.PrivateKey{
		"no signer":        {Issuer: issuer},
		"P-521":            {Signer: p521, Issuer: issuer},
		"RSA of 1024 bits": {Signer: weak, Issuer: issuer},
		"no issuer":        {Signer: all["ES256"]},
		"a plain issuer":   {Signer: all["ES256"], Issuer: "http://sandbox.example.com"},
	} {
		if _, err := client.NewTokenSource(client.Config{TokenURL: issuer + "/oauth2/token", ClientID: "c1", PrivateKey: k}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	both := client.Config{
		TokenURL: issuer + "/oauth2/token", ClientID: "c1", ClientSecret: client.NewSecret(canary),
		PrivateKey: &client.PrivateKey{Signer: all["ES256"], Issuer: issuer},
	}
	if _, err := client.NewTokenSource(both); err == nil {
		t.Error("a secret and a key: taken")
	}
	both.ClientSecret, both.PrivateKey.Signer = client.Secret{}, broken{all["ES256"]}
	s, err := client.NewTokenSource(both)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "no ECDSA signature") {
		t.Errorf("a broken signer: %v", err)
	}
}

func TestPrivateKeysAreReadAndNotPrinted(t *testing.T) {
	all := keys(t)
	in := func(kind string, der []byte, err error) client.Secret {
		if err != nil {
			t.Fatal(err)
		}
		return client.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	texts := map[string]client.Secret{}
	for alg, key := range all {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		texts[alg] = in("PRIVATE KEY", der, err)
	}
	old, _ := all["ES256"].(*ecdsa.PrivateKey)
	der, err := x509.MarshalECPrivateKey(old)
	texts["EC"] = in("EC PRIVATE KEY", der, err)
	oldRSA, _ := all["RS256"].(*rsa.PrivateKey)
	texts["RSA"] = in("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(oldRSA), nil)
	for name, text := range texts {
		signer, err := client.ParsePrivateKey(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		k := client.PrivateKey{Signer: signer, Issuer: issuer}
		config := client.Config{PrivateKey: &k}
		data, err := json.Marshal(&k)
		if printed := fmt.Sprintf("%v %+v %#v %s %v %s", &k, &k, &k, &k, config, data); err != nil || strings.Contains(printed, "0x") || len(printed) > 1000 {
			t.Errorf("%s: printed as %s, %v", name, printed, err)
		}
	}
	for name, text := range map[string]client.Secret{
		"nothing":      {},
		"no PEM":       client.NewSecret(canary),
		"a public key": in("PUBLIC KEY", []byte{1}, nil),
		"encrypted":    in("ENCRYPTED PRIVATE KEY", []byte{1}, nil),
		"damaged":      in("PRIVATE KEY", []byte(canary), nil),
	} {
		if _, err := client.ParsePrivateKey(text); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
