package store_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func node(n string, started time.Time) market.Node {
	return market.Node{
		ID: id.Node("node_" + n), Name: "host:" + n, Version: "v1", Started: started, Seen: noon, MaxStale: 15 * time.Minute, Head: 7,
		Keys: map[market.Environment][]string{market.Sandbox: {"a", "b"}, market.Production: {}}, SealingKeys: []string{"00ff"},
	}
}

func put(t *testing.T, s *store.Store, nodes ...market.Node) {
	t.Helper()
	for _, n := range nodes {
		if err := s.PutNode(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
}

func listed(t *testing.T, s *store.Store, want ...market.Node) {
	t.Helper()
	got, err := s.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, want, got)
}

func TestNodesAreReadAsTheyToldOfThemselves(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		listed(t, s)
		young, old := node("a", noon), node("b", noon.Add(-time.Hour))
		put(t, s, young, old)
		listed(t, s, old, young)
		old.Seen, old.Head, old.Keys, old.SealingKeys = noon.Add(time.Minute), 8, map[market.Environment][]string{}, nil
		put(t, s, old)
		listed(t, s, old, young)
		err := s.UpdateSigningKeys(t.Context(), market.System, market.Sandbox,
			func(stored keyring.Stored) ([]keyring.Record, market.Change, error) {
				same(t, []market.Node{old, young}, stored.Nodes)
				return nil, market.Change{}, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.ForgetNode(t.Context(), young.ID); err != nil {
			t.Fatal(err)
		}
		listed(t, s, old)
		if got := changes(t, s, 0); len(got) != 0 {
			t.Errorf("the feed holds %v: a node's row is no change", got)
		}
	})
}

func TestANodeIsPrunedLongAfterItCouldServe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		now := noon
		config.Now = func() time.Time { return now }
		s := storetest.OpenConfig(t, config)
		patient := node("b", noon)
		patient.MaxStale = time.Hour
		put(t, s, node("a", noon), patient)
		now = noon.Add(24*time.Hour + 20*time.Minute)
		if err := s.Prune(t.Context(), store.Retention{Nodes: 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		listed(t, s, patient)
	})
}
