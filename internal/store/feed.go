package store

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// head is the row of feed_head.
type head struct {
	seq    int64 // of the newest audit record
	fed    int64 // of the newest entry of the feed, kept or pruned
	pruned int64 // of the newest entry that is not kept any more
}

// readHead reads the head. Records that feed nothing take sequence numbers too,
// so the newest entry may be older than seq.
func (s *session) readHead() (head, error) {
	return one(s, "read the head of the feed", errors.New("store: feed_head is empty"),
		func(row scanner, h *head) error { return row.Scan(&h.seq, &h.pruned, &h.fed) },
		`SELECT seq, pruned, COALESCE((SELECT MAX(seq) FROM changes), pruned) FROM feed_head WHERE id = 1`)
}

// Head implements [snapshot.Source].
func (s *Store) Head(ctx context.Context) (seq int64, err error) {
	err = s.view(ctx, func(v *session) error {
		h, err := v.readHead()
		seq = h.fed
		return err
	})
	return seq, err
}

func scanEntry(row scanner, e *snapshot.Entry) error { return row.Scan(&e.Seq, &e.Kind, &e.Key) }

// Changes implements [snapshot.Source]. It returns [snapshot.ErrPruned] if an
// entry after the asked one was pruned, and also if the reader is ahead of the
// feed: the database was set back, to a backup say, and what the reader knows
// never happened. Fewer entries than limit mean that there are no more.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (entries []snapshot.Entry, err error) {
	err = s.view(ctx, func(v *session) error {
		h, err := v.readHead()
		if err != nil {
			return err
		}
		if after < h.pruned || after > h.seq {
			return snapshot.ErrPruned
		}
		if limit <= 0 {
			limit = defaultLimit
		}
		entries, err = collect(v, "read the feed", scanEntry,
			`SELECT seq, kind, key FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
		return err
	})
	return entries, err
}
