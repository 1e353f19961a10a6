package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// upstreamTLS is the TLS settings for upstreams, by name.
type upstreamTLS map[string]*spoken

// spoken is how some upstreams are spoken to. It changes when its files do.
type spoken struct {
	name    string // that their certificate has to be for; empty: their host's
	shown   *shown // to them; nil: nothing
	trusted *trusted
	current atomic.Pointer[tls.Config]
}

// newUpstreamTLS reads the files for the first time.
func newUpstreamTLS(named map[string]*config.UpstreamTLS, now func() time.Time) (upstreamTLS, error) {
	all := upstreamTLS{}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		c := named[name]
		s := &spoken{name: c.ServerName}
		var err error
		if c.Certificate != "" {
			if s.shown, err = newShown(config.TLS{Certificate: c.Certificate, Key: c.Key}, nil, nil, now); err != nil {
				return nil, err
			}
		}
		if c.CA != "" {
			if s.trusted, err = newTrusted([]string{c.CA}); err != nil {
				return nil, err
			}
		}
		s.make()
		all[name] = s
	}
	return all, nil
}

// make makes the settings of what was read. They are another object each time, by
// which gateways know that connections with the old ones are not to be used again.
func (s *spoken) make() {
	c := &tls.Config{ServerName: s.name, MinVersion: tls.VersionTLS12}
	if s.shown != nil {
		c.Certificates = []tls.Certificate{*s.shown.current.Load()}
	}
	if s.trusted != nil {
		c.RootCAs = s.trusted.roots()
	}
	s.current.Store(c)
}

// config returns the settings of that name as they are now, nil if there are none.
func (u upstreamTLS) config(name string) *tls.Config {
	if s := u[name]; s != nil {
		return s.current.Load()
	}
	return nil
}

// catalogOptions is what catalogues may refer to.
func (s *Server) catalogOptions() manifest.Options {
	o := s.Config.CatalogOptions()
	o.Documents = &s.documents
	return o
}

// renewUpstreamTLS takes up certificates and authorities that were renewed.
func (s *Server) renewUpstreamTLS(tell func(what string, changed bool, err error)) {
	renewed := false
	for name, one := range s.upstreamTLS {
		again := false
		if one.shown != nil {
			changed, err := one.shown.renew()
			tell("upstream_tls."+name, changed, err)
			again = changed
		}
		if one.trusted != nil {
			changed, err := one.trusted.renew()
			tell("upstream_tls."+name+".ca", changed, err)
			again = again || changed
		}
		if again {
			one.make()
			renewed = true
		}
	}
	if !renewed {
		return
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	for _, e := range s.environments {
		e.gateway.SetCatalog(s.catalog.Load())
	}
	s.Logger.DebugContext(context.Background(), "upstreams are connected to anew", slog.Int("settings", len(s.upstreamTLS)))
}

// upstreams tells how the servers of upstreams do.
func (e *environment) upstreams() []api.UpstreamStatus {
	var all []api.UpstreamStatus
	for _, s := range e.gateway.Standings() {
		one := api.UpstreamStatus{API: s.API, Healthy: int64(s.Healthy), Total: int64(s.Total)}
		for _, t := range s.Targets {
			one.Targets = append(one.Targets, api.UpstreamTarget{URL: t.URL, Healthy: t.Healthy})
		}
		all = append(all, one)
	}
	return all
}
