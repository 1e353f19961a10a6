package store

import (
	"context"
	"time"
)

// SpendAssertion notes that the assertion jti of a client was used, until expires,
// and reports whether it is the first time, of all nodes. It does not take the
// feed's lock, and records nothing: that a client authenticated is no change of
// the marketplace. When it fails nothing is known: the assertion may be spent, and
// may not be believed.
func (s *Store) SpendAssertion(ctx context.Context, clientID, jti string, expires time.Time) (first bool, err error) {
	err = s.write(ctx, func(w *session) error {
		n, err := w.exec("spend an assertion", nil,
			`INSERT INTO spent_assertions (client_id, jti, expires) VALUES ($1, $2, $3) ON CONFLICT (client_id, jti) DO NOTHING`,
			clientID, jti, millis(expires))
		first = n == 1
		return err
	})
	return first && err == nil, err
}
