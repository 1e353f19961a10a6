package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/issuer"
	"github.com/sallyport-dev/sallyport/internal/portal"
)

// openIssuers makes what reads the tokens of other issuers. Nothing is fetched yet:
// an issuer that is away does not keep us from starting.
func (s *Server) openIssuers() error {
	for n := range s.Config.Issuers {
		c := &s.Config.Issuers[n]
		for _, e := range s.environments {
			if slices.ContainsFunc(append(e.urls, e.issuer), func(own string) bool { return config.SameIssuer(own, c.Issuer) }) {
				return fmt.Errorf("issuers[%d].issuer: is our own, of %s; our own tokens are taken without being listed here", n, e.name)
			}
		}
		sets, err := s.keySetsFor(fmt.Sprintf("issuers[%d]", n), config.KeySets{Allow: c.Allow, CA: c.CA, Stale: c.Stale})
		if err != nil {
			return err
		}
		s.issuers = append(s.issuers, issuer.New(issuer.Config{
			Name: c.Name, URL: c.Issuer, JWKSURI: c.JWKSURI, Audiences: c.Audiences, Algorithms: c.Algorithms, Types: c.Types,
			Leeway: time.Duration(c.Leeway), MaxLifetime: time.Duration(c.MaxLifetime), Mapping: mapping(c),
			Sets: sets, Now: s.Now, Logger: s.Logger,
		}))
	}
	return nil
}

func mapping(c *config.Issuer) issuer.Mapping {
	m := issuer.Mapping{
		Client: c.Client, ClientClaim: c.ClientClaim, Clients: c.Clients, OrganizationClaim: c.OrganizationClaim,
		ProductsClaim: c.ProductsClaim, UserClaim: c.UserClaim,
	}
	for _, org := range c.Organizations {
		m.Organizations = append(m.Organizations, id.Org(org))
	}
	return m
}

// issuersOf returns the other issuers of an environment.
func (s *Server) issuersOf(e *environment) (*issuer.Issuers, error) {
	var here []*issuer.Issuer
	for n, i := range s.issuers {
		if slices.Contains(s.Config.Issuers[n].Environments, string(e.name)) {
			here = append(here, i)
		}
	}
	var elsewhere []string
	for _, other := range s.environments {
		if other != e {
			elsewhere = append(elsewhere, other.urls...)
		}
	}
	return issuer.Of(string(e.name), e.urls, elsewhere, s.Now, here...)
}

// issuerInterval is how often an issuer is looked after; its keys are read when they
// are due.
const issuerInterval = 5 * time.Second

// keepIssuers has the keys of an issuer at hand before they are needed.
func (s *Server) keepIssuers(ctx context.Context, i *issuer.Issuer) {
	ticker := time.NewTicker(issuerInterval)
	defer ticker.Stop()
	for {
		i.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// issuerStatus is how the other issuers are, as an operator sees it.
func (s *Server) issuerStatus() []api.IssuerStatus {
	out := []api.IssuerStatus{}
	for n, i := range s.issuers {
		is := i.Status()
		out = append(out, api.IssuerStatus{
			Name: is.Name, Issuer: is.URL, Environments: s.Config.Issuers[n].Environments,
			State: is.State, Keys: is.Keys, Read: is.Read, Problem: is.Problem,
		})
	}
	return out
}

// shownIssuers is what developers are told of the other issuers.
func (s *Server) shownIssuers() []portal.Issuer {
	out := make([]portal.Issuer, len(s.issuers))
	for n, i := range s.issuers {
		out[n] = portal.Issuer{Name: i.Name, URL: i.URL, Environments: slices.SortedFunc(slices.Values(s.Config.Issuers[n].Environments), byUse)}
	}
	return out
}
