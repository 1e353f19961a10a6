package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

// authority issues certificates to clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// clientCA is the demo's authority for clients.
func (s *site) clientCA() authority {
	s.t.Helper()
	pair, err := tls.LoadX509KeyPair(s.Client.CA, s.Client.CAKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return authority{pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)}
}

// anotherCA is one that nobody trusts, and that says it were another.
func anotherCA(t *testing.T, like *x509.Certificate) authority {
	t.Helper()
	made := authority{}.issue(t, func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = like.Subject, true, true, x509.KeyUsageCertSign, nil
	})
	return authority{made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)}
}

// issue makes a client's certificate, as change wants it; one without an authority
// is signed by itself.
func (a authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func thumbprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func pemOf(c tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}

// with is a client of its own that shows a certificate to whoever asks for one.
func (s *site) with(c tls.Certificate) *http.Client {
	s.t.Helper()
	client := httpClient(s.t, s.CA)
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8) // as browsers and programs have it
	return client
}

// post sends a form by a client.
func (s *site) post(client *http.Client, target string, pairs ...string) answer {
	s.t.Helper()
	form := make([]string, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		form = append(form, pairs[i]+"="+pairs[i+1])
	}
	return s.doWith(client, "POST", target, map[string]string{"Content-Type": formType}, strings.Join(form, "&"))
}

// callBy makes an API call at the listener for mutual TLS.
func (s *site) callBy(client *http.Client, e *environment, token string, more map[string]string) answer {
	s.t.Helper()
	c := e.api(s.t, "eligibility")
	header := map[string]string{"Authorization": "Bearer " + token}
	for name, value := range c.Headers {
		header[name] = value
	}
	for name, value := range more {
		header[name] = value
	}
	return s.doWith(client, c.Method, strings.Replace(c.URL, e.URL, e.MutualTLS, 1), header, c.Body)
}

// newApp makes an app of the demo's first organization in the sandbox.
func (s *site) newApp(name string, credentials ...api.NewCredential) api.App {
	s.t.Helper()
	m := s.operator()
	old := s.app(m, s.Environments["sandbox"].ClientID)
	a, err := m.CreateApp(s.t.Context(), api.NewApp{Org: old.Org, Environment: "sandbox", Name: name, DeveloperEmail: "dev@northwind.example"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range credentials {
		if _, err := m.CreateCredential(s.t.Context(), a.ID, c); err != nil {
			s.t.Fatal(err)
		}
	}
	return a
}

// why returns what the owner of a refused request is told.
func (s *site) why(a answer) api.Refusal {
	s.t.Helper()
	got, err := s.operator().Refusal(s.t.Context(), a.header.Get("X-Trace-Id"))
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func TestAClientAuthenticatesByItsCertificate(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	own := authority{}.issue(t, nil)
	app := s.newApp("self-signed", api.NewCredential{Certificate: pemOf(own)})
	ca := s.clientCA()
	for name, tt := range map[string]struct {
		certificate tls.Certificate
		credential  string // empty: the certificate of own
	}{
		"RFC 8705 2.2 self-signed":               {certificate: own},
		"RFC 8705 2.1.2 tls_client_auth_san_dns": {ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "claims.example"} }), "san_dns:claims.example"},
		"RFC 8705 2.1.2 tls_client_auth_subject_dn": {ca.issue(t, func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: "claims", Organization: []string{"Acme, Inc."}, Country: []string{"US"}}
		}), `subject_dn:CN=claims,O=Acme\, Inc.,C=US`},
		"RFC 8705 2.1.2 tls_client_auth_san_email": {ca.issue(t, func(c *x509.Certificate) { c.EmailAddresses = []string{"claims@a.example"} }), "san_email:claims@a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			app := app
			if tt.credential != "" {
				app = s.newApp(name[16:], api.NewCredential{CertifiedName: tt.credential})
			}
			client := s.with(tt.certificate)
			for _, path := range []string{"/oauth2/token", "/apip/auth/v2/token"} {
				a := s.post(client, e.MutualTLS+path, "grant_type", "client_credentials", "client_id", app.ClientID)
				if a.status != 200 {
					t.Fatalf("%s: %d %s", path, a.status, a.body)
				}
				got := a.json(t)
				token, _ := got["access_token"].(string)
				if kind, _ := got["token_type"].(string); !strings.EqualFold(kind, "bearer") { // RFC 8705 §3
					t.Errorf("token_type is %q", kind)
				}
				_, says := claims(t, token)
				if diff := cmp.Diff(map[string]any{"x5t#S256": thumbprint(tt.certificate)}, says["cnf"]); diff != "" {
					t.Errorf("RFC 8705 3.1 cnf (-want +got)\n%s", diff)
				}
				if a := s.callBy(client, e, token, nil); a.status != 200 {
					t.Errorf("the call: %d %s", a.status, a.body)
				}
				about := s.post(client, e.MutualTLS+"/oauth2/introspect", "client_id", app.ClientID, "token", token).json(t)
				if about["active"] != true || cmp.Diff(says["cnf"], about["cnf"]) != "" || about["token_type"] != "Bearer" {
					t.Errorf("RFC 8705 3.2 introspection: %v", about)
				}
				again := s.post(client, e.MutualTLS+path, "grant_type", "client_credentials", "client_id", app.ClientID).json(t)
				if again["access_token"] == token {
					t.Errorf("2.8: a bound token was given again")
				}
				if a := s.post(client, e.MutualTLS+"/oauth2/revoke", "client_id", app.ClientID, "token", token); a.status != 200 {
					t.Errorf("revocation: %d %s", a.status, a.body)
				}
			}
		})
	}
}

func TestACertificateThatIsNotTheClientsIsRefused(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	ca := s.clientCA()
	named := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = []string{name} }
	}
	own := authority{}.issue(t, nil)
	revoked := authority{}.issue(t, nil)
	byThumbprint := s.newApp("own", api.NewCredential{Certificate: pemOf(own)}, api.NewCredential{Certificate: pemOf(revoked)})
	byName := s.newApp("named", api.NewCredential{CertifiedName: "san_dns:claims.example"})
	m := s.operator()
	list, err := m.Credentials(t.Context(), byThumbprint.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		if strings.HasPrefix(thumbprint(revoked), strings.TrimSuffix(c.Hint, "…")) {
			if _, err := m.RevokeCredential(t.Context(), c.ID, api.CredentialRevocation{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	fake := anotherCA(t, ca.cert)
	for name, tt := range map[string]struct {
		certificate tls.Certificate
		clientID    string
		reason      string
	}{
		"another self-signed one":             {authority{}.issue(t, nil), byThumbprint.ClientID, "no credential of the app has this thumbprint"},
		"one whose credential was revoked":    {revoked, byThumbprint.ClientID, "was revoked"},
		"another client's, registered":        {own, byName.ClientID, "not signed by the client CA"},
		"one of another name":                 {ca.issue(t, named("other.example")), byName.ClientID, "does not say san_dns:claims.example"},
		"a wildcard":                          {ca.issue(t, named("*.example")), byName.ClientID, "does not say san_dns:claims.example"},
		"the name as common name alone":       {ca.issue(t, func(c *x509.Certificate) { c.Subject.CommonName = "claims.example" }), byName.ClientID, "does not say san_dns:claims.example"},
		"one by a CA of the same name":        {fake.issue(t, named("claims.example")), byName.ClientID, "not signed by the client CA"},
		"one signed by itself, with the name": {authority{}.issue(t, named("claims.example")), byName.ClientID, "not signed by the client CA"},
		"one for servers": {ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{"claims.example"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), byName.ClientID, "not for client authentication"},
		"an expired one": {ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.NotAfter = []string{"claims.example"}, time.Date(2025, 1, 31, 0, 0, 0, 0, time.UTC)
			c.NotBefore = c.NotAfter.Add(-time.Hour)
		}), byName.ClientID, "the certificate expired on 2025-01-31T00:00:00Z"},
		"one of tomorrow": {ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore = []string{"claims.example"}, time.Now().Add(time.Hour)
		}), byName.ClientID, "not valid before"},
		"a client_id that nobody has":  {own, "nobody", ""},
		"no client_id":                 {own, "", ""},
		"an app of production":         {own, s.Environments["production"].ClientID, "was sent to sandbox"},
		"an app that has secrets only": {own, e.Newcomer.ClientID, "no credential of the app has this thumbprint"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.post(s.with(tt.certificate), e.MutualTLS+"/oauth2/token", "grant_type", "client_credentials", "client_id", tt.clientID)
			want := s.form(e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", "nobody", "client_secret", "wrong")
			said, wanted := a.json(t), want.json(t)
			delete(said, "trace_id")
			delete(wanted, "trace_id")
			if a.status != 401 || cmp.Diff(wanted, said) != "" {
				t.Errorf("2.9: got %d %s, want the words of every other failure", a.status, a.body)
			}
			if tt.reason == "" {
				return
			}
			if got := s.why(a); !strings.Contains(got.Reason, tt.reason) || got.Next == "" {
				t.Errorf("the owner is told %q, next %q; want %q", got.Reason, got.Next, tt.reason)
			}
		})
	}
	t.Run("a certificate in a header", func(t *testing.T) {
		for _, header := range []string{"X-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert", "X-SSL-Client-Cert", "X-ARR-ClientCert"} {
			for _, target := range []string{e.URL, e.MutualTLS} {
				a := s.do("POST", target+"/oauth2/token", map[string]string{
					"Content-Type": formType, header: ":" + base64.StdEncoding.EncodeToString(own.Certificate[0]) + ":",
				}, "grant_type=client_credentials&client_id="+byThumbprint.ClientID)
				if a.status != 401 {
					t.Errorf("%s at %s: %d %s", header, target, a.status, a.body)
				}
			}
		}
	})
	t.Run("a certificate at the other listener", func(t *testing.T) {
		if a := s.post(s.with(own), e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", byThumbprint.ClientID); a.status != 401 {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
}

// A secret beside a certificate authenticates; the certificate binds only if the app
// wants that.
// The first mistake with certificates: the listener that asks for none.
func TestACertificateAtTheOrdinaryListenerIsToldWhereItCounts(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	own := authority{}.issue(t, nil)
	app := s.newApp("own", api.NewCredential{Certificate: pemOf(own)})
	a := s.post(s.with(own), e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", app.ClientID)
	if why := s.why(a); a.status != http.StatusUnauthorized || why.App != app.ID || !strings.Contains(why.Reason, "nor a certificate") || !strings.Contains(why.Next, e.MutualTLS) {
		t.Errorf("%d, explained as %+v", a.status, why)
	}
}

func TestASecretIsStrongerThanACertificateBesideIt(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	m := s.operator()
	stranger := s.with(authority{}.issue(t, nil))
	grant := func(client *http.Client, target string) answer {
		return s.post(client, target+"/oauth2/token", "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret)
	}
	a := grant(stranger, e.MutualTLS)
	token, _ := a.json(t)["access_token"].(string)
	if _, says := claims(t, token); a.status != 200 || says["cnf"] != nil {
		t.Errorf("%d, cnf %v", a.status, says["cnf"])
	}
	if a := s.post(stranger, e.MutualTLS+"/oauth2/token", "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", "wrong"); a.status != 401 {
		t.Errorf("a wrong secret: %d %s", a.status, a.body)
	}
	app := s.app(m, e.ClientID)
	certificate, none := "certificate", "none"
	if _, err := m.UpdateApp(t.Context(), app.ID, api.AppPatch{Binding: &certificate}); err != nil {
		t.Fatal(err)
	}
	a = grant(stranger, e.MutualTLS)
	bound, _ := a.json(t)["access_token"].(string)
	if _, says := claims(t, bound); a.status != 200 || says["cnf"] == nil {
		t.Errorf("bound by its setting: %d, cnf %v", a.status, says["cnf"])
	}
	if a := grant(s.client, e.URL); a.status != 400 || a.json(t)["error"] != "invalid_request" || !strings.Contains(string(a.body), "mtls_endpoint_aliases") {
		t.Errorf("without a certificate: %d %s", a.status, a.body)
	}
	if a := grant(s.client, e.MutualTLS); a.status != 400 || a.json(t)["error"] != "invalid_request" {
		t.Errorf("at the listener without a certificate: %d %s", a.status, a.body)
	}
	if _, err := m.UpdateApp(t.Context(), app.ID, api.AppPatch{Binding: &none}); err != nil {
		t.Fatal(err)
	}
	if a := s.callBy(stranger, e, bound, nil); a.status != 200 {
		t.Errorf("its call: %d %s", a.status, a.body)
	}
}

// A stolen token that is bound to a certificate opens nothing.
func TestATokenBoundToACertificateNeedsThatCertificate(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	own := authority{}.issue(t, nil)
	app := s.newApp("own", api.NewCredential{Certificate: pemOf(own)})
	client := s.with(own)
	a := s.post(client, e.MutualTLS+"/oauth2/token", "grant_type", "client_credentials", "client_id", app.ClientID)
	token, _ := a.json(t)["access_token"].(string)
	call := e.api(t, "eligibility")
	thief := s.with(authority{}.issue(t, nil))
	for range 2 { // the second time the token is remembered as good
		if a := s.callBy(client, e, token, nil); a.status != 200 {
			t.Fatalf("the owner: %d %s", a.status, a.body)
		}
		for name, a := range map[string]answer{
			"at the listener without mutual TLS":       s.call(call, token, nil),
			"without a certificate":                    s.callBy(s.client, e, token, nil),
			"with another certificate":                 s.callBy(thief, e, token, nil),
			"with the certificate in a header":         s.callBy(thief, e, token, map[string]string{"X-Client-Cert": base64.StdEncoding.EncodeToString(own.Certificate[0])}),
			"with the owner's certificate beside ours": s.callBy(s.with(beside(thief, own, t)), e, token, nil),
			"as a DPoP token":                          s.callBy(client, e, token, map[string]string{"Authorization": "DPoP " + token}),
		} {
			if a.status != 401 || a.json(t)["error"] != "invalid_access_token" || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s: %d %s, %s", name, a.status, a.body, a.header.Get("WWW-Authenticate"))
			}
			if got := s.why(a); got.App != app.ID || !strings.Contains(got.Reason, "bound to") {
				t.Errorf("%s: the owner is told %+v", name, got)
			}
		}
	}
}

// beside is a chain that begins with a certificate whose key the thief holds, and
// goes on with one whose key it does not.
func beside(_ *http.Client, owner tls.Certificate, t *testing.T) tls.Certificate {
	t.Helper()
	own := authority{}.issue(t, nil)
	own.Certificate = append(own.Certificate, owner.Certificate[0])
	return own
}

// A connection has the certificate of its own handshake: none is lost or mixed up
// when clients resume sessions.
func TestASessionDoesNotCarryACertificateOver(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	first, second := authority{}.issue(t, nil), authority{}.issue(t, nil)
	apps := []api.App{s.newApp("first", api.NewCredential{Certificate: pemOf(first)}), s.newApp("second", api.NewCredential{Certificate: pemOf(second)})}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			sessions := tls.NewLRUClientSessionCache(8) // one for all, as a program might have it
			grant := func(c *tls.Certificate, app api.App) (a answer, resumed bool) {
				client := httpClient(t, s.CA)
				config := client.Transport.(*http.Transport).TLSClientConfig
				config.ClientSessionCache, config.MaxVersion = sessions, version
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if c == nil {
						return &tls.Certificate{}, nil
					}
					return c, nil
				}
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					TLSHandshakeDone: func(state tls.ConnectionState, _ error) { resumed = resumed || state.DidResume },
				})
				r, err := http.NewRequestWithContext(ctx, "POST", e.MutualTLS+"/oauth2/token", strings.NewReader("grant_type=client_credentials&client_id="+app.ClientID))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", formType)
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				var body bytes.Buffer
				_, _ = body.ReadFrom(res.Body)
				return answer{res.StatusCode, res.Header, body.Bytes()}, resumed
			}
			for i, step := range []struct {
				certificate *tls.Certificate
				app         api.App
				status      int
			}{
				{nil, apps[0], 401},
				{&first, apps[0], 200},
				{&second, apps[1], 200},
				{&first, apps[1], 401},
				{&second, apps[0], 401},
				{nil, apps[0], 401},
				{&first, apps[0], 200},
			} {
				a, resumed := grant(step.certificate, step.app)
				if a.status != step.status || resumed {
					t.Errorf("step %d: %d, want %d; resumed: %t", i, a.status, step.status, resumed)
				}
			}
		})
	}
}

// pemFiles writes a certificate and its key.
func pemFiles(t *testing.T, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	certFile, keyFile = filepath.Join(folder, "client.pem"), filepath.Join(folder, "client-key.pem")
	for file, text := range map[string]string{certFile: pemOf(c), keyFile: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestCurlGetsATokenByCertificateAndCalls(t *testing.T) {
	require(t, have("curl"), "curl")
	s := start(t)
	e := s.Environments["sandbox"]
	curl := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--cacert", s.CA}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	own := authority{}.issue(t, nil)
	certFile, keyFile := pemFiles(t, own)
	app := s.newApp("own", api.NewCredential{Certificate: pemOf(own)})
	for name, tt := range map[string]struct {
		clientID string
		args     []string
	}{
		"tls_client_auth":             {e.ClientID, []string{"--cert", s.Client.Certificate, "--key", s.Client.Key}},
		"self_signed_tls_client_auth": {app.ClientID, []string{"--cert", certFile, "--key", keyFile}},
	} {
		t.Run(name, func(t *testing.T) {
			got := answer{body: []byte(curl(append(tt.args, e.MutualTLS+"/oauth2/token", "-d", "grant_type=client_credentials", "-d", "client_id="+tt.clientID)...))}.json(t)
			token, _ := got["access_token"].(string)
			if _, says := claims(t, token); says["cnf"] == nil {
				t.Errorf("not bound: %v", says)
			}
			c := e.api(t, "eligibility")
			call := []string{"-o", os.DevNull, "-w", "%{http_code}", "-X", c.Method, "-d", c.Body, "-H", "Authorization: Bearer " + token, strings.Replace(c.URL, e.URL, e.MutualTLS, 1)}
			for name, value := range c.Headers {
				call = append(call, "-H", name+": "+value)
			}
			if got := curl(append(tt.args, call...)...); got != "200" {
				t.Errorf("the call: %s", got)
			}
			if got := curl(call...); got != "401" {
				t.Errorf("the call without the certificate: %s", got)
			}
		})
	}
}

func TestMetadataSayWhereCertificatesAreTaken(t *testing.T) {
	s := start(t)
	for name, e := range s.Environments {
		for _, origin := range []string{e.URL, e.MutualTLS} {
			got := s.do("GET", origin+"/.well-known/oauth-authorization-server", nil, "").json(t)
			if diff := cmp.Diff(map[string]any{
				"token_endpoint": e.MutualTLS + "/oauth2/token", "revocation_endpoint": e.MutualTLS + "/oauth2/revoke", "introspection_endpoint": e.MutualTLS + "/oauth2/introspect",
			}, got["mtls_endpoint_aliases"]); diff != "" {
				t.Errorf("RFC 8705 5 %s (-want +got)\n%s", name, diff)
			}
			if got["tls_client_certificate_bound_access_tokens"] != true || got["issuer"] != e.Issuer {
				t.Errorf("RFC 8705 3.3 %s: %v", name, got)
			}
			for _, member := range []string{"token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported", "introspection_endpoint_auth_methods_supported"} {
				if methods := fmt.Sprint(got[member]); !strings.Contains(methods, " tls_client_auth") || !strings.Contains(methods, "self_signed_tls_client_auth") {
					t.Errorf("%s %s: %s", name, member, methods)
				}
			}
			about := s.do("GET", origin+"/.well-known/oauth-protected-resource", nil, "").json(t)
			if about["resource"] != origin || about["tls_client_certificate_bound_access_tokens"] != true {
				t.Errorf("RFC 9728 2 %s: %v", name, about)
			}
		}
	}
}
