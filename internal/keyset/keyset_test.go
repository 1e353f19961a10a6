package keyset_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/keyset"
)

// publisher publishes a key set as a client would.
type publisher struct {
	*httptest.Server
	mu      sync.Mutex
	answer  http.HandlerFunc
	asked   atomic.Int32
	noticed chan struct{} // gets one for each request that was answered
}

// publish serves answer, by TLS.
func publish(t *testing.T, answer http.HandlerFunc) *publisher {
	t.Helper()
	p := &publisher{answer: answer, noticed: make(chan struct{}, 1000)}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		p.asked.Add(1)
		answer(w, r)
		p.noticed <- struct{}{}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) now(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// keys answers with a set of new keys of these names.
func keys(cacheControl string, names ...string) http.HandlerFunc {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, name := range names {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		k, err := jose.NewKey(public)
		if err != nil {
			panic(err)
		}
		k.ID = name
		text, err := json.Marshal(k)
		if err != nil {
			panic(err)
		}
		set.Keys = append(set.Keys, text)
	}
	body, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", cacheControl)
		_, _ = w.Write(body)
	}
}

// clock is held by the test.
type clock struct{ ms atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMilli(1_800_000_000_000 + c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func open(p *publisher, change func(*keyset.Config)) (*keyset.Sets, *clock) {
	c := &clock{}
	config := keyset.Config{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, Roots: x509.NewCertPool(),
		Stale: time.Hour, Now: c.Now, Logger: slog.New(slog.DiscardHandler),
	}
	config.Roots.AddCert(p.Certificate())
	if change != nil {
		change(&config)
	}
	return keyset.New(config), c
}

// names are those of the keys that are got.
func names(t *testing.T, s *keyset.Sets, target, kid string) string {
	t.Helper()
	got, err := s.Keys(t.Context(), target, kid)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, k := range got {
		out = append(out, k.ID)
	}
	return strings.Join(out, " ")
}

func TestASetIsReadOnceAndAgainWhenItEnds(t *testing.T) {
	p := publish(t, keys("max-age=600", "a"))
	s, now := open(p, nil)
	expect := func(step, kid, want string, asked int32) {
		t.Helper()
		if got := names(t, s, p.URL, kid); got != want || p.asked.Load() != asked {
			t.Fatalf("%s: %q after %d requests, want %q after %d", step, got, p.asked.Load(), want, asked)
		}
	}
	expect("first", "", "a", 1)
	p.now(keys("max-age=600", "b"))
	now.advance(7 * time.Minute)
	expect("while it is fresh", "a", "a", 1)
	<-p.noticed
	now.advance(2 * time.Minute) // nine of ten minutes
	if got := names(t, s, p.URL, "a"); got != "a" {
		t.Fatalf("shortly before its end: %q", got)
	}
	<-p.noticed // it was read beside the request
	for names(t, s, p.URL, "") != "b" {
		time.Sleep(time.Millisecond)
	}
	expect("read ahead", "b", "b", 2)
	p.now(keys("max-age=600", "c"))
	now.advance(11 * time.Minute)
	expect("past its end", "", "c", 3)
}

func TestAnUnknownKidIsLookedForAtABoundedRate(t *testing.T) {
	p := publish(t, keys("max-age=86400", "a"))
	s, now := open(p, nil)
	if got := names(t, s, p.URL, "a"); got != "a" {
		t.Fatal(got)
	}
	p.now(keys("", "a", "b"))
	now.advance(31 * time.Second)
	if got := names(t, s, p.URL, "b"); got != "a b" || p.asked.Load() != 2 {
		t.Errorf("the new key: %q after %d requests", got, p.asked.Load())
	}
	for i := range 1000 {
		if got := names(t, s, p.URL, fmt.Sprint("guess", i)); got != "a b" {
			t.Fatal(got)
		}
		now.advance(59 * time.Millisecond)
	}
	if asked := p.asked.Load(); asked > 4 {
		t.Errorf("1000 guesses in a minute made %d requests", asked)
	}
}

func TestWhileItCannotBeReadTheOldSetIsGoneByForAWhile(t *testing.T) {
	p := publish(t, keys("max-age=600", "a"))
	s, now := open(p, nil)
	names(t, s, p.URL, "")
	p.now(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	now.advance(11 * time.Minute)
	for range 5 {
		if got := names(t, s, p.URL, ""); got != "a" {
			t.Fatal(got)
		}
	}
	if p.asked.Load() != 2 {
		t.Errorf("%d requests: a failure is not repeated at once", p.asked.Load())
	}
	now.advance(time.Hour)
	if got := names(t, s, p.URL, ""); got != "error: it answers with status 500" {
		t.Errorf("after an hour: %q", got)
	}
	p.now(keys("", "b"))
	now.advance(10 * time.Second)
	if got := names(t, s, p.URL, ""); got != "b" {
		t.Errorf("when it is back: %q", got)
	}
}

func TestManyWhoAskAtOnceMakeOneRequest(t *testing.T) {
	release := make(chan struct{})
	answer := keys("", "a")
	p := publish(t, func(w http.ResponseWriter, r *http.Request) { <-release; answer(w, r) })
	s, _ := open(p, nil)
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Keys(left, p.URL, ""); err == nil {
		t.Error("who has left got keys")
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got := names(t, s, p.URL, "a"); got != "a" {
				t.Error(got)
			}
		})
	}
	close(release)
	all.Wait()
	if p.asked.Load() != 1 {
		t.Errorf("%d requests", p.asked.Load())
	}
}

func TestAnUnchangedSetIsNotSentAgain(t *testing.T) {
	answer := keys("max-age=300", "a")
	var unchanged atomic.Int32
	p := publish(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if len(r.Cookies()) > 0 || r.Header.Get("Authorization") != "" {
			t.Error("a request for a public set carries something of ours")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		answer(w, r)
	})
	s, now := open(p, nil)
	for range 3 {
		if got := names(t, s, p.URL, ""); got != "a" {
			t.Fatal(got)
		}
		now.advance(6 * time.Minute)
	}
	if unchanged.Load() != 2 {
		t.Errorf("%d answers without a body", unchanged.Load())
	}
}

func TestHowLongASetIsFresh(t *testing.T) {
	for control, want := range map[string]time.Duration{
		"": 15 * time.Minute, "max-age=1": 5 * time.Minute, "public, max-age=3600": time.Hour, "max-age=31536000": 24 * time.Hour,
		"no-store": 5 * time.Minute, "max-age=-5": 5 * time.Minute, "max-age=x": 15 * time.Minute, `MAX-AGE="1800"`: 30 * time.Minute,
	} {
		p := publish(t, keys(control, "a"))
		s, now := open(p, nil)
		names(t, s, p.URL, "")
		now.advance(want*4/5 - time.Second)
		names(t, s, p.URL, "")
		before := p.asked.Load()
		now.advance(want/5 + 2*time.Second)
		names(t, s, p.URL, "")
		if before != 1 || p.asked.Load() != 2 {
			t.Errorf("%q: %d requests before its end, and %d after", control, before, p.asked.Load())
		}
	}
}

func TestAnswersThatAreNoKeySet(t *testing.T) {
	tests := []struct {
		name, want string
		answer     http.HandlerFunc
	}{
		{"a redirect", "status 302, and redirects are not followed", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}},
		{"not found", "status 404", http.NotFound},
		{"unasked 304", "status 304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }},
		{"a page", "not a JWK Set", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }},
		{"no keys", "without a public signing key", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) }},
		{"a symmetric key", "without a public signing key", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`)
		}},
		{"an endless one", "more than 256 KiB", func(w http.ResponseWriter, _ *http.Request) {
			for range 300 {
				_, _ = w.Write(make([]byte, 1024))
			}
		}},
		{"one that breaks off", "cannot be reached", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":`)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := publish(t, tt.answer)
			s, _ := open(p, nil)
			if got := names(t, s, p.URL, ""); !strings.Contains(got, tt.want) || strings.Contains(got, "127.0.0.1") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Whoever may name a URL must not reach with it what he could not reach himself.
func TestOurOwnNetworkIsNotConnectedTo(t *testing.T) {
	p := publish(t, keys("", "a"))
	_, port, _ := strings.Cut(strings.TrimPrefix(p.URL, "https://"), ":")
	none := func(c *keyset.Config) { c.Allow = nil }
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.1.2.3", "169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "168.63.129.16"} {
		s, _ := open(p, none)
		if got := names(t, s, "https://"+host+":"+port+"/", ""); got != "error: it is at an address that is not public" {
			// A machine without IPv6 cannot even try.
			if !strings.HasPrefix(host, "[") || !strings.Contains(got, "cannot be reached") {
				t.Errorf("%s: %q", host, got)
			}
		}
	}
	if p.asked.Load() != 0 {
		t.Errorf("%d requests arrived", p.asked.Load())
	}
	t.Run("unless it is allowed, and the certificate is trusted", func(t *testing.T) {
		s, _ := open(p, nil)
		if got := names(t, s, p.URL, ""); got != "a" {
			t.Error(got)
		}
		s, _ = open(p, func(c *keyset.Config) { c.Roots = x509.NewCertPool() })
		if got := names(t, s, p.URL, ""); got != "error: it cannot be reached, or its certificate is not one that we trust" {
			t.Error(got)
		}
	})
	t.Run("nor by what is not https", func(t *testing.T) {
		s, _ := open(p, nil)
		for _, target := range []string{"http://client.example/", "file:///etc/passwd", "//client.example", "https://", "https://me:pw@127.0.0.1:" + port, "ftp://127.0.0.1", "\x00"} {
			if got := names(t, s, target, ""); got != "error: its URL is not https" {
				t.Errorf("%q: %q", target, got)
			}
		}
	})
	t.Run("nor by the proxy of the environment", func(t *testing.T) {
		proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
		defer proxy.Close()
		t.Setenv("HTTPS_PROXY", proxy.URL)
		t.Setenv("HTTP_PROXY", proxy.URL)
		s, _ := open(p, none)
		names(t, s, "https://client.invalid/", "")
	})
}

func TestPublicAddressesAreConnectedTo(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.215.14": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true, "172.32.0.1": true,
		"172.16.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "ff02::1": false, "198.18.0.1": false, "192.0.2.1": false,
		"2001:db8::1": false, "::127.0.0.1": false, "fc00::1": false, "0.1.2.3": false, "240.0.0.1": false, "169.254.0.1": false,
	} {
		if got := keyset.Permitted(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestOfTooManySetsTheUnusedMakeRoom(t *testing.T) {
	p := publish(t, keys("", "a"))
	s, now := open(p, nil)
	names(t, s, p.URL+"/kept", "")
	for i := range 10_010 {
		now.advance(time.Millisecond)
		if i%100 == 0 {
			names(t, s, p.URL+"/kept", "")
		}
		keyset.Touch(s, fmt.Sprintf("%s/%d", p.URL, i))
	}
	if n := keyset.Len(s); n != 10_000 {
		t.Errorf("%d sets are kept", n)
	}
	names(t, s, p.URL+"/kept", "")
	if p.asked.Load() != 1 {
		t.Errorf("a set in use was forgotten: %d requests", p.asked.Load())
	}
}

// A partner's host that has gone quiet, or bad, publishes the keys of many clients. Those
// that others publish are read all the same.
func TestAHostThatTakesItsTimeKeepsNoOthersFromBeingRead(t *testing.T) {
	good := publish(t, keys("", "one"))
	done := make(chan struct{})
	bad := publish(t, func(http.ResponseWriter, *http.Request) { <-done })
	t.Cleanup(func() { close(done) }) // before the server waits for its requests
	s, _ := open(good, func(c *keyset.Config) { c.Roots.AddCert(bad.Certificate()) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits for these
	for i := range 50 {
		if _, err := s.Keys(ctx, fmt.Sprintf("%s/%d", bad.URL, i), ""); err == nil {
			t.Fatal("it was read")
		}
	}
	for began := time.Now(); bad.asked.Load() < 4; time.Sleep(time.Millisecond) {
		if time.Since(began) > 4*time.Second {
			t.Fatalf("%d are being read", bad.asked.Load())
		}
	}
	if got := names(t, s, good.URL, ""); got != "one" {
		t.Errorf("got %s", got)
	}
	if n := bad.asked.Load(); n != 4 {
		t.Errorf("%d of one host at once", n)
	}
}
