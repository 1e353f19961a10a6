package store

import (
	"fmt"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/market"
)

func scanAudit(row scanner, r *market.AuditRecord) error {
	return row.Scan(&r.Seq, timeInto{&r.At}, &r.Actor.Kind, &r.Actor.ID, &r.Actor.From,
		&r.Action, &r.Kind, &r.ID, &r.Org, &r.Detail)
}

// Audit implements [market.PlatformReader]. The cursor is the last record's
// sequence number.
func (s *session) Audit(filter market.AuditFilter) (records []market.AuditRecord, next string, err error) {
	var before int64
	if after := filter.Page.After; after != "" {
		if before, err = strconv.ParseInt(after, 10, 64); err != nil || before < 1 {
			return nil, "", market.Invalid("cursor", "is not one that a page of the audit ended with")
		}
	}
	var where conditions
	where.add(before != 0, `seq < $%d`, before)
	where.add(filter.Org != "", `org = $%d`, filter.Org)
	where.add(filter.Kind != "", `kind = $%d`, filter.Kind)
	where.add(filter.ID != "", `subject = $%d`, filter.ID)
	limit := pageLimit(filter.Page.Limit)
	records, err = collect(s, "read the audit", scanAudit, fmt.Sprintf(
		`SELECT seq, at, actor_kind, actor_id, actor_from, action, kind, subject, org, detail
		 FROM audit%s ORDER BY seq DESC LIMIT %d`, where.String(), limit+1), where.args...)
	records, next = cutPage(records, limit, func(r market.AuditRecord) string { return strconv.FormatInt(r.Seq, 10) })
	return records, next, err
}
