package store

import (
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const orgColumns = `id, name, state, not_before, created`

func scanOrg(row scanner, o *market.Organization) error {
	return row.Scan(&o.ID, &o.Name, &o.State, &o.NotBefore, timeInto{&o.Created})
}

// Org implements [market.OrgReader].
func (s *session) Org(org id.Org) (market.Organization, error) {
	return one(s, "read an organization", market.Missing("organization", string(org)), scanOrg,
		`SELECT `+orgColumns+` FROM organizations WHERE id = $1`, org)
}

// Orgs implements [market.OrgReader]. The cursor is the last id.
func (s *session) Orgs(page market.Page) (orgs []market.Organization, next string, err error) {
	limit := pageLimit(page.Limit)
	orgs, err = collect(s, "list organizations", scanOrg,
		`SELECT `+orgColumns+` FROM organizations WHERE id > $1 ORDER BY id LIMIT $2`, page.After, limit+1)
	orgs, next = cutPage(orgs, limit, func(o market.Organization) string { return string(o.ID) })
	return orgs, next, err
}

// PutOrg implements [market.OrgWriter].
func (c *transaction) PutOrg(o market.Organization) error {
	return c.put("put an organization", nil,
		`INSERT INTO organizations (id, name, state, not_before, created) VALUES ($1, $2, $3, $4, $5)
		 ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state,
		   not_before = excluded.not_before, created = excluded.created`,
		o.ID, o.Name, o.State, o.NotBefore, millis(o.Created))
}
