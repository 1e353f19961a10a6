package snapshot

import (
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// putOrg swaps an organization in. Both put functions build outside the lock, and
// of as few objects as they can: the collector of garbage looks at each.
func (m *Model) putOrg(r OrgRecord) {
	var t text
	t.add(string(r.Org.ID), r.Org.Name)
	for _, n := range r.TINs {
		t.add(n.Number)
	}
	for _, s := range r.Submitters {
		t.add(s.Value)
	}
	t.close()
	o := &Org{
		ID: id.Org(t.take(string(r.Org.ID))), Name: t.take(r.Org.Name), Active: r.Org.State == market.OrgActive, NotBefore: r.Org.NotBefore,
	}
	for _, n := range r.TINs {
		if number := t.take(n.Number); n.State == market.TINAssociated {
			o.tins = append(o.tins, number)
		}
	}
	slices.Sort(o.tins)
	for _, s := range r.Submitters {
		o.submitters = append(o.submitters, market.Submitter{Org: o.ID, Kind: shared(s.Kind), Value: t.take(s.Value)})
	}
	for _, s := range r.Subscriptions {
		o.subscriptions = append(o.subscriptions, subscription{shared(s.Product), shared(s.State), shared(s.Plan)})
	}
	slices.SortFunc(o.subscriptions, func(a, b subscription) int { return strings.Compare(a.product, b.product) })
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orgs.put(o)
}

func (m *Model) dropOrg(org id.Org) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orgs.drop(string(org))
}

func (m *Model) putApp(r AppRecord) {
	var t text
	t.add(string(r.App.ID), string(r.App.Org), r.App.Name, r.App.DeveloperEmail, r.App.ClientID)
	for i := range r.Credentials {
		c := &r.Credentials[i]
		t.add(string(c.ID), c.Label, c.Hint, c.Material)
	}
	t.close()
	a := &App{
		ID: id.App(t.take(string(r.App.ID))), Org: id.Org(t.take(string(r.App.Org))),
		Name: t.take(r.App.Name), DeveloperEmail: t.take(r.App.DeveloperEmail), ClientID: t.take(r.App.ClientID),
		Environment: shared(r.App.Environment), Active: r.App.State == market.AppActive, TokenLifetime: r.App.TokenLifetime,
		ReuseWindow: r.App.ReuseWindow, NotBefore: r.App.NotBefore, Binding: shared(r.App.Binding), Oversees: shared(r.App.Oversees),
		credentials: make([]Credential, len(r.Credentials)),
	}
	for _, p := range r.App.Products {
		a.Products = append(a.Products, shared(p))
	}
	slices.Sort(a.Products)
	for i := range r.Credentials {
		c := &r.Credentials[i]
		a.credentials[i] = Credential{
			ID: id.Credential(t.take(string(c.ID))), Label: t.take(c.Label), Hint: t.take(c.Hint), Material: t.take(c.Material),
			Kind: shared(c.Kind), Hash: c.Hash, Revoked: !c.Revoked.IsZero(),
		}
		if !c.Expires.IsZero() {
			a.credentials[i].Expires = c.Expires.UnixMilli()
		}
		a.imported = a.imported || c.Kind == market.ImportedSecret
	}
	slices.SortFunc(a.credentials, func(a, b Credential) int { return strings.Compare(string(a.ID), string(b.ID)) })
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(a.ID)
	row := m.apps.put(a)
	m.appsByID.put(a)
	for i := range a.credentials {
		if c := &a.credentials[i]; c.Kind == market.ClientSecret {
			m.credentials[c.Hash] = place{row, uint32(i)}
		}
	}
}

func (m *Model) dropApp(app id.App) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(app)
}

func (m *Model) forget(app id.App) {
	old := m.appsByID.get(string(app))
	if old == nil {
		return
	}
	row, _ := m.apps.find(old.ClientID)
	for i := range old.credentials {
		if at, ok := m.credentials[old.credentials[i].Hash]; ok && at.row == row {
			delete(m.credentials, old.credentials[i].Hash)
		}
	}
	m.apps.drop(old.ClientID)
	m.appsByID.drop(string(app))
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
