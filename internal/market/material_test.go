package market_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func sandboxApp(t *testing.T, m *market.Market) market.App {
	t.Helper()
	a, err := m.AddApp(t.Context(), market.System, market.NewApp{
		Org: organization(t, m).ID, Environment: market.Sandbox, Name: "app", DeveloperEmail: "dev@example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func pemOf(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certificate(t *testing.T, key *ecdsa.PrivateKey, ends time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: noon.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestACredentialNeedNotBeASecret(t *testing.T) {
	m := open(t)
	app := sandboxApp(t, m)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	want, err := jose.NewKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	add := func(kind market.CredentialKind, given string) (market.Credential, error) {
		c, text, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID, Kind: kind, Material: given})
		if text.Reveal() != "" {
			t.Errorf("%s: a secret was made", kind)
		}
		return c, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	inPEM := pemOf("PUBLIC KEY", spki, err)
	c, err := add(market.PublicKey, inPEM)
	if err != nil || c.Kind != market.PublicKey || c.Thumbprint() != want.Thumbprint() || !strings.HasPrefix(want.Thumbprint(), strings.TrimSuffix(c.Hint, "…")) {
		t.Fatalf("a public key: %+v, %v", c, err)
	}
	jwk, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := add(market.PublicKey, string(jwk)); !errors.Is(err, market.Conflict) {
		t.Errorf("the same key in another form: %v", err)
	}
	if _, err := m.RevokeCredential(t.Context(), market.System, c.ID, market.IfUnused); err != nil {
		t.Fatal(err)
	}
	if _, err := add(market.PublicKey, inPEM); !errors.Is(err, market.Conflict) {
		t.Errorf("a key that was revoked came back: %v", err)
	}

	der := certificate(t, key, noon.Add(time.Hour))
	sum := sha256.Sum256(der)
	c, err = add(market.Certificate, pemOf("CERTIFICATE", der, nil))
	if err != nil || c.Material != base64.RawURLEncoding.EncodeToString(sum[:]) || c.Thumbprint() != c.Material || !c.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("a certificate: %+v, %v", c, err)
	}
	if c, err := add(market.PublicKey, pemOf("CERTIFICATE", certificate(t, other, noon), nil)); err != nil || c.Thumbprint() == want.Thumbprint() {
		t.Errorf("the key of a certificate: %+v, %v", c, err)
	}

	const set = "https://client.example/keys?x=1"
	for range 2 { // a URL may come back
		c, err = add(market.KeySetURL, set)
		if err != nil || c.Material != set || c.Hint != "client.example" || c.Thumbprint() != "" {
			t.Fatalf("a key set: %+v, %v", c, err)
		}
		if _, err := add(market.KeySetURL, set); !errors.Is(err, market.Conflict) {
			t.Errorf("twice: %v", err)
		}
		if _, err := m.RevokeCredential(t.Context(), market.System, c.ID, market.IfUnused); err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[string]string{
		"san_dns:Client.Example":             "san_dns:client.example",
		"san_uri:spiffe://example/client":    "san_uri:spiffe://example/client",
		"san_ip:2001:DB8:0::1":               "san_ip:2001:db8::1",
		"san_email:client@example.com":       "san_email:client@example.com",
		"subject_dn:CN=client,O=Acme Health": "subject_dn:CN=client,O=Acme Health",
	} {
		if c, err := add(market.CertifiedName, given); err != nil || c.Material != want {
			t.Errorf("%s: %+v, %v", given, c, err)
		}
	}
}

func TestWhatAnAppCannotAuthenticateBy(t *testing.T) {
	m := open(t)
	app := sandboxApp(t, m)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	_, edPrivate, _ := ed25519.GenerateKey(rand.Reader)
	private, err := x509.MarshalPKCS8PrivateKey(edPrivate)
	inPEM := pemOf("PRIVATE KEY", private, err)
	spki, err := x509.MarshalPKIXPublicKey(ec.Public())
	public := pemOf("PUBLIC KEY", spki, err)
	p521DER, err := x509.MarshalPKIXPublicKey(p521.Public())
	tests := []struct {
		name  string
		kind  market.CredentialKind
		given string
	}{
		{"a private key", market.PublicKey, inPEM},
		{"a public key with the private one behind it", market.PublicKey, public + inPEM},
		{"two public keys", market.PublicKey, public + public},
		{"a symmetric key", market.PublicKey, `{"kty":"oct","k":"AAAA"}`},
		{"a private JWK", market.PublicKey, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`},
		{"a weak key", market.PublicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&weak.PublicKey), nil)},
		{"P-521", market.PublicKey, pemOf("PUBLIC KEY", p521DER, err)},
		{"a key for encryption", market.PublicKey, `{"kty":"OKP","use":"enc","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`},
		{"text before the key", market.PublicKey, "key:\n" + public},
		{"nothing", market.PublicKey, ""},
		{"a certificate that has ended", market.Certificate, pemOf("CERTIFICATE", certificate(t, ec, noon.Add(-time.Minute)), nil)},
		{"a key as certificate", market.Certificate, public},
		{"plain http", market.KeySetURL, "http://client.example/keys"},
		{"a user name", market.KeySetURL, "https://me@client.example/keys"},
		{"a fragment", market.KeySetURL, "https://client.example/keys#a"},
		{"no host", market.KeySetURL, "https:///keys"},
		{"a path", market.KeySetURL, "/keys"},
		{"a file", market.KeySetURL, "file:///etc/passwd"},
		{"a URL that is too long", market.KeySetURL, "https://client.example/" + strings.Repeat("a", 1000)},
		{"a name without type", market.CertifiedName, "client.example"},
		{"a name of an unknown type", market.CertifiedName, "san:client.example"},
		{"a wildcard", market.CertifiedName, "san_dns:*.client.example"},
		{"no value", market.CertifiedName, "san_dns:"},
		{"no address", market.CertifiedName, "san_ip:client.example"},
		{"no distinguished name", market.CertifiedName, "subject_dn:client"},
		{"no URI", market.CertifiedName, "san_uri:client"},
		{"no e-mail address", market.CertifiedName, "san_email:client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID, Kind: tt.kind, Material: tt.given})
			var refused *market.Error
			if !errors.As(err, &refused) || refused.Code != market.InvalidInput || refused.Field != string(tt.kind) {
				t.Errorf("got %v, want %s to be refused", err, tt.kind)
			}
		})
	}
	for _, kind := range []market.CredentialKind{market.ImportedSecret, "password"} {
		if _, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID, Kind: kind, Material: "x"}); !errors.Is(err, market.InvalidInput) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
