package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/client"
)

const canary = "spsbx_canary"

// endpoint is a token endpoint without a network.
type endpoint struct {
	mu       sync.Mutex
	lifetime int
	status   int // 0: 200
	header   map[string]string
	takes    time.Duration
	sent     int
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	e.sent++
	n, status, header, lifetime, takes := e.sent, e.status, e.header, e.lifetime, e.takes
	e.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	if r.PostForm.Get("client_secret") != canary || r.URL.RawQuery != "" {
		return answer(r, 401, nil, `{"error":"invalid_client"}`), nil
	}
	time.Sleep(takes)
	if status != 0 {
		return answer(r, status, header, `{"error":"temporarily_unavailable","error_description":"busy `+canary+`","trace_id":"t-1","error_uri":"https://x/errors/temporarily_unavailable"}`), nil
	}
	return answer(r, 200, nil, fmt.Sprintf(`{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, n, lifetime)), nil
}

func (e *endpoint) set(change func(*endpoint)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sent
}

func source(t testing.TB, transport http.RoundTripper) *client.TokenSource {
	t.Helper()
	s, err := client.NewTokenSource(client.Config{
		TokenURL: "https://sandbox.example.com/oauth2/token", ClientID: "c1", ClientSecret: client.NewSecret(canary),
		HTTP: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func token(t testing.TB, s *client.TokenSource) string {
	t.Helper()
	got, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.Access.Reveal()
}

// CONTRACT 7.1: one token, reused; renewed 12.5 % ahead, at least a minute.
func TestATokenIsReusedAndRenewedAheadOfItsEnd(t *testing.T) {
	for lifetime, ahead := range map[int]time.Duration{7200: 15 * time.Minute, 3600: 450 * time.Second, 300: time.Minute} {
		t.Run(fmt.Sprint(lifetime), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{lifetime: lifetime}
				s := source(t, e)
				for range 3 {
					if got := token(t, s); got != "token-1" {
						t.Errorf("got %s", got)
					}
				}
				time.Sleep(time.Duration(lifetime)*time.Second - ahead - time.Millisecond)
				token(t, s)
				synctest.Wait()
				if e.count() != 1 {
					t.Errorf("renewed too early: %d requests", e.count())
				}
				time.Sleep(time.Millisecond)
				if got := token(t, s); got != "token-1" { // nobody waits while the old one lives
					t.Errorf("got %s", got)
				}
				synctest.Wait()
				if got := token(t, s); got != "token-2" || e.count() != 2 {
					t.Errorf("got %s after %d requests", got, e.count())
				}
			})
		})
	}
}

func TestManyCallersShareOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{lifetime: 3600, takes: time.Second}
		s := source(t, e)
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := s.Token(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if got := token(t, s); got != "token-1" {
					t.Errorf("got %s", got)
				}
			})
		}
		group.Wait()
		if e.count() != 1 {
			t.Errorf("%d requests", e.count())
		}
	})
}

func TestAnOldTokenServesWhileRenewingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{lifetime: 3600}
		s := source(t, e)
		token(t, s)
		e.set(func(e *endpoint) { e.status = 500 })
		time.Sleep(59 * time.Minute)
		for range 100 { // in one second: the endpoint is not hammered
			if got := token(t, s); got != "token-1" {
				t.Errorf("got %s", got)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if e.count() != 2 {
			t.Errorf("%d requests", e.count())
		}
		time.Sleep(2 * time.Minute)
		var refused *client.TokenError
		if _, err := s.Token(t.Context()); !errors.As(err, &refused) || refused.Status != 500 {
			t.Errorf("got %v", err)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error repeats the secret: %v", err)
		} else if refused.TraceID != "t-1" || refused.URI == "" || !strings.Contains(err.Error(), "trace t-1") {
			t.Errorf("what to ask by is lost: %+v", refused)
		}
		e.set(func(e *endpoint) { e.status = 0 })
		time.Sleep(2 * time.Second)
		token(t, s)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{lifetime: 3600, status: 429, header: map[string]string{"Retry-After": "5"}}
		s := source(t, e)
		time.AfterFunc(time.Second, func() { e.set(func(e *endpoint) { e.status = 0 }) })
		start := time.Now()
		if got := token(t, s); got != "token-2" || time.Since(start) != 5*time.Second {
			t.Errorf("got %s after %v", got, time.Since(start))
		}
		// Longer than a caller can wait: an error now, and silence until then.
		e.set(func(e *endpoint) { e.status, e.header = 503, map[string]string{"Retry-After": "120"} })
		time.Sleep(time.Hour)
		before := e.count()
		for range 119 {
			if _, err := s.Token(t.Context()); err == nil {
				t.Error("no error")
			}
			time.Sleep(time.Second)
		}
		if got := e.count() - before; got != 1 {
			t.Errorf("%d requests while asked to wait", got)
		}
	})
}

func TestEveryDialectIsRead(t *testing.T) {
	for name, body := range map[string]string{
		"v1":              `{"accessToken":"x","token_type":"bearer","expires_in":3600}`,
		"v2":              `{"access_token":"x","token_type":"bearer","expires_in":3600}`,
		"v3":              `{"access_token":"x","expires_in":7200,"refresh_expires_in":0,"token_type":"Bearer","not-before-policy":0,"scope":""}`,
		"a quoted number": `{"access_token":"x","expires_in":"3600"}`,
		"no lifetime":     `{"access_token":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200, nil, body), nil }))
			if got := token(t, s); got != "x" {
				t.Errorf("got %q", got)
			}
		})
	}
	for _, body := range []string{`{}`, `{"access_token":""}`, `[]`, `secret-`, `{"access_token":"x","token_type":"DPoP"}`} {
		s := source(t, roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200, nil, body), nil }))
		if _, err := s.Token(t.Context()); err == nil || strings.Contains(err.Error(), "secret-") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestASourceDoesNotPrintItsSecrets(t *testing.T) {
	s := source(t, &endpoint{lifetime: 3600})
	issued, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"s": s, "t": issued})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.Write(data)
	for _, v := range []any{s, issued, struct{ inner *client.TokenSource }{s}, &client.Transport{Source: s}, client.Config{ClientSecret: client.NewSecret(canary)}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb, v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), "token-1") {
		t.Errorf("it does: %s", out.String())
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := client.Config{TokenURL: "https://example.com/oauth2/token", ClientID: "c", ClientSecret: client.NewSecret("s")}
	if _, err := client.NewTokenSource(good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*client.Config){
		"plain http": func(c *client.Config) { c.TokenURL = "http://example.com/token" },
		"no URL":     func(c *client.Config) { c.TokenURL = "" },
		"no id":      func(c *client.Config) { c.ClientID = "" },
		"no secret":  func(c *client.Config) { c.ClientSecret = client.Secret{} },
	} {
		bad := good
		spoil(&bad)
		if _, err := client.NewTokenSource(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// upstream is an API that takes one token.
func upstream(t *testing.T, good *atomic.Value, calls *atomic.Int64) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer "+good.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s
}

// CONTRACT 7.2: on 401 refresh at once and retry once.
func TestA401FetchesAnotherTokenOnceAndSendsTheBodyAgain(t *testing.T) {
	var good atomic.Value
	var calls atomic.Int64
	good.Store("token-2")
	s := upstream(t, &good, &calls)
	e := &endpoint{lifetime: 3600}
	c := &http.Client{Transport: &client.Transport{Source: source(t, e), Base: s.Client().Transport}}

	resp, err := c.Post(s.URL, "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || string(body) != "hello" || calls.Load() != 2 || e.count() != 2 {
		t.Errorf("status %d, body %q, %d calls, %d tokens", resp.StatusCode, body, calls.Load(), e.count())
	}

	good.Store("none") // never right: no loop
	resp, err = c.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 401 || calls.Load() != 4 {
		t.Errorf("status %d, %d calls", resp.StatusCode, calls.Load())
	}

	// A body that can be read only once is not sent again.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, io.NopCloser(strings.NewReader("stream")))
	before := calls.Load()
	if resp, err = c.Do(req); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 401 || calls.Load() != before+1 {
		t.Errorf("status %d, %d calls", resp.StatusCode, calls.Load()-before)
	}
	if req.Header.Get("Authorization") != "" {
		t.Error("the caller's request was changed")
	}
}

func TestTransportWaitsOnceIfAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			if sent == 1 {
				return answer(r, 429, map[string]string{"Retry-After": "3"}, "slow down"), nil
			}
			return answer(r, 200, nil, "ok"), nil
		})
		c := &http.Client{Transport: &client.Transport{Source: source(t, &endpoint{lifetime: 3600}), Base: base}}
		start := time.Now()
		resp, err := c.Get("https://api.example.com/")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || sent != 2 || time.Since(start) != 3*time.Second {
			t.Errorf("status %d after %d requests and %v", resp.StatusCode, sent, time.Since(start))
		}
		sent = 0
		if resp, err = c.Post("https://api.example.com/", "text/plain", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 429 || sent != 1 {
			t.Errorf("a POST was repeated: status %d, %d requests", resp.StatusCode, sent)
		}
	})
}

func TestTheTokenDoesNotFollowARedirectToAnotherHost(t *testing.T) {
	seen := ""
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "evil.example.com" {
			seen = r.Header.Get("Authorization")
		}
		if r.URL.Path == "/here" {
			return answer(r, 200, nil, "ok"), nil
		}
		location := "https://evil.example.com/"
		if r.URL.Path == "/same" {
			location = "/here"
		}
		return answer(r, 302, map[string]string{"Location": location}, ""), nil
	})
	c := &http.Client{Transport: &client.Transport{Source: source(t, &endpoint{lifetime: 3600}), Base: base}}
	if resp, err := c.Get("https://api.example.com/"); err == nil {
		_ = resp.Body.Close()
		t.Error("it was followed")
	}
	resp, err := c.Get("https://api.example.com/same")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, err := c.Get("http://api.example.com/"); err == nil {
		t.Error("a token went over plain http")
	}
	if seen != "" {
		t.Error("the token went elsewhere")
	}
}
