// Package keyset reads the key sets that others publish (RFC 7517 §5), each at a
// URL, and remembers them: those of clients that authenticate by jwks_uri, and of
// other issuers, whose URL [Sets.Discover] finds out.
//
// The flow of [Sets.Keys]: what is remembered and fresh is the answer. Shortly
// before it ends it is read again, beside the request. Past its end, or if it lacks
// the key that is asked for, the request waits for it to be read. If it cannot be
// read, what is remembered is gone by for a while longer. By [Sets.Kept], for calls
// that are made all the time, a request waits only for a key that is not there.
//
// Invariants: a URL is read by one reader at a time, and at most once in a while,
// whatever is asked of it; what an answer may cost is bounded in time and size;
// addresses of networks that are not public are not connected to unless they are
// allowed, whatever name leads there (dial.go); no redirect is followed, no cookie
// kept, no proxy asked.
//
// What it does not do: believe. Whose URL it is, and what its keys may sign, is for
// the caller to know.
package keyset

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock"
	"github.com/sallyport-dev/sallyport/internal/jose"
)

// The bounds of what is read and remembered.
const (
	maxSets     = 10_000
	maxReading  = 16              // at once
	maxAtHost   = 4               // of these, of one host
	maxTime     = 5 * time.Second // of one reading
	maxSize     = 256 << 10
	minFresh    = 5 * time.Minute
	usualFresh  = 15 * time.Minute // where the answer does not say
	maxFresh    = 24 * time.Hour
	afterFail   = 10 * time.Second // until the next try
	afterAbsent = 30 * time.Second // until the next reading for a key that was not there
)

// Config is what Sets are made of.
type Config struct {
	Allow  []netip.Prefix // networks that are not public, and may be connected to all the same
	Roots  *x509.CertPool // authorities; nil: the system's
	Stale  time.Duration  // for how long a set is gone by past its end while it cannot be read
	Now    func() time.Time
	Logger *slog.Logger
}

// Sets are the key sets of others. Create them with [New].
type Sets struct {
	Config
	client  *http.Client
	reading chan struct{}
	counts  counts
	mu      sync.Mutex
	sets    map[string]*set // by URL
	hosts   map[string]*host
}

// counts is what became of fetches since the start.
type counts struct{ ok, failed atomic.Int64 }

func (c *counts) add(err error) {
	if err != nil {
		c.failed.Add(1)
		return
	}
	c.ok.Add(1)
}

// Fetches returns how many fetches of key sets, and of what says where they are, have
// succeeded and failed since the start.
func (s *Sets) Fetches() (ok, failed int64) { return s.counts.ok.Load(), s.counts.failed.Load() }

// set is what is known of one URL.
type set struct {
	url     string
	used    time.Time // under the lock of Sets
	mu      sync.Mutex
	keys    []*jose.Key // nil: never read
	etag    string
	read    time.Time // when the keys were read, or found to be unchanged
	fresh   time.Duration
	tried   time.Time     // when the last reading ended
	failure error         // of that; nil: it succeeded
	done    chan struct{} // closed when the reading that is under way ends; nil: none is
}

// New returns Sets that remember nothing yet.
func New(c Config) *Sets {
	s := &Sets{Config: c, reading: make(chan struct{}, maxReading), sets: map[string]*set{}, hosts: map[string]*host{}}
	s.client = &http.Client{
		Timeout: maxTime,
		Transport: &http.Transport{
			DialContext:            s.dialer().DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// Keys returns the keys that are published at target. If none of them is called
// kid, and kid is not empty, they were read a moment ago. The text of an error may
// be shown to whom the URL belongs.
func (s *Sets) Keys(ctx context.Context, target, kid string) ([]*jose.Key, error) {
	if err := check(target); err != nil {
		return nil, err
	}
	e := s.set(target)
	e.mu.Lock()
	now := s.Now()
	age, wait := clock.Elapsed(e.read, now), afterFail
	if e.keys != nil && age < e.fresh {
		if has(e.keys, kid) {
			if age >= e.fresh*4/5 && s.mayRead(e, now, afterFail) {
				s.start(e)
			}
			defer e.mu.Unlock()
			return e.keys, nil
		}
		wait = afterAbsent
	}
	if !s.mayRead(e, now, wait) {
		defer e.mu.Unlock()
		return s.known(e)
	}
	return s.await(ctx, e)
}

// Kept is Keys for those who ask all the time: what is remembered is gone by up to
// its bound while it is read again beside the request, and nothing that was never
// read is waited for. A request waits only where what is remembered lacks the key.
func (s *Sets) Kept(ctx context.Context, target, kid string) ([]*jose.Key, error) {
	if err := check(target); err != nil {
		return nil, err
	}
	e := s.set(target)
	e.mu.Lock()
	now := s.Now()
	age := clock.Elapsed(e.read, now)
	usable := e.keys != nil && age < e.fresh+s.Stale
	if !usable || has(e.keys, kid) {
		if (!usable || age >= e.fresh*4/5) && s.mayRead(e, now, afterFail) {
			s.start(e)
		}
		defer e.mu.Unlock()
		return s.known(e)
	}
	if !s.mayRead(e, now, afterAbsent) {
		defer e.mu.Unlock()
		return s.known(e)
	}
	return s.await(ctx, e)
}

// await reads a set, waits for that as long as ctx lasts, and returns what is known
// then. The caller holds e.mu, which is free afterwards.
func (s *Sets) await(ctx context.Context, e *set) ([]*jose.Key, error) {
	done := s.start(e)
	e.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return s.known(e)
}

// State is what is known of a key set.
type State struct {
	Keys    int       // that are gone by now
	Read    time.Time // when they were read last; zero: never
	Failure error     // of the last reading; nil: it succeeded, or there was none
}

// State tells how the key set at target is. It reads nothing.
func (s *Sets) State(target string) State {
	e := s.set(target)
	e.mu.Lock()
	defer e.mu.Unlock()
	state := State{Read: e.read, Failure: e.failure}
	if keys, err := s.known(e); err == nil {
		state.Keys = len(keys)
	}
	return state
}

// check refuses what is not to be read from: the rule that a jwks_uri is held to
// when it is given, once more.
func check(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return errors.New("its URL is not https")
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// has reports whether a key is called kid, which "" always is.
func has(keys []*jose.Key, kid string) bool {
	return kid == "" || slices.ContainsFunc(keys, func(k *jose.Key) bool { return k.ID == kid || k.Thumbprint() == kid })
}

// set returns what is known of a URL. The one that was not used for longest makes
// room.
func (s *Sets) set(target string) *set {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.sets[target]
	if e == nil {
		if len(s.sets) >= maxSets {
			var oldest *set
			for _, other := range s.sets {
				if oldest == nil || other.used.Before(oldest.used) {
					oldest = other
				}
			}
			delete(s.sets, oldest.url)
		}
		e = &set{url: target}
		s.sets[target] = e
	}
	e.used = s.Now()
	return e
}

// mayRead reports whether a reading may begin, or is under way: not within wait
// of the last.
func (s *Sets) mayRead(e *set, now time.Time, wait time.Duration) bool {
	return e.done != nil || e.tried.IsZero() || now.Sub(e.tried) >= wait
}

// known is the answer by what is remembered.
func (s *Sets) known(e *set) ([]*jose.Key, error) {
	if e.keys != nil && clock.Elapsed(e.read, s.Now()) < e.fresh+s.Stale {
		return e.keys, nil
	}
	if e.failure != nil {
		return nil, e.failure
	}
	return nil, errors.New("it was not read in time")
}

// start reads the set anew, beside whoever asked, unless that is under way. It
// returns what is closed when the reading has ended. The caller holds the lock.
func (s *Sets) start(e *set) <-chan struct{} {
	if e.done != nil {
		return e.done
	}
	done := make(chan struct{})
	e.done = done
	etag := e.etag
	go func() {
		got, err := s.fetch(e.url, etag)
		s.counts.add(err)
		if err != nil {
			s.Logger.Warn("cannot read a key set", slog.String("url", e.url), slog.Any("error", err))
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		now := s.Now()
		e.tried, e.failure, e.done = now, public(err), nil
		if err == nil {
			e.read = now
			if got.fresh != 0 {
				e.fresh = got.fresh
			}
			if got.keys != nil {
				e.keys, e.etag = got.keys, got.etag
			}
		}
		close(done)
	}()
	return done
}
