package store

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

const (
	// streamChunk is how many organizations or apps are read at once, so that
	// a million of them cost a thousand queries and no memory to speak of.
	streamChunk = 2000
	// deadCredential is how long a credential is still told of after it was
	// revoked or expired. It outlasts every token that it got.
	deadCredential = 48 * time.Hour
)

// Orgs implements [snapshot.Source]: all of one state of the database, by id.
func (s *Store) Orgs(ctx context.Context, org id.Org, yield func(snapshot.OrgRecord) error) error {
	return s.view(ctx, func(v *session) error {
		read := func(after id.Org) ([]market.Organization, error) {
			return collect(v, "read organizations", scanOrg,
				`SELECT `+orgColumns+` FROM organizations WHERE id > $1 ORDER BY id LIMIT $2`, after, streamChunk)
		}
		if org != "" {
			read = func(id.Org) ([]market.Organization, error) {
				return collect(v, "read an organization", scanOrg, `SELECT `+orgColumns+` FROM organizations WHERE id = $1`, org)
			}
		}
		return stream(ctx, org == "", read, func(o market.Organization) id.Org { return o.ID },
			func(orgs []market.Organization) error { return v.yieldOrgs(orgs, yield) })
	})
}

func (s *session) yieldOrgs(orgs []market.Organization, yield func(snapshot.OrgRecord) error) error {
	first, last := orgs[0].ID, orgs[len(orgs)-1].ID
	subs, err := collect(s, "read subscriptions", scanSubscription,
		`SELECT `+subscriptionColumns+` FROM subscriptions WHERE org >= $1 AND org <= $2 ORDER BY org, product`, first, last)
	if err != nil {
		return err
	}
	tins, err := collect(s, "read TINs", scanTIN,
		`SELECT `+tinColumns+` FROM tins WHERE org >= $1 AND org <= $2 AND state = $3 ORDER BY org, number`,
		first, last, market.TINAssociated)
	if err != nil {
		return err
	}
	submitters, err := collect(s, "read submitters", scanSubmitter,
		`SELECT `+submitterColumns+` FROM submitters WHERE org >= $1 AND org <= $2 ORDER BY org, kind, value`, first, last)
	if err != nil {
		return err
	}
	for _, o := range orgs {
		r := snapshot.OrgRecord{Org: o}
		r.Subscriptions, subs = take(subs, func(s market.Subscription) bool { return s.Org == o.ID })
		r.TINs, tins = take(tins, func(t market.TIN) bool { return t.Org == o.ID })
		r.Submitters, submitters = take(submitters, func(s market.Submitter) bool { return s.Org == o.ID })
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// Apps implements [snapshot.Source]: all of one state of the database, by id.
func (s *Store) Apps(ctx context.Context, app id.App, yield func(snapshot.AppRecord) error) error {
	return s.view(ctx, func(v *session) error {
		read := func(after id.App) ([]market.App, error) {
			return collect(v, "read apps", scanApp,
				`SELECT `+appColumns+` FROM apps WHERE id > $1 ORDER BY id LIMIT $2`, after, streamChunk)
		}
		if app != "" {
			read = func(id.App) ([]market.App, error) {
				return collect(v, "read an app", scanApp, `SELECT `+appColumns+` FROM apps WHERE id = $1`, app)
			}
		}
		return stream(ctx, app == "", read, func(a market.App) id.App { return a.ID },
			func(apps []market.App) error { return v.yieldApps(apps, yield) })
	})
}

func (s *session) yieldApps(apps []market.App, yield func(snapshot.AppRecord) error) error {
	credentials, err := collect(s, "read credentials", scanCredential,
		`SELECT `+credentialColumns+` FROM credentials
		 WHERE app >= $1 AND app <= $2 AND (revoked = 0 OR revoked >= $3) AND (expires = 0 OR expires >= $3)
		 ORDER BY app, created, id`,
		apps[0].ID, apps[len(apps)-1].ID, millis(s.now.Add(-deadCredential)))
	if err != nil {
		return err
	}
	for _, a := range apps {
		r := snapshot.AppRecord{App: a}
		r.Credentials, credentials = take(credentials, func(c market.Credential) bool { return c.App == a.ID })
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// stream reads chunk after chunk, by id, and hands each on.
func stream[T any, ID ~string](ctx context.Context, all bool, read func(after ID) ([]T, error), idOf func(T) ID, use func([]T) error) error {
	var after ID
	for {
		chunk, err := read(after)
		if err != nil || len(chunk) == 0 {
			return err
		}
		if err := use(chunk); err != nil {
			return err
		}
		if !all || len(chunk) < streamChunk {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return unavailable(err)
		}
		after = idOf(chunk[len(chunk)-1])
	}
}

// take splits off the first items, as long as they belong. Both lists are in
// the same order, by the bytes of the owner's id.
func take[T any](items []T, belongs func(T) bool) (taken, rest []T) {
	n := 0
	for n < len(items) && belongs(items[n]) {
		n++
	}
	if n == 0 {
		return nil, items
	}
	return items[:n:n], items[n:]
}

// jtiBatch is how many revocations are asked for by name in one statement.
const jtiBatch = 250

// Revocations implements [snapshot.Source].
func (s *Store) Revocations(ctx context.Context, jtis []string, yield func(market.Revocation) error) error {
	return s.view(ctx, func(v *session) error {
		hand := func(all []market.Revocation) error {
			for _, r := range all {
				if err := yield(r); err != nil {
					return err
				}
			}
			return nil
		}
		if jtis == nil {
			return stream(ctx, true, v.revocationsAfter, func(r market.Revocation) string { return r.JTI }, hand)
		}
		for batch := range slices.Chunk(jtis, jtiBatch) {
			some, err := v.revocationsOf(batch)
			if err == nil {
				err = hand(some)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Rest implements [snapshot.Source].
func (s *Store) Rest(ctx context.Context) (rest snapshot.Rest, err error) {
	err = s.view(ctx, func(v *session) (err error) {
		if rest.Products, err = v.Products(); err != nil {
			return err
		}
		if rest.NotBefores, err = v.NotBefores(); err != nil {
			return err
		}
		rest.Catalog, err = one(v, "read the newest catalogue's version", nil, scanInt64,
			`SELECT COALESCE(MAX(version), 0) FROM catalogs`)
		return err
	})
	return rest, err
}
