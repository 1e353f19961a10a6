package market_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// open returns a market over a store of its own, at noon.
func open(t *testing.T) *market.Market {
	t.Helper()
	return &market.Market{
		Store: storetest.Open(t), Hasher: market.NewHasher(secret.New("test")), Now: func() time.Time { return noon },
		Environments: map[market.Environment]market.EnvironmentRules{
			market.Sandbox:    {SecretPrefix: "spsbx", MinTokenLifetime: time.Hour, MaxTokenLifetime: 24 * time.Hour},
			market.Production: {SecretPrefix: "spprd", MinTokenLifetime: time.Hour, MaxTokenLifetime: 24 * time.Hour, Contracted: true},
		},
	}
}

func organization(t *testing.T, m *market.Market) market.Organization {
	t.Helper()
	o, err := m.AddOrganization(t.Context(), market.System, "Customer")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWhatBreaksARuleIsRefusedByField(t *testing.T) {
	m := open(t)
	o := organization(t, m)
	app := func(change func(*market.NewApp)) error {
		in := market.NewApp{Org: o.ID, Environment: market.Sandbox, Name: "app", DeveloperEmail: "dev@example.com"}
		change(&in)
		_, err := m.AddApp(t.Context(), market.System, in)
		return err
	}
	window := 31 * time.Second
	tests := []struct {
		name  string
		err   error
		field string
	}{
		{"an empty name", second(m.AddOrganization(t.Context(), market.System, "")), "name"},
		{"a name with a line break", second(m.AddOrganization(t.Context(), market.System, "a\nb")), "name"},
		{"a name that is too long", second(m.AddOrganization(t.Context(), market.System, strings.Repeat("é", 101))), "name"},
		{"a name that is not UTF-8", second(m.AddOrganization(t.Context(), market.System, "a\xff")), "name"},
		{"an environment that is not there", app(func(a *market.NewApp) { a.Environment = "staging" }), "environment"},
		{"an address that is none", app(func(a *market.NewApp) { a.DeveloperEmail = "dev" }), "developer_email"},
		{"an address with a name", app(func(a *market.NewApp) { a.DeveloperEmail = "Dev <dev@example.com>" }), "developer_email"},
		{"a lifetime below an hour", app(func(a *market.NewApp) { a.TokenLifetime = time.Hour - time.Second }), "token_lifetime"},
		{"a lifetime beyond a day", app(func(a *market.NewApp) { a.TokenLifetime = 25 * time.Hour }), "token_lifetime"},
		{"a lifetime in fractions", app(func(a *market.NewApp) { a.TokenLifetime = time.Hour + time.Millisecond }), "token_lifetime"},
		{"a reuse window beyond the leeway", app(func(a *market.NewApp) { a.ReuseWindow = &window }), "reuse_window"},
		{"an oversight that is none", app(func(a *market.NewApp) { a.Oversees = "everything" }), "oversees"},
		{"a binding that is none", app(func(a *market.NewApp) { a.Binding = "password" }), "binding"},
		{"a product that is not there", app(func(a *market.NewApp) { a.Products = []string{"none"} }), "products"},
		{"a TIN of eight digits", second(m.RequestTIN(t.Context(), market.System, o.ID, "12345678")), "tin"},
		{"a TIN in other digits", second(m.RequestTIN(t.Context(), market.System, o.ID, "１２３４５６７８９")), "tin"},
		{"a product with a space", second(m.AddProduct(t.Context(), market.System, market.NewProduct{Name: "a b", Title: "x"})), "name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var refused *market.Error
			if !errors.As(tt.err, &refused) || refused.Code != market.InvalidInput || refused.Field != tt.field {
				t.Errorf("got %v, want %s to be refused", tt.err, tt.field)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestANotBeforeNeitherLiesAheadNorGoesBack(t *testing.T) {
	m := open(t)
	o := organization(t, m)
	set := func(at int64) error {
		_, err := m.ChangeOrganization(t.Context(), market.System, o.ID, market.OrganizationPatch{NotBefore: &at})
		return err
	}
	if err := set(noon.Unix() + 2); !errors.Is(err, market.InvalidInput) {
		t.Errorf("ahead: %v", err)
	}
	if err := set(market.NotBeforeNow(noon)); err != nil {
		t.Errorf("now: %v", err)
	}
	if err := set(noon.Unix() - 60); !errors.Is(err, market.InvalidInput) {
		t.Errorf("back: %v", err)
	}
}

// Set by a clock that was ahead, it would keep every token from being issued until
// then. It may go back to now, and no further.
func TestANotBeforeThatLiesAheadMayGoBackToNow(t *testing.T) {
	m := open(t)
	o := organization(t, m)
	set := func(at int64) error {
		_, err := m.ChangeOrganization(t.Context(), market.System, o.ID, market.OrganizationPatch{NotBefore: &at})
		return err
	}
	now := m.Now
	m.Now = func() time.Time { return noon.Add(time.Hour) }
	if err := set(market.NotBeforeNow(m.Now())); err != nil {
		t.Fatal(err)
	}
	m.Now = now
	if err := set(noon.Unix() - 1); !errors.Is(err, market.InvalidInput) {
		t.Errorf("further than now: %v", err)
	}
	if err := set(market.NotBeforeNow(noon)); err != nil {
		t.Errorf("now: %v", err)
	}
	if err := set(noon.Unix() - 1); !errors.Is(err, market.InvalidInput) {
		t.Errorf("then back: %v", err)
	}
}

func TestAnAppHasAtMostAThousandLiveSecrets(t *testing.T) {
	m := open(t)
	o := organization(t, m)
	app, err := m.AddApp(t.Context(), market.System, market.NewApp{Org: o.ID, Environment: market.Sandbox, Name: "app", DeveloperEmail: "dev@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	last, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Store.Update(t.Context(), market.System, func(tx market.Tx) error {
		for range 999 {
			text, hint := market.NewSecret("spsbx")
			err := tx.PutCredential(market.Credential{
				ID: id.NewCredential(), App: app.ID, Kind: market.ClientSecret, Hint: hint, Hash: m.Hasher.Hash(text.Reveal()), Created: noon, CreatedBy: "test",
			})
			if err != nil {
				return err
			}
		}
		return tx.Record(market.Change{Action: "test", Kind: market.KindApp, ID: string(app.ID)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID}); !errors.Is(err, market.Conflict) {
		t.Errorf("one more: %v", err)
	}
	if _, err := m.RevokeCredential(t.Context(), market.System, last.ID, market.IfUnused); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.AddCredential(t.Context(), market.System, market.NewCredential{App: app.ID}); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	if _, err := m.RevokeCredential(t.Context(), market.System, last.ID, market.IfUnused); !errors.Is(err, market.Conflict) {
		t.Errorf("revoking twice: %v", err)
	}
}

func TestApplyingACatalogueMakesProductsBeWhatItSays(t *testing.T) {
	m := open(t)
	apply := func(products ...market.Product) int64 {
		t.Helper()
		c, err := m.ApplyCatalog(t.Context(), market.System, market.CatalogVersion{SHA256: "x", Bundle: []byte("zip")}, products)
		if err != nil {
			t.Fatal(err)
		}
		return c.Version
	}
	state := func(name string) market.ProductState {
		t.Helper()
		var p market.Product
		if err := m.Store.View(t.Context(), func(r market.Reader) (err error) { p, err = r.Product(name); return err }); err != nil {
			t.Fatal(err)
		}
		return p.State
	}
	if _, err := m.AddProduct(t.Context(), market.System, market.NewProduct{Name: "Own", Title: "Own"}); err != nil {
		t.Fatal(err)
	}
	first := apply(market.Product{Name: "A", Title: "A"}, market.Product{Name: "B", Title: "B"})
	again := apply(market.Product{Name: "B", Title: "B"})
	if first != 1 || again != 2 {
		t.Errorf("versions %d, %d", first, again)
	}
	if state("A") != market.ProductRetired || state("B") != market.ProductActive || state("Own") != market.ProductActive {
		t.Errorf("A is %s, B %s, Own %s", state("A"), state("B"), state("Own"))
	}
	apply(market.Product{Name: "A", Title: "A"})
	if state("A") != market.ProductActive {
		t.Error("A came back, and is still retired")
	}
	title := "other"
	if _, err := m.ChangeProduct(t.Context(), market.System, "A", market.ProductPatch{Title: &title}); !errors.Is(err, market.Conflict) {
		t.Errorf("changing a catalogue's product by hand: %v", err)
	}
}
