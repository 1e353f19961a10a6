package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sallyport-dev/sallyport/internal/demo"
)

func TestXOAuth2GetsATokenAndCalls(t *testing.T) {
	s := start(t)
	styles := map[string]oauth2.AuthStyle{
		"as it finds out": oauth2.AuthStyleAutoDetect, "in the body": oauth2.AuthStyleInParams, "by Basic": oauth2.AuthStyleInHeader,
	}
	for name, e := range s.Environments {
		for dialect, lifetime := range map[string]time.Duration{"rfc": time.Hour, "v1": time.Hour, "v2": time.Hour, "v3": 2 * time.Hour} {
			for style, auth := range styles {
				t.Run(fmt.Sprintf("2.1 2.3 %s, %s, %s", name, dialect, style), func(t *testing.T) {
					config := clientcredentials.Config{
						ClientID: e.ClientID, ClientSecret: e.ClientSecret, TokenURL: e.TokenURLs[dialect], AuthStyle: auth,
					}
					ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.client)
					token, err := config.Token(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if left := time.Until(token.Expiry); token.Type() != "Bearer" || left > lifetime || left < lifetime-21*time.Second {
						t.Errorf("type %q, %v left", token.Type(), left)
					}
					c := e.api(t, "eligibility")
					a := s.doWith(config.Client(ctx), c.Method, c.URL, c.Headers, c.Body)
					if a.status != http.StatusOK || a.header.Get("X-Sallyport-Source") != "live" {
						t.Errorf("the call: %d %s", a.status, a.body)
					}
				})
			}
		}
	}
}

func TestXOAuth2UnderstandsARefusal(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	config := clientcredentials.Config{ClientID: e.ClientID, ClientSecret: "wrong", TokenURL: e.TokenURLs["rfc"]}
	_, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, s.client))
	refused, ok := err.(*oauth2.RetrieveError) //nolint:errorlint // as it is documented
	if !ok || refused.ErrorCode != "invalid_client" || refused.ErrorDescription == "" || refused.Response.StatusCode != 401 {
		t.Errorf("2.9: %v", err)
	}
}

// shell runs a script as somebody who pastes it would.
func shell(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaint.String())
	}
	return string(out)
}

// What the demo prints can be pasted, and answers what S001 to S003 print.
func TestThePrintedLinesWork(t *testing.T) {
	require(t, have("curl"), "curl")
	var stdout bytes.Buffer
	data := filepath.Join(t.TempDir(), "it's a folder with $HOME in it") // as some people's are
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, demo.Options{Data: data, Stdout: &stdout})
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	welcome := stdout.String() // printed before the ready file was written
	block := func(number int) string {
		t.Helper()
		found := regexp.MustCompile(fmt.Sprintf(`(?ms)^%d\. [^\n]*\n\n(.*?)\n\n`, number)).FindStringSubmatch(welcome)
		if found == nil {
			t.Fatalf("no block %d in\n%s", number, welcome)
		}
		return found[1]
	}
	t.Run("the lines for the shell set what the ready file says", func(t *testing.T) {
		exports := strings.Join(regexp.MustCompile(`(?m)^  export .*$`).FindAllString(welcome, -1), "\n") + "\n"
		names := []string{
			"CA", "SANDBOX", "PRODUCTION", "CLIENT_ID", "CLIENT_SECRET", "PROD_CLIENT_ID", "PROD_CLIENT_SECRET",
			"NEW_CLIENT_ID", "NEW_CLIENT_SECRET", "SALLYPORT_URL", "SALLYPORT_CA", "SALLYPORT_TOKEN",
		}
		want := []string{
			s.CA, sandbox.URL, production.URL, sandbox.ClientID, sandbox.ClientSecret, production.ClientID, production.ClientSecret,
			sandbox.Newcomer.ClientID, sandbox.Newcomer.ClientSecret, s.Operator.URL, s.CA, s.Operator.Token,
		}
		got := strings.Split(strings.TrimSuffix(shell(t, exports+`for name in `+strings.Join(names, " ")+`; do eval "printf '%s\n' \"\$$name\""; done`), "\n"), "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	object := func(t *testing.T, text string) map[string]any {
		t.Helper()
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return v
	}
	// The answers that S001 and S003 print, but for the values of the token and
	// the scope.
	want := map[string]any{"expires_in": 7200.0, "refresh_expires_in": 0.0, "token_type": "Bearer", "not-before-policy": 0.0}
	for number, name := range map[int]string{1: "S001 2.4 its call gets its answer", 2: "S003 2.4 its call gets its answer"} {
		t.Run(name, func(t *testing.T) {
			got := object(t, shell(t, block(number)))
			if diff := cmp.Diff(v3Members, typesOf(got)); diff != "" {
				t.Errorf("members (-want +got)\n%s", diff)
			}
			if seconds, _ := got["expires_in"].(float64); seconds > 7200 || seconds < 7179 { // the same token again, 2.8
				t.Errorf("expires_in is %v", got["expires_in"])
			}
			got["expires_in"] = 7200.0
			for _, member := range []string{"access_token", "scope"} {
				if got[member] == "" {
					t.Errorf("%s is empty", member)
				}
				delete(got, member)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Run("S002 2.1 its call in JSON gets the members of its answer", func(t *testing.T) {
		got := object(t, shell(t, block(3)))
		types := typesOf(got)
		for member, kind := range map[string]string{"access_token": "string", "token_type": "string", "expires_in": "float64"} {
			if types[member] != kind {
				t.Errorf("%s is a %s, want a %s", member, types[member], kind)
			}
		}
		if kind, _ := got["token_type"].(string); !strings.EqualFold(kind, "bearer") {
			t.Errorf("token_type is %q", kind)
		}
		text, _ := got["access_token"].(string)
		header, payload := claims(t, text)
		if diff := cmp.Diff(map[string]string{"kid": "string", "typ": "string", "alg": "string"}, typesOf(header)); diff != "" {
			t.Errorf("header (-want +got)\n%s", diff)
		}
		for member, kind := range map[string]string{ // of the token that S002 prints
			"access_token": "string", "aud": "string", "nbf": "float64", "api_product_list": "[]interface {}", "application_name": "string",
			"developer_email": "string", "iss": "string", "exp": "float64", "iat": "float64", "jti": "string",
		} {
			if got := typesOf(payload)[member]; got != kind {
				t.Errorf("claim %s is a %s, want a %s", member, got, kind)
			}
		}
	})
	t.Run("S002 its call in JSON gets its answer at v2", func(t *testing.T) {
		got := object(t, shell(t, strings.Replace(block(3), "/apip/auth/sntl/v1/token", "/apip/auth/v2/token", 1)))
		if diff := cmp.Diff(map[string]string{"access_token": "string", "token_type": "string", "expires_in": "float64"}, typesOf(got)); diff != "" {
			t.Errorf("members (-want +got)\n%s", diff)
		}
		if seconds, _ := got["expires_in"].(float64); got["token_type"] != "bearer" || seconds > 3600 || seconds < 3579 {
			t.Errorf("token_type %v, expires_in %v", got["token_type"], got["expires_in"])
		}
	})
	call := func(t *testing.T, script string) (head string, body map[string]any) {
		t.Helper()
		answer := shell(t, script)
		head, text, _ := strings.Cut(answer, "\r\n\r\n")
		return head, object(t, text)
	}
	t.Run("the printed call is answered live", func(t *testing.T) {
		head, body := call(t, block(4))
		if !regexp.MustCompile(`^HTTP/\S+ 200\b`).MatchString(head) || !strings.Contains(strings.ToLower(head), "x-sallyport-source: live") || body["meta"] == nil {
			t.Errorf("got %s\n%v", head, body)
		}
	})
	t.Run("5.1 the printed call gets mock data with the header that the text names", func(t *testing.T) {
		head, _ := call(t, strings.Replace(block(4), "curl -i ", "curl -i -H 'environment: sandbox' ", 1))
		if !regexp.MustCompile(`^HTTP/\S+ 200\b`).MatchString(head) || !strings.Contains(strings.ToLower(head), "x-sallyport-source: mock; reason=header") {
			t.Errorf("got %s", head)
		}
	})
	t.Run("the printed call works in production with its credentials", func(t *testing.T) {
		head, _ := call(t, strings.NewReplacer(
			sandbox.URL, production.URL, sandbox.ClientID, production.ClientID, sandbox.ClientSecret, production.ClientSecret,
		).Replace(block(4)))
		if !regexp.MustCompile(`^HTTP/\S+ 200\b`).MatchString(head) {
			t.Errorf("got %s", head)
		}
	})
	t.Run("the newcomer gets mock data", func(t *testing.T) {
		head, _ := call(t, strings.NewReplacer(
			sandbox.ClientID, sandbox.Newcomer.ClientID, sandbox.ClientSecret, sandbox.Newcomer.ClientSecret,
		).Replace(block(4)))
		if !strings.Contains(strings.ToLower(head), "x-sallyport-source: mock; reason=not-subscribed") {
			t.Errorf("got %s", head)
		}
	})
}
