package store

import (
	"context"
	"time"
)

// Retention says for how long what grows by itself is kept. The audit is kept
// for good.
type Retention struct {
	Feed     time.Duration // entries of the change feed; 0: for good
	FeedKeep int           // this many of the newest entries are kept however old they are
	Usage    time.Duration // counts and quotas, from their period's start; 0: for good
	Nodes    time.Duration // nodes, from when they were seen last and could go on no longer; 0: for good
	Refusals RefusalRetention
}

// batchKept is for how long a node may send a batch of counts again.
const batchKept = 7 * 24 * time.Hour

// Prune forgets what is older than keep says, and the revocations of tokens and
// the spent assertions that have ended by themselves. A reader of the feed that was behind what is
// kept gets [snapshot.ErrPruned].
func (s *Store) Prune(ctx context.Context, keep Retention) error {
	over, err := s.crowds(ctx, keep.Refusals)
	if err != nil {
		return err
	}
	return s.write(ctx, func(w *session) error {
		if keep.Feed > 0 {
			if err := w.pruneFeed(millis(w.now.Add(-keep.Feed)), keep.FeedKeep); err != nil {
				return err
			}
		}
		if keep.Usage > 0 {
			oldest := w.now.Add(-keep.Usage).Unix()
			if err := w.put("prune the usage", nil, `DELETE FROM usage WHERE unix_hour < $1`, oldest); err != nil {
				return err
			}
			if err := w.put("prune the quotas", nil, `DELETE FROM quotas WHERE unix_second < $1`, oldest); err != nil {
				return err
			}
		}
		if err := w.pruneNodes(keep.Nodes); err != nil {
			return err
		}
		if err := w.put("prune spent assertions", nil, `DELETE FROM spent_assertions WHERE expires <= $1`, millis(w.now)); err != nil {
			return err
		}
		if err := w.pruneRefusals(keep.Refusals, over); err != nil {
			return err
		}
		if err := w.put("prune batches", nil, `DELETE FROM usage_batches WHERE added < $1`, millis(w.now.Add(-batchKept))); err != nil {
			return err
		}
		return w.put("prune revocations", nil, `DELETE FROM revocations WHERE expires <= $1`, millis(w.now))
	})
}

// PruneRefusals forgets the refusals that are too many for whom they are kept for,
// however old they are: what may be done by a clock that is not believed.
func (s *Store) PruneRefusals(ctx context.Context, keep RefusalRetention) error {
	keep.Age = 0
	over, err := s.crowds(ctx, keep)
	if err != nil || len(over) == 0 {
		return err
	}
	return s.write(ctx, func(w *session) error { return w.pruneRefusals(keep, over) })
}

// pruneFeed deletes the entries before the first that is younger than cutoff or
// among the newest. Always a beginning of the feed, and never by the clock
// alone: those of several nodes may differ.
func (s *session) pruneFeed(cutoff int64, newest int) error {
	err := s.put("prune the feed", nil,
		`UPDATE feed_head SET pruned = COALESCE((
		   SELECT MAX(seq) FROM changes
		   WHERE seq < COALESCE((SELECT MIN(seq) FROM changes WHERE at >= $1), feed_head.seq + 1)
		     AND seq <= COALESCE((SELECT seq FROM changes ORDER BY seq DESC LIMIT 1 OFFSET $2), 0)
		 ), pruned) WHERE id = 1`, cutoff, max(newest, 0))
	if err != nil {
		return err
	}
	return s.put("prune the feed", nil, `DELETE FROM changes WHERE seq <= (SELECT pruned FROM feed_head WHERE id = 1)`)
}
