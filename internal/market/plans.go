package market

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// Plan says how much each app of an organization may call by a subscription to a
// product.
type Plan struct {
	Name       string
	Title      string                // for people; may be empty
	Limits     PlanLimits            // of all operations together
	Operations map[string]PlanLimits // of single operations, by operationId, beside those
}

// PlanLimits bounds calls. What is zero is not bounded.
type PlanLimits struct {
	Rate  PlanRate
	Day   int64 // calls in a day of UTC
	Month int64 // calls in a month of UTC
}

// PlanRate is a rate: Calls in each Per, and Burst at once after a pause.
type PlanRate struct {
	Calls int64 // 0: no rate
	Per   time.Duration
	Burst int64
}

// Plan returns the plan of that name. One that names none, or one that is no more,
// gets the first: a subscription is never without the limits that its product has.
// It is nil if the product has no plans.
func (p *Product) Plan(name string) *Plan {
	if len(p.Plans) == 0 {
		return nil
	}
	if i := p.planIndex(name); i >= 0 {
		return &p.Plans[i]
	}
	return &p.Plans[0]
}

func (p *Product) planIndex(name string) int {
	return slices.IndexFunc(p.Plans, func(plan Plan) bool { return plan.Name == name })
}

// planNames lists the plans of a product, for people.
func (p *Product) planNames() string {
	names := make([]string, len(p.Plans))
	for i := range p.Plans {
		names[i] = p.Plans[i].Name
	}
	if len(names) == 0 {
		return "none"
	}
	return sortedList(names)
}

// Same reports whether two products are alike in all that nodes decide by.
func (p *Product) Same(other *Product) bool { return reflect.DeepEqual(p, other) }

// PutOnPlan puts a subscription on a plan of its product; empty: the product's
// first.
func (m *Market) PutOnPlan(ctx context.Context, by Actor, sub id.Subscription, plan string) (s Subscription, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if s, err = tx.Subscription(sub); err != nil {
			return err
		}
		if err := checkPlan(tx, s.Product, plan); err != nil {
			return err
		}
		was := s.Plan
		s.Plan, s.Updated = plan, m.Now()
		if err := tx.PutSubscription(s); err != nil {
			return err
		}
		return tx.Record(tenancyChange("plan", KindSubscription, string(s.ID), s.Org, map[string]any{
			"product": s.Product, "from": was, "to": plan,
		}))
	})
	return s, err
}

func checkPlan(tx Tx, product, plan string) error {
	p, err := tx.Product(product)
	if err != nil {
		return err
	}
	if plan != "" && p.planIndex(plan) < 0 {
		return Invalid("plan", "%s has no plan %q; there are: %s", product, plan, p.planNames())
	}
	return nil
}

// checkPlansLeft refuses to take away a plan that a subscription is on: it would
// find itself on another, and nobody would have told it.
func checkPlansLeft(tx Tx, old, now Product) error {
	var gone []string
	for _, plan := range old.Plans {
		if now.planIndex(plan.Name) < 0 {
			gone = append(gone, plan.Name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	all, err := tx.Subscriptions("", "")
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Product == old.Name && s.State != SubEnded && slices.Contains(gone, s.Plan) {
			return &Error{
				Code: Conflict, Public: "the catalogue has no plan " + s.Plan + " of " + old.Name + " any more, and subscription " + string(s.ID) + " is on it",
				Hint: "put the subscriptions on another plan first: sallyport subscription plan SUBSCRIPTION PLAN, where an empty PLAN is the product's first",
			}
		}
	}
	return nil
}
