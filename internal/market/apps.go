package market

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/oauth"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// NewApp is the wish for an app.
type NewApp struct {
	Org            id.Org
	Environment    Environment
	Name           string
	DeveloperEmail string
	Products       []string
	TokenLifetime  time.Duration
	ReuseWindow    *time.Duration
}

// AddApp adds an app, without a secret yet. It needs no contract: credentials
// do, where the environment asks for one.
func (m *Market) AddApp(ctx context.Context, by Actor, in NewApp) (a App, err error) {
	a = App{
		ID: id.NewApp(), Org: in.Org, Environment: in.Environment, Name: in.Name, DeveloperEmail: in.DeveloperEmail,
		ClientID: id.NewClientID(), State: AppActive, Products: in.Products, TokenLifetime: in.TokenLifetime,
		ReuseWindow: in.ReuseWindow, Created: m.Now(),
	}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if _, err := tx.Org(in.Org); err != nil {
			return err
		}
		if err := m.checkApp(tx, a); err != nil {
			return err
		}
		if err := tx.PutApp(a); err != nil {
			return err
		}
		return tx.Record(appChange("create", a, map[string]any{"name": a.Name, "environment": a.Environment, "client_id": a.ClientID}))
	})
	return a, err
}

// AppPatch changes what is not nil.
type AppPatch struct {
	Name           *string
	DeveloperEmail *string
	State          *AppState
	Products       *[]string
	TokenLifetime  *time.Duration
	ReuseWindow    *time.Duration // negative: the environment's
	NotBefore      *int64
}

// ChangeApp changes an app. Disabling one stops its tokens and calls.
func (m *Market) ChangeApp(ctx context.Context, by Actor, app id.App, p AppPatch) (a App, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if a, err = tx.App(app); err != nil {
			return err
		}
		detail := map[string]any{}
		set(&a.Name, p.Name, "name", detail)
		set(&a.DeveloperEmail, p.DeveloperEmail, "developer_email", detail)
		set(&a.State, p.State, "state", detail)
		set(&a.Products, p.Products, "products", detail)
		if p.TokenLifetime != nil {
			a.TokenLifetime = *p.TokenLifetime
			detail["token_lifetime"] = int64(a.TokenLifetime / time.Second)
		}
		if p.ReuseWindow != nil {
			a.ReuseWindow = p.ReuseWindow
			if *p.ReuseWindow < 0 {
				a.ReuseWindow = nil
			}
			detail["reuse_window"] = int64(*p.ReuseWindow / time.Second)
		}
		if p.NotBefore != nil {
			if a.NotBefore, err = m.notBefore(*p.NotBefore, a.NotBefore); err != nil {
				return err
			}
			detail["not_before"] = a.NotBefore
		}
		if len(detail) == 0 {
			return errNothing("name, developer_email, state, products, token_lifetime, reuse_window, not_before")
		}
		if err := m.checkApp(tx, a); err != nil {
			return err
		}
		if err := tx.PutApp(a); err != nil {
			return err
		}
		return tx.Record(appChange("update", a, detail))
	})
	return a, err
}

// RemoveApp deletes an app with its credentials; its tokens die with it.
func (m *Market) RemoveApp(ctx context.Context, by Actor, app id.App) error {
	return m.Store.Update(ctx, by, func(tx Tx) error {
		a, err := tx.App(app)
		if err != nil {
			return err
		}
		if err := tx.DeleteApp(app); err != nil {
			return err
		}
		return tx.Record(appChange("delete", a, map[string]any{"name": a.Name, "client_id": a.ClientID}))
	})
}

func (m *Market) checkApp(tx Tx, a App) error {
	rules, err := m.environment(a.Environment)
	if err != nil {
		return err
	}
	if err := checkName("name", a.Name); err != nil {
		return err
	}
	if err := checkEmail("developer_email", a.DeveloperEmail); err != nil {
		return err
	}
	if a.State != AppActive && a.State != AppDisabled {
		return Invalid("state", "an app is %q or %q", AppActive, AppDisabled)
	}
	if l := a.TokenLifetime; l != 0 && (l < rules.MinTokenLifetime || l > rules.MaxTokenLifetime || l%time.Second != 0) {
		return Invalid("token_lifetime", "must be whole seconds from %d to %d, or 0 for the default",
			rules.MinTokenLifetime/time.Second, rules.MaxTokenLifetime/time.Second)
	}
	if w := a.ReuseWindow; w != nil && (*w < 0 || *w > 30*time.Second) {
		return Invalid("reuse_window", "must be from 0 to 30 seconds: a longer one would outlast the gateway's leeway")
	}
	for _, name := range a.Products {
		if _, err := tx.Product(name); err != nil {
			return Invalid("products", "there is no product %q", name)
		}
	}
	return nil
}

// NewCredential is the wish for a secret.
type NewCredential struct {
	App     id.App
	Label   string
	Expires time.Time // zero: never
}

// AddCredential makes a secret for an app and returns it: the only time that
// it is shown. In a contracted environment the organization needs a subscribed
// product first (CONTRACT 6.2).
func (m *Market) AddCredential(ctx context.Context, by Actor, in NewCredential) (c Credential, text secret.String, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		a, err := tx.App(in.App)
		if err != nil {
			return err
		}
		rules, err := m.environment(a.Environment)
		if err != nil {
			return err
		}
		if err := m.mayHaveCredential(tx, a, rules); err != nil {
			return err
		}
		if err := checkNote("label", in.Label); err != nil {
			return err
		}
		now := m.Now()
		if !in.Expires.IsZero() && !in.Expires.After(now) {
			return Invalid("expires", "has passed already")
		}
		var hint string
		text, hint = NewSecret(rules.SecretPrefix)
		c = Credential{
			ID: id.NewCredential(), App: a.ID, Label: in.Label, Hint: hint, Hash: m.Hasher.Hash(text.Reveal()),
			Created: now, CreatedBy: by.Kind + " " + by.ID, Expires: in.Expires,
		}
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("create", a, c, map[string]any{"label": c.Label, "hint": c.Hint}))
	})
	return c, text, err
}

func (m *Market) mayHaveCredential(tx Tx, a App, rules EnvironmentRules) error {
	all, err := tx.Credentials(a.ID)
	if err != nil {
		return err
	}
	live := slices.DeleteFunc(all, func(c Credential) bool { return !c.Live(m.Now()) })
	if len(live) >= maxSecrets {
		return &Error{Code: Conflict, Public: "the app has 20 live secrets already", Hint: "revoke one that is not used any more"}
	}
	if !rules.Contracted {
		return nil
	}
	subs, err := tx.Subscriptions(a.Org, SubSubscribed)
	if err != nil {
		return err
	}
	if len(subs) == 0 {
		return &Error{
			Code:   Conflict,
			Public: "credentials for " + string(a.Environment) + " exist only once a product is subscribed",
			Hint:   "request a subscription; an operator approves it with the contract's reference",
		}
	}
	return nil
}

// RevokeCredential ends a secret: no token for it any more, and those it got
// are refused everywhere within a second.
func (m *Market) RevokeCredential(ctx context.Context, by Actor, cred id.Credential) (c Credential, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if c, err = tx.Credential(cred); err != nil {
			return err
		}
		a, err := tx.App(c.App)
		if err != nil {
			return err
		}
		if !c.Revoked.IsZero() {
			return &Error{Code: Conflict, Public: "the secret was revoked already, at " + c.Revoked.UTC().Format(time.RFC3339)}
		}
		c.Revoked = m.Now()
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("revoke", a, c, nil))
	})
	return c, err
}

// ExpireCredential moves the moment at which a secret stops to authenticate;
// zero: never. Tokens that it got until then live on.
func (m *Market) ExpireCredential(ctx context.Context, by Actor, cred id.Credential, at time.Time) (c Credential, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if c, err = tx.Credential(cred); err != nil {
			return err
		}
		a, err := tx.App(c.App)
		if err != nil {
			return err
		}
		if !c.Revoked.IsZero() {
			return &Error{Code: Conflict, Public: "the secret is revoked: it cannot come back", Hint: "make a new one"}
		}
		c.Expires = at
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("expire", a, c, map[string]any{"expires": at}))
	})
	return c, err
}

// NewProduct is the wish for a product that no catalogue names.
type NewProduct struct {
	Name, Title, Description string
	TokenLifetime            time.Duration
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
			return &Error{Code: Conflict, Public: "there is a product " + p.Name + " already"}
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

// CheckProduct holds a product to the rules. Its name is a scope too.
func CheckProduct(p Product) error {
	if !oauth.ValidScopeToken(p.Name) || len(p.Name) > maxName || strings.ContainsAny(p.Name, `,;/?#%&=+<>`) {
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
			if old == p {
				continue
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

func appChange(action string, a App, detail map[string]any) Change {
	return Change{
		Action: action, Kind: KindApp, ID: string(a.ID), Org: a.Org, Detail: detail,
		Feed: KindApp, FeedKey: string(a.ID),
	}
}

func credentialChange(action string, a App, c Credential, detail map[string]any) Change {
	return Change{
		Action: action, Kind: KindCredential, ID: string(c.ID), Org: a.Org, Detail: detail,
		Feed: KindApp, FeedKey: string(a.ID),
	}
}

// set writes *wish over *field, if there is a wish, and notes it.
func set[T any](field, wish *T, name string, detail map[string]any) {
	if wish != nil {
		*field = *wish
		detail[name] = *wish
	}
}

func sortedList(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
