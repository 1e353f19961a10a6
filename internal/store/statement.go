package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// session is one transaction as the aggregates' files use it: it runs
// statements and translates their errors. The first that fails ends it: every
// later statement returns the same error, and it cannot commit. PostgreSQL
// works so by itself; here SQLite does too.
type session struct {
	ctx    context.Context //nolint:containedctx // one transaction long: market.Reader and market.Tx carry none
	tx     *sql.Tx
	engine *engine
	now    time.Time
	failed error
	again  bool // the engine asks to run the transaction once more
}

// scanner is a row to scan.
type scanner interface{ Scan(dest ...any) error }

// fail notes that the transaction is lost, and returns the error to report.
func (s *session) fail(doing string, err error, said sentences) error {
	s.again = s.again || s.engine.fault(err).kind == faultAgain
	s.failed = translate(s.engine, doing, err, said)
	return s.failed
}

// exec runs a statement that returns no rows, and returns how many it touched.
func (s *session) exec(doing string, said sentences, query string, args ...any) (int64, error) {
	if s.failed != nil {
		return 0, s.failed
	}
	if err := bind(args); err != nil {
		s.failed = err
		return 0, err
	}
	result, err := s.tx.ExecContext(s.ctx, query, args...)
	if err != nil {
		return 0, s.fail(doing, err, said)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, s.fail(doing, err, said)
	}
	return n, nil
}

// put runs a statement that must not fail but for the reasons in said.
func (s *session) put(doing string, said sentences, query string, args ...any) error {
	_, err := s.exec(doing, said, query, args...)
	return err
}

// one reads the only row of a query; missing is the error if there is none.
func one[T any](s *session, doing string, missing error, scan func(scanner, *T) error, query string, args ...any) (T, error) {
	found, err := collect(s, doing, scan, query, args...)
	if err != nil || len(found) == 0 {
		var none T
		if err == nil {
			err = missing
		}
		return none, err
	}
	return found[0], nil
}

// collect reads all rows of a query.
func collect[T any](s *session, doing string, scan func(scanner, *T) error, query string, args ...any) ([]T, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	if err := bind(args); err != nil {
		return nil, nil // such text is stored nowhere, so nothing matches it
	}
	rows, err := s.tx.QueryContext(s.ctx, query, args...)
	if err != nil {
		return nil, s.fail(doing, err, nil)
	}
	defer func() { _ = rows.Close() }() // its error is rows.Err's
	var all []T
	for rows.Next() {
		var item T
		if err := scan(rows, &item); err != nil {
			return nil, s.fail(doing, err, nil)
		}
		all = append(all, item)
	}
	if err := rows.Err(); err != nil {
		return nil, s.fail(doing, err, nil)
	}
	return all, nil
}

// scanInt64 scans a row of one number.
func scanInt64(row scanner, n *int64) error { return row.Scan(n) }

// bind makes plain strings of the named ones, and refuses text that PostgreSQL
// cannot hold, so that SQLite does not hold it either.
func bind(args []any) error {
	for i, arg := range args {
		v := reflect.ValueOf(arg)
		if v.Kind() != reflect.String {
			continue
		}
		text := v.String()
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return &market.Error{Code: market.InvalidInput, Public: "a text is not valid UTF-8, or holds a NUL character", Hint: "send it as UTF-8 that prints"}
		}
		args[i] = text
	}
	return nil
}

// conditions are those clauses of a WHERE whose value is set: a filter on a
// column that is left open must not keep an index from being used. Every
// clause is a constant of this package with one %d, for its placeholder.
type conditions struct {
	clauses []string
	args    []any
}

func (c *conditions) add(set bool, clause string, arg any) {
	if set {
		c.args = append(c.args, arg)
		c.clauses = append(c.clauses, fmt.Sprintf(clause, len(c.args)))
	}
}

func (c *conditions) String() string {
	if len(c.clauses) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.clauses, " AND ")
}

// places adds an argument that is no condition, and returns its placeholder.
func places(c *conditions, arg any) string {
	c.args = append(c.args, arg)
	return fmt.Sprintf("$%d", len(c.args))
}

// The limits of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// pageLimit is how many items a page has.
func pageLimit(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// cutPage takes what was read with a limit of one more than the page's: that
// one tells that there is a next page, which begins after the last item kept.
func cutPage[T any](items []T, limit int, cursor func(T) string) (page []T, next string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], cursor(items[limit-1])
}
