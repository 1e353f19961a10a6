package store_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestARefusalSaysWhatIsTakenOrMissing(t *testing.T) {
	o := org("a")
	a := app(o, "a")
	for _, tt := range []struct {
		name   string
		change func(tx market.Tx) error
		code   market.Code
		public string
	}{
		{"the name of an app", func(tx market.Tx) error {
			other := app(o, "b")
			other.Name = a.Name
			return tx.PutApp(other)
		}, market.Conflict, `an app named "App a" already exists in sandbox`},
		{"a client_id", func(tx market.Tx) error {
			other := app(o, "b")
			other.ClientID = a.ClientID
			return tx.PutApp(other)
		}, market.Conflict, `the client_id "client_a" is taken by another app`},
		{"the hash of a secret", func(tx market.Tx) error {
			other := credential(a, "b")
			other.Hash = credential(a, "a").Hash
			return tx.PutCredential(other)
		}, market.Conflict, "the app has that credential already"},
		{
			"a subscription", func(tx market.Tx) error { return tx.PutSubscription(subscription(o, "A", "b")) },
			market.Conflict, `the organization "org_a" has a subscription to A already`,
		},
		{"the hash of an operator token", func(tx market.Tx) error {
			return tx.PutOperatorToken(market.OperatorToken{ID: "op_b", Hash: market.Hash{1}})
		}, market.Conflict, "the operator token is in use already"},
		{
			"an app of nobody", func(tx market.Tx) error { return tx.PutApp(app(org("nobody"), "b")) },
			market.NotFound, `there is no organization "org_nobody"`,
		},
		{
			"a credential of no app", func(tx market.Tx) error { return tx.PutCredential(credential(app(o, "none"), "b")) },
			market.NotFound, `there is no app "app_none"`,
		},
		{
			"a subscription to nothing", func(tx market.Tx) error { return tx.PutSubscription(subscription(o, "B", "b")) },
			market.NotFound, `there is no organization "org_a", or no product "B"`,
		},
		{"a TIN of nobody", func(tx market.Tx) error {
			return tx.PutTIN(market.TIN{Org: "org_b", Number: "123456789", State: market.TINRequested})
		}, market.NotFound, `there is no organization "org_b"`},
		{"a submitter of nobody", func(tx market.Tx) error {
			return tx.PutSubmitter(market.Submitter{Org: "org_b", Kind: market.SubmitterOwn, Value: "x"})
		}, market.NotFound, `there is no organization "org_b"`},
		{
			"deleting an app twice", func(tx market.Tx) error { return tx.DeleteApp("app_none") },
			market.NotFound, `there is no app "app_none"`,
		},
		{"a NUL character", func(tx market.Tx) error {
			other := org("b")
			other.Name = "a\x00b"
			return tx.PutOrg(other)
		}, market.InvalidInput, "a text is not valid UTF-8, or holds a NUL character"},
		{"broken UTF-8", func(tx market.Tx) error {
			other := org("b")
			other.Name = "a\xff"
			return tx.PutOrg(other)
		}, market.InvalidInput, "a text is not valid UTF-8, or holds a NUL character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, s *store.Store) {
				update(t, s, func(tx market.Tx) error {
					return first(tx.PutOrg(o), tx.PutApp(a), tx.PutCredential(credential(a, "a")), tx.PutProduct(product("A")),
						tx.PutSubscription(subscription(o, "A", "a")), tx.PutOperatorToken(market.OperatorToken{ID: "op_a", Hash: market.Hash{1}}))
				})
				err := tryUpdate(t.Context(), s, tt.change)
				refused(t, err, tt.code, tt.public)
				holdsNoDriverError(t, err)
			})
		})
	}
}

func TestAStateThatTheSchemaDoesNotKnowIsAnInternalError(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		o := org("a")
		o.State = "purple"
		err := tryUpdate(t.Context(), s, func(tx market.Tx) error { return tx.PutOrg(o) })
		var m *market.Error
		if err == nil || errors.As(err, &m) {
			t.Errorf("got %v, want an error that is not the domain's", err)
		}
		holdsNoDriverError(t, err)
	})
}

func TestAMissingThingIsNotFound(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		view(t, s, func(r market.Reader) error {
			_, err := r.Org("org_x")
			refused(t, err, market.NotFound, `there is no organization "org_x"`)
			_, err = r.Org("org_\x00")
			refused(t, err, market.NotFound, `there is no organization "org_\x00"`)
			_, err = r.Product("x")
			refused(t, err, market.NotFound, `there is no product "x"`)
			_, err = r.Subscription("sub_x")
			refused(t, err, market.NotFound, `there is no subscription "sub_x"`)
			_, err = r.OperatorToken("op_x")
			refused(t, err, market.NotFound, `there is no operator token "op_x"`)
			return nil
		})
	})
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"ping":   s.Ping(t.Context()),
			"update": tryUpdate(t.Context(), s, func(market.Tx) error { return nil }),
			"view":   s.View(t.Context(), func(market.Reader) error { return nil }),
		} {
			if !errors.Is(err, market.Unavailable) {
				t.Errorf("%s: got %v, want unavailable", name, err)
			}
		}
	})
}

func TestACancelledReadIsUnavailable(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.View(ctx, func(market.Reader) error { return nil })
		if !errors.Is(err, market.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want unavailable because it was cancelled", err)
		}
	})
}

// holdsNoDriverError fails the test if a type of a driver is anywhere in err.
func holdsNoDriverError(t *testing.T, err error) {
	t.Helper()
	var lite *sqlite.Error
	var pg *pgconn.PgError
	if errors.As(err, &lite) || errors.As(err, &pg) {
		t.Errorf("%v is, somewhere inside, a %v", err, reflect.TypeOf(err))
	}
}
