package store

import (
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const appColumns = `id, org, environment, name, developer_email, client_id, state, products, token_lifetime,
	reuse_window, not_before, binding, oversees, created`

func scanApp(row scanner, a *market.App) error {
	return row.Scan(&a.ID, &a.Org, &a.Environment, &a.Name, &a.DeveloperEmail, &a.ClientID, &a.State,
		jsonInto{&a.Products}, durationInto{&a.TokenLifetime, time.Millisecond}, optionalInto{&a.ReuseWindow},
		&a.NotBefore, &a.Binding, &a.Oversees, timeInto{&a.Created})
}

// App implements [market.AppReader].
func (s *session) App(app id.App) (market.App, error) {
	return one(s, "read an app", market.Missing("app", string(app)), scanApp,
		`SELECT `+appColumns+` FROM apps WHERE id = $1`, app)
}

// AppByClientID implements [market.AppReader].
func (s *session) AppByClientID(clientID string) (market.App, error) {
	return one(s, "find an app", market.Missing("app with the client_id", clientID), scanApp,
		`SELECT `+appColumns+` FROM apps WHERE client_id = $1`, clientID)
}

// Apps implements [market.AppReader]. The cursor is the last id.
func (s *session) Apps(org id.Org, page market.Page) (apps []market.App, next string, err error) {
	limit := pageLimit(page.Limit)
	var where conditions
	where.add(true, `id > $%d`, page.After)
	where.add(org != "", `org = $%d`, org)
	apps, err = collect(s, "list apps", scanApp,
		fmt.Sprintf(`SELECT %s FROM apps%s ORDER BY id LIMIT %d`, appColumns, where.String(), limit+1), where.args...)
	apps, next = cutPage(apps, limit, func(a market.App) string { return string(a.ID) })
	return apps, next, err
}

// PutApp implements [market.AppWriter].
func (c *transaction) PutApp(a market.App) error {
	products, err := listJSON(a.Products)
	if err != nil {
		return fmt.Errorf("store: put an app: %w", err)
	}
	said := sentences{
		"apps_org_environment_name_key": conflict("choose another name", "an app named %q already exists in %s", a.Name, a.Environment),
		"apps_client_id_key":            conflict("leave client_id out, and one is made", "the client_id %q is taken by another app", a.ClientID),
		foreign:                         market.Missing("organization", string(a.Org)),
	}
	return c.put("put an app", said,
		`INSERT INTO apps (id, org, environment, name, developer_email, client_id, state, products, token_lifetime,
		   reuse_window, not_before, binding, oversees, created)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		 ON CONFLICT (id) DO UPDATE SET org = excluded.org, environment = excluded.environment, name = excluded.name,
		   developer_email = excluded.developer_email, client_id = excluded.client_id, state = excluded.state,
		   products = excluded.products, token_lifetime = excluded.token_lifetime,
		   reuse_window = excluded.reuse_window, not_before = excluded.not_before,
		   binding = excluded.binding, oversees = excluded.oversees, created = excluded.created`,
		a.ID, a.Org, a.Environment, a.Name, a.DeveloperEmail, a.ClientID, a.State, products,
		a.TokenLifetime.Milliseconds(), optionalMillis(a.ReuseWindow), a.NotBefore, a.Binding, a.Oversees, millis(a.Created))
}

// DeleteApp implements [market.AppWriter]. Its credentials go by the schema's
// ON DELETE CASCADE.
func (c *transaction) DeleteApp(app id.App) error {
	n, err := c.exec("delete an app", nil, `DELETE FROM apps WHERE id = $1`, app)
	if err == nil && n == 0 {
		return market.Missing("app", string(app))
	}
	return err
}
