package store

import (
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const operatorTokenColumns = `id, label, hint, hash, created, expires, revoked`

func scanOperatorToken(row scanner, t *market.OperatorToken) error {
	return row.Scan(&t.ID, &t.Label, &t.Hint, hashInto{&t.Hash},
		timeInto{&t.Created}, timeInto{&t.Expires}, timeInto{&t.Revoked})
}

// OperatorToken implements [market.PlatformReader].
func (s *session) OperatorToken(token id.OperatorToken) (market.OperatorToken, error) {
	return one(s, "read an operator token", market.Missing("operator token", string(token)), scanOperatorToken,
		`SELECT `+operatorTokenColumns+` FROM operator_tokens WHERE id = $1`, token)
}

// OperatorTokenByHash implements [market.PlatformReader].
func (s *session) OperatorTokenByHash(hash market.Hash) (market.OperatorToken, error) {
	return one(s, "find an operator token", noSuch("another operator can make one: sallyport operator create", "there is no such operator token"), scanOperatorToken,
		`SELECT `+operatorTokenColumns+` FROM operator_tokens WHERE hash = $1`, hash[:])
}

// OperatorTokens implements [market.PlatformReader]: oldest first.
func (s *session) OperatorTokens() ([]market.OperatorToken, error) {
	return collect(s, "list operator tokens", scanOperatorToken,
		`SELECT `+operatorTokenColumns+` FROM operator_tokens ORDER BY created, id`)
}

// PutOperatorToken implements [market.PlatformWriter].
func (c *transaction) PutOperatorToken(t market.OperatorToken) error {
	said := sentences{"operator_tokens_hash_key": conflict("try again: another is made", "the operator token is in use already")}
	return c.put("put an operator token", said,
		`INSERT INTO operator_tokens (id, label, hint, hash, created, expires, revoked)
		 VALUES ($1, $2, $3, $4, $5, $6, $7)
		 ON CONFLICT (id) DO UPDATE SET label = excluded.label, hint = excluded.hint, hash = excluded.hash,
		   created = excluded.created, expires = excluded.expires, revoked = excluded.revoked`,
		t.ID, t.Label, t.Hint, t.Hash[:], millis(t.Created), millis(t.Expires), millis(t.Revoked))
}

func scanNotBefore(row scanner, n *market.NotBefore) error {
	return row.Scan(&n.Environment, &n.Second, timeInto{&n.Updated})
}

// NotBefores implements [market.PlatformReader]: the platform's first.
func (s *session) NotBefores() ([]market.NotBefore, error) {
	return collect(s, "list not-befores", scanNotBefore,
		`SELECT environment, unix_second, updated FROM not_befores ORDER BY environment`)
}

// PutNotBefore implements [market.PlatformWriter].
func (c *transaction) PutNotBefore(n market.NotBefore) error {
	return c.put("put a not-before", nil,
		`INSERT INTO not_befores (environment, unix_second, updated) VALUES ($1, $2, $3)
		 ON CONFLICT (environment) DO UPDATE SET unix_second = excluded.unix_second, updated = excluded.updated`,
		n.Environment, n.Second, millis(n.Updated))
}

func scanRevocation(row scanner, r *market.Revocation) error {
	return row.Scan(&r.JTI, &r.Org, &r.App, timeInto{&r.Expires}, timeInto{&r.Created})
}

const revocationColumns = `jti, org, app, expires, created`

// revocationsAfter lists a chunk of those that are not to be forgotten yet, by jti.
func (s *session) revocationsAfter(jti string) ([]market.Revocation, error) {
	return collect(s, "list revocations", scanRevocation,
		`SELECT `+revocationColumns+` FROM revocations WHERE jti > $1 AND expires > $2 ORDER BY jti LIMIT $3`,
		jti, millis(s.now), streamChunk)
}

// revocationsOf reads those with these jtis that are not to be forgotten yet.
func (s *session) revocationsOf(jtis []string) ([]market.Revocation, error) {
	args := []any{millis(s.now)}
	places := make([]string, len(jtis))
	for i, jti := range jtis {
		args = append(args, jti)
		places[i] = "$" + strconv.Itoa(len(args))
	}
	return collect(s, "read revocations", scanRevocation,
		`SELECT `+revocationColumns+` FROM revocations WHERE expires > $1 AND jti IN (`+strings.Join(places, ", ")+`)`, args...)
}

// AddRevocation implements [market.PlatformWriter].
func (c *transaction) AddRevocation(r market.Revocation) error {
	return c.put("add a revocation", nil,
		`INSERT INTO revocations (jti, org, app, expires, created) VALUES ($1, $2, $3, $4, $5)
		 ON CONFLICT (jti) DO UPDATE SET expires =
		   CASE WHEN excluded.expires > revocations.expires THEN excluded.expires ELSE revocations.expires END`,
		r.JTI, r.Org, r.App, millis(r.Expires), millis(r.Created))
}
