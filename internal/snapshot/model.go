// Package snapshot is the read model that the hot paths decide by: every
// organization, app, credential, product, subscription, TIN and revocation, in
// memory, kept fresh by the change feed. Issuing a token and passing a call
// read nothing else (ADR 0003).
//
// [Model.Load] reads the source whole once, [Model.Follow] applies the feed: an entry
// names an aggregate, which is read again and swapped in. Reading again is
// idempotent, so a change that was already part of the first read does no harm.
//
// Invariants: records are never changed after they are in the model, so that a
// reader may keep what it was given; one lock covers a lookup, so that a reader
// sees an app, its organization and its credential as of one moment; the model
// knows how old it is, and readers refuse to decide by one that is too old; a record is
// a few objects, and is found by what has no pointers, so that a million of them are
// little work for the collector of garbage.
//
// What it does not do: decide. It answers what is, policy says what follows.
package snapshot

import (
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Org is an organization as the hot paths see it. It is never changed.
type Org struct {
	ID            id.Org
	Name          string
	Active        bool
	NotBefore     int64
	subscriptions []subscription // by product
	tins          []string       // associated, sorted
	submitters    []market.Submitter
}

type subscription struct {
	product string
	state   market.SubscriptionState
	plan    string
}

// Subscription returns the state of the organization's subscription to a
// product, "" if it has none.
func (o *Org) Subscription(product string) market.SubscriptionState {
	return o.subscription(product).state
}

// Plan returns the name of the plan that the organization is on, "" for the
// product's first.
func (o *Org) Plan(product string) string { return o.subscription(product).plan }

func (o *Org) subscription(product string) subscription {
	i, ok := slices.BinarySearchFunc(o.subscriptions, product, func(s subscription, p string) int {
		return strings.Compare(s.product, p)
	})
	if !ok {
		return subscription{}
	}
	return o.subscriptions[i]
}

// HasTIN reports whether the TIN is associated with the organization.
func (o *Org) HasTIN(number string) bool {
	_, ok := slices.BinarySearch(o.tins, number)
	return ok
}

// HasSubmitter reports whether the submitter id is assigned to the organization.
func (o *Org) HasSubmitter(kind market.SubmitterKind, value string) bool {
	return slices.ContainsFunc(o.submitters, func(s market.Submitter) bool {
		return s.Kind == kind && s.Value == value
	})
}

// Submitters returns the submitter ids of a kind that are assigned to the
// organization.
func (o *Org) Submitters(kind market.SubmitterKind) []string {
	var out []string
	for _, s := range o.submitters {
		if s.Kind == kind {
			out = append(out, s.Value)
		}
	}
	return out
}

// App is an app as the hot paths see it. It is never changed: another version
// of it is another App, so the pointer tells versions apart.
type App struct {
	ID             id.App
	Org            id.Org
	Environment    market.Environment
	Name           string
	DeveloperEmail string
	ClientID       string
	Active         bool
	Products       []string // sorted; nil: not narrowed
	TokenLifetime  time.Duration
	ReuseWindow    *time.Duration
	NotBefore      int64
	Binding        market.Binding
	Oversees       market.Oversight
	credentials    []Credential // by id
	imported       bool         // some of them are secrets that are held as slow hashes
}

// Imported returns the secrets that were imported as slow hashes and are live. Few
// apps have any, and those no longer than until they are used.
func (a *App) Imported(now time.Time) []*Credential {
	if !a.imported {
		return nil
	}
	var out []*Credential
	for i := range a.credentials {
		if c := &a.credentials[i]; c.Kind == market.ImportedSecret && c.Live(now) {
			out = append(out, c)
		}
	}
	return out
}

// Credentials are the app's credentials, the dead ones too.
func (a *App) Credentials() iter.Seq[*Credential] {
	return func(yield func(*Credential) bool) {
		for i := range a.credentials {
			if !yield(&a.credentials[i]) {
				return
			}
		}
	}
}

// Has reports whether the app has a credential with that id, a dead one too.
func (a *App) Has(cred id.Credential) bool { return a.credential(cred) != nil }

// credential returns the app's credential with that id, nil if it has none.
func (a *App) credential(cred id.Credential) *Credential {
	i, ok := slices.BinarySearchFunc(a.credentials, cred, func(c Credential, cred id.Credential) int {
		return strings.Compare(string(c.ID), string(cred))
	})
	if !ok {
		return nil
	}
	return &a.credentials[i]
}

// Takes reports whether the app is not narrowed to products without this one.
func (a *App) Takes(product string) bool {
	if a.Products == nil {
		return true
	}
	_, ok := slices.BinarySearch(a.Products, product)
	return ok
}

// Credential is what an app authenticates by as the hot paths see it. It is never
// changed.
type Credential struct {
	ID       id.Credential
	Kind     market.CredentialKind
	Hash     market.Hash
	Label    string
	Hint     string
	Material string // see the kinds
	Expires  int64  // Unix milliseconds; 0: never
	Revoked  bool
}

// Live reports whether it authenticates at now.
func (c *Credential) Live(now time.Time) bool { return !c.Revoked && !c.ExpiredAt(now) }

// ExpiredAt reports whether the secret had expired at now.
func (c *Credential) ExpiredAt(now time.Time) bool {
	return c.Expires != 0 && now.UnixMilli() >= c.Expires
}

// place is where a credential is: in a row of the apps, by its number there.
type place struct{ row, n uint32 }

// Model is the read model. Create it with [New].
type Model struct {
	mu          sync.RWMutex
	orgs        *table[Org]
	apps        *table[App] // by client_id
	appsByID    *table[App]
	credentials map[market.Hash]place // of secrets
	revoked     map[string]int64      // jti → Unix second when it is forgotten
	products    []market.Product      // active ones, by name
	platform    int64                 // not-before
	environment map[market.Environment]int64

	head    atomic.Int64                  // Seq that the model is at
	moved   atomic.Pointer[chan struct{}] // closed when head moves
	checked atomic.Pointer[time.Time]     // when the feed was last read to its end; nil: never
	version atomic.Uint64
	catalog atomic.Int64
	now     func() time.Time
}

// New returns an empty model, which is too old for anything until it follows a
// source.
func New(now func() time.Time) *Model {
	m := &Model{
		now:         now,
		orgs:        newTable(func(o *Org) string { return string(o.ID) }),
		apps:        newTable(func(a *App) string { return a.ClientID }),
		appsByID:    newTable(func(a *App) string { return string(a.ID) }),
		credentials: map[market.Hash]place{},
		revoked:     map[string]int64{},
		environment: map[market.Environment]int64{},
	}
	moved := make(chan struct{})
	m.moved.Store(&moved)
	return m
}

// Client is who stands behind a credential or a client_id, as of one moment.
type Client struct {
	App        *App
	Org        *Org
	Credential *Credential // nil if not looked up by one
	NotBefore  int64       // the maximum of platform, environment, organization, app (CONTRACT 2.5)
	Version    uint64      // of what is shared by all: products and not-befores
}

// ByCredential returns whose secret has this hash. Credentials that are no secrets
// are not found by it. It does not say whether the
// secret is live or belongs to the environment at hand: the caller does, so
// that it can tell the owner which.
func (m *Model) ByCredential(hash market.Hash) (Client, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, ok := m.credentials[hash]
	if !ok {
		return Client{}, false
	}
	a := m.apps.rows[at.row]
	return m.client(a, &a.credentials[at.n])
}

// ByClientID returns the client with that client_id, of whichever environment.
func (m *Model) ByClientID(clientID string) (Client, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	a := m.apps.get(clientID)
	if a == nil {
		return Client{}, false
	}
	return m.client(a, nil)
}

// ByToken returns the client that a token names, with the credential it was
// got with, nil if that is gone; revoked says whether the token itself was
// revoked.
func (m *Model) ByToken(clientID string, credential id.Credential, jti string) (c Client, revoked, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	a := m.apps.get(clientID)
	if a == nil {
		return Client{}, false, false
	}
	c, ok = m.client(a, nil)
	c.Credential = a.credential(credential)
	_, revoked = m.revoked[jti]
	return c, revoked, ok
}

// ByOrg returns an organization as a client in an environment, none of whose apps
// calls: its App has no id and no client_id, is active, and is not narrowed.
func (m *Model) ByOrg(org id.Org, environment market.Environment) (Client, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.client(&App{Org: org, Environment: environment, Active: true}, nil)
}

// Revoked reports whether the token with that jti was revoked.
func (m *Model) Revoked(jti string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, revoked := m.revoked[jti]
	return revoked
}

func (m *Model) client(a *App, c *Credential) (Client, bool) {
	o := m.orgs.get(string(a.Org))
	if o == nil {
		return Client{}, false
	}
	return Client{
		App: a, Org: o, Credential: c,
		NotBefore: max(m.platform, m.environment[a.Environment], o.NotBefore, a.NotBefore),
		Version:   m.version.Load(),
	}, true
}

// OrgByID returns an organization, nil if there is none.
func (m *Model) OrgByID(org id.Org) *Org {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.orgs.get(string(org))
}

// Products returns the active products, by name. The slice is not to be changed.
func (m *Model) Products() []market.Product {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.products
}

// Active reports whether there is an active product with that name.
func (m *Model) Active(product string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := slices.BinarySearchFunc(m.products, product, func(p market.Product, name string) int {
		return strings.Compare(p.Name, name)
	})
	return ok
}

// Catalog returns the version of the newest catalogue, 0 if there is none.
func (m *Model) Catalog() int64 { return m.catalog.Load() }

// Head returns the Seq of the change that the model is at.
func (m *Model) Head() int64 { return m.head.Load() }

// Age returns how long ago the model was known to be current, at the least: a machine
// that has slept does not take what it knew then for new.
func (m *Model) Age() time.Duration {
	checked := m.checked.Load()
	if checked == nil {
		return time.Duration(1<<63 - 1)
	}
	return clock.Elapsed(*checked, m.now())
}

// Sizes is how much a model holds.
type Sizes struct{ Orgs, Apps, Credentials, Revocations int }

// Sizes returns how much the model holds; credentials are those that are found by a
// hash, revocations those of single tokens that are in force.
func (m *Model) Sizes() Sizes {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Sizes{Orgs: m.orgs.len(), Apps: m.apps.len(), Credentials: len(m.credentials), Revocations: len(m.revoked)}
}
