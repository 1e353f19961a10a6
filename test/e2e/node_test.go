package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/demo"
)

// node runs a script of test/node, and decodes what it prints.
func (s *site) node(t *testing.T, script string, env map[string]string, into any) {
	t.Helper()
	folder, err := filepath.Abs("../node")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(folder, script))
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.CA)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, complaint.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%s printed %q: %v", script, out, err)
	}
}

func requireNode(t *testing.T) {
	t.Helper()
	require(t, have("node"), "node")
	require(t, exists("../node/node_modules/openid-client") && exists("../node/node_modules/oauth4webapi"), "test/node/node_modules")
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A strict client that is given the issuer and nothing else.
func TestOpenidClientFindsItsWayByDiscovery(t *testing.T) {
	requireNode(t)
	s := start(t)
	e := s.Environments["sandbox"]
	type outcome struct {
		TokenType    string
		ExpiresIn    int
		Call         int
		Source       string
		ActiveBefore bool
		ActiveAfter  bool
	}
	for _, tt := range []struct{ name, auth, algorithm string }{
		{"2.11 RFC 8414, client_secret_basic", "basic", "oauth2"},
		{"2.11 RFC 8414, client_secret_post", "post", "oauth2"},
		{"2.11 openid-configuration, client_secret_basic", "basic", "oidc"},
		{"2.11 openid-configuration, client_secret_post", "post", "oidc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got outcome
			s.node(t, "openid-client.mjs", map[string]string{
				"ISSUER": e.Issuer, "CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret,
				"AUTH": tt.auth, "ALGORITHM": tt.algorithm, "CALL": encode(t, e.api(t, "eligibility")),
			}, &got)
			if got.ExpiresIn < 3590 || got.ExpiresIn > 3600 {
				t.Errorf("expires in %d seconds", got.ExpiresIn)
			}
			got.ExpiresIn = 0
			if diff := cmp.Diff(outcome{TokenType: "bearer", Call: 200, Source: "live", ActiveBefore: true}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestSimpleOAuth2GetsATokenWithItsDefaults(t *testing.T) {
	requireNode(t)
	s := start(t)
	e := s.Environments["sandbox"]
	for dialect, lifetime := range map[string]int{"rfc": 3600, "v2": 3600, "v3": 7200} {
		t.Run("2.1 2.3 at "+dialect, func(t *testing.T) {
			var got struct {
				TokenType string
				ExpiresIn int
				ExpiresAt time.Time
				Expired   bool
				Call      int
				Source    string
			}
			s.node(t, "simple-oauth2.mjs", map[string]string{
				"TOKEN_HOST": e.URL, "TOKEN_PATH": strings.TrimPrefix(e.TokenURLs[dialect], e.URL),
				"CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret, "CALL": encode(t, e.api(t, "claim-status")),
			}, &got)
			if got.ExpiresIn > lifetime || got.ExpiresIn < lifetime-21 || got.Expired || time.Until(got.ExpiresAt) < time.Duration(lifetime-30)*time.Second {
				t.Errorf("expires in %d seconds, at %v, expired %t", got.ExpiresIn, got.ExpiresAt, got.Expired)
			}
			if !strings.EqualFold(got.TokenType, "bearer") || got.Call != 200 || got.Source != "live" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOAuth4WebAPIFindsItsWayByDiscovery(t *testing.T) {
	requireNode(t)
	s := start(t)
	e := s.Environments["sandbox"]
	type outcome struct {
		TokenType string
		ExpiresIn int
		Call      int
		Subject   string
	}
	for _, tt := range []struct{ name, auth, algorithm string }{
		{"2.11 RFC 8414, client_secret_basic", "basic", "oauth2"},
		{"2.11 openid-configuration, client_secret_post", "post", "oidc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got outcome
			s.node(t, "oauth4webapi.mjs", map[string]string{
				"ISSUER": e.Issuer, "CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret, "AUTH": tt.auth, "ALGORITHM": tt.algorithm,
				"AUDIENCE": "apiPlatform", "CALL": encode(t, e.api(t, "eligibility")),
			}, &got)
			if diff := cmp.Diff(outcome{TokenType: "bearer", ExpiresIn: 3600, Call: 200, Subject: e.ClientID}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestBadgatewayClientFindsItsWayByDiscoveryAndKeepsItsToken(t *testing.T) {
	requireNode(t)
	s := start(t)
	e := s.Environments["sandbox"]
	var got struct {
		ExpiresIn int
		Statuses  []int
		Fetched   int
	}
	s.node(t, "badgateway.mjs", map[string]string{
		"ISSUER": e.Issuer, "CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret, "CALL": encode(t, e.api(t, "eligibility")),
	}, &got)
	if diff := cmp.Diff([]int{200, 200, 200}, got.Statuses); diff != "" || got.Fetched != 1 || got.ExpiresIn < 3580 || got.ExpiresIn > 3600 {
		t.Errorf("2.11: got %+v", got)
	}
}

// Resource servers that know our metadata and nothing else take the tokens of
// the rfc endpoint, and by RFC 9068 §4 no others.
func TestStrictResourceServersTakeTokensOfRFC9068AndNoOthers(t *testing.T) {
	requireNode(t)
	for _, environment := range []string{"sandbox", "production"} {
		t.Run("3.1 3.2 RFC 9068 §4 "+environment, func(t *testing.T) {
			var now clock
			s := startWith(t, demo.Options{Data: t.TempDir(), Now: now.Now})
			e, other := s.Environments[environment], s.Environments["production"]
			if environment == "production" {
				other = s.Environments["sandbox"]
			}
			now.forward(-2 * time.Hour)
			expired := s.token(e)
			now.forward(2 * time.Hour)
			plain, _ := s.grant(e, e.TokenURLs["v2"]).json(t)["access_token"].(string)
			resource := s.form(e.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret,
				"resource", e.URL+eligibilityPath)
			narrow, _ := resource.json(t)["access_token"].(string)
			good := s.token(e)
			head, rest, _ := strings.Cut(good, ".")
			payload, signature, _ := strings.Cut(rest, ".")
			tokens := map[string]string{
				"good": good, "expired": expired, "typ JWT": plain, "another audience": narrow, "another issuer": s.token(other),
				"another payload": head + "." + strings.Split(expired, ".")[1] + "." + signature,
				"no signature":    head + "." + payload + ".",
			}
			var got map[string]struct{ Express, Web string }
			s.node(t, "resource-server.mjs", map[string]string{
				"ISSUER": e.Issuer, "AUDIENCE": "apiPlatform", "ALGORITHM": "RS256", "TOKENS": encode(t, tokens),
			}, &got)
			for name := range tokens {
				v := got[name]
				if name == "good" {
					if v.Express != "" || v.Web != "" {
						t.Errorf("a good token: %+v", v)
					}
					continue
				}
				if !strings.HasPrefix(v.Express, "401 ") || v.Web == "" {
					t.Errorf("%s: %+v", name, v)
				}
				// For the reason that it is here for, and no other.
				for reason, word := range map[string]string{"expired": "exp", "typ JWT": "typ", "another audience": "aud"} {
					if name == reason && (!strings.Contains(v.Express, word) || !strings.Contains(v.Web, word)) {
						t.Errorf("%s: refused for another reason: %+v", name, v)
					}
				}
			}
		})
	}
}
