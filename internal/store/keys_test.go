package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func key(kid string, created time.Time) keyring.Record {
	return keyring.Record{
		KID: kid, Environment: market.Sandbox, Use: keyring.UseToken, Algorithm: keyring.RS256,
		Public: []byte{1, 0, 2}, Sealed: []byte{3}, Created: created, Activates: created.Add(time.Hour),
	}
}

func TestSigningKeysAreReadAsTheyWerePutOldestFirst(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		young, old := key("a", noon), key("b", noon.Add(-time.Hour))
		rotate := market.Change{Action: "rotate", Kind: market.KindKeys, ID: "a", Feed: market.KindApp, FeedKey: "is replaced"}
		put := func(want []keyring.Record, keys ...keyring.Record) {
			t.Helper()
			err := s.UpdateSigningKeys(t.Context(), market.System, market.Sandbox,
				func(got keyring.Stored) ([]keyring.Record, market.Change, error) {
					same(t, want, got.Keys)
					return keys, rotate, nil
				})
			if err != nil {
				t.Fatal(err)
			}
		}
		put(nil, young, old)
		old.Retires, old.Revoked, old.Use, old.Algorithm = noon, noon, keyring.UseIdentity, keyring.ES256
		put([]keyring.Record{key("b", noon.Add(-time.Hour)), young}, old)
		put([]keyring.Record{old, young}) // nothing to put: nothing happens

		got, err := s.SigningKeys(t.Context(), market.Sandbox)
		if err != nil {
			t.Fatal(err)
		}
		same(t, []keyring.Record{old, young}, got)
		none, err := s.SigningKeys(t.Context(), market.Production)
		if err != nil || len(none) != 0 {
			t.Errorf("production: got %v, %v", none, err)
		}
		same(t, []snapshot.Entry{
			{Seq: 1, Kind: market.KindKeys, Key: "sandbox"},
			{Seq: 2, Kind: market.KindKeys, Key: "sandbox"},
		}, changes(t, s, 0))
		view(t, s, func(r market.Reader) error {
			records, _, err := r.Audit(market.AuditFilter{Kind: market.KindKeys})
			if len(records) != 2 || records[0].Actor != market.System || records[0].Action != "rotate" {
				t.Errorf("got the audit %v", records)
			}
			return err
		})
	})
}

func TestAnErrorOrAKeyOfAnotherEnvironmentChangesNoKey(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		sad := errors.New("sad")
		err := s.UpdateSigningKeys(t.Context(), market.System, market.Sandbox,
			func(keyring.Stored) ([]keyring.Record, market.Change, error) {
				return []keyring.Record{key("a", noon)}, market.Change{Action: "x", Kind: market.KindKeys}, sad
			})
		if !errors.Is(err, sad) {
			t.Errorf("got %v, want its own error", err)
		}
		err = s.UpdateSigningKeys(t.Context(), market.System, market.Production,
			func(keyring.Stored) ([]keyring.Record, market.Change, error) {
				return []keyring.Record{key("a", noon)}, market.Change{Action: "x", Kind: market.KindKeys}, nil
			})
		if err == nil {
			t.Error("a sandbox key was put among production's")
		}
		if got := changes(t, s, 0); len(got) != 0 {
			t.Errorf("the feed holds %v", got)
		}
	})
}

// Each of many adds the next key only if nobody did: one of each comes to be.
func TestTwoNodesCannotBothRotate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		nodes := []*store.Store{storetest.OpenConfig(t, config), storetest.OpenConfig(t, config)}
		for round := range 5 {
			var all sync.WaitGroup
			for i := range 6 {
				all.Go(func() {
					err := nodes[i%2].UpdateSigningKeys(context.Background(), market.System, market.Sandbox,
						func(stored keyring.Stored) ([]keyring.Record, market.Change, error) {
							if len(stored.Keys) > round {
								return nil, market.Change{}, nil
							}
							next := key(fmt.Sprintf("%d-%d", round, i), noon.Add(time.Duration(round)*time.Hour))
							return []keyring.Record{next}, market.Change{Action: "rotate", Kind: market.KindKeys}, nil
						})
					if err != nil {
						t.Errorf("update the keys: %v", err)
					}
				})
			}
			all.Wait()
			keys, err := nodes[0].SigningKeys(t.Context(), market.Sandbox)
			if err != nil || len(keys) != round+1 {
				t.Errorf("round %d: got %d keys, %v", round, len(keys), err)
			}
		}
	})
}
