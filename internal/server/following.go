package server

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// following is a store whose changes this node shows by the time that they are
// acknowledged, unless that takes longer than a second: whoever made a secret may use
// it at once, and whoever revoked a token sees it refused. Other nodes follow within a
// second.
type following struct {
	market.Store
	model  *snapshot.Model
	head   func(context.Context) (int64, error)
	routed func() bool // the newest catalogue is taken up
	on     atomic.Bool // the model is being kept fresh
}

// showPoll is how often the gateway is asked whether it has taken a catalogue up.
const showPoll = 5 * time.Millisecond

// showTimeout is how long an acknowledgment waits for the node's own model. The
// change is durable by then, whether it is shown or not.
const showTimeout = time.Second

// Update implements [market.Store].
func (f *following) Update(ctx context.Context, actor market.Actor, change func(market.Tx) error) error {
	if err := f.Store.Update(ctx, actor, change); err != nil || !f.on.Load() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	if seq, err := f.head(ctx); err == nil {
		f.model.Await(ctx, seq)
	}
	for !f.routed() && ctx.Err() == nil {
		time.Sleep(showPoll)
	}
	return nil
}

// routed reports whether the newest catalogue was taken up, as far as it can be.
func (s *Server) routed() bool { return s.tried.Load() >= s.model.Catalog() }
