package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func scanKey(row scanner, k *keyring.Record) error {
	return row.Scan(&k.KID, &k.Environment, &k.Use, &k.Algorithm, &k.Public, &k.Sealed,
		timeInto{&k.Created}, timeInto{&k.Activates}, timeInto{&k.Retires}, timeInto{&k.Revoked})
}

func (s *session) signingKeys(env market.Environment) ([]keyring.Record, error) {
	return collect(s, "list signing keys", scanKey,
		`SELECT kid, environment, use, algorithm, public, sealed, created, activates, retires, revoked
		 FROM signing_keys WHERE environment = $1 ORDER BY created, kid`, env)
}

// SigningKeys implements [keyring.Store].
func (s *Store) SigningKeys(ctx context.Context, env market.Environment) (keys []keyring.Record, err error) {
	err = s.view(ctx, func(v *session) error {
		keys, err = v.signingKeys(env)
		return err
	})
	return keys, err
}

var errNoKeys = errors.New("no keys to put")

// UpdateSigningKeys implements [keyring.Store]. The change is fed as the keys
// of env, whatever it says.
func (s *Store) UpdateSigningKeys(ctx context.Context, actor market.Actor, env market.Environment,
	change func(stored keyring.Stored) (put []keyring.Record, done market.Change, err error),
) error {
	err := s.update(ctx, actor, func(c *transaction) error {
		keys, err := c.signingKeys(env)
		if err != nil {
			return err
		}
		nodes, err := c.Nodes()
		if err != nil {
			return err
		}
		put, done, err := change(keyring.Stored{Keys: keys, Nodes: nodes})
		if err != nil {
			return err
		}
		if len(put) == 0 {
			return errNoKeys // rolls back; the transaction has done nothing
		}
		for _, k := range put {
			if k.Environment != env {
				return fmt.Errorf("store: a signing key of %q among those of %q", k.Environment, env)
			}
			if err := c.putKey(k); err != nil {
				return err
			}
		}
		done.Feed, done.FeedKey = market.KindKeys, string(env)
		return c.Record(done)
	})
	if errors.Is(err, errNoKeys) {
		return nil
	}
	return err
}

func (c *transaction) putKey(k keyring.Record) error {
	return c.put("put a signing key", nil,
		`INSERT INTO signing_keys (kid, environment, use, algorithm, public, sealed, created, activates, retires, revoked)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		 ON CONFLICT (kid) DO UPDATE SET environment = excluded.environment, use = excluded.use,
		   algorithm = excluded.algorithm, public = excluded.public, sealed = excluded.sealed,
		   created = excluded.created, activates = excluded.activates, retires = excluded.retires,
		   revoked = excluded.revoked`,
		k.KID, k.Environment, k.Use, k.Algorithm, blob(k.Public), blob(k.Sealed),
		millis(k.Created), millis(k.Activates), millis(k.Retires), millis(k.Revoked))
}
