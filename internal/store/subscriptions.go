package store

import (
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

const subscriptionColumns = `id, org, product, state, plan, contract, note, requested, created, updated`

func scanSubscription(row scanner, s *market.Subscription) error {
	return row.Scan(&s.ID, &s.Org, &s.Product, &s.State, &s.Plan, &s.Contract, &s.Note,
		timeInto{&s.Requested}, timeInto{&s.Created}, timeInto{&s.Updated})
}

// Subscription implements [market.TenancyReader].
func (s *session) Subscription(sub id.Subscription) (market.Subscription, error) {
	return one(s, "read a subscription", market.Missing("subscription", string(sub)), scanSubscription,
		`SELECT `+subscriptionColumns+` FROM subscriptions WHERE id = $1`, sub)
}

// SubscriptionTo implements [market.TenancyReader].
func (s *session) SubscriptionTo(org id.Org, product string) (market.Subscription, error) {
	return one(s, "find a subscription", market.Missing("subscription to", product), scanSubscription,
		`SELECT `+subscriptionColumns+` FROM subscriptions WHERE org = $1 AND product = $2`, org, product)
}

// Subscriptions implements [market.TenancyReader].
func (s *session) Subscriptions(org id.Org, state market.SubscriptionState) ([]market.Subscription, error) {
	var where conditions
	where.add(org != "", `org = $%d`, org)
	where.add(state != "", `state = $%d`, state)
	return collect(s, "list subscriptions", scanSubscription,
		`SELECT `+subscriptionColumns+` FROM subscriptions`+where.String()+` ORDER BY created, id`, where.args...)
}

// PutSubscription implements [market.TenancyWriter].
func (c *transaction) PutSubscription(s market.Subscription) error {
	said := sentences{
		"subscriptions_org_product_key": conflict("change the one that is there", "the organization %q has a subscription to %s already", s.Org, s.Product),
		foreign:                         noSuch("sallyport org list and sallyport product list show what there is", "there is no organization %q, or no product %q", s.Org, s.Product),
	}
	return c.put("put a subscription", said,
		`INSERT INTO subscriptions (id, org, product, state, plan, contract, note, requested, created, updated)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		 ON CONFLICT (id) DO UPDATE SET org = excluded.org, product = excluded.product, state = excluded.state, plan = excluded.plan,
		   contract = excluded.contract, note = excluded.note, requested = excluded.requested,
		   created = excluded.created, updated = excluded.updated`,
		s.ID, s.Org, s.Product, s.State, s.Plan, s.Contract, s.Note, millis(s.Requested), millis(s.Created), millis(s.Updated))
}
