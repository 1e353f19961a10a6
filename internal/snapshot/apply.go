package snapshot

import (
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// putOrg swaps an organization in. Both put functions build outside the lock.
func (m *Model) putOrg(r OrgRecord) {
	o := &Org{
		ID: r.Org.ID, Name: r.Org.Name, Active: r.Org.State == market.OrgActive, NotBefore: r.Org.NotBefore,
		submitters: r.Submitters,
	}
	for _, s := range r.Subscriptions {
		o.subscriptions = append(o.subscriptions, subscription{s.Product, s.State, s.Plan})
	}
	slices.SortFunc(o.subscriptions, func(a, b subscription) int { return strings.Compare(a.product, b.product) })
	for _, t := range r.TINs {
		if t.State == market.TINAssociated {
			o.tins = append(o.tins, t.Number)
		}
	}
	slices.Sort(o.tins)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orgs[o.ID] = o
}

func (m *Model) dropOrg(org id.Org) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.orgs, org)
}

func (m *Model) putApp(r AppRecord) {
	a := &App{
		ID: r.App.ID, Org: r.App.Org, Environment: r.App.Environment, Name: r.App.Name, DeveloperEmail: r.App.DeveloperEmail,
		ClientID: r.App.ClientID, Active: r.App.State == market.AppActive, TokenLifetime: r.App.TokenLifetime,
		ReuseWindow: r.App.ReuseWindow, NotBefore: r.App.NotBefore, Binding: r.App.Binding, Oversees: r.App.Oversees,
	}
	if len(r.App.Products) > 0 {
		a.Products = slices.Sorted(slices.Values(r.App.Products))
	}
	a.credentials = make([]*Credential, len(r.Credentials))
	for i, c := range r.Credentials {
		a.credentials[i] = &Credential{
			ID: c.ID, Kind: c.Kind, Hash: c.Hash, Label: c.Label, Hint: c.Hint, Material: c.Material, Revoked: !c.Revoked.IsZero(), app: a,
		}
		if !c.Expires.IsZero() {
			a.credentials[i].Expires = c.Expires.UnixMilli()
		}
	}
	for _, c := range a.credentials {
		if c.Kind == market.ImportedSecret {
			a.imported = append(a.imported, c)
		}
	}
	slices.SortFunc(a.credentials, func(a, b *Credential) int { return strings.Compare(string(a.ID), string(b.ID)) })
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(a.ID)
	m.apps[a.ClientID], m.appsByID[a.ID] = a, a
	for _, c := range a.credentials {
		if c.Kind == market.ClientSecret {
			m.credentials[c.Hash] = c
		}
	}
}

func (m *Model) dropApp(app id.App) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(app)
}

func (m *Model) forget(app id.App) {
	old := m.appsByID[app]
	if old == nil {
		return
	}
	delete(m.apps, old.ClientID)
	delete(m.appsByID, app)
	for _, c := range old.credentials {
		delete(m.credentials, c.Hash)
	}
}

func (m *Model) putRest(r Rest) {
	var products []market.Product
	for _, p := range r.Products {
		if p.State == market.ProductActive {
			products = append(products, p)
		}
	}
	slices.SortFunc(products, func(a, b market.Product) int { return strings.Compare(a.Name, b.Name) })
	environment := map[market.Environment]int64{}
	var platform int64
	for _, n := range r.NotBefores {
		if n.Environment == "" {
			platform = n.Second
		} else {
			environment[n.Environment] = n.Second
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.EqualFunc(products, m.products, func(a, b market.Product) bool { return a.Same(&b) }) || !maps.Equal(environment, m.environment) || platform != m.platform {
		m.version.Add(1)
	}
	m.products, m.environment, m.platform = products, environment, platform
	m.catalog.Store(r.Catalog)
}

// putRevocation adds one. It changes nobody else's token, so that the version
// stays.
func (m *Model) putRevocation(r market.Revocation) {
	until := r.Expires.Unix()
	if until < m.now().Unix() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked[r.JTI] = until
}

// sweep forgets revocations of tokens that have ended by themselves. It looks for
// them beside the readers, and keeps them out only to take those away. Nobody else
// writes meanwhile: all that changes a model runs in Follow.
func (m *Model) sweep() {
	now := m.now().Unix()
	var dead []string
	m.mu.RLock()
	all := m.revoked
	for jti, until := range all {
		if until < now {
			dead = append(dead, jti)
		}
	}
	m.mu.RUnlock()
	if len(dead)*2 > len(all) { // a map does not shrink by itself
		live := make(map[string]int64, len(all)-len(dead))
		for jti, until := range all {
			if until >= now {
				live[jti] = until
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.revoked = live
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, jti := range dead {
		delete(all, jti)
	}
}
