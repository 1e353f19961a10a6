// Package e2e_test drives the whole program as its users do: over TLS, with
// real clients, knowing only what the demo's ready file says.
//
// Test names carry the clause of docs/contract.md that they hold.
package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/demo"
)

// ready is the ready file, as a script would read it.
type ready struct {
	PID      int    `json:"pid"`
	CA       string `json:"ca"`
	Log      string `json:"log"`
	Data     string `json:"data"`
	Portal   string `json:"portal"`
	Operator struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	} `json:"operator"`
	Client struct {
		CA          string `json:"ca"`
		CAKey       string `json:"ca_key"`
		Certificate string `json:"certificate"`
		Key         string `json:"key"`
		Name        string `json:"name"`
	} `json:"client"`
	Environments map[string]*environment `json:"environments"`
}

type environment struct {
	URL          string            `json:"url"`
	MutualTLS    string            `json:"mtls_url"`
	Issuer       string            `json:"issuer"`
	TokenURLs    map[string]string `json:"token_urls"`
	ClientID     string            `json:"client_id"`
	ClientSecret string            `json:"client_secret"`
	Organization string            `json:"organization"`
	Calls        []apiCall         `json:"calls"`
	Newcomer     struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	} `json:"newcomer"`
}

type apiCall struct {
	API     string            `json:"api"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// site is a running demo.
type site struct {
	ready
	t      *testing.T
	client *http.Client
	stop   func() error
}

// start runs a demo of its own for the test.
func start(t *testing.T) *site {
	t.Helper()
	return startIn(t, t.TempDir())
}

func startIn(t *testing.T, data string) *site {
	t.Helper()
	return startWith(t, demo.Options{Data: data})
}

// startWith runs a demo by o, in which a test sets what it cares for.
func startWith(t *testing.T, o demo.Options) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o = demoOptions(o)
	removeFile(t, o.Ready)
	done := make(chan error, 1)
	go func() { done <- demo.Run(ctx, o) }()
	s := &site{t: t}
	stopped := false
	s.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the demo did not stop cleanly: %v", err)
		}
	})
	ended, err := awaitReady(t, o.Ready, &s.ready, done)
	if ended {
		stopped = true
		t.Fatalf("the demo ended: %v", err)
	}
	s.client = httpClient(t, s.CA)
	return s
}

// demoOptions fills in what a test leaves open.
func demoOptions(o demo.Options) demo.Options {
	o.Ready = filepath.Join(o.Data, "ready.json")
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Version, o.Command = "test", "sallyport"
	for _, address := range []*string{&o.ListenSandbox, &o.ListenProduction, &o.ListenSandboxMTLS, &o.ListenProductionMTLS, &o.ListenManagement, &o.ListenPortal} {
		if *address == "" {
			*address = "127.0.0.1:0"
		}
	}
	return o
}

func removeFile(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// awaitReady waits for the ready file and reads it, or reports that the demo
// ended before.
func awaitReady(t *testing.T, file string, into *ready, done <-chan error) (ended bool, err error) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
			return false, nil
		}
		select {
		case err := <-done:
			return true, err
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the demo did not get ready")
		}
	}
}

// httpClient trusts the demo's CA and follows no redirect.
func httpClient(t *testing.T, ca string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// json decodes the body as an object.
func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("status %d, body %q: %v", a.status, a.body, err)
	}
	return v
}

// do sends a request and reads the answer.
func (s *site) do(method, target string, header map[string]string, body string) answer {
	s.t.Helper()
	return s.doWith(s.client, method, target, header, body)
}

func (s *site) doWith(client *http.Client, method, target string, header map[string]string, body string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, target, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, text}
}

const formType = "application/x-www-form-urlencoded"

// form posts a form.
func (s *site) form(target string, pairs ...string) answer {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return s.do("POST", target, map[string]string{"Content-Type": formType}, values.Encode())
}

// grant asks for a token as a client of the environment would.
func (s *site) grant(e *environment, target string) answer {
	s.t.Helper()
	return s.form(target, "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", e.ClientSecret)
}

// token returns a fresh access token of the environment: the rfc endpoint never
// gives the same one twice.
func (s *site) token(e *environment) string {
	s.t.Helper()
	a := s.grant(e, e.URL+"/oauth2/token")
	if a.status != http.StatusOK {
		s.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	text, _ := a.json(s.t)["access_token"].(string)
	return text
}

// call makes an API call with a token, and further headers.
func (s *site) call(c apiCall, token string, more map[string]string) answer {
	s.t.Helper()
	header := maps.Clone(c.Headers)
	if header == nil {
		header = map[string]string{}
	}
	if token != "" {
		header["Authorization"] = "Bearer " + token
	}
	for name, value := range more {
		if value == "" {
			delete(header, name)
			continue
		}
		header[name] = value
	}
	return s.do(c.Method, c.URL, header, c.Body)
}

// api returns the environment's demo call to an API.
func (e *environment) api(t *testing.T, name string) apiCall {
	t.Helper()
	for _, c := range e.Calls {
		if strings.Contains(c.API, name) {
			return c
		}
	}
	t.Fatalf("no demo call to %s", name)
	return apiCall{}
}

// claims decodes a token without verifying it.
func claims(t *testing.T, token string) (header, payload map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	for i, into := range []*map[string]any{&header, &payload} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, payload
}

// eventually waits up to a second for what must hold by then.
func eventually(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > 5*time.Second {
			t.Fatalf("%s: not within 5s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}
