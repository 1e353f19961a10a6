package store

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// wakes are those who want to know that the feed has grown.
type wakes struct {
	mu   sync.Mutex
	each map[chan struct{}]struct{}
}

// Wake returns a channel that receives after changes were fed, by this node or
// another; several may be told as one. It is a hint to read the feed now, not a
// promise: a notification can be lost with its connection, so go on polling.
// Call stop when it is not read any more.
func (s *Store) Wake() (woken <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.wakes.mu.Lock()
	defer s.wakes.mu.Unlock()
	if s.wakes.each == nil {
		s.wakes.each = make(map[chan struct{}]struct{})
	}
	s.wakes.each[c] = struct{}{}
	return c, func() {
		s.wakes.mu.Lock()
		defer s.wakes.mu.Unlock()
		delete(s.wakes.each, c)
	}
}

func (w *wakes) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.each {
		select {
		case c <- struct{}{}:
		default: // told already, and has not looked yet
		}
	}
}

const (
	listenFirst = 100 * time.Millisecond // before the first new attempt
	listenLast  = 10 * time.Second       // between later ones
)

// listen wakes this node's readers when another one fed a change, until ctx
// ends. It holds a connection of its own, because a pool's would not stay.
func (s *Store) listen(ctx context.Context, config *pgx.ConnConfig) {
	wait, told := listenFirst, false
	for ctx.Err() == nil {
		heard := false
		err := s.hear(ctx, config, func() {
			if heard = true; told {
				told = false
				s.logger.InfoContext(ctx, "hearing of other nodes' changes again")
			}
			s.wakes.wake()
		})
		if ctx.Err() != nil {
			return
		}
		if heard {
			wait = listenFirst
		}
		level := slog.LevelWarn
		if told {
			level = slog.LevelDebug // one line is enough for as long as the store is away
		}
		s.logger.Log(ctx, level, "stopped hearing of other nodes' changes; polling goes on",
			"error", err.Error(), "retry_in", wait.String())
		told = true
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)): //nolint:gosec // jitter
		}
		wait = min(2*wait, listenLast)
	}
}

// hear calls wake once it listens, for what it may have missed, and for every
// notification after that. It returns when the connection is lost.
func (s *Store) hear(ctx context.Context, config *pgx.ConnConfig, wake func()) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		wake()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
