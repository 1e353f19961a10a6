package store

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Pin keeps the first value that is given for name, and returns the one that is
// kept: what an installation must not change by accident.
func (s *Store) Pin(ctx context.Context, name, value string) (pinned string, err error) {
	err = s.write(ctx, func(w *session) error {
		if err := w.put("pin "+name, nil, `INSERT INTO pins (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, value); err != nil {
			return err
		}
		pinned, err = one(w, "read a pin", market.Missing("pin", name), func(row scanner, v *string) error { return row.Scan(v) },
			`SELECT value FROM pins WHERE name = $1`, name)
		return err
	})
	return pinned, err
}

// Repin replaces what is kept for name, on purpose, and records it.
func (s *Store) Repin(ctx context.Context, name, value string) error {
	return s.update(ctx, market.System, func(c *transaction) error {
		err := c.put("replace a pin", nil,
			`INSERT INTO pins (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		if err != nil {
			return err
		}
		return c.Record(market.Change{Action: "reset", Kind: market.KindPlatform, ID: name})
	})
}
