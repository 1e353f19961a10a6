package market

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
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
	Binding        Binding
	Oversees       Oversight
}

// AddApp adds an app, without a secret yet. It needs no contract: credentials
// do, where the environment asks for one.
func (m *Market) AddApp(ctx context.Context, by Actor, in NewApp) (a App, err error) {
	a = App{
		ID: id.NewApp(), Org: in.Org, Environment: in.Environment, Name: in.Name, DeveloperEmail: in.DeveloperEmail,
		ClientID: id.NewClientID(), State: AppActive, Products: in.Products, TokenLifetime: in.TokenLifetime,
		ReuseWindow: in.ReuseWindow, Binding: in.Binding, Oversees: in.Oversees, Created: m.Now(),
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
		detail := map[string]any{"name": a.Name, "environment": a.Environment, "client_id": a.ClientID}
		if a.Oversees != OwnTokens {
			detail["oversees"] = a.Oversees
		}
		return tx.Record(appChange("create", a, detail))
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
	Binding        *Binding
	Oversees       *Oversight
	NotBefore      *int64
	Guard          Guard // of what is in use, when the app is disabled
}

// ChangeApp changes an app. Disabling one stops its tokens and calls: one with a
// credential in use needs Anyway.
func (m *Market) ChangeApp(ctx context.Context, by Actor, app id.App, p AppPatch) (a App, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if a, err = tx.App(app); err != nil {
			return err
		}
		if p.State != nil && *p.State == AppDisabled && a.State == AppActive {
			if err := m.checkAppUnused(tx, app, p.Guard); err != nil {
				return err
			}
		}
		detail := map[string]any{}
		set(&a.Name, p.Name, "name", detail)
		set(&a.DeveloperEmail, p.DeveloperEmail, "developer_email", detail)
		set(&a.State, p.State, "state", detail)
		set(&a.Products, p.Products, "products", detail)
		set(&a.Binding, p.Binding, "binding", detail)
		set(&a.Oversees, p.Oversees, "oversees", detail)
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
			return errNothing("name, developer_email, state, products, token_lifetime, reuse_window, binding, oversees, not_before")
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

// RemoveApp deletes an app with its credentials; its tokens die with it. One with
// a credential in use needs Anyway.
func (m *Market) RemoveApp(ctx context.Context, by Actor, app id.App, guard Guard) error {
	return m.Store.Update(ctx, by, func(tx Tx) error {
		a, err := tx.App(app)
		if err != nil {
			return err
		}
		if err := m.checkAppUnused(tx, app, guard); err != nil {
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
	if a.Binding != Unbound && a.Binding != BoundToCertificate && a.Binding != BoundToDPoP {
		return Invalid("binding", "must be certificate, dpop or none")
	}
	if a.Oversees != OwnTokens && a.Oversees != OrganizationTokens && a.Oversees != EnvironmentTokens {
		return Invalid("oversees", "must be own, organization or environment")
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
			return noProduct("products", name, err)
		}
	}
	return nil
}

func appChange(action string, a App, detail map[string]any) Change {
	return Change{
		Action: action, Kind: KindApp, ID: string(a.ID), Org: a.Org, Detail: detail,
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
