package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// The two organizations: one with a contract, one that only tries things.
const (
	contracted = "Northwind Clinics"
	trying     = "Hillside Practice"
	contract   = "DEMO-2026-001"
	email      = "developer@northwind.example"
	tin        = "123456789"
	submitter  = "SUB0000001"
	hostID     = "HOST000001"
	label      = "demo"
	keptDemo   = 5 // secrets of the last starts that stay good
)

// world is what the demo's visitors get.
type world struct {
	operator   secret.String
	sandbox    access // of the contracted organization
	production access
	newcomer   access // of the organization that only tries things: mock data
}

// access is an app with a secret of this start.
type access struct {
	organization string
	app          id.App
	clientID     string
	secret       secret.String
}

// seeder makes what is not there yet.
type seeder struct {
	market *market.Market
	by     market.Actor
}

// seed brings the demo's marketplace to where its visitors expect it.
func seed(ctx context.Context, s *server.Server) (*world, error) {
	d := seeder{s.Market, market.System}
	files, err := fs.Sub(catalog.Files, ".")
	if err != nil {
		return nil, err
	}
	if err := s.ApplyCatalog(ctx, d.by, files); err != nil {
		return nil, err
	}
	w := &world{}
	north, err := d.organization(ctx, contracted)
	if err != nil {
		return nil, err
	}
	hill, err := d.organization(ctx, trying)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.subscribe(ctx, north, contract), d.subscribe(ctx, hill, ""), d.tenancy(ctx, north)); err != nil {
		return nil, err
	}
	for _, app := range []struct {
		to  *access
		org market.Organization
		env market.Environment
	}{
		{&w.sandbox, north, market.Sandbox},
		{&w.production, north, market.Production},
		{&w.newcomer, hill, market.Sandbox},
	} {
		if *app.to, err = d.access(ctx, app.org, app.env); err != nil {
			return nil, err
		}
	}
	if err := d.certify(ctx, w.sandbox.app); err != nil {
		return nil, err
	}
	if w.operator, err = d.operator(ctx); err != nil {
		return nil, err
	}
	return w, s.Reload(ctx)
}

func (d seeder) organization(ctx context.Context, name string) (market.Organization, error) {
	var found market.Organization
	err := d.market.Store.View(ctx, func(r market.Reader) error {
		for page := (market.Page{}); ; {
			orgs, next, err := r.Orgs(page)
			if err != nil {
				return err
			}
			for _, o := range orgs {
				if o.Name == name {
					found = o
					return nil
				}
			}
			if next == "" {
				return nil
			}
			page.After = next
		}
	})
	if err != nil || found.ID != "" {
		return found, err
	}
	return d.market.AddOrganization(ctx, d.by, name)
}

// subscribe gives an organization every product that it has no subscription to:
// with a contract, or without one.
func (d seeder) subscribe(ctx context.Context, o market.Organization, contract string) error {
	var products []market.Product
	have := map[string]market.Subscription{}
	err := d.market.Store.View(ctx, func(r market.Reader) (err error) {
		if products, err = r.Products(); err != nil {
			return err
		}
		subs, err := r.Subscriptions(o.ID, "")
		for _, s := range subs {
			have[s.Product] = s
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range products {
		if p.State != market.ProductActive {
			continue
		}
		s, there := have[p.Name]
		if !there {
			if s, err = d.market.Subscribe(ctx, d.by, o.ID, p.Name); err != nil {
				return err
			}
		}
		// A start may have been killed between the two.
		if contract == "" || s.State != market.SubSandbox {
			continue
		}
		if _, err := d.market.ChangeSubscription(ctx, d.by, s.ID, market.ActApprove, contract, "demo contract"); err != nil {
			return err
		}
	}
	return nil
}

// tenancy gives the contracted organization its TIN and submitter ids, if it has
// not got them.
func (d seeder) tenancy(ctx context.Context, o market.Organization) error {
	_, own := d.market.AssignSubmitter(ctx, d.by, o.ID, market.SubmitterOwn, submitter)
	_, host := d.market.AssignSubmitter(ctx, d.by, o.ID, market.SubmitterHost, hostID)
	_, number := d.market.DecideTIN(ctx, d.by, o.ID, tin, market.TINAssociated, "")
	return errors.Join(ignoreConflict(own), ignoreConflict(host), ignoreConflict(number))
}

// access returns an app of the organization with a new secret.
func (d seeder) access(ctx context.Context, o market.Organization, env market.Environment) (access, error) {
	app, err := d.app(ctx, o.ID, env)
	if err != nil {
		return access{}, err
	}
	if err := d.retire(ctx, app.ID); err != nil {
		return access{}, err
	}
	_, text, err := d.market.AddCredential(ctx, d.by, market.NewCredential{App: app.ID, Label: label})
	return access{o.Name, app.ID, app.ClientID, text}, err
}

// certify lets an app authenticate by the certificate of the demo's client CA.
func (d seeder) certify(ctx context.Context, app id.App) error {
	_, _, err := d.market.AddCredential(ctx, d.by, market.NewCredential{
		App: app, Label: "demo certificate", Kind: market.CertifiedName, Material: string(market.SANDNS) + ":" + clientName,
	})
	return ignoreConflict(err) // it was there
}

func (d seeder) app(ctx context.Context, org id.Org, env market.Environment) (market.App, error) {
	var found market.App
	err := d.market.Store.View(ctx, func(r market.Reader) error {
		apps, _, err := r.Apps(org, market.Page{})
		for _, a := range apps {
			if a.Environment == env && strings.HasPrefix(a.Name, "demo") {
				found = a
			}
		}
		return err
	})
	if err != nil || found.ID != "" {
		return found, err
	}
	return d.market.AddApp(ctx, d.by, market.NewApp{
		Org: org, Environment: env, Name: "demo " + string(env), DeveloperEmail: email,
	})
}

// retire revokes the demo's secrets but for those of the last starts.
func (d seeder) retire(ctx context.Context, app id.App) error {
	var all []market.Credential
	err := d.market.Store.View(ctx, func(r market.Reader) (err error) {
		all, err = r.Credentials(app)
		return err
	})
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c market.Credential) bool { return c.Label != label || !c.Live(d.market.Now()) })
	for len(all) >= keptDemo {
		if _, err := d.market.RevokeCredential(ctx, d.by, all[0].ID, market.Anyway); err != nil {
			return fmt.Errorf("retire a demo secret: %w", err)
		}
		all = all[1:]
	}
	return nil
}

// operator returns a new token of the management API, good for a day.
func (d seeder) operator(ctx context.Context) (secret.String, error) {
	_, text, err := d.market.AddOperatorToken(ctx, d.by, label, d.market.Now().Add(24*time.Hour))
	return text, err
}

func ignoreConflict(err error) error {
	if errors.Is(err, market.Conflict) {
		return nil
	}
	return err
}
