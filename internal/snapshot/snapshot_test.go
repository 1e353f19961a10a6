package snapshot_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// world is a store, a market over it, and a model that follows it on demand.
type world struct {
	*market.Market
	t     *testing.T
	store *store.Store
	model *snapshot.Model
}

func open(t *testing.T) *world {
	t.Helper()
	s := storetest.Open(t)
	w := &world{t: t, store: s, model: snapshot.New(time.Now), Market: &market.Market{
		Store: s, Hasher: market.NewHasher(secret.New("test")), Now: time.Now,
		Environments: map[market.Environment]market.EnvironmentRules{
			market.Sandbox: {SecretPrefix: "spsbx", MinTokenLifetime: time.Hour, MaxTokenLifetime: 24 * time.Hour},
		},
	}}
	w.must(w.model.Load(t.Context(), s))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// follow runs the feed until holds, or fails.
func (w *world) follow(what string, holds func() bool) {
	w.t.Helper()
	w.followFrom(w.store, what, holds)
}

func (w *world) followFrom(source snapshot.Source, what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	wake, stop := w.store.Wake()
	defer stop()
	go func() {
		done <- w.model.Follow(ctx, snapshot.Feed{
			Source: source, Wake: wake, Poll: 5 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
			Changed: func(context.Context, map[market.Kind]bool) {},
		})
	}()
	defer func() { cancel(); w.must(<-done) }()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within 5s", what)
		}
	}
}

func (w *world) app() (market.App, market.Credential, secret.String) {
	w.t.Helper()
	o, err := w.AddOrganization(w.t.Context(), market.System, "Customer")
	w.must(err)
	a, err := w.AddApp(w.t.Context(), market.System, market.NewApp{Org: o.ID, Environment: market.Sandbox, Name: "app", DeveloperEmail: "dev@example.com"})
	w.must(err)
	c, text, err := w.AddCredential(w.t.Context(), market.System, market.NewCredential{App: a.ID})
	w.must(err)
	return a, c, text
}

func TestTheModelShowsWhatTheMarketDid(t *testing.T) {
	w := open(t)
	ctx := t.Context()
	app, cred, text := w.app()
	hash := w.Hasher.Hash(text.Reveal())
	w.follow("the credential is known", func() bool { _, ok := w.model.ByCredential(hash); return ok })

	_, err := w.AddProduct(ctx, market.System, market.NewProduct{Name: "P", Title: "P"})
	w.must(err)
	sub, err := w.Subscribe(ctx, market.System, app.Org, "P")
	w.must(err)
	w.follow("the subscription is known", func() bool { return w.model.OrgByID(app.Org).Subscription("P") == market.SubSandbox })
	if !w.model.Active("P") || w.model.Active("Q") {
		t.Error("products are not what they are")
	}
	_, err = w.ChangeSubscription(ctx, market.System, sub.ID, market.ActEnd, "", "")
	w.must(err)
	w.follow("its end is known", func() bool { return w.model.OrgByID(app.Org).Subscription("P") == market.SubEnded })

	_, err = w.DecideTIN(ctx, market.System, app.Org, "123456789", market.TINAssociated, "")
	w.must(err)
	w.follow("the TIN is known", func() bool { return w.model.OrgByID(app.Org).HasTIN("123456789") })
	_, err = w.DecideTIN(ctx, market.System, app.Org, "123456789", market.TINRefused, "")
	w.must(err)
	w.follow("its refusal is known", func() bool { return !w.model.OrgByID(app.Org).HasTIN("123456789") })

	at := market.NotBeforeNow(time.Now())
	_, err = w.SetNotBefore(ctx, market.System, "", at)
	w.must(err)
	w.follow("the platform's not-before is known", func() bool { c, _ := w.model.ByClientID(app.ClientID); return c.NotBefore == at })

	w.must(w.RevokeToken(ctx, market.System, market.Revocation{JTI: "j", Org: app.Org, App: app.ID, Expires: time.Now().Add(time.Hour)}))
	w.follow("the revocation is known", func() bool { return w.model.Revoked("j") })

	_, err = w.RevokeCredential(ctx, market.System, cred.ID, market.IfUnused)
	w.must(err)
	w.follow("the secret's end is known", func() bool { c, _ := w.model.ByCredential(hash); return c.Credential.Revoked })
	w.must(w.RemoveApp(ctx, market.System, app.ID, market.IfUnused))
	w.follow("the app's end is known", func() bool {
		_, byID := w.model.ByClientID(app.ClientID)
		_, byHash := w.model.ByCredential(hash)
		return !byID && !byHash
	})
}

func TestAVersionOfAnAppNeverChanges(t *testing.T) {
	w := open(t)
	app, _, _ := w.app()
	w.follow("the app is known", func() bool { _, ok := w.model.ByClientID(app.ClientID); return ok })
	before, _ := w.model.ByClientID(app.ClientID)
	name := "renamed"
	_, err := w.ChangeApp(t.Context(), market.System, app.ID, market.AppPatch{Name: &name})
	w.must(err)
	w.follow("the new name is known", func() bool { c, _ := w.model.ByClientID(app.ClientID); return c.App.Name == "renamed" })
	if before.App.Name != "app" {
		t.Error("a reader's app changed under it")
	}
}

// outage is a source that can be made to fail.
type outage struct {
	err   atomic.Pointer[error]
	loads atomic.Int32
}

func (o *outage) Head(context.Context) (int64, error) { return 7, nil }
func (o *outage) Orgs(context.Context, id.Org, func(snapshot.OrgRecord) error) error {
	return nil
}

func (o *outage) Apps(context.Context, id.App, func(snapshot.AppRecord) error) error {
	o.loads.Add(1)
	return nil
}

func (*outage) Revocations(context.Context, []string, func(market.Revocation) error) error {
	return nil
}
func (o *outage) Rest(context.Context) (snapshot.Rest, error) { return snapshot.Rest{}, nil }
func (o *outage) Changes(context.Context, int64, int) ([]snapshot.Entry, error) {
	if err := o.err.Load(); err != nil {
		return nil, *err
	}
	return nil, nil
}

func (o *outage) fail(err error) { o.err.Store(&err) }

func TestAModelGrowsOldWhileItsSourceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &outage{}
		m := snapshot.New(time.Now)
		if m.Age() < time.Hour {
			t.Errorf("a model that was never read is %v old", m.Age())
		}
		if err := m.Load(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Follow(ctx, snapshot.Feed{ // returns nil
			Source: source, Wake: make(chan struct{}), Poll: time.Second, Logger: slog.New(slog.DiscardHandler),
			Changed: func(context.Context, map[market.Kind]bool) {},
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if m.Age() > time.Second {
			t.Errorf("while the source answers, the model is %v old", m.Age())
		}
		source.fail(errors.New("away"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if m.Age() < 58*time.Second {
			t.Errorf("a minute without the source, the model says %v", m.Age())
		}
		source.err.Store(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if m.Age() > time.Second {
			t.Errorf("with the source back, the model is %v old", m.Age())
		}
	})
}

func TestAReaderThatFellBehindReadsEverythingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &outage{}
		source.fail(snapshot.ErrPruned)
		m := snapshot.New(time.Now)
		if err := m.Load(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		var told atomic.Value
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Follow(ctx, snapshot.Feed{ // returns nil
			Source: source, Wake: make(chan struct{}), Poll: time.Second, Logger: slog.New(slog.DiscardHandler),
			Changed: func(_ context.Context, kinds map[market.Kind]bool) { told.Store(kinds) },
		})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		kinds, _ := told.Load().(map[market.Kind]bool)
		if source.loads.Load() != 2 || !kinds[market.KindKeys] || !kinds[market.KindCatalog] {
			t.Errorf("read %d times, told of %v", source.loads.Load(), kinds)
		}
	})
}
