package market

import (
	"errors"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/phc"
)

// What an import has to do for one app, and what is in its way: a read plans, and
// notes faults; nothing is written.

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
