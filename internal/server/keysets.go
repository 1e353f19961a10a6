package server

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/keyset"
)

// openKeySets makes what fetches the keys of clients.
func (s *Server) openKeySets() (err error) {
	s.keySets, err = s.keySetsFor("", config.KeySets{Stale: s.Config.KeySets.Stale})
	return err
}

// keySetsFor makes what fetches keys, by the settings for all and those of one, which
// stand at where.
func (s *Server) keySetsFor(where string, own config.KeySets) (*keyset.Sets, error) {
	k := keyset.Config{Stale: own.StaleLimit(), Now: s.Now, Logger: s.Logger}
	if err := addKeySets(&k, "key_sets", s.Config.KeySets); err != nil {
		return nil, err
	}
	if err := addKeySets(&k, where, own); err != nil {
		return nil, err
	}
	return keyset.New(k), nil
}

// addKeySets adds the networks and the authorities of settings.
func addKeySets(k *keyset.Config, where string, c config.KeySets) error {
	for _, text := range c.Allow {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("%s.allow: %w", where, err)
		}
		k.Allow = append(k.Allow, network)
	}
	if c.CA == "" {
		return nil
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return fmt.Errorf("%s.ca: %w", where, err)
	}
	if k.Roots == nil {
		if k.Roots, err = x509.SystemCertPool(); err != nil {
			return fmt.Errorf("%s.ca: %w", where, err)
		}
	}
	if !k.Roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s.ca: %s holds no certificate", where, c.CA)
	}
	return nil
}
