package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// tokenUse counts, for each app in each environment, what it did with tokens. The
// casts are for PostgreSQL, whose sums are of another type.
const tokenUse = `SELECT org, app, environment,
	CAST(SUM(CASE WHEN source = 'token' AND outcome = 'ok' THEN count ELSE 0 END) AS BIGINT) AS signed,
	CAST(SUM(CASE WHEN source = 'reused' AND outcome = 'ok' THEN count ELSE 0 END) AS BIGINT) AS again,
	CAST(SUM(CASE WHEN source = 'token' AND outcome <> 'ok' THEN count ELSE 0 END) AS BIGINT) AS refused,
	CAST(SUM(CASE WHEN api <> '' THEN count ELSE 0 END) AS BIGINT) AS calls,
	COUNT(DISTINCT CASE WHEN source IN ('token', 'reused') AND outcome = 'ok' THEN unix_hour END) AS hours,
	CAST(SUM(CASE WHEN source IN ('token', 'reused') AND outcome = 'ok' THEN 10 * count WHEN api <> '' THEN -count ELSE 0 END) AS BIGINT) AS excess
	FROM usage`

func scanTokenUse(row scanner, u *usage.TokenUse) error {
	return row.Scan(&u.Org, &u.App, &u.Environment, &u.Signed, &u.Again, &u.Refused, &u.Calls, &u.Hours)
}

// TokenUse implements [usage.Store]: the worst first.
func (s *Store) TokenUse(ctx context.Context, filter usage.TokenFilter) (page []usage.TokenUse, next string, err error) {
	var where conditions
	where.add(true, `app <> $%d`, "")
	where.add(filter.Org != "", `org = $%d`, filter.Org)
	where.add(filter.App != "", `app = $%d`, filter.App)
	where.add(filter.Environment != "", `environment = $%d`, filter.Environment)
	where.add(!filter.From.IsZero(), `unix_hour >= $%d`, filter.From.Unix())
	where.add(!filter.To.IsZero(), `unix_hour < $%d`, filter.To.Unix())
	query := tokenUse + where.String() + ` GROUP BY org, app, environment`
	after := ""
	if filter.After != "" {
		excess, app, environment, err := readTokenCursor(filter.After)
		if err != nil {
			return nil, "", err
		}
		n := len(where.args)
		where.args = append(where.args, excess, app, environment)
		after = fmt.Sprintf(` WHERE excess < $%d OR excess = $%d AND (app > $%d OR app = $%d AND environment > $%d)`, n+1, n+1, n+2, n+2, n+3)
	}
	limit := pageLimit(filter.Limit)
	err = s.view(ctx, func(v *session) error {
		page, err = collect(v, "count the use of tokens", scanTokenUse,
			`SELECT org, app, environment, signed, again, refused, calls, hours FROM (`+query+`) AS used`+after+`
			 ORDER BY excess DESC, app, environment LIMIT `+places(&where, limit+1), where.args...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	page, next = cutPage(page, limit, func(u usage.TokenUse) string {
		return fmt.Sprintf("%d/%s/%s", u.Excess(), u.App, u.Environment)
	})
	return page, next, nil
}

// readTokenCursor reads where a page ended.
func readTokenCursor(cursor string) (excess int64, app, environment string, err error) {
	number, rest, _ := strings.Cut(cursor, "/")
	app, environment, _ = strings.Cut(rest, "/")
	if excess, err = strconv.ParseInt(number, 10, 64); err != nil || app == "" || environment == "" {
		return 0, "", "", market.Invalid("after", "is not the cursor of a page")
	}
	return excess, app, environment, nil
}
