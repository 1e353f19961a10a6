package market

import (
	"context"
	"errors"
	"regexp"
	"time"
)

// NewProduct is the wish for a product that no catalogue names.
type NewProduct struct {
	Name, Title, Description string
	TokenLifetime            time.Duration
}

// noProduct is what is wrong with the name of a product that could not be read.
func noProduct(field, name string, err error) error {
	if !errors.Is(err, NotFound) {
		return err
	}
	invalid := Invalid(field, "there is no product %q", name)
	invalid.Hint = "sallyport product list shows what there is"
	return invalid
}

// AddProduct adds an operator's product.
func (m *Market) AddProduct(ctx context.Context, by Actor, in NewProduct) (p Product, err error) {
	p = Product{
		Name: in.Name, Title: in.Title, Description: in.Description, TokenLifetime: in.TokenLifetime,
		State: ProductActive, Source: FromOperator, Created: m.Now(),
	}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if err := CheckProduct(p); err != nil {
			return err
		}
		if _, err := tx.Product(p.Name); err == nil {
			return &Error{Code: Conflict, Public: "there is a product " + p.Name + " already", Hint: "change that one, or choose another name"}
		}
		if err := tx.PutProduct(p); err != nil {
			return err
		}
		return tx.Record(productChange("create", p))
	})
	return p, err
}

// ProductPatch changes what is not nil.
type ProductPatch struct {
	Title, Description *string
	TokenLifetime      *time.Duration
	State              *ProductState
}

// ChangeProduct changes a product. What a catalogue names is changed there;
// only its state may be changed here.
func (m *Market) ChangeProduct(ctx context.Context, by Actor, name string, patch ProductPatch) (p Product, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if p, err = tx.Product(name); err != nil {
			return err
		}
		if p.Source == FromCatalog && (patch.Title != nil || patch.Description != nil || patch.TokenLifetime != nil) {
			return &Error{Code: Conflict, Public: "the product comes from the catalogue", Hint: "change it in products.yaml and apply the catalogue"}
		}
		detail := map[string]any{}
		set(&p.Title, patch.Title, "title", detail)
		set(&p.Description, patch.Description, "description", detail)
		set(&p.TokenLifetime, patch.TokenLifetime, "token_lifetime", detail)
		set(&p.State, patch.State, "state", detail)
		if len(detail) == 0 {
			return errNothing("title, description, token_lifetime, state")
		}
		if err := CheckProduct(p); err != nil {
			return err
		}
		if err := tx.PutProduct(p); err != nil {
			return err
		}
		return tx.Record(productChange("update", p))
	})
	return p, err
}

// productForm keeps a product's name fit to be a scope token (RFC 6749 §3.3) and
// a part of a URL.
var productForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// CheckProduct holds a product to the rules. Its name is a scope too.
func CheckProduct(p Product) error {
	if !productForm.MatchString(p.Name) {
		return Invalid("name", "must be 1 to %d letters, digits and . _ -, such as MN_Product_Eligibility_v3", maxName)
	}
	if err := checkName("title", p.Title); err != nil {
		return err
	}
	if err := checkNote("description", p.Description); err != nil {
		return err
	}
	if p.TokenLifetime < 0 || p.TokenLifetime%time.Second != 0 {
		return Invalid("token_lifetime", "must be whole seconds, or 0 to set none")
	}
	if p.State != ProductActive && p.State != ProductRetired {
		return Invalid("state", "a product is %q or %q", ProductActive, ProductRetired)
	}
	return nil
}

// ApplyCatalog stores a catalogue that was checked already, and makes the
// products be what it says: those that it no longer names are retired.
func (m *Market) ApplyCatalog(ctx context.Context, by Actor, c CatalogVersion, products []Product) (CatalogVersion, error) {
	err := m.Store.Update(ctx, by, func(tx Tx) error {
		c.Version, c.Applied, c.By = 1, m.Now(), by.Kind+" "+by.ID
		last, err := tx.CatalogHistory(1)
		if err != nil {
			return err
		}
		if len(last) == 1 {
			c.Version = last[0].Version + 1
		}
		if err := tx.AddCatalog(c); err != nil {
			return err
		}
		if err := m.syncProducts(tx, products); err != nil {
			return err
		}
		return tx.Record(Change{
			Action: "apply", Kind: KindCatalog, ID: c.SHA256, Detail: map[string]any{"version": c.Version, "summary": c.Summary},
			Feed: KindCatalog, FeedKey: c.SHA256,
		})
	})
	return c, err
}

func (m *Market) syncProducts(tx Tx, products []Product) error {
	now, err := tx.Products()
	if err != nil {
		return err
	}
	have := make(map[string]Product, len(now))
	for _, p := range now {
		have[p.Name] = p
	}
	for _, p := range products {
		old, there := have[p.Name]
		delete(have, p.Name)
		p.Source, p.Created, p.State = FromCatalog, m.Now(), ProductActive
		if there {
			p.Created = old.Created
			if old.Same(&p) {
				continue
			}
			if err := checkPlansLeft(tx, old, p); err != nil {
				return err
			}
		}
		if err := tx.PutProduct(p); err != nil {
			return err
		}
		if err := tx.Record(productChange("apply", p)); err != nil {
			return err
		}
	}
	for _, p := range have {
		if p.Source != FromCatalog || p.State == ProductRetired {
			continue
		}
		p.State = ProductRetired
		if err := tx.PutProduct(p); err != nil {
			return err
		}
		if err := tx.Record(productChange("retire", p)); err != nil {
			return err
		}
	}
	return nil
}

func productChange(action string, p Product) Change {
	return Change{
		Action: action, Kind: KindProduct, ID: p.Name,
		Detail: map[string]any{"state": p.State, "token_lifetime": int64(p.TokenLifetime / time.Second), "source": p.Source},
		Feed:   KindProduct, FeedKey: p.Name,
	}
}
