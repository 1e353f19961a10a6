package market

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// Node is a running process of the installation, as it last told of itself.
// Nodes write their own rows; whoever waits for all nodes reads them.
type Node struct {
	ID      id.Node
	Name    string // host:pid
	Version string
	Started time.Time
	Seen    time.Time // by its own clock
	// MaxStale is how long the node goes on without the store: for that long
	// after it was seen last it may still be serving.
	MaxStale    time.Duration
	Head        int64                    // the newest change that its read model shows
	Keys        map[Environment][]string // the kids of the signing keys that it can use
	SealingKeys []string                 // the ids of the sealing keys that it can open with
}

// MayServe reports whether the node may still be serving at now. leeway is what
// clocks differ by, and how seldom nodes tell of themselves.
func (n Node) MayServe(now time.Time, leeway time.Duration) bool {
	return !now.After(n.Seen.Add(n.MaxStale + leeway))
}

// nodeLeeway is for how long nothing is thought of a node that is not heard of:
// nodes tell of themselves several times as often, and clocks differ by less.
const nodeLeeway = time.Minute

// The states of a node.
const (
	NodeServing = "serving"
	NodeSilent  = "silent" // not heard of, and may still be serving
	NodeGone    = "gone"
)

// State is what is to be thought of the node at now.
func (n Node) State(now time.Time) string {
	switch {
	case !n.MayServe(now, nodeLeeway):
		return NodeGone
	case now.Sub(n.Seen) > nodeLeeway:
		return NodeSilent
	}
	return NodeServing
}

// Holds reports whether the node can use a signing key.
func (n Node) Holds(env Environment, kid string) bool { return slices.Contains(n.Keys[env], kid) }

// RemoveNode forgets a node that has ended without saying so, so that nobody
// waits for it. One that is still running comes back by itself.
func (m *Market) RemoveNode(ctx context.Context, by Actor, node id.Node) error {
	return m.Store.Update(ctx, by, func(tx Tx) error {
		removed, err := tx.RemoveNode(node)
		if err != nil {
			return err
		}
		return tx.Record(Change{Action: "remove", Kind: KindNode, ID: string(node), Detail: map[string]any{"name": removed.Name}})
	})
}
