package store

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

const refusalColumns = `id, trace, at, environment, surface, method, path, status, code, reason, next, parameter, skew,
	org, app, credential, label, hint`

// AddRefusals implements [usage.RefusalStore]. As counts, refusals are no change of
// the marketplace.
func (s *Store) AddRefusals(ctx context.Context, refusals []usage.Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	return s.write(ctx, func(w *session) error {
		for batch := range slices.Chunk(refusals, usageBatch) {
			if err := w.addRefusals(batch); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) addRefusals(refusals []usage.Refusal) error {
	args := make([]any, 0, len(refusals)*19)
	for _, r := range refusals {
		proven := 0
		if r.Proven() {
			proven = 1
		}
		args = append(args, r.ID, r.Trace, millis(r.At), r.Environment, r.Surface, r.Method, r.Path, r.Status, r.Code, r.Reason, r.Next,
			r.Parameter, r.Skew.Milliseconds(), r.Org, r.App, r.Credential, r.Label, r.Hint, proven)
	}
	return s.put("add refusals", nil,
		`INSERT INTO refusals (`+refusalColumns+`, proven)
		 VALUES `+s.engine.tuples(len(refusals), "%, %, %, %, %, %, %, %, %, %, %, %, %, %, %, %, %, %, %")+`
		 ON CONFLICT (id) DO NOTHING`, args...)
}

func scanRefusal(row scanner, r *usage.Refusal) error {
	return row.Scan(&r.ID, &r.Trace, timeInto{&r.At}, &r.Environment, &r.Surface, &r.Method, &r.Path, &r.Status, &r.Code, &r.Reason, &r.Next,
		&r.Parameter, durationInto{&r.Skew, time.Millisecond}, &r.Org, &r.App, &r.Credential, &r.Label, &r.Hint)
}

// Refusals implements [usage.RefusalStore].
func (s *Store) Refusals(ctx context.Context, filter usage.RefusalFilter) (refusals []usage.Refusal, err error) {
	var where conditions
	where.add(filter.Org != "", `org = $%d`, filter.Org)
	where.add(filter.App != "", `app = $%d`, filter.App)
	where.add(filter.Credential != "", `credential = $%d`, filter.Credential)
	where.add(filter.Environment != "", `environment = $%d`, filter.Environment)
	where.add(filter.Surface != "", `surface = $%d`, filter.Surface)
	where.add(filter.Code != "", `code = $%d`, filter.Code)
	where.add(filter.Trace != "", `trace = $%d`, filter.Trace)
	where.add(!filter.From.IsZero(), `id >= $%d`, usage.IDFrom(filter.From))
	where.add(!filter.To.IsZero(), `id < $%d`, usage.IDFrom(filter.To))
	where.add(filter.After != "", `id < $%d`, filter.After)
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	err = s.view(ctx, func(v *session) error {
		refusals, err = collect(v, "read refusals", scanRefusal,
			`SELECT `+refusalColumns+` FROM refusals`+where.String()+` ORDER BY id DESC LIMIT `+places(&where, limit), where.args...)
		return err
	})
	return refusals, err
}

// RefusalRetention says which refusals are kept: those of an age, and of these the
// newest of each owner. 0: no bound.
type RefusalRetention struct {
	Age       time.Duration
	Proven    int // of an organization, where a credential proved who asked
	Named     int // of an organization whose client_id was named
	Strangers int // of nobody that we know
}

// bound is how many refusals of a share are kept.
func (k RefusalRetention) bound(org id.Org, proven bool) int {
	switch {
	case proven:
		return k.Proven
	case org == "":
		return k.Strangers
	}
	return k.Named
}

// crowd is the refusals that are bounded together.
type crowd struct {
	org    id.Org
	proven bool
	count  int
}

// crowds lists those that hold more than keep lets them. To count them holds up
// nobody who writes.
func (s *Store) crowds(ctx context.Context, keep RefusalRetention) (over []crowd, err error) {
	least := 0
	for _, bound := range []int{keep.Proven, keep.Named, keep.Strangers} {
		if bound > 0 && (least == 0 || bound < least) {
			least = bound
		}
	}
	if least == 0 {
		return nil, nil
	}
	err = s.view(ctx, func(v *session) error {
		all, err := collect(v, "count refusals", func(row scanner, c *crowd) error {
			var proven int64
			err := row.Scan(&c.org, &proven, &c.count)
			c.proven = proven == 1
			return err
		}, `SELECT org, proven, COUNT(*) FROM refusals GROUP BY org, proven HAVING COUNT(*) > $1`, least)
		over = slices.DeleteFunc(all, func(c crowd) bool {
			bound := keep.bound(c.org, c.proven)
			return bound == 0 || c.count <= bound
		})
		return err
	})
	return over, err
}

// pruneRefusals forgets the old ones, and of each crowd all but the newest.
func (s *session) pruneRefusals(keep RefusalRetention, over []crowd) error {
	if keep.Age > 0 {
		oldest := usage.IDFrom(s.now.Add(-keep.Age))
		if err := s.put("prune refusals", nil, `DELETE FROM refusals WHERE id < $1`, oldest); err != nil {
			return err
		}
	}
	for _, c := range over {
		proven := 0
		if c.proven {
			proven = 1
		}
		err := s.put("prune refusals", nil,
			`DELETE FROM refusals WHERE org = $1 AND proven = $2 AND id <
			   (SELECT id FROM refusals WHERE org = $1 AND proven = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)`,
			c.org, proven, keep.bound(c.org, c.proven)-1)
		if err != nil {
			return err
		}
	}
	return nil
}
