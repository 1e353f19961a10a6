package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// visitor is a client that finds every host name at the node's production
// listener, as DNS would have it.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func visit(t *testing.T, n *node) *visitor {
	t.Helper()
	pem, err := os.ReadFile(n.Info().CA)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	status, err := n.operator().Status(t.Context())
	must(t, err)
	port := ""
	for _, e := range status.Environments {
		for _, known := range e.URLs {
			if u, err := url.Parse(known); err == nil && e.Name == string(market.Production) && u.Hostname() == "api.example" && u.Port() != "" {
				port = u.Port()
			}
		}
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t, &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

func (v *visitor) do(method, target, token string, form url.Values) (*http.Response, map[string]any) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, target, strings.NewReader(form.Encode()))
	must(v.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := v.client.Do(r)
	must(v.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(v.t, err)
	var object map[string]any
	_ = json.Unmarshal(text, &object) // nil where it is not JSON
	return res, object
}

// inserted is where a URL is described: the well-known path goes between its host
// and its own path (RFC 8414 §3.1, RFC 9728 §3.1).
func inserted(t *testing.T, identifier, wellKnown string) string {
	t.Helper()
	u, err := url.Parse(identifier)
	must(t, err)
	u.Path = "/.well-known/" + wellKnown + u.Path
	return u.String()
}

// A client that knows the URL of an API finds the rest, though the issuer is on
// another host, has a path, and the client goes by an old name of ours.
func TestAClientFindsItsWayFromAnAPIToAToken(t *testing.T) {
	const (
		issuer, base, alias = "https://login.example/tenants/production", "https://api.example", "https://old.example:8443"
		path                = "/thing/v1"
	)
	c := settings(t, t.TempDir(), "")
	p := c.Environments[market.Production]
	p.Issuer, p.URL, p.Aliases = issuer, base, []string{alias}
	p.Hosts = []string{"api.example", "login.example", "old.example"}
	must(t, c.Complete())
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, secret := customer(t, n.Market)
	v := visit(t, n)
	for _, known := range []string{base, alias} {
		res, _ := v.do(http.MethodGet, known+path+"/it", "", nil)
		pointer := regexp.MustCompile(`resource_metadata="([^"]+)"`).FindStringSubmatch(res.Header.Get("WWW-Authenticate"))
		if res.StatusCode != http.StatusUnauthorized || len(pointer) != 2 || pointer[1] != inserted(t, known+path, "oauth-protected-resource") {
			t.Fatalf("RFC 9728 5.1: %d, %q", res.StatusCode, res.Header.Get("WWW-Authenticate"))
		}
		_, resource := v.do(http.MethodGet, pointer[1], "", nil)
		servers, _ := resource["authorization_servers"].([]any)
		if resource["resource"] != known+path || len(servers) != 1 || servers[0] != issuer {
			t.Fatalf("RFC 9728 3.3: %v", resource)
		}
		_, metadata := v.do(http.MethodGet, inserted(t, issuer, "oauth-authorization-server"), "", nil)
		if metadata["issuer"] != issuer || metadata["token_endpoint"] != base+"/oauth2/token" {
			t.Fatalf("RFC 8414 3.1, 3.3: %v", metadata)
		}
		endpoint, _ := metadata["token_endpoint"].(string)
		res, body := v.do(http.MethodPost, endpoint, "", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {app.ClientID}, "client_secret": {secret.Reveal()}, "resource": {known + path},
		})
		token, _ := body["access_token"].(string)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("RFC 8707 2: %d %v", res.StatusCode, body)
		}
		// The upstream is nowhere: the call came as far as that.
		if res, body := v.do(http.MethodGet, known+path+"/it", token, nil); res.StatusCode != http.StatusBadGateway {
			t.Errorf("the call: %d %v", res.StatusCode, body)
		}
	}
}

func TestAnIssuerWithAPathIsFoundInBothForms(t *testing.T) {
	const issuer = "https://login.example/tenants/production"
	c := settings(t, t.TempDir(), "")
	p := c.Environments[market.Production]
	p.Issuer, p.Hosts = issuer, []string{"api.example", "login.example"}
	n := run(t, c)
	v := visit(t, n)
	var first map[string]any
	for _, where := range []string{
		inserted(t, issuer, "oauth-authorization-server"), inserted(t, issuer, "openid-configuration"), // RFC 8414 §3.1, §5
		issuer + "/.well-known/openid-configuration", // OpenID Connect Discovery §4
	} {
		res, got := v.do(http.MethodGet, where, "", nil)
		if res.StatusCode != http.StatusOK || got["issuer"] != issuer {
			t.Errorf("%s: %d %v", where, res.StatusCode, got)
		}
		if first == nil {
			first = got
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%s is another document: %s", where, diff)
		}
	}
	for _, where := range []string{ // of an issuer that we are not
		"https://login.example/.well-known/oauth-authorization-server", "https://login.example/.well-known/openid-configuration",
		"https://login.example/.well-known/oauth-authorization-server/tenants", "https://login.example/.well-known/oauth-authorization-server/tenants/sandbox",
	} {
		if res, got := v.do(http.MethodGet, where, "", nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("RFC 8414 3.3: %s: %d %v", where, res.StatusCode, got)
		}
	}
}
