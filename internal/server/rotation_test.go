package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// hurry makes production's keys live for seconds, by the rules that they live for
// months by. The configuration file would refuse it.
func hurry(c *config.Config) *config.Config {
	c.MaxStale = config.Duration(3 * time.Second)
	p := c.Environments[market.Production]
	p.KeyLead, p.KeyPeriod = config.Duration(2*time.Second), config.Duration(time.Hour)
	p.MinTokenLifetime, p.MaxTokenLifetime = config.Duration(time.Second), config.Duration(4*time.Second)
	return c
}

var hurried = server.Pace{Tell: 100 * time.Millisecond, Upkeep: 100 * time.Millisecond, Leeway: 500 * time.Millisecond}

// traffic is clients that fetch tokens all the time, callers that use every live
// token at every node, and verifiers elsewhere that keep the JWKS for as long as
// they may.
type traffic struct {
	t      *testing.T
	app    market.App
	secret secret.String
	stop   chan struct{}
	wait   sync.WaitGroup

	mu         sync.Mutex
	nodes      []*served
	tokens     []minted
	algorithms map[string]int // how many tokens by each
	kids       map[string]int
	verified   int
}

// served is a node that is sent traffic.
type served struct {
	*node
	use sync.RWMutex // held for writing once it is out of service
}

type minted struct {
	raw, kid, alg string
	expires       time.Time
}

func newTraffic(t *testing.T, nodes ...*node) *traffic {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(upstream.Close)
	must(t, nodes[0].ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	l := &traffic{t: t, stop: make(chan struct{}), algorithms: map[string]int{}, kids: map[string]int{}}
	_, l.app, l.secret = customer(t, nodes[0].Market)
	for _, n := range nodes {
		until(t, "the secret works", 10*time.Second, func() bool { status, _ := n.token(l.app.ClientID, l.secret); return status == http.StatusOK })
		l.add(n)
	}
	l.loop(l.fetch)
	l.loop(l.callAll)
	for i := range nodes {
		cache := &jwksCopy{from: i}
		l.loop(func() { l.verifyAll(cache) })
	}
	t.Cleanup(l.end)
	return l
}

// end stops the traffic, once.
func (l *traffic) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wait.Wait()
}

func (l *traffic) loop(do func()) {
	l.wait.Go(func() {
		for !l.t.Failed() {
			select {
			case <-l.stop:
				return
			case <-time.After(25 * time.Millisecond):
				do()
			}
		}
	})
}

func (l *traffic) add(n *node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = append(l.nodes, &served{node: n})
}

// remove takes a node out of service and waits until nobody uses it.
func (l *traffic) remove(s *served) {
	l.mu.Lock()
	l.nodes = slices.DeleteFunc(l.nodes, func(other *served) bool { return other == s })
	l.mu.Unlock()
	s.use.Lock()
}

// each runs do on every node in service.
func (l *traffic) each(do func(*served)) { l.eachFrom(0, do) }

func (l *traffic) eachFrom(first int, do func(*served)) {
	l.mu.Lock()
	nodes := slices.Clone(l.nodes)
	l.mu.Unlock()
	for i := range nodes {
		s := nodes[(first+i)%len(nodes)]
		if s.use.TryRLock() {
			do(s)
			s.use.RUnlock()
		}
	}
}

func (l *traffic) live() []minted {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = slices.DeleteFunc(l.tokens, func(m minted) bool { return !time.Now().Before(m.expires) })
	return slices.Clone(l.tokens)
}

// bad tells of an answer that must not be. 503 says nothing of a token: a node that is
// cut off gives it, and, at the pace of these tests, one whose machine is so busy that it
// has not read the feed for a second or two.
func (l *traffic) bad(s *served, what string, m minted, status int) {
	if status == http.StatusServiceUnavailable {
		return
	}
	if m.raw == "" || time.Now().Before(m.expires) {
		l.t.Errorf("%s at %s: %d; the token is of key %s, %s, and lasts until %v", what, s.production().URL, status, m.kid, m.alg, m.expires)
	}
}

func (l *traffic) fetch() {
	l.each(func(s *served) {
		status, raw := s.token(l.app.ClientID, l.secret)
		if status != http.StatusOK {
			l.bad(s, "a token", minted{}, status)
			return
		}
		m := read(l.t, raw)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.tokens = append(l.tokens, m)
		l.algorithms[m.alg]++
		l.kids[m.kid]++
	})
}

func (l *traffic) callAll() {
	for _, m := range l.live() {
		l.each(func(s *served) {
			if status, _ := s.call(m.raw); status != http.StatusNoContent {
				l.bad(s, "a call", m, status)
			}
		})
	}
}

// read reads a token without verifying it.
func read(t *testing.T, raw string) (m minted) {
	t.Helper()
	var header struct{ Kid, Alg string }
	var claims struct{ Exp int64 }
	parts := strings.Split(raw, ".")
	for i, v := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return minted{raw, header.Kid, header.Alg, time.Unix(claims.Exp, 0)}
}

// jwksCopy is what a verifier elsewhere keeps.
type jwksCopy struct {
	from  int
	etag  string
	until time.Time
	keys  jose.JSONWebKeySet
}

// refresh reads the JWKS again once the copy may be kept no longer.
func (c *jwksCopy) refresh(l *traffic) {
	l.eachFrom(c.from, func(s *served) {
		if time.Now().Before(c.until) {
			return
		}
		asked := time.Now()
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, s.production().URL+"/.well-known/jwks.json", http.NoBody)
		if err != nil {
			l.t.Error(err)
			return
		}
		r.Header.Set("If-None-Match", `W/"other", `+c.etag)
		res, err := s.client.Do(r)
		if err != nil {
			l.t.Error(err)
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		switch {
		case err != nil:
			l.t.Error(err)
			return
		case res.StatusCode == http.StatusServiceUnavailable:
			return // the next node is asked
		case res.StatusCode == http.StatusOK:
			c.keys, c.etag = jose.JSONWebKeySet{}, res.Header.Get("ETag")
			if err := json.Unmarshal(text, &c.keys); err != nil {
				l.t.Error(err)
			}
		case res.StatusCode != http.StatusNotModified:
			l.t.Errorf("the JWKS: %d %s", res.StatusCode, text)
		}
		seconds, err := strconv.Atoi(strings.TrimPrefix(res.Header.Get("Cache-Control"), "public, max-age="))
		if err != nil || seconds < 1 {
			l.t.Errorf("Cache-Control: %q", res.Header.Get("Cache-Control"))
		}
		c.until = asked.Add(time.Duration(seconds) * time.Second)
	})
}

// verifyAll verifies every live token by a copy of the JWKS.
func (l *traffic) verifyAll(c *jwksCopy) {
	tokens := l.live() // before the copy is looked at: it may be renewed then
	c.refresh(l)
	algorithms := []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
	for _, m := range tokens {
		signed, err := jose.ParseSignedCompact(m.raw, algorithms)
		if err != nil {
			l.t.Error(err)
			return
		}
		keys := c.keys.Key(m.kid)
		if len(keys) == 1 {
			_, err = signed.Verify(keys[0])
		} else {
			err = fmt.Errorf("it has %d keys of that kid", len(keys))
		}
		if err != nil && time.Now().Before(m.expires) {
			l.t.Errorf("a verifier with a copy of the JWKS: %v; the token is of key %s, %s", err, m.kid, m.alg)
			return
		}
	}
	l.mu.Lock()
	l.verified += len(tokens)
	l.mu.Unlock()
}

// signs waits until tokens come with another key, of that algorithm.
func (l *traffic) signs(what string, key api.Key) {
	l.t.Helper()
	until(l.t, what, 30*time.Second, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.t.Failed() || l.kids[key.KID] > 5 && l.algorithms[key.Algorithm] > 5
	})
}

// rotateTo begins a rotation as an operator does.
func rotateTo(t *testing.T, n *node, algorithm string) api.Key {
	t.Helper()
	k, err := n.operator().RotateKey(t.Context(), api.KeyRotation{Environment: "production", Algorithm: algorithm})
	must(t, err)
	return k
}

func (l *traffic) finish(keys int) {
	l.t.Helper()
	l.end()
	if len(l.kids) != keys || l.verified == 0 {
		l.t.Errorf("tokens of %d keys were issued, want %d; %d were verified elsewhere", len(l.kids), keys, l.verified)
	}
}

// CONTRACT 3.4.
func TestNoTokenFailsWhileKeysRotateUnderLoadOnTwoNodes(t *testing.T) {
	dsn := storetest.Postgres(t)
	a := runHurried(t, hurry(settings(t, t.TempDir(), dsn)), hurried)
	b := runHurried(t, hurry(settings(t, t.TempDir(), dsn)), hurried)
	l := newTraffic(t, a, b)

	l.signs("ES256", rotateTo(t, a, "ES256"))

	// A node stops while a key waits, and another takes its place.
	next := rotateTo(t, b, "EdDSA")
	l.mu.Lock()
	old := l.nodes[1]
	l.mu.Unlock()
	l.remove(old)
	b.stop()
	b = runHurried(t, hurry(settings(t, t.TempDir(), dsn)), hurried)
	l.add(b)
	l.signs("EdDSA", next)

	l.signs("RS256 again", rotateTo(t, b, "RS256"))
	until(t, "the first keys are gone", 30*time.Second, func() bool {
		keys, err := a.operator().Keys(t.Context(), "production")
		must(t, err)
		return slices.ContainsFunc(keys.Items, func(k api.Key) bool { return k.State == "retired" })
	})
	l.finish(4)
	if got, err := a.operator().Nodes(t.Context()); err != nil || len(got.Items) != 2 {
		t.Errorf("the node that stopped is still there: %v, %v", got, err)
	}
}

// By themselves, when the period ends.
func TestNoTokenFailsWhileKeysRotateUnderLoadOnSQLite(t *testing.T) {
	c := hurry(settings(t, t.TempDir(), ""))
	c.Environments[market.Production].Algorithm = "ES256"
	c.Environments[market.Production].KeyPeriod = config.Duration(2500 * time.Millisecond)
	l := newTraffic(t, runHurried(t, c, hurried))
	until(t, "three rotations", 30*time.Second, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return t.Failed() || len(l.kids) >= 4
	})
	l.end()
}

func TestNoTokenFailsWhileANodeIsWithoutItsStore(t *testing.T) {
	dsn := storetest.Postgres(t)
	cuttable, err := url.Parse(dsn)
	must(t, err)
	w := wireTo(t, cuttable)
	t.Setenv("DSN_OF_B", cuttable.String())
	a := runHurried(t, hurry(settings(t, t.TempDir(), dsn)), hurried)
	c := hurry(settings(t, t.TempDir(), dsn))
	c.Database.Postgres = config.Secret{Env: "DSN_OF_B"}
	b := runHurried(t, c, hurried)
	l := newTraffic(t, a, b)

	// Without the store when the key is made: it is waited for until it refuses.
	w.set(true)
	next := rotateTo(t, a, "ES256")
	until(t, "the status says who is waited for", 10*time.Second, func() bool {
		s, err := a.operator().Status(t.Context())
		must(t, err)
		i := slices.IndexFunc(s.Environments, func(e api.EnvironmentStatus) bool { return e.Name == "production" })
		pending := s.Environments[i].PendingKeys
		return len(s.Nodes) == 2 && len(pending) == 1 && len(pending[0].WaitingFor) == 1
	})
	l.signs("ES256", next)
	w.set(false)
	until(t, "it serves again", 30*time.Second, func() bool {
		status, raw := b.token(l.app.ClientID, l.secret)
		return status == http.StatusOK && read(t, raw).kid == next.KID
	})

	// Without it from when the next one was decided: it switches by the clock, or
	// goes on with the key before.
	next = rotateTo(t, a, "EdDSA")
	until(t, "it is decided", 10*time.Second, func() bool {
		keys, err := a.operator().Keys(t.Context(), "production")
		must(t, err)
		i := slices.IndexFunc(keys.Items, func(k api.Key) bool { return k.KID == next.KID })
		return !keys.Items[i].Activates.IsZero()
	})
	w.set(true)
	l.signs("EdDSA", next)
	time.Sleep(time.Second) // some more of it
	w.set(false)
	until(t, "it serves again", 30*time.Second, func() bool {
		status, _ := b.token(l.app.ClientID, l.secret)
		return status == http.StatusOK
	})
	l.finish(3)
}

func TestAnEmergencyRotationReachesEveryNodeWithinASecond(t *testing.T) {
	dsn := storetest.Postgres(t)
	a, b := run(t, settings(t, t.TempDir(), dsn)), run(t, settings(t, t.TempDir(), dsn))
	must(t, a.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, a.Market)
	var before string
	soon(t, "the other node gives a token", func() bool {
		var status int
		status, before = b.token(app.ClientID, text)
		return status == http.StatusOK
	})
	operator := a.operator()
	k, err := operator.RotateKey(t.Context(), api.KeyRotation{Environment: "production", Algorithm: "ES256", Emergency: true})
	must(t, err)
	if !slices.Equal(k.Revokes, []string{kid(t, before)}) || k.State != "signing" {
		t.Errorf("the operator is told %+v", k)
	}
	soon(t, "the other node refuses what the key before signed, and signs with the new one", func() bool {
		_, after := b.token(app.ClientID, text)
		status, _ := b.call(before)
		return status == http.StatusUnauthorized && kid(t, after) == k.KID
	})
}
