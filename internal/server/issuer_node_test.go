package server_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// ciam is oidc-provider, as a process of its own.
type ciam struct {
	t          *testing.T
	issuer, ca string
	client     *http.Client
}

// startCIAM runs test/node/oidc-provider.mjs behind a certificate of a new CA.
func startCIAM(t *testing.T) *ciam {
	t.Helper()
	folder, err := filepath.Abs("../../test/node")
	must(t, err)
	_, err = os.Stat(filepath.Join(folder, "node_modules", "oidc-provider"))
	if _, none := exec.LookPath("node"); err != nil || none != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node, or test/node/node_modules/oidc-provider, is missing; scripts/test-setup installs it")
		}
		t.Skip("node, or test/node/node_modules/oidc-provider, is missing; scripts/test-setup installs it")
	}
	c := &ciam{t: t}
	var certificate, key string
	c.ca, certificate, key = certified(t)
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(folder, "oidc-provider.mjs"))
	cmd.Env = append(os.Environ(), "CERTIFICATE="+certificate, "KEY="+key, "AUDIENCE=marketplace")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	var says struct{ Issuer string }
	line, _ := bufio.NewReader(out).ReadBytes('\n')
	if err := json.Unmarshal(line, &says); err != nil {
		t.Fatalf("oidc-provider did not start: %v\n%s", err, complaint.String())
	}
	c.issuer = says.Issuer
	text, err := os.ReadFile(c.ca)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	return c
}

// certified writes a CA, and a certificate of it for loopback with its key.
func certified(t *testing.T) (ca, certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	top := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, top, top, authority.Public(), authority)
	must(t, err)
	ca = write("ca.pem", "CERTIFICATE", der)
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "ciam"}, NotBefore: top.NotBefore, NotAfter: top.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, top, leaf.Public(), authority)
	must(t, err)
	certificate = write("leaf.pem", "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(leaf)
	must(t, err)
	return ca, certificate, write("leaf.key", "PRIVATE KEY", der)
}

// ask posts to the provider.
func (c *ciam) ask(path, kind, body string) map[string]any {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.issuer+path, strings.NewReader(body))
	must(c.t, err)
	r.Header.Set("Content-Type", kind)
	res, err := c.client.Do(r)
	must(c.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(c.t, err)
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil || res.StatusCode >= http.StatusBadRequest {
		c.t.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
	return v
}

const ciamSecret = "a-secret-of-the-ciam-and-not-of-ours"

// grant is a token that a client gets by client credentials (RFC 6749 §4.4).
func (c *ciam) grant(clientID string) string {
	c.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {ciamSecret}, "resource": {"urn:api"}, "scope": {"call"}}
	text, _ := c.ask("/token", "application/x-www-form-urlencoded", form.Encode())["access_token"].(string)
	return text
}

// user is a token that carries a user.
func (c *ciam) user(clientID, user string) string {
	c.t.Helper()
	text, _ := c.ask("/test/user", "application/json", fmt.Sprintf(`{"client_id":%q,"user":%q}`, clientID, user))["access_token"].(string)
	return text
}

func TestTokensOfOIDCProviderAreTaken(t *testing.T) {
	provider := startCIAM(t)
	var now clocked
	n := runAt(t, trusting(t, config.Issuer{
		Name: "ciam", Issuer: provider.issuer, Audiences: []string{"marketplace"}, Types: []string{"at+jwt"}, CA: provider.ca, Allow: []string{"127.0.0.0/8"},
	}), now.now)
	must(t, n.ApplyCatalog(t.Context(), market.System, issuerAPIs(saw(t), "[own, ciam]")))
	_, app, _ := customer(t, n.Market)
	for _, clientID := range []string{app.ClientID, "another"} {
		provider.ask("/test/clients", "application/json", fmt.Sprintf(`{"client_id":%q,"client_secret":%q}`, clientID, ciamSecret))
	}
	n.state("ciam", "ok")
	own, users := provider.grant(app.ClientID), provider.user(app.ClientID, "zoe")
	soon(t, "the app is known", func() bool { status, _ := n.at("/api-0/x", own); return status == http.StatusOK })
	if _, seen := n.at("/api-0/x", own); seen["X-Sallyport-User"] != nil {
		t.Errorf("client credentials carry a user: %v", seen)
	}
	if status, seen := n.at("/api-0/x", users); status != http.StatusOK || fmt.Sprint(seen["X-Sallyport-User"]) != "[zoe]" {
		t.Errorf("a user's token: %d %v", status, seen)
	}
	if status, body := n.at("/api-0/x", provider.grant("another")); status != http.StatusForbidden || !strings.Contains(n.why(body), "which leads to no app") {
		t.Errorf("a client that is nobody here: %d %v", status, body)
	}

	provider.ask("/test/rotate", "application/json", "{}")
	now.forward(31 * time.Second)
	if status, body := n.at("/api-0/x", provider.grant(app.ClientID)); status != http.StatusOK {
		t.Errorf("a token of the new key: %d %v", status, body)
	}
	if status, body := n.at("/api-0/x", own); status != http.StatusOK {
		t.Errorf("a token of the old key: %d %v", status, body)
	}
	provider.ask("/test/rotate", "application/json", `{"forget":true}`)
	now.forward(31 * time.Second)
	if status, body := n.at("/api-0/x", provider.grant(app.ClientID)); status != http.StatusOK {
		t.Errorf("a token of the third key: %d %v", status, body)
	}
	if status, body := n.at("/api-0/x", own); status != http.StatusUnauthorized || body["error"] != "invalid_access_token" {
		t.Errorf("a token of a key that is gone: %d %v", status, body)
	}
}
