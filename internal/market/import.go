package market

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/phc"
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

// readClientID reports whether the app is left alone. A client_id is what a token
// calls its subject, so nobody but an operator chooses one (RFC 9068 §5).
func (g *importing) readClientID(in ImportedApp) (skip bool, err error) {
	switch {
	case in.ClientID == "" || len(in.ClientID) > maxClientID || strings.ContainsFunc(in.ClientID, func(c rune) bool { return c <= ' ' || c > '~' }): // RFC 6749 §A.1
		g.fault(in, "client_id must be 1 to %d printing ASCII characters without a space", maxClientID)
	case g.clientIDs[in.ClientID]:
		g.fault(in, "client_id is there twice")
	}
	g.clientIDs[in.ClientID] = true
	old, err := g.tx.AppByClientID(in.ClientID)
	switch {
	case errors.Is(err, NotFound):
		return false, nil
	case err != nil:
		return false, err
	case g.in.SkipExisting && old.Environment == g.in.Environment:
		g.result.Apps = append(g.result.Apps, ImportOutcome{App: old, Skipped: true})
		return true, nil
	}
	g.fault(in, "client_id is that of the app %s in %s already: a client_id is one app's, in all environments together", old.ID, old.Environment)
	return false, nil
}

// readOrg finds the app's organization, or plans one.
func (g *importing) readOrg(in ImportedApp) (o Organization, ok bool, err error) {
	key := "id " + string(in.Org)
	if in.Org == "" {
		key = "name " + in.OrgName
	}
	if o, ok = g.orgs[key]; ok {
		return o, true, nil
	}
	if in.Org != "" {
		if o, err = g.tx.Org(in.Org); err != nil {
			return o, false, g.refuse(in, err)
		}
		g.orgs[key] = o
		return o, true, g.readNames(o)
	}
	if err := checkName("org_name", in.OrgName); err != nil {
		return o, false, g.refuse(in, err)
	}
	if err := g.readNamed(); err != nil {
		return o, false, err
	}
	switch found := g.named[in.OrgName]; len(found) {
	case 0:
		o = Organization{ID: id.NewOrg(), Name: in.OrgName, State: OrgActive, Created: g.m.Now()}
		g.result.Organizations = append(g.result.Organizations, o)
	case 1:
		o = found[0]
		if err := g.readNames(o); err != nil {
			return o, false, err
		}
	default:
		g.fault(in, "there are %d organizations named %q: give the id of one", len(found), in.OrgName)
		return o, false, nil
	}
	g.orgs[key] = o
	return o, true, nil
}

// readNamed reads the organizations that there are, once.
func (g *importing) readNamed() error {
	if g.named != nil {
		return nil
	}
	g.named = map[string][]Organization{}
	for after := ""; ; {
		orgs, next, err := g.tx.Orgs(Page{After: after, Limit: 1000})
		if err != nil {
			return err
		}
		for _, o := range orgs {
			g.named[o.Name] = append(g.named[o.Name], o)
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// readNames reads the names that the organization's apps have.
func (g *importing) readNames(o Organization) error {
	for after := ""; ; {
		apps, next, err := g.tx.Apps(o.ID, Page{After: after, Limit: 1000})
		if err != nil {
			return err
		}
		for _, a := range apps {
			if a.Environment == g.in.Environment {
				g.names[string(o.ID)+"\n"+a.Name] = true
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// readSubscriptions plans a subscription for every product of the app that the
// organization has none for.
func (g *importing) readSubscriptions(in ImportedApp, org Organization, out *ImportOutcome) error {
	for _, product := range in.Products {
		key := string(org.ID) + "\n" + product
		if _, planned := g.subs[key]; planned {
			continue
		}
		now := g.m.Now()
		s, err := g.tx.SubscriptionTo(org.ID, product)
		fresh := errors.Is(err, NotFound)
		switch {
		case fresh:
			s = Subscription{ID: id.NewSubscription(), Org: org.ID, Product: product, State: SubSandbox, Created: now, Updated: now}
		case err != nil:
			return err
		}
		opens := s.State.Opens(g.in.Environment) && !g.rules.Contracted || s.State == SubSubscribed
		if !opens && g.in.Contract != "" && (s.State == SubSandbox || s.State == SubRequested) {
			if s, err = s.Apply(ActApprove, g.in.Contract, "imported", now); err != nil {
				return g.refuse(in, err)
			}
			fresh, opens = true, true
		}
		if !opens {
			out.Notes = append(out.Notes, "gets no token for "+product+" before the organization's subscription is subscribed")
		}
		if fresh {
			g.subs[key] = s
			g.result.Subscriptions = append(g.result.Subscriptions, s)
		}
	}
	return nil
}

// mayHaveCredentials is CONTRACT 6.2, with what the import will have done by then.
func (g *importing) mayHaveCredentials(org id.Org) (bool, error) {
	if !g.rules.Contracted {
		return true, nil
	}
	for _, s := range g.subs {
		if s.Org == org && s.State == SubSubscribed {
			return true, nil
		}
	}
	subs, err := g.tx.Subscriptions(org, SubSubscribed)
	return len(subs) > 0, err
}

func (g *importing) readCredentials(in ImportedApp, out *ImportOutcome) error {
	if len(in.Credentials) == 0 {
		return nil
	}
	if may, err := g.mayHaveCredentials(out.App.Org); err != nil || !may {
		if err == nil {
			g.fault(in, "credentials for %s exist only once a product is subscribed: give the contract's reference, or subscribe first", g.in.Environment)
		}
		return err
	}
	slow := 0
	for _, given := range in.Credentials {
		c, err := g.readCredential(out.App, given)
		if err != nil {
			if err := g.refuse(in, err); err != nil {
				return err
			}
			continue
		}
		if whose, twice := g.hashes[c.Hash]; twice {
			if whose != in.ClientID {
				g.fault(in, "has the same secret as %q: two clients cannot share one; leave it out, and make a new one", whose)
			}
			continue
		}
		g.hashes[c.Hash] = in.ClientID
		if c.Kind == ImportedSecret {
			slow++
		}
		out.Credentials = append(out.Credentials, c)
	}
	if slow > maxImportedSecrets {
		g.fault(in, "has %d secrets that are slow hashes: at most %d are taken", slow, maxImportedSecrets)
	}
	return nil
}

func (g *importing) readCredential(a App, in ImportedCredential) (Credential, error) {
	now := g.m.Now()
	c := Credential{
		ID: id.NewCredential(), App: a.ID, Kind: in.Kind, Label: in.Label, Created: now,
		CreatedBy: g.by.Kind + " " + g.by.ID, Expires: in.Expires,
	}
	if err := checkNote("label", in.Label); err != nil {
		return c, err
	}
	if !in.Expires.IsZero() && !in.Expires.After(now) {
		return c, Invalid("expires", "has passed already: leave the credential out")
	}
	switch in.Kind { //nolint:exhaustive // the others are as everywhere
	case ClientSecret:
		text := in.Secret.Reveal()
		if len(text) < minPlainSecret || checkPrinting("secret", text) != nil {
			return c, Invalid("secret", "is shorter than %d characters, or holds one that does not print: make a new one", minPlainSecret)
		}
		c.Hint, c.Hash = "imported", g.m.Hasher.Hash(text)
		taken, _, err := g.tx.CredentialsBy(CredentialFilter{Hash: &c.Hash, Page: Page{Limit: 1}})
		if err == nil && len(taken) > 0 {
			err = Invalid("secret", "is another client's too: leave it out, and make a new one")
		}
		return c, err
	case ImportedSecret:
		h, err := phc.Parse(in.Material)
		if err != nil {
			return c, Invalid("hash", "%v", err)
		}
		c.Hint, c.Material = "imported, "+h.Scheme(), h.String()
		c.Hash = materialHash(a.ID, c.Kind, c.Material)
		return c, nil
	}
	err := g.m.fill(g.tx, &c, in.Material)
	return c, err
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
