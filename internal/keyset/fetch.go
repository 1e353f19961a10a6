package keyset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
)

// answer is what a reading brought.
type answer struct {
	keys  []*jose.Key // nil: unchanged
	etag  string
	fresh time.Duration // 0: as before
}

// fetch reads a set, if it is not the one that etag names.
func (s *Sets) fetch(target, etag string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	res, err := s.get(ctx, target, "application/jwk-set+json, application/json", etag)
	if err != nil {
		return answer{}, err
	}
	defer s.release(res)
	got := answer{fresh: fresh(res.Header), etag: res.Header.Get("Etag")}
	switch {
	case res.StatusCode == http.StatusNotModified && etag != "":
		if len(res.Header.Values("Cache-Control")) == 0 { // RFC 9111 §4.3.4
			got.fresh = 0
		}
		return got, nil
	case res.StatusCode != http.StatusOK:
		return answer{}, statusError(res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxSize+1))
	if err != nil {
		return answer{}, err
	}
	if got.keys, err = jose.ParseSet(text); err != nil { // refuses what is too long
		return answer{}, formError{err}
	}
	return got, nil
}

// get asks for what is at target. The answer is to be released.
func (s *Sets) get(ctx context.Context, target, accept, etag string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx, r.URL.Host); err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "sallyport")
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.leave(r.URL.Host)
		return nil, err
	}
	return res, nil
}

func (s *Sets) release(res *http.Response) {
	_ = res.Body.Close() // read, or given up
	s.leave(res.Request.URL.Host)
}

// host is one that is being read from.
type host struct {
	places chan struct{}
	users  int // who are there, and who wait to be
}

// enter waits for a place at a host, and then for one at all: whose host takes its
// time, with however many sets, keeps none of others from being read.
func (s *Sets) enter(ctx context.Context, name string) error {
	s.mu.Lock()
	h := s.hosts[name]
	if h == nil {
		h = &host{places: make(chan struct{}, maxAtHost)}
		s.hosts[name] = h
	}
	h.users++
	s.mu.Unlock()
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		s.forget(name)
		return errors.New("too many key sets of the host are being read")
	}
	select {
	case s.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-h.places
		s.forget(name)
		return errors.New("too many key sets are being read")
	}
}

func (s *Sets) leave(name string) {
	<-s.reading
	s.mu.Lock()
	h := s.hosts[name]
	s.mu.Unlock()
	<-h.places
	s.forget(name)
}

// forget notes that one less is at a host, or waits for it.
func (s *Sets) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[name].users--; s.hosts[name].users == 0 {
		delete(s.hosts, name)
	}
}

// fresh is for how long an answer is good (RFC 9111 §5.2.2.1), within our bounds.
func fresh(h http.Header) time.Duration {
	d := usualFresh
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			if seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				d = time.Duration(seconds) * time.Second
			}
		}
	}
	return min(max(d, minFresh), maxFresh)
}

// statusError is an answer that is none.
type statusError int

// Error implements error.
func (e statusError) Error() string {
	if e >= 300 && e < 400 {
		return fmt.Sprintf("it answers with status %d, and redirects are not followed", int(e))
	}
	return fmt.Sprintf("it answers with status %d", int(e))
}

// formError is an answer that is no key set.
type formError struct{ err error }

// Error implements error.
func (e formError) Error() string { return "it is " + e.err.Error() }

// public is what the owner of a URL is told of an error: what it says of the
// answer, and nothing of our network.
func public(err error) error {
	var status statusError
	var form formError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errAddress):
		return errAddress
	case errors.As(err, &status):
		return status
	case errors.As(err, &form):
		return form
	}
	return errors.New("it cannot be reached, or its certificate is not one that we trust")
}
