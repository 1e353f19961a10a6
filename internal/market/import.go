package market

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Import is clients of another server, to be taken over with their client_id and
// what they authenticate by, all of them or none.
type Import struct {
	Environment  Environment
	Apps         []ImportedApp
	Contract     string // recorded where a product has to be subscribed; empty: none is
	SkipExisting bool   // leave apps alone whose client_id is there already
	DryRun       bool   // find out what would be, and change nothing
}

// ImportedApp is a client of another server.
type ImportedApp struct {
	Org            id.Org // empty: the one that is called OrgName, which is made if there is none
	OrgName        string
	Name           string
	DeveloperEmail string
	ClientID       string // as it was; only an operator chooses one
	Disabled       bool
	Products       []string
	Credentials    []ImportedCredential
}

// ImportedCredential is what a client of another server authenticated by.
type ImportedCredential struct {
	Kind     CredentialKind
	Label    string
	Secret   secret.String // in the clear, of a ClientSecret: only our hash of it is kept
	Material string        // of an ImportedSecret its hash, else as in NewCredential
	Expires  time.Time     // zero: never
}

// ImportResult is what an import did, or would.
type ImportResult struct {
	Organizations []Organization // made for it
	Subscriptions []Subscription // made for it, or approved by it
	Apps          []ImportOutcome
}

// ImportOutcome is what became of one app.
type ImportOutcome struct {
	App         App
	Credentials []Credential
	Skipped     bool     // its client_id is there already
	Notes       []string // what its owner should know
}

// The limits of an import.
const (
	maxImport          = 5000 // apps
	maxImportedSecrets = 5    // slow hashes of one app: each is tried until one was used
	maxClientID        = 200
	minPlainSecret     = 8
)

var errDryRun = errors.New("market: nothing is to be changed")

// Import takes clients over. What is wrong with them is told all at once, and then
// nothing is changed.
func (m *Market) Import(ctx context.Context, by Actor, in Import) (ImportResult, error) {
	var done *importing
	err := m.Store.Update(ctx, by, func(tx Tx) error {
		done = &importing{
			m: m, tx: tx, by: by, in: in, orgs: map[string]Organization{}, subs: map[string]Subscription{},
			clientIDs: map[string]bool{}, names: map[string]bool{}, hashes: map[Hash]string{},
		}
		if err := done.read(); err != nil {
			return err
		}
		if len(done.faults) > 0 {
			return &Error{
				Code: InvalidInput, Field: "apps", Public: "not all of it can be taken over; nothing was changed",
				Hint: "leave out or correct what the errors name, and import again", Faults: done.faults,
			}
		}
		if err := done.write(); err != nil {
			return err
		}
		if in.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	if err != nil {
		return ImportResult{}, err
	}
	return done.result, nil
}

// importing is one import under way.
type importing struct {
	m  *Market
	tx Tx
	by Actor
	in Import

	rules     EnvironmentRules
	faults    []string
	orgs      map[string]Organization // by what the import calls them
	named     map[string][]Organization
	subs      map[string]Subscription // by organization and product: those to be put
	clientIDs map[string]bool
	names     map[string]bool // of apps, by organization
	hashes    map[Hash]string // whose secret it is
	result    ImportResult
}

func (g *importing) fault(a ImportedApp, format string, args ...any) {
	g.faults = append(g.faults, fmt.Sprintf("%q: ", a.ClientID)+fmt.Sprintf(format, args...))
}

// refuse notes a refusal of one of the rules as a fault; any other error ends the
// import.
func (g *importing) refuse(a ImportedApp, err error) error {
	var refused *Error
	if !errors.As(err, &refused) || refused.Code == Unavailable {
		return err
	}
	text := refused.Public
	if refused.Field != "" {
		text = refused.Field + " " + text
	}
	g.fault(a, "%s", text)
	return nil
}

// read finds out what there is to do, and what is in its way.
func (g *importing) read() (err error) {
	if g.rules, err = g.m.environment(g.in.Environment); err != nil {
		return err
	}
	if len(g.in.Apps) == 0 || len(g.in.Apps) > maxImport {
		return Invalid("apps", "must be from 1 to %d", maxImport)
	}
	if err := checkNote("contract", g.in.Contract); err != nil {
		return err
	}
	for _, a := range g.in.Apps {
		if err := g.readApp(a); err != nil {
			return err
		}
	}
	return nil
}

func (g *importing) readApp(in ImportedApp) error {
	if skip, err := g.readClientID(in); err != nil || skip {
		return err
	}
	org, ok, err := g.readOrg(in)
	if err != nil || !ok {
		return err
	}
	a := App{
		ID: id.NewApp(), Org: org.ID, Environment: g.in.Environment, Name: in.Name, DeveloperEmail: in.DeveloperEmail,
		ClientID: in.ClientID, State: AppActive, Products: in.Products, Created: g.m.Now(),
	}
	if in.Disabled {
		a.State = AppDisabled
	}
	if err := g.m.checkApp(g.tx, a); err != nil {
		return g.refuse(in, err)
	}
	if name := string(org.ID) + "\n" + a.Name; g.names[name] {
		g.fault(in, "the organization %q has an app named %q already in %s: give it another name", org.Name, a.Name, a.Environment)
	} else {
		g.names[name] = true
	}
	out := ImportOutcome{App: a}
	if err := g.readSubscriptions(in, org, &out); err != nil {
		return err
	}
	if err := g.readCredentials(in, &out); err != nil {
		return err
	}
	if len(out.Credentials) == 0 {
		out.Notes = append(out.Notes, "needs a new secret: nothing that it could authenticate by was taken over")
	}
	g.result.Apps = append(g.result.Apps, out)
	return nil
}

// write does what was planned.
func (g *importing) write() error {
	for _, o := range g.result.Organizations {
		if err := errors.Join(g.tx.PutOrg(o), g.tx.Record(orgChange("create", o.ID, map[string]any{"name": o.Name, "import": true}))); err != nil {
			return err
		}
	}
	for _, s := range g.result.Subscriptions {
		err := errors.Join(g.tx.PutSubscription(s), g.tx.Record(tenancyChange("import", KindSubscription, string(s.ID), s.Org, map[string]any{
			"product": s.Product, "to": s.State, "contract": s.Contract,
		})))
		if err != nil {
			return err
		}
	}
	wrote := len(g.result.Organizations) + len(g.result.Subscriptions)
	for _, out := range g.result.Apps {
		if out.Skipped {
			continue
		}
		wrote++
		if err := g.writeApp(out); err != nil {
			return err
		}
	}
	if wrote == 0 {
		return errDryRun // every app is there already
	}
	return nil
}

func (g *importing) writeApp(out ImportOutcome) error {
	a := out.App
	if err := g.tx.PutApp(a); err != nil {
		return err
	}
	for _, c := range out.Credentials {
		if err := g.tx.PutCredential(c); err != nil {
			return err
		}
		change := credentialChange("import", a, c, map[string]any{"kind": c.Kind, "label": c.Label, "hint": c.Hint})
		change.Feed = "" // its app, below, brings it
		if err := g.tx.Record(change); err != nil {
			return err
		}
	}
	return g.tx.Record(appChange("import", a, map[string]any{"name": a.Name, "environment": a.Environment, "client_id": a.ClientID}))
}
