package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/latency"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// usageBatch is how many rows go into one statement.
const usageBatch = 50

// AddUsage implements [usage.Store]. It does not take the feed's lock, and
// records nothing: counts are no change of the marketplace. Every node writes
// its rows in the same order, so that two hardly ever wait for each other.
//
// A batch is known by its id: a node that was not told whether one was committed
// sends it again, and it is counted once.
func (s *Store) AddUsage(ctx context.Context, b usage.Batch) error {
	rows, uses := mergeUsage(b.Rows), newestUses(b.Uses)
	if len(rows) == 0 && len(uses) == 0 {
		return nil
	}
	return s.write(ctx, func(w *session) error {
		if fresh, err := w.freshBatch(b.ID); err != nil || !fresh {
			return err
		}
		for batch := range slices.Chunk(rows, usageBatch) {
			if err := w.addUsage(batch); err != nil {
				return err
			}
		}
		for batch := range slices.Chunk(uses, usageBatch) {
			if err := w.noteUses(batch); err != nil {
				return err
			}
		}
		return nil
	})
}

// freshBatch notes a batch, and reports whether it was not there.
func (s *session) freshBatch(batch string) (bool, error) {
	if batch == "" {
		return true, nil
	}
	n, err := s.exec("note a batch of usage", nil,
		`INSERT INTO usage_batches (id, added) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, batch, millis(s.now))
	return n == 1, err
}

func (s *session) addUsage(rows []usage.Row) error {
	const columns = 11 + latency.Buckets
	args := make([]any, 0, len(rows)*columns)
	for i := range rows {
		r := &rows[i]
		args = append(args, r.Hour, r.Environment, r.Org, r.App, r.API, r.Operation, r.Product, r.Outcome, r.Source,
			r.Count, r.Duration.Microseconds())
		for _, n := range r.Took {
			args = append(args, n)
		}
	}
	return s.put("add usage", nil,
		`INSERT INTO usage (unix_hour, environment, org, app, api, operation, product, outcome, source, count, duration_us, `+tookColumns("%")+`)
		 VALUES `+s.engine.tuples(len(rows), strings.Repeat("%, ", columns-1)+"%")+`
		 ON CONFLICT (unix_hour, environment, org, app, api, operation, product, outcome, source)
		 DO UPDATE SET count = usage.count + excluded.count, duration_us = usage.duration_us + excluded.duration_us, `+
			tookColumns("% = usage.% + excluded.%"), args...)
}

// tookColumns repeats form for each column of the histogram, whose name takes the
// place of every % in it.
func tookColumns(form string) string {
	var out strings.Builder
	for i := range latency.Buckets {
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteString(strings.ReplaceAll(form, "%", "took_"+strconv.Itoa(i)))
	}
	return out.String()
}

// noteUses notes the uses of credentials that are there still.
func (s *session) noteUses(uses []usage.LastUse) error {
	args := make([]any, 0, len(uses)*3)
	for _, u := range uses {
		args = append(args, u.Credential, millis(u.At), u.From)
	}
	// The casts are for PostgreSQL, which sees no column to take a type from.
	return s.put("note last uses", nil,
		`UPDATE credentials SET last_used = used.column2, last_used_from = used.column3
		 FROM (VALUES `+s.engine.tuples(len(uses), "%, CAST(% AS BIGINT), %")+`) AS used
		 WHERE credentials.id = used.column1 AND credentials.last_used < used.column2`, args...)
}

// tuples repeats (form), with the next placeholder for every % in it. To SQLite a
// number behind $ is a name, which it looks up among all others: a statement of a
// thousand of them would take thirty times as long to prepare and to bind.
func (e *engine) tuples(n int, form string) string {
	var out strings.Builder
	next := 1
	for i := range n {
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteByte('(')
		for _, r := range form {
			switch {
			case r != '%':
				out.WriteRune(r)
			case e.numbered:
				fmt.Fprintf(&out, "$%d", next)
				next++
			default:
				out.WriteByte('?')
			}
		}
		out.WriteByte(')')
	}
	return out.String()
}

// mergeUsage returns rows with one per key, in the order of their keys.
func mergeUsage(rows []usage.Row) []usage.Row {
	sum := make(map[usage.Key]usage.Row, len(rows))
	for _, r := range rows {
		if old, there := sum[r.Key]; there {
			r.Count += old.Count
			r.Duration += old.Duration
			r.Took.Merge(&old.Took)
		}
		sum[r.Key] = r
	}
	merged := make([]usage.Row, 0, len(sum))
	for _, r := range sum {
		merged = append(merged, r)
	}
	slices.SortFunc(merged, func(a, b usage.Row) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Org, b.Org),
			cmp.Compare(a.App, b.App), cmp.Compare(a.API, b.API), cmp.Compare(a.Operation, b.Operation),
			cmp.Compare(a.Product, b.Product), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Source, b.Source))
	})
	return merged
}

// newestUses returns the newest use of each credential, in the order of ids.
func newestUses(uses []usage.LastUse) []usage.LastUse {
	sorted := slices.SortedFunc(slices.Values(uses), func(a, b usage.LastUse) int {
		return cmp.Or(cmp.Compare(a.Credential, b.Credential), b.At.Compare(a.At))
	})
	return slices.CompactFunc(sorted, func(a, b usage.LastUse) bool { return a.Credential == b.Credential })
}

func scanUsage(row scanner, r *usage.Row) error {
	into := []any{
		&r.Hour, &r.Environment, &r.Org, &r.App, &r.API, &r.Operation, &r.Product, &r.Outcome, &r.Source,
		&r.Count,
		durationInto{&r.Duration, time.Microsecond},
	}
	for i := range r.Took {
		into = append(into, &r.Took[i])
	}
	return row.Scan(into...)
}

// Usage implements [usage.Store]. An hour counts by its start.
func (s *Store) Usage(ctx context.Context, filter usage.Filter) (rows []usage.Row, err error) {
	var where conditions
	where.add(filter.Org != "", `org = $%d`, filter.Org)
	where.add(filter.App != "", `app = $%d`, filter.App)
	where.add(filter.Environment != "", `environment = $%d`, filter.Environment)
	where.add(!filter.From.IsZero(), `unix_hour >= $%d`, filter.From.Unix())
	where.add(!filter.To.IsZero(), `unix_hour < $%d`, filter.To.Unix())
	err = s.view(ctx, func(v *session) error {
		rows, err = collect(v, "read usage", scanUsage,
			`SELECT unix_hour, environment, org, app, api, operation, product, outcome, source, count, duration_us, `+tookColumns("%")+`
			 FROM usage`+where.String()+`
			 ORDER BY unix_hour, environment, org, app, api, operation, product, outcome, source`, where.args...)
		return err
	})
	return rows, err
}
