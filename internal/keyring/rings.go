package keyring

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Rings is the signing keys of every environment, as the management API sees
// them.
type Rings map[market.Environment]*Ring

// ring returns an environment's ring.
func (rs Rings) ring(env market.Environment) (*Ring, error) {
	if r, ok := rs[env]; ok {
		return r, nil
	}
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(rs)) {
		names = append(names, string(name))
	}
	return nil, market.Invalid("environment", "there is no environment %q; there are: %s", env, strings.Join(names, ", "))
}

// Keys is [Ring.Records] of an environment.
func (rs Rings) Keys(ctx context.Context, env market.Environment) ([]Record, error) {
	r, err := rs.ring(env)
	if err != nil {
		return nil, err
	}
	return r.Records(ctx)
}

// Waiting is [Ring.Waiting] in the environment of a key.
func (rs Rings) Waiting(ctx context.Context, record Record) ([]market.Node, error) {
	r, err := rs.ring(record.Environment)
	if err != nil {
		return nil, err
	}
	return r.Waiting(ctx, record)
}

// SealingKeys lists the ids of the sealing keys that the rings have; the first
// one's seals.
func (rs Rings) SealingKeys() []string {
	for _, r := range rs { // they share them
		return r.cfg.Sealer.IDs()
	}
	return nil
}

// Rotate is [Ring.Rotate] in an environment.
func (rs Rings) Rotate(ctx context.Context, actor market.Actor, env market.Environment, use Use, alg Algorithm, emergency bool) (Record, error) {
	r, err := rs.ring(env)
	if err != nil {
		return Record{}, err
	}
	return r.Rotate(ctx, actor, use, alg, emergency)
}

// Revoke is [Ring.Revoke] in an environment.
func (rs Rings) Revoke(ctx context.Context, actor market.Actor, env market.Environment, kid string) (Record, error) {
	r, err := rs.ring(env)
	if err != nil {
		return Record{}, err
	}
	return r.Revoke(ctx, actor, kid)
}
