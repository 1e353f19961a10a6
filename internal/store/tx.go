package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

const (
	maxTrying    = 15 * time.Second // to get one's turn to write, all attempts together
	maxAttempts  = 8                // of a transaction that the engine asks to run again
	writeTimeout = 20 * time.Second // of a transaction that has begun
	firstBackoff = 5 * time.Millisecond
)

// View implements [market.Store].
func (s *Store) View(ctx context.Context, read func(market.Reader) error) error {
	return s.view(ctx, func(v *session) error { return read(v) })
}

// view runs read in a transaction that sees one state of the database and
// cannot change it.
func (s *Store) view(ctx context.Context, read func(*session) error) error {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return translate(s.engine, "wait for a reader", err, nil)
	}
	defer func() { _ = conn.Close() }()
	ctx = s.readContext(ctx)
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return translate(s.engine, "begin to read", err, nil)
	}
	defer func() { _ = tx.Rollback() }() // nothing to keep
	v := &session{ctx: ctx, tx: tx, engine: s.engine, now: s.clock()}
	if err := read(v); err != nil {
		return err
	}
	return v.failed
}

// readContext is the context of statements that read.
func (s *Store) readContext(ctx context.Context) context.Context {
	if s.engine.uncancelled {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// Update implements [market.Store].
func (s *Store) Update(ctx context.Context, actor market.Actor, change func(market.Tx) error) error {
	return s.update(ctx, actor, func(c *transaction) error { return change(c) })
}

// transaction is a session that may write, and has to record what it did.
type transaction struct {
	*session
	actor    market.Actor
	seq      int64 // of the newest record
	recorded bool
	fed      bool
}

// update runs change in a transaction that excludes all others.
func (s *Store) update(ctx context.Context, actor market.Actor, change func(*transaction) error) error {
	var fed bool
	err := s.write(ctx, func(w *session) error {
		c := &transaction{session: w, actor: actor}
		if err := c.lockFeed(); err != nil {
			return err
		}
		c.now = s.clock() // not before the lock: times follow the sequence
		if err := change(c); err != nil {
			return err
		}
		fed = c.fed
		return c.moveHead()
	})
	if err == nil && fed {
		s.wakes.wake()
	}
	return err
}

// write runs a transaction that may write, again if the engine asks for it.
// This is the only place that does; who calls the store need not.
func (s *Store) write(ctx context.Context, run func(*session) error) error {
	ctx, cancel := context.WithTimeout(ctx, maxTrying)
	defer cancel()
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		again, err := s.writeOnce(ctx, run)
		if err == nil || !again || attempt == maxAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(backoff/2 + rand.N(backoff)): //nolint:gosec // jitter
		}
		backoff *= 2
	}
}

// writeOnce runs one transaction. The caller's context counts while it waits
// for its turn, and no longer once it has begun.
func (s *Store) writeOnce(ctx context.Context, run func(*session) error) (again bool, err error) {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return false, translate(s.engine, "wait for the writer", err, nil)
	}
	defer func() { _ = conn.Close() }()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	// On PostgreSQL the lock of feed_head serializes; a stricter level would
	// only make those who wait for it fail.
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return s.engine.fault(err).kind == faultAgain, translate(s.engine, "begin to write", err, nil)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	w := &session{ctx: ctx, tx: tx, engine: s.engine, now: s.clock()}
	if err := run(w); err != nil {
		return w.again, err
	}
	if w.failed != nil {
		return w.again, w.failed
	}
	if err := tx.Commit(); err != nil {
		return s.engine.fault(err).kind == faultAgain, translateCommit(s.engine, err)
	}
	return false, nil
}

var errUnrecorded = errors.New("store: a change recorded nothing: nothing may happen unseen")

// lockFeed takes the lock that all who write here take first, and learns the
// newest sequence number.
func (c *transaction) lockFeed() (err error) {
	c.seq, err = one(c.session, "lock the feed", errors.New("store: feed_head is empty"), scanInt64,
		`UPDATE feed_head SET seq = seq WHERE id = 1 RETURNING seq`)
	return err
}

// Record implements [market.Tx].
func (c *transaction) Record(done market.Change) error {
	if done.Action == "" || done.Kind == "" {
		return errors.New("store: a change is recorded without its action or kind")
	}
	detail := []byte("{}")
	if len(done.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(done.Detail); err != nil {
			return errors.New("store: encode the detail of a change: " + err.Error())
		}
	}
	c.seq++
	c.recorded = true
	err := c.put("record a change", nil,
		`INSERT INTO audit (seq, at, actor_kind, actor_id, actor_from, action, kind, subject, org, detail)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.seq, millis(c.now), c.actor.Kind, c.actor.ID, c.actor.From, done.Action, done.Kind, done.ID, done.Org, string(detail))
	if err != nil || done.Feed == "" {
		return err
	}
	c.fed = true
	return c.put("feed a change", nil,
		`INSERT INTO changes (seq, kind, key, at) VALUES ($1, $2, $3, $4)`,
		c.seq, done.Feed, done.FeedKey, millis(c.now))
}

// moveHead ends a change: the head becomes what was recorded, and other nodes
// hear of it when the transaction commits.
func (c *transaction) moveHead() error {
	if c.failed != nil {
		return c.failed
	}
	if !c.recorded {
		return errUnrecorded
	}
	if err := c.put("move the head of the feed", nil, `UPDATE feed_head SET seq = $1 WHERE id = 1`, c.seq); err != nil {
		return err
	}
	if !c.fed || c.engine.notify == "" {
		return nil
	}
	return c.put("notify other nodes", nil, c.engine.notify)
}
