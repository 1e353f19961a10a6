package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Pace is how often what happens by itself happens; zero fields mean what Sallyport
// does. Tests hurry it.
type Pace struct {
	Tell   time.Duration // how often a node writes its row; 10 s
	Upkeep time.Duration // how often keys are looked after; a minute
	Leeway time.Duration // what nodes' clocks may differ by, for keys; a minute

	Certificates time.Duration // how often certificates' files are looked at; 5 s
	Stall        time.Duration // how long an answer waits for its reader; what httpx says
	Begin        time.Duration // how long a caller may take for TLS, and for a head; what httpx says
}

func (p Pace) orDefault() Pace {
	for field, value := range map[*time.Duration]time.Duration{&p.Tell: tellInterval, &p.Upkeep: upkeepInterval, &p.Leeway: keyring.DefaultLeeway, &p.Certificates: certificateInterval} {
		if *field == 0 {
			*field = value
		}
	}
	return p
}

// forgetTimeout is how long a stopping node tries to remove its row. If it cannot,
// others wait for it as for a node that was cut off.
const forgetTimeout = 2 * time.Second

// arrive writes this node's row before the node reads the signing keys: from
// then on no key begins to sign that it does not hold.
func (s *Server) arrive(ctx context.Context, sealer keyring.Sealer) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s.self = market.Node{
		ID: id.NewNode(), Name: fmt.Sprintf("%s:%d", host, os.Getpid()), Version: s.Version,
		Started: s.started, MaxStale: s.Config.StaleLimit(), SealingKeys: sealer.IDs(),
	}
	return s.tell(ctx)
}

// tell writes this node's row: that it is there, and which keys it holds.
func (s *Server) tell(ctx context.Context) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	n := s.self
	n.Seen, n.Head, n.Keys = s.Now(), s.model.Head(), map[market.Environment][]string{}
	for name, ring := range s.rings {
		n.Keys[name] = ring.Held()
	}
	if err := s.store.PutNode(ctx, n); err != nil {
		return fmt.Errorf("write this node's row: %w", err)
	}
	return nil
}

// leave removes the row again.
func (s *Server) leave() {
	if s.self.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
	defer cancel()
	if err := s.store.ForgetNode(ctx, s.self.ID); err != nil {
		s.Logger.Warn("cannot remove this node's row; rotations wait for it until it is too old", slog.Any("error", err))
	}
}

// keepTelling writes the row now and then, and whenever this node's keys changed.
func (s *Server) keepTelling(ctx context.Context) error {
	ticker := time.NewTicker(s.Pace.Tell)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.keysChanged:
		}
		err := s.tell(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.Logger.WarnContext(ctx, "other nodes are not told of this one", slog.Any("error", err))
		}
		failing = err != nil
	}
}

// reloadKeys reads the signing keys of every environment again, and has the
// others told.
func (s *Server) reloadKeys(ctx context.Context) {
	var said []string
	for _, e := range s.environments {
		if err := e.ring.Reload(ctx); err != nil {
			said = append(said, err.Error())
		}
	}
	s.keysBehind.Store(len(said) > 0) // then upkeep asks again, soon
	if was := s.keysSaid.Swap(&said); len(said) > 0 && (was == nil || !slices.Equal(*was, said)) {
		s.Logger.ErrorContext(ctx, "cannot read the signing keys; going on with those that are known", slog.Any("errors", said))
	}
	select {
	case s.keysChanged <- struct{}{}:
	default: // it is noticed already
	}
}
