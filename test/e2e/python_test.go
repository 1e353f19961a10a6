package e2e_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

// debianPython is the interpreter that Debian's packages are for; another one may
// come first in the path.
const debianPython = "/usr/bin/python3"

func requirePython(t *testing.T) {
	t.Helper()
	require(t, exec.Command(debianPython, "-c", "import authlib, requests_oauthlib").Run() == nil, "python3-authlib or python3-requests-oauthlib")
}

// python runs a script of test/python, and decodes what it prints.
func (s *site) python(t *testing.T, script string, env map[string]string, into any) {
	t.Helper()
	folder, err := filepath.Abs("../python")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), debianPython, filepath.Join(folder, script))
	cmd.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE="+s.CA, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
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

func TestAuthlibFindsItsWayByDiscovery(t *testing.T) {
	requirePython(t)
	s := start(t)
	e := s.Environments["sandbox"]
	type outcome struct {
		TokenType           string
		ExpiresIn           int
		Statuses            []int
		FetchedBeforeItsEnd int
		FetchedAfterIt      int
		Another             bool
	}
	want := outcome{TokenType: "Bearer", ExpiresIn: 3600, Statuses: []int{200, 200, 200, 200}, FetchedBeforeItsEnd: 1, FetchedAfterIt: 2, Another: true}
	for _, tt := range []struct{ method, algorithm string }{
		{"client_secret_basic", ""}, {"client_secret_post", ""}, {"private_key_jwt", "RS256"}, {"private_key_jwt", "ES256"},
	} {
		t.Run(fmt.Sprintf("2.3 2.11 %s %s", tt.method, tt.algorithm), func(t *testing.T) {
			secret := e.ClientSecret
			if tt.algorithm != "" {
				key := keyOf(t, tt.algorithm)
				s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
				der, err := x509.MarshalPKCS8PrivateKey(key)
				if err != nil {
					t.Fatal(err)
				}
				secret = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
			}
			var got outcome
			s.python(t, "authlib_client.py", map[string]string{
				"ISSUER": e.Issuer, "CLIENT_ID": e.ClientID, "CLIENT_SECRET": secret, "METHOD": tt.method, "ALGORITHM": tt.algorithm,
				"CALL": encode(t, e.api(t, "eligibility")),
			}, &got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRequestsOAuthlibGetsATokenAndCalls(t *testing.T) {
	requirePython(t)
	s := start(t)
	for name, e := range s.Environments {
		for _, tt := range []struct {
			dialect  string // "": as the discovery document says
			lifetime int
		}{{"", 3600}, {"v1", 3600}, {"v2", 3600}, {"v3", 7200}} {
			for _, method := range []string{"client_secret_basic", "client_secret_post"} {
				t.Run(fmt.Sprintf("2.1 2.3 %s, %q, %s", name, tt.dialect, method), func(t *testing.T) {
					var got struct {
						TokenType     string
						ExpiresIn     int
						Statuses      []int
						NoticedItsEnd bool
					}
					s.python(t, "requests_oauthlib_client.py", map[string]string{
						"ISSUER": e.Issuer, "TOKEN_URL": e.TokenURLs[tt.dialect], "CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret, "METHOD": method,
						"CALL": encode(t, e.api(t, "claim-status")),
					}, &got)
					if !strings.EqualFold(got.TokenType, "bearer") || got.ExpiresIn > tt.lifetime || got.ExpiresIn < tt.lifetime-21 || !got.NoticedItsEnd {
						t.Errorf("got %+v", got)
					}
					if diff := cmp.Diff([]int{200, 200}, got.Statuses); diff != "" {
						t.Errorf("calls (-want +got)\n%s", diff)
					}
				})
			}
		}
	}
}
