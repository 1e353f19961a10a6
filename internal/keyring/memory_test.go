package keyring_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// memory is a keyring.Store that forgets.
type memory struct {
	mu      sync.Mutex
	records map[market.Environment][]keyring.Record
	changes []market.Change
	actors  []market.Actor
	down    error
	twice   bool // run every change twice, as an engine may
	nodes   []market.Node
}

func (m *memory) SigningKeys(_ context.Context, env market.Environment) ([]keyring.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records[env]), m.down
}

func (m *memory) Nodes(context.Context) ([]market.Node, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.nodes), m.down
}

// tell writes a node's row.
func (m *memory) tell(n market.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.nodes, func(other market.Node) bool { return other.ID == n.ID }); i >= 0 {
		m.nodes[i] = n
		return
	}
	m.nodes = append(m.nodes, n)
}

func (m *memory) UpdateSigningKeys(_ context.Context, actor market.Actor, env market.Environment,
	change func(keyring.Stored) ([]keyring.Record, market.Change, error),
) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	stored := func() keyring.Stored {
		return keyring.Stored{Keys: slices.Clone(m.records[env]), Nodes: slices.Clone(m.nodes)}
	}
	if m.twice {
		if _, _, err := change(stored()); err != nil {
			return err
		}
	}
	put, done, err := change(stored())
	if err != nil || len(put) == 0 {
		return err
	}
	if m.records == nil {
		m.records = map[market.Environment][]keyring.Record{}
	}
	for _, record := range put {
		if record.Created != record.Created.Truncate(time.Millisecond) || len(record.Sealed) == 0 {
			return errors.New("a record that would not come back as it was put")
		}
		if i := slices.IndexFunc(m.records[env], func(r keyring.Record) bool { return r.KID == record.KID }); i >= 0 {
			m.records[env][i] = record
		} else {
			m.records[env] = append(m.records[env], record)
		}
	}
	m.changes, m.actors = append(m.changes, done), append(m.actors, actor)
	return nil
}

// clock is a clock that stands still.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// failer is what the helpers need of a testing.TB or a rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var operator = market.Actor{Kind: "operator", ID: "op_1"}

const sealingKey = "Zm9ydHktdGhyZWUtY2hhcmFjdGVycy1vZi1iYXNlNjQ"

func sealer(tb failer, key string) keyring.Sealer {
	tb.Helper()
	s, err := keyring.NewSealer(secret.New(key))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func config(tb failer, store keyring.Store, c *clock) keyring.Config {
	tb.Helper()
	return keyring.Config{
		Store: store, Sealer: sealer(tb, sealingKey), Environment: market.Sandbox, Algorithm: keyring.EdDSA,
		TokenLifetime: 2 * time.Hour, Now: c.now, Logger: slog.New(slog.DiscardHandler),
	}
}

func open(tb failer, c keyring.Config) *keyring.Ring {
	tb.Helper()
	r, err := keyring.Open(context.Background(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
