package store

import (
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const tinColumns = `org, number, state, note, created, updated`

func scanTIN(row scanner, t *market.TIN) error {
	return row.Scan(&t.Org, &t.Number, &t.State, &t.Note, timeInto{&t.Created}, timeInto{&t.Updated})
}

// TIN implements [market.TenancyReader].
func (s *session) TIN(org id.Org, number string) (market.TIN, error) {
	return one(s, "read a TIN", market.Missing("TIN", number), scanTIN,
		`SELECT `+tinColumns+` FROM tins WHERE org = $1 AND number = $2`, org, number)
}

// TINs implements [market.TenancyReader].
func (s *session) TINs(org id.Org, state market.TINState) ([]market.TIN, error) {
	var where conditions
	where.add(org != "", `org = $%d`, org)
	where.add(state != "", `state = $%d`, state)
	return collect(s, "list TINs", scanTIN,
		`SELECT `+tinColumns+` FROM tins`+where.String()+` ORDER BY created, number, org`, where.args...)
}

// PutTIN implements [market.TenancyWriter].
func (c *transaction) PutTIN(t market.TIN) error {
	said := sentences{foreign: market.Missing("organization", string(t.Org))}
	return c.put("put a TIN", said,
		`INSERT INTO tins (org, number, state, note, created, updated) VALUES ($1, $2, $3, $4, $5, $6)
		 ON CONFLICT (org, number) DO UPDATE SET state = excluded.state, note = excluded.note,
		   created = excluded.created, updated = excluded.updated`,
		t.Org, t.Number, t.State, t.Note, millis(t.Created), millis(t.Updated))
}

// DeleteTIN implements [market.TenancyWriter].
func (c *transaction) DeleteTIN(org id.Org, number string) error {
	n, err := c.exec("delete a TIN", nil, `DELETE FROM tins WHERE org = $1 AND number = $2`, org, number)
	if err == nil && n == 0 {
		return market.Missing("TIN", number)
	}
	return err
}

const submitterColumns = `org, kind, value, created`

func scanSubmitter(row scanner, s *market.Submitter) error {
	return row.Scan(&s.Org, &s.Kind, &s.Value, timeInto{&s.Created})
}

// Submitters implements [market.TenancyReader].
func (s *session) Submitters(org id.Org) ([]market.Submitter, error) {
	return collect(s, "list submitters", scanSubmitter,
		`SELECT `+submitterColumns+` FROM submitters WHERE org = $1 ORDER BY kind, value`, org)
}

// PutSubmitter implements [market.TenancyWriter].
func (c *transaction) PutSubmitter(s market.Submitter) error {
	said := sentences{foreign: market.Missing("organization", string(s.Org))}
	return c.put("put a submitter", said,
		`INSERT INTO submitters (org, kind, value, created) VALUES ($1, $2, $3, $4)
		 ON CONFLICT (org, kind, value) DO UPDATE SET created = excluded.created`,
		s.Org, s.Kind, s.Value, millis(s.Created))
}

// DeleteSubmitter implements [market.TenancyWriter].
func (c *transaction) DeleteSubmitter(org id.Org, kind market.SubmitterKind, value string) error {
	n, err := c.exec("delete a submitter", nil,
		`DELETE FROM submitters WHERE org = $1 AND kind = $2 AND value = $3`, org, kind, value)
	if err == nil && n == 0 {
		return market.Missing("submitter id", value)
	}
	return err
}
