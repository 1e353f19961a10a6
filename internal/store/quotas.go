package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/limit"
)

// AddCounts implements [limit.Store].
func (s *Store) AddCounts(ctx context.Context, counts []limit.Count) (totals []int64, err error) {
	err = s.write(ctx, func(c *session) error {
		totals = totals[:0]
		for _, k := range counts {
			total, err := one(c, "count towards a quota", fmt.Errorf("store: a count was not returned"), scanInt64,
				`INSERT INTO quotas (scope, subject, period, unix_second, count) VALUES ($1, $2, $3, $4, $5)
				 ON CONFLICT (scope, subject, period, unix_second) DO UPDATE SET count = quotas.count + excluded.count
				 RETURNING count`, k.Scope, k.Subject, k.Period, k.Start.Unix(), k.Count)
			if err != nil {
				return err
			}
			totals = append(totals, total)
		}
		return nil
	})
	return totals, err
}

// Counts implements [limit.Store].
func (s *Store) Counts(ctx context.Context, since time.Time, yield func(limit.Count)) error {
	return s.view(ctx, func(v *session) error {
		all, err := collect(v, "read the counts of quotas", scanCount,
			`SELECT scope, subject, period, unix_second, count FROM quotas WHERE unix_second >= $1`, since.Unix())
		for _, k := range all {
			yield(k)
		}
		return err
	})
}

func scanCount(row scanner, k *limit.Count) error {
	var second int64
	err := row.Scan(&k.Scope, &k.Subject, &k.Period, &second, &k.Count)
	k.Start = time.Unix(second, 0).UTC()
	return err
}
