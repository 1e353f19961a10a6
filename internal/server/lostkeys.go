package server

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// pinHasher notices another hashing key than the one that the stored hashes
// were made with: every secret would be wrong.
func (s *Server) pinHasher(ctx context.Context, hasher market.Hasher) error {
	mark := markOf(hasher)
	pinned, err := s.store.Pin(ctx, hashingPin, mark)
	if err != nil {
		return err
	}
	if pinned != mark {
		return &market.Error{
			Code:   market.Conflict,
			Public: "keys.hashing is not the key that this database was begun with: every client secret and operator token would be refused",
			Hint:   "give the first key; a copy of it should be with the backups. If it is lost: sallyport reset-keys --hashing",
		}
	}
	return nil
}

// hashingPin is under what the store keeps a mark of the hashing key.
const hashingPin = "hashing-key"

// markOf tells hashing keys apart, and nothing about them.
func markOf(hasher market.Hasher) string {
	hash := hasher.Hash("sallyport/hashing/check")
	return hex.EncodeToString(hash[:])
}

// ResetHashing accepts the hashing key that the configuration names from now on,
// because the first one is lost. Every client secret and operator token is dead.
func ResetHashing(ctx context.Context, o Options) error {
	s := &Server{Options: o}
	key, err := o.Config.Keys.Hashing.ReadKey(o.Getenv)
	if err != nil {
		return fmt.Errorf("keys.hashing: %w", err)
	}
	if err := prepareFolder(o.Config.Data); err != nil {
		return err
	}
	if s.store, err = s.openStore(ctx); err != nil {
		return err
	}
	defer s.close()
	return s.store.Repin(ctx, hashingPin, markOf(market.NewHasher(key)))
}

// ResetKeys gives up the signing keys of an environment, which nobody can open
// any more once the sealing key is lost, and makes new ones. Every token of the
// environment dies.
func ResetKeys(ctx context.Context, o Options, env market.Environment) error {
	s := &Server{Options: o}
	c, ok := o.Config.Environments[env]
	if !ok {
		return fmt.Errorf("there is no environment %q in the configuration", env)
	}
	sealer, err := s.sealer()
	if err != nil {
		return err
	}
	if err := prepareFolder(o.Config.Data); err != nil {
		return err
	}
	defer s.close()
	if s.store, err = s.openStore(ctx); err != nil {
		return err
	}
	if err := s.openVault(); err != nil {
		return err
	}
	_, err = keyring.Reset(ctx, s.ring(env, c, sealer), market.System)
	return err
}
