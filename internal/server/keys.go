package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/pkcs11"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// openVault opens the security module that signing keys are made in, if the
// configuration names one.
func (s *Server) openVault() error {
	c := s.Config.Keys.PKCS11
	if c.IsZero() {
		return nil
	}
	pin, err := c.PIN.Read(s.Getenv)
	if err != nil {
		return fmt.Errorf("keys.pkcs11.pin: %w", err)
	}
	module, err := pkcs11.Open(pkcs11.Config{Module: c.Module, Token: c.Token, PIN: pin})
	if err != nil {
		return fmt.Errorf("keys.pkcs11: %w", err)
	}
	s.vault, s.closeVault = module, module.Close
	return nil
}

// sealer reads the sealing keys.
func (s *Server) sealer() (keyring.Sealer, error) {
	key, err := s.Config.Keys.Sealing.ReadKey(s.Getenv)
	if err != nil {
		return keyring.Sealer{}, fmt.Errorf("keys.sealing: %w", err)
	}
	old := make([]secret.String, len(s.Config.Keys.SealingOld))
	for i, c := range s.Config.Keys.SealingOld {
		if old[i], err = c.ReadKey(s.Getenv); err != nil {
			return keyring.Sealer{}, fmt.Errorf("keys.sealing_old[%d]: %w", i, err)
		}
	}
	sealer, err := keyring.NewSealer(key, old...)
	if err != nil {
		return keyring.Sealer{}, fmt.Errorf("keys.sealing: %w", err)
	}
	return sealer, nil
}

// warnOfExposed tells which files of secrets others than their owner can read. It is
// no error: a container's files may have to be so.
func (s *Server) warnOfExposed(ctx context.Context) {
	c := s.Config
	places := map[string]config.Secret{"keys.sealing": c.Keys.Sealing, "keys.hashing": c.Keys.Hashing, "database.postgres": c.Database.Postgres, "keys.pkcs11.pin": c.Keys.PKCS11.PIN}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		if places[name].Exposed() {
			s.Logger.WarnContext(ctx, "a file of secrets can be read by everybody on this machine: chmod 400 it", slog.String("setting", name), slog.String("file", places[name].File))
		}
	}
}

// ring is how an environment's keys live.
func (s *Server) ring(name market.Environment, c *config.Environment, sealer keyring.Sealer) keyring.Config {
	return keyring.Config{
		Store: s.store, Sealer: sealer, Vault: s.vault, LeaveVault: s.Config.Keys.PKCS11.Leaving, Environment: name, Algorithm: keyring.Algorithm(c.Algorithm),
		TokenLifetime: time.Duration(c.MaxTokenLifetime), MaxStale: s.Config.StaleLimit(), Leeway: s.Pace.Leeway, Lead: time.Duration(c.KeyLead), Period: time.Duration(c.KeyPeriod),
		Now: s.Now, Logger: s.Logger,
	}
}

func (s *Server) openRings(ctx context.Context, sealer keyring.Sealer) (err error) {
	s.rings = keyring.Rings{}
	for _, e := range s.environments {
		if e.ring, err = keyring.Open(ctx, s.ring(e.name, e.config, sealer)); err != nil {
			return err
		}
		s.rings[e.name] = e.ring
	}
	return nil
}
