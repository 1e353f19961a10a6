package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/demo"
)

// clock is a demo's time, which a test can set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// jsonClient is the style of a Ruby gem: JSON with a charset, a new token for
// every connection, expires_in taken for a number, error_description shown.
type jsonClient struct {
	s *site
	e *environment
}

func (c jsonClient) token(t *testing.T) string {
	t.Helper()
	body := encode(t, map[string]string{"client_id": c.e.ClientID, "client_secret": c.e.ClientSecret, "grant_type": "client_credentials"})
	a := c.s.do("POST", c.e.TokenURLs["v2"], map[string]string{"Content-Type": "application/json;charset=UTF-8"}, body)
	var got struct {
		AccessToken string  `json:"access_token"`
		TokenType   string  `json:"token_type"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != http.StatusOK || got.AccessToken == "" || got.ExpiresIn < 60 || got.TokenType == "" {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return got.AccessToken
}

// formClient is the style of another: a form, Time.now + expires_in, which must
// be a number, success by 200 alone, and the token used until 20 seconds after
// its end.
type formClient struct {
	s       *site
	e       *environment
	now     func() time.Time
	held    string
	expires time.Time
}

func (c *formClient) token(t *testing.T) string {
	t.Helper()
	if c.held != "" && c.expires.After(c.now().Add(-20*time.Second)) {
		return c.held
	}
	asked := c.now()
	a := c.s.form(c.e.TokenURLs["v2"], "client_id", c.e.ClientID, "client_secret", c.e.ClientSecret, "grant_type", "client_credentials")
	if a.status != 200 {
		t.Fatalf("unknown: %d %s", a.status, a.body)
	}
	got := a.json(t)
	seconds, isNumber := got["expires_in"].(float64)
	if !isNumber {
		t.Fatalf("no implicit conversion of %T into an exact number", got["expires_in"])
	}
	c.held, _ = got["access_token"].(string)
	c.expires = asked.Add(time.Duration(seconds) * time.Second)
	return c.held
}

// persistentClient is the style of a third: JSON, 200 and application/json or
// nothing, the token kept for ever, and a new one only when a call is answered
// 401 with error access_token_expired; once.
type persistentClient struct {
	s       *site
	e       *environment
	held    string
	fetched int
}

func (c *persistentClient) refresh(t *testing.T) {
	t.Helper()
	body := encode(t, map[string]string{"client_id": c.e.ClientID, "client_secret": c.e.ClientSecret, "grant_type": "client_credentials"})
	a := c.s.do("POST", c.e.TokenURLs["v2"], map[string]string{"Content-Type": "application/json", "Accept": "*/*"}, body)
	mediaType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if a.status != 200 || mediaType != "application/json" {
		t.Fatalf("%d %s", a.status, mediaType)
	}
	c.held, _ = a.json(t)["access_token"].(string)
	c.fetched++
}

func (c *persistentClient) call(t *testing.T, call apiCall) answer {
	t.Helper()
	if c.held == "" {
		c.refresh(t)
	}
	a := c.s.call(call, c.held, nil)
	if a.status == 401 && a.json(t)["error"] == "access_token_expired" {
		c.refresh(t)
		a = c.s.call(call, c.held, nil)
	}
	return a
}

func TestDeployedClientsGoOnWorking(t *testing.T) {
	var time clock
	s := startWith(t, demo.Options{Data: t.TempDir(), Now: time.Now})
	for name, e := range s.Environments {
		c := e.api(t, "eligibility")
		t.Run("2.1 "+name+": JSON with a charset, a token for each call", func(t *testing.T) {
			for range 20 {
				if a := s.call(c, jsonClient{s, e}.token(t), nil); a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
		})
		t.Run("2.1 2.4 "+name+": a form, and Time.now + expires_in", func(t *testing.T) {
			client := formClient{s: s, e: e, now: time.Now}
			if a := s.call(c, client.token(t), nil); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		})
	}
	s.expire(t, &time)
}

// expire sets the clock forward past the end of tokens that clients hold.
func (s *site) expire(t *testing.T, now *clock) {
	e := s.Environments["sandbox"]
	c := e.api(t, "claim-status")
	form := formClient{s: s, e: e, now: now.Now}
	persistent := persistentClient{s: s, e: e}
	if a := persistent.call(t, c); a.status != 200 || persistent.fetched != 1 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.call(c, form.token(t), nil); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	held := form.held
	// After a jump the model has to be read again before it is trusted.
	settled := func() { eventually(t, "the model is fresh", func() bool { return s.call(c, held, nil).status != 503 }) }

	now.forward(form.expires.Sub(now.Now()) + 15*time.Second)
	settled()
	t.Run("4.1 a token is taken for 30 seconds after its end: a client that adds 20 never notices", func(t *testing.T) {
		if form.token(t) != held {
			t.Fatal("the client has another token")
		}
		if a := s.call(c, held, nil); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	now.forward(20 * time.Second)
	settled()
	t.Run("4.2 a client that keeps its token for ever is told access_token_expired, and comes back", func(t *testing.T) {
		if a := s.call(c, held, nil); a.status != 401 || a.json(t)["error"] != "access_token_expired" {
			t.Errorf("the old token: %d %s", a.status, a.body)
		}
		if a := persistent.call(t, c); a.status != 200 || persistent.fetched != 2 {
			t.Errorf("%d %s, %d tokens", a.status, a.body, persistent.fetched)
		}
		if a := persistent.call(t, c); a.status != 200 || persistent.fetched != 2 {
			t.Errorf("a fresh token: %d %s, %d tokens", a.status, a.body, persistent.fetched)
		}
	})
	t.Run("4.1 the client that adds 20 seconds has got another by then", func(t *testing.T) {
		if form.token(t) == held {
			t.Error("it has not")
		}
		if a := s.call(c, form.held, nil); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// Paths with and without a slash, content types and Accept headers that clients
// in the field are known to send.
func TestDeployedClientsMaySendWhatTheyAlwaysSent(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {e.ClientID}, "client_secret": {e.ClientSecret}}.Encode()
	object := encode(t, map[string]string{"client_id": e.ClientID, "client_secret": e.ClientSecret, "grant_type": "client_credentials"})
	for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/apip/auth/sntl/v1/token"} {
		for contentType, body := range map[string]string{
			"application/json": object, "application/json;charset=UTF-8": object, "application/json; charset=utf-8": object, "Application/JSON": object,
			formType: form, formType + ";charset=UTF-8": form, "application/X-WWW-form-urlencoded; charset=utf-8": form,
		} {
			for _, accept := range []string{"", "*/*", "application/json", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"} {
				for _, slash := range []string{"", "/"} {
					t.Run(fmt.Sprintf("2.1 %s%s as %s, accepting %q", path, slash, contentType, accept), func(t *testing.T) {
						header := map[string]string{"Content-Type": contentType}
						if accept != "" {
							header["Accept"] = accept
						}
						a := s.do("POST", e.URL+path+slash, header, body)
						if a.status != 200 || a.header.Get("Content-Type") != "application/json" {
							t.Errorf("%d %s", a.status, a.body)
						}
					})
				}
			}
		}
	}
}
