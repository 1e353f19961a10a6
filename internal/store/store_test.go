package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
)

var (
	operator = market.Actor{Kind: "operator", ID: "op_1", From: "192.0.2.7"}
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 123e6, time.UTC)
)

// update runs change, recorded and fed as an organization's, and fails the test
// if it does not pass.
func update(t testing.TB, s *store.Store, change func(tx market.Tx) error) {
	t.Helper()
	if err := tryUpdate(t.Context(), s, change); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func tryUpdate(ctx context.Context, s *store.Store, change func(tx market.Tx) error) error {
	return s.Update(ctx, operator, func(tx market.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return tx.Record(market.Change{Action: "test", Kind: market.KindOrg, ID: "x", Feed: market.KindOrg, FeedKey: "x"})
	})
}

// view runs read and fails the test if it does not pass.
func view(t testing.TB, s *store.Store, read func(r market.Reader) error) {
	t.Helper()
	if err := s.View(t.Context(), read); err != nil {
		t.Fatalf("view: %v", err)
	}
}

// same fails the test if got is not want.
func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// refused fails the test if err is not a domain error of that code with that
// public text.
func refused(t testing.TB, err error, code market.Code, public string) {
	t.Helper()
	var m *market.Error
	if !errors.As(err, &m) {
		t.Fatalf("got error %v, want a domain error", err)
	}
	if m.Code != code || m.Public != public {
		t.Errorf("got %s %q, want %s %q", m.Code, m.Public, code, public)
	}
}

// eventually polls until done returns true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// changes reads the whole feed after a sequence number, in small pages.
func changes(t testing.TB, s *store.Store, after int64) (all []snapshot.Entry) {
	t.Helper()
	for {
		entries, err := s.Changes(t.Context(), after, 7)
		if err != nil {
			t.Fatalf("changes after %d: %v", after, err)
		}
		if len(entries) == 0 {
			return all
		}
		all = append(all, entries...)
		after = entries[len(entries)-1].Seq
	}
}

func org(n string) market.Organization {
	return market.Organization{ID: id.Org("org_" + n), Name: "Org " + n, State: market.OrgActive, Created: noon}
}

func app(owner market.Organization, n string) market.App {
	return market.App{
		ID: id.App("app_" + n), Org: owner.ID, Environment: market.Sandbox, Name: "App " + n,
		DeveloperEmail: "dev@example.com", ClientID: "client_" + n, State: market.AppActive, Created: noon,
	}
}

func credential(a market.App, n string) market.Credential {
	c := market.Credential{
		Kind: market.ClientSecret,
		ID:   id.Credential("cred_" + n), App: a.ID, Label: "label", Hint: "spsbx_abcd…", Created: noon, CreatedBy: "operator op_1",
	}
	copy(c.Hash[:], fmt.Sprintf("%-32s", n))
	return c
}

func product(name string) market.Product {
	return market.Product{Name: name, Title: "Title", State: market.ProductActive, Source: market.FromOperator, Created: noon}
}

func subscription(o market.Organization, product, n string) market.Subscription {
	return market.Subscription{
		ID: id.Subscription("sub_" + n), Org: o.ID, Product: product, State: market.SubSandbox, Created: noon, Updated: noon,
	}
}
