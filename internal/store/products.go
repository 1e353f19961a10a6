package store

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

const productColumns = `name, title, description, token_lifetime, plans, state, source, created`

func scanProduct(row scanner, p *market.Product) error {
	return row.Scan(&p.Name, &p.Title, &p.Description, durationInto{&p.TokenLifetime, time.Millisecond},
		jsonInto{&p.Plans}, &p.State, &p.Source, timeInto{&p.Created})
}

// Product implements [market.ProductReader].
func (s *session) Product(name string) (market.Product, error) {
	return one(s, "read a product", market.Missing("product", name), scanProduct,
		`SELECT `+productColumns+` FROM products WHERE name = $1`, name)
}

// Products implements [market.ProductReader].
func (s *session) Products() ([]market.Product, error) {
	return collect(s, "list products", scanProduct, `SELECT `+productColumns+` FROM products ORDER BY name`)
}

// PutProduct implements [market.ProductWriter].
func (c *transaction) PutProduct(p market.Product) error {
	plans, err := listJSON(p.Plans)
	if err != nil {
		return fmt.Errorf("store: put a product: %w", err)
	}
	return c.put("put a product", nil,
		`INSERT INTO products (name, title, description, token_lifetime, plans, state, source, created)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		 ON CONFLICT (name) DO UPDATE SET title = excluded.title, description = excluded.description,
		   token_lifetime = excluded.token_lifetime, plans = excluded.plans, state = excluded.state, source = excluded.source,
		   created = excluded.created`,
		p.Name, p.Title, p.Description, p.TokenLifetime.Milliseconds(), plans, p.State, p.Source, millis(p.Created))
}

func scanCatalog(row scanner, c *market.CatalogVersion) error {
	return row.Scan(&c.Version, &c.SHA256, &c.Bundle, timeInto{&c.Applied}, &c.By, &c.Summary)
}

// scanCatalogLine leaves the bundle out.
func scanCatalogLine(row scanner, c *market.CatalogVersion) error {
	return row.Scan(&c.Version, &c.SHA256, timeInto{&c.Applied}, &c.By, &c.Summary)
}

// Catalog implements [market.ProductReader].
func (s *session) Catalog(version int64) (market.CatalogVersion, error) {
	if version == 0 {
		return one(s, "read the newest catalogue", noSuch("apply one: sallyport catalog apply DIR", "no catalogue has been applied yet"), scanCatalog,
			`SELECT version, sha256, bundle, applied, applied_by, summary FROM catalogs ORDER BY version DESC LIMIT 1`)
	}
	return one(s, "read a catalogue", market.Missing("catalogue version", strconv.FormatInt(version, 10)), scanCatalog,
		`SELECT version, sha256, bundle, applied, applied_by, summary FROM catalogs WHERE version = $1`, version)
}

// CatalogHistory implements [market.ProductReader].
func (s *session) CatalogHistory(limit int) ([]market.CatalogVersion, error) {
	return collect(s, "list catalogues", scanCatalogLine,
		`SELECT version, sha256, applied, applied_by, summary FROM catalogs ORDER BY version DESC LIMIT $1`, pageLimit(limit))
}

// AddCatalog implements [market.ProductWriter].
func (c *transaction) AddCatalog(v market.CatalogVersion) error {
	said := sentences{"catalogs_pkey": conflict("apply it again: another catalogue was applied at the same moment", "catalogue version %d exists already", v.Version)}
	return c.put("add a catalogue", said,
		`INSERT INTO catalogs (version, sha256, bundle, applied, applied_by, summary) VALUES ($1, $2, $3, $4, $5, $6)`,
		v.Version, v.SHA256, blob(v.Bundle), millis(v.Applied), v.By, v.Summary)
}
