package server

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"

	"github.com/sallyport-dev/sallyport/internal/keyset"
)

// openKeySets makes what fetches the keys of others.
func (s *Server) openKeySets() (*keyset.Sets, error) {
	c := s.Config.KeySets
	k := keyset.Config{Stale: c.StaleLimit(), Now: s.Now, Logger: s.Logger}
	for _, text := range c.Allow {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("key_sets.allow: %w", err)
		}
		k.Allow = append(k.Allow, network)
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("key_sets.ca: %w", err)
		}
		if k.Roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("key_sets.ca: %w", err)
		}
		if !k.Roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("key_sets.ca: %s holds no certificate", c.CA)
		}
	}
	return keyset.New(k), nil
}
