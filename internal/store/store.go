// Package store keeps everything that must outlive the process, in one SQLite
// file or in a PostgreSQL database, by the same hand-written SQL.
//
// The flow of a change, [Store.Update]:
//
//  1. wait for the writer's turn, as long as the caller's context lives
//  2. begin; from here on the caller's context no longer matters, so that
//     nothing is cut in half: the store's own timeout does
//  3. lock the one row of feed_head: on PostgreSQL this is what serializes
//     writers, on SQLite the single writer connection already did
//  4. run the change; each Record takes the next sequence number, for the
//     audit record and, if the change feeds, for the entry of the change feed
//  5. write the new head, notify other nodes, commit, wake this node's readers
//
// Invariants:
//
//   - Sequence numbers become visible in their order: whoever sees n has seen,
//     or can see, every entry before n. None is filled in later.
//   - What was acknowledged is on disk (SQLite: synchronous=FULL).
//   - A transaction in which a statement failed cannot commit, on either engine.
//   - The zero time is 0 in the database; all others are Unix milliseconds,
//     read back in UTC. Finer parts are cut off. The very first millisecond of
//     1970 therefore cannot be told from "never".
//   - Text is compared by its bytes, on both engines.
//   - No error of a driver leaves the package; [translate] sees to it.
//
// What it does not do: hold rules of the marketplace (market does), keep
// anything in memory (snapshot does), or know any secret: it is given hashes
// and sealed keys.
package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// What others ask of the store.
var (
	_ market.Store    = (*Store)(nil)
	_ keyring.Store   = (*Store)(nil)
	_ snapshot.Source = (*Store)(nil)
	_ usage.Store     = (*Store)(nil)

	_ usage.RefusalStore = (*Store)(nil)
)

// Config says where the data is. Exactly one of SQLite and Postgres is needed.
type Config struct {
	SQLite   string           // path of the file; made, readable by its owner alone, if it is not there
	Postgres secret.String    // URL, or key=value text, as libpq takes it
	Now      func() time.Time // nil: the wall clock
	Logger   *slog.Logger     // nil: silence
}

// Store is an open database. Its methods may be called from several goroutines.
type Store struct {
	engine  *engine
	writer  *sql.DB // on SQLite a single connection
	readers *sql.DB // on PostgreSQL the same pool
	now     func() time.Time
	logger  *slog.Logger
	wakes   wakes

	stop    context.CancelFunc // ends the listener
	running sync.WaitGroup
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Head(ctx)
	return err
}

// Close ends what runs in the background and gives back the connections. A
// transaction that is under way fails.
func (s *Store) Close() error {
	s.stop()
	s.running.Wait()
	err := s.readers.Close()
	if s.writer != s.readers {
		err = errors.Join(err, s.writer.Close())
	}
	return translate(s.engine, "close", err, nil)
}

// clock is the time to write: in UTC and in whole milliseconds, as it will be
// read back.
func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
