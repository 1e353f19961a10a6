package server

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Info is where a server can be reached.
type Info struct {
	CA           string // file
	Portal       string // URLs, without trailing slash
	Management   string
	Metrics      string // empty: no listener of its own
	Environments []EnvironmentInfo
}

// EnvironmentInfo is where an environment can be reached.
type EnvironmentInfo struct {
	Name      string
	URL       string
	MutualTLS string // URL of its listener for mutual TLS; empty: none
	Issuer    string
	TokenURLs []TokenURL
}

// TokenURL is a token endpoint.
type TokenURL struct{ Dialect, URL string }

// Info returns where the server can be reached; its sockets are open from New on.
func (s *Server) Info() Info {
	info := Info{CA: s.ca.File, Portal: s.portal.url, Management: s.management.url}
	if s.scraped != nil {
		info.Metrics = s.scraped.url
	}
	for _, e := range s.environments {
		one := EnvironmentInfo{Name: string(e.name), URL: e.listener.url, Issuer: e.issuer}
		if e.mutual != nil {
			one.MutualTLS = e.mutual.url
		}
		for _, t := range e.auth.Endpoints {
			one.TokenURLs = append(one.TokenURLs, TokenURL{string(t.Dialect), e.listener.url + t.Path})
		}
		info.Environments = append(info.Environments, one)
	}
	return info
}

// byWhom is how a catalogue's version names who applied it.
func byWhom(a market.Actor) string { return a.Kind + " " + a.ID }

// ApplyCatalog applies the catalogue in files, unless it is the newest already,
// or somebody else has applied another since.
func (s *Server) ApplyCatalog(ctx context.Context, by market.Actor, files fs.FS) error {
	catalog, err := manifest.Load(files, s.catalogOptions())
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	bundle, sha, err := manifest.Bundle(files)
	if err != nil {
		return fmt.Errorf("pack the catalogue: %w", err)
	}
	var newest []market.CatalogVersion
	err = s.store.View(ctx, func(r market.Reader) (err error) {
		newest, err = r.CatalogHistory(1)
		return err
	})
	if err != nil {
		return err
	}
	if len(newest) == 1 && (newest[0].SHA256 == sha || newest[0].By != byWhom(by)) {
		return nil // it is there already, or somebody put another in its place
	}
	summary := strings.Join(manifest.Diff(s.catalog.Load(), catalog), "\n")
	_, err = s.Market.ApplyCatalog(ctx, by, market.CatalogVersion{SHA256: sha, Bundle: bundle, Summary: summary}, catalog.Products)
	return err
}

// Reload reads everything again, as at the start. The demo seeds before it runs.
func (s *Server) Reload(ctx context.Context) error {
	if err := s.model.Load(ctx, s.store); err != nil {
		return err
	}
	return s.loadCatalog(ctx)
}

// Bootstrap makes an operator token straight in the store, for the time when
// there is none to make one with. It can run beside a server.
func Bootstrap(ctx context.Context, o Options, label string, expires time.Time) (secret.String, error) {
	s := &Server{Options: o}
	hashing, err := o.Config.Keys.Hashing.ReadKey(o.Getenv)
	if err != nil {
		return secret.String{}, fmt.Errorf("keys.hashing: %w", err)
	}
	if err := prepareFolder(o.Config.Data); err != nil {
		return secret.String{}, err
	}
	if s.store, err = s.openStore(ctx); err != nil {
		return secret.String{}, err
	}
	defer s.close()
	hasher := market.NewHasher(hashing)
	if err := s.pinHasher(ctx, hasher); err != nil {
		return secret.String{}, err
	}
	m := &market.Market{Store: s.store, Hasher: hasher, Now: o.Now, Environments: s.rules()}
	_, text, err := m.AddOperatorToken(ctx, market.System, label, expires)
	return text, err
}
