package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// following is a store whose changes this node shows by the time that they are
// acknowledged: whoever made a secret may use it at once, and whoever revoked a
// token sees it refused. Other nodes follow within a second.
type following struct {
	market.Store
	model *snapshot.Model
	head  func(context.Context) (int64, error)
	on    atomic.Bool // the model is being kept fresh
}

// showTimeout is how long an acknowledgment waits for the node's own model. The
// change is durable by then, whether it is shown or not.
const showTimeout = time.Second

// Update implements [market.Store].
func (f *following) Update(ctx context.Context, actor market.Actor, change func(market.Tx) error) error {
	if err := f.Store.Update(ctx, actor, change); err != nil || !f.on.Load() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	if seq, err := f.head(ctx); err == nil {
		f.model.Await(ctx, seq)
	}
	return nil
}

// pinHasher notices another hashing key than the one that the stored hashes
// were made with: every secret would be wrong.
func (s *Server) pinHasher(ctx context.Context, hasher market.Hasher) error {
	hash := hasher.Hash("sallyport/hashing/check")
	mark := hex.EncodeToString(hash[:])
	pinned, err := s.store.Pin(ctx, "hashing-key", mark)
	if err != nil {
		return err
	}
	if pinned != mark {
		return &market.Error{
			Code:   market.Conflict,
			Public: "keys.hashing is not the key that this database was begun with: every client secret and operator token would be refused",
			Hint:   "give the first key; a copy of it should be with the backups",
		}
	}
	return nil
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
	if s.store, err = s.openStore(ctx); err != nil {
		return err
	}
	defer s.close()
	_, err = keyring.Reset(ctx, s.ring(env, c, sealer), market.System)
	return err
}
