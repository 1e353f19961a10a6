package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const nodeColumns = `id, name, version, started, seen, max_stale, head, keys, sealing_keys`

func scanNode(row scanner, n *market.Node) error {
	return row.Scan(&n.ID, &n.Name, &n.Version, timeInto{&n.Started}, timeInto{&n.Seen},
		durationInto{&n.MaxStale, time.Millisecond}, &n.Head, jsonInto{&n.Keys}, jsonInto{&n.SealingKeys})
}

// Nodes implements [market.PlatformReader].
func (s *session) Nodes() ([]market.Node, error) {
	return collect(s, "list nodes", scanNode, `SELECT `+nodeColumns+` FROM nodes ORDER BY started, id`)
}

// Nodes lists the nodes, oldest first.
func (s *Store) Nodes(ctx context.Context) (nodes []market.Node, err error) {
	err = s.view(ctx, func(v *session) error {
		nodes, err = v.Nodes()
		return err
	})
	return nodes, err
}

// PutNode writes a node's row. It is the node's word about itself, and no change
// of anything: it is neither recorded nor fed.
func (s *Store) PutNode(ctx context.Context, n market.Node) error {
	keys, err := json.Marshal(n.Keys)
	if err != nil {
		return errors.New("store: encode the keys of a node: " + err.Error())
	}
	sealing, err := listJSON(n.SealingKeys)
	if err != nil {
		return errors.New("store: encode the sealing keys of a node: " + err.Error())
	}
	return s.write(ctx, func(w *session) error {
		return w.put("put a node", nil,
			`INSERT INTO nodes (`+nodeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			 ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, started = excluded.started,
			   seen = excluded.seen, max_stale = excluded.max_stale, head = excluded.head, keys = excluded.keys,
			   sealing_keys = excluded.sealing_keys`,
			n.ID, n.Name, n.Version, millis(n.Started), millis(n.Seen), n.MaxStale.Milliseconds(), n.Head, string(keys), sealing)
	})
}

// ForgetNode removes the row of a node that stops.
func (s *Store) ForgetNode(ctx context.Context, node id.Node) error {
	return s.write(ctx, func(w *session) error {
		return w.put("forget a node", nil, `DELETE FROM nodes WHERE id = $1`, node)
	})
}

// RemoveNode implements [market.PlatformWriter].
func (c *transaction) RemoveNode(node id.Node) (market.Node, error) {
	return one(c.session, "remove a node", market.Missing("node", string(node)), scanNode,
		`DELETE FROM nodes WHERE id = $1 RETURNING `+nodeColumns, node)
}

// pruneNodes forgets the nodes that could serve no longer so long ago; 0: none.
func (s *session) pruneNodes(ago time.Duration) error {
	if ago == 0 {
		return nil
	}
	return s.put("prune the nodes", nil, `DELETE FROM nodes WHERE seen + max_stale < $1`, millis(s.now.Add(-ago)))
}
