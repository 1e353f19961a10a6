package store

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const credentialColumns = `id, app, kind, label, hint, hash, material, created, created_by,
	replaces, expires, warned, revoked, last_used, last_used_from`

func scanCredential(row scanner, c *market.Credential) error {
	return row.Scan(&c.ID, &c.App, &c.Kind, &c.Label, &c.Hint, hashInto{&c.Hash}, &c.Material, timeInto{&c.Created}, &c.CreatedBy,
		&c.Replaces, timeInto{&c.Expires}, &c.Warned, timeInto{&c.Revoked}, timeInto{&c.LastUsed}, &c.LastUsedFrom)
}

// Credential implements [market.AppReader].
func (s *session) Credential(cred id.Credential) (market.Credential, error) {
	return one(s, "read a credential", market.Missing("credential", string(cred)), scanCredential,
		`SELECT `+credentialColumns+` FROM credentials WHERE id = $1`, cred)
}

// Credentials implements [market.AppReader].
func (s *session) Credentials(app id.App) ([]market.Credential, error) {
	return collect(s, "list credentials", scanCredential,
		`SELECT `+credentialColumns+` FROM credentials WHERE app = $1 ORDER BY created, id`, app)
}

// CredentialsBy implements [market.AppReader]. The cursor is the last id.
func (s *session) CredentialsBy(filter market.CredentialFilter) (all []market.Credential, next string, err error) {
	limit := pageLimit(filter.Page.Limit)
	var where conditions
	where.add(true, `id > $%d`, filter.Page.After)
	where.add(filter.App != "", `app = $%d`, filter.App)
	where.add(filter.Org != "", `app IN (SELECT apps.id FROM apps WHERE apps.org = $%d)`, filter.Org)
	if filter.Hash != nil {
		where.add(true, `hash = $%d`, filter.Hash[:])
	}
	if !filter.ExpiresBy.IsZero() {
		where.add(true, `revoked = 0 AND expires > $%d`, millis(s.now))
		where.add(true, `expires <= $%d`, millis(filter.ExpiresBy))
	}
	all, err = collect(s, "list credentials", scanCredential,
		fmt.Sprintf(`SELECT %s FROM credentials%s ORDER BY id LIMIT %d`, credentialColumns, where.String(), limit+1), where.args...)
	all, next = cutPage(all, limit, func(c market.Credential) string { return string(c.ID) })
	return all, next, err
}

// PutCredential implements [market.AppWriter]. A last use that is newer than
// the given one is kept: AddUsage may have noted it meanwhile.
func (c *transaction) PutCredential(cred market.Credential) error {
	said := sentences{
		"credentials_hash_key": conflict("use the one that is there", "the app has that credential already"),
		foreign:                market.Missing("app", string(cred.App)),
	}
	return c.put("put a credential", said,
		`INSERT INTO credentials (id, app, kind, label, hint, hash, material, created, created_by,
		   replaces, expires, warned, revoked, last_used, last_used_from)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		 ON CONFLICT (id) DO UPDATE SET app = excluded.app, kind = excluded.kind, label = excluded.label, hint = excluded.hint,
		   hash = excluded.hash, material = excluded.material, created = excluded.created, created_by = excluded.created_by,
		   replaces = excluded.replaces, expires = excluded.expires, warned = excluded.warned, revoked = excluded.revoked,
		   last_used_from = CASE WHEN credentials.last_used > excluded.last_used
		     THEN credentials.last_used_from ELSE excluded.last_used_from END,
		   last_used = CASE WHEN credentials.last_used > excluded.last_used
		     THEN credentials.last_used ELSE excluded.last_used END`,
		cred.ID, cred.App, cred.Kind, cred.Label, cred.Hint, cred.Hash[:], cred.Material, millis(cred.Created), cred.CreatedBy,
		cred.Replaces, millis(cred.Expires), cred.Warned, millis(cred.Revoked), millis(cred.LastUsed), cred.LastUsedFrom)
}
