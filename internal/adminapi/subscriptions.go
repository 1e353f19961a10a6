package adminapi

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func subscription(s market.Subscription) api.Subscription {
	actions := []string{}
	for _, action := range s.Actions() {
		actions = append(actions, string(action))
	}
	return api.Subscription{
		ID: string(s.ID), Org: string(s.Org), Product: s.Product, State: string(s.State), Plan: s.Plan, Contract: s.Contract, Note: s.Note,
		Requested: s.Requested.UTC(), Created: s.Created.UTC(), Updated: s.Updated.UTC(),
		Actions: actions, NextActor: s.NextActor(),
	}
}

// subscriptionStates lists the states to filter by.
func subscriptionStates() []string {
	return []string{
		string(market.SubSandbox), string(market.SubRequested), string(market.SubSubscribed),
		string(market.SubSuspended), string(market.SubEnded),
	}
}

func (h *Handler) createSubscription(w http.ResponseWriter, r *http.Request) error {
	var in api.NewSubscription
	if err := read(w, r, &in); err != nil {
		return err
	}
	if !identifierForm(in.Org, "org_") {
		return market.Invalid("org", "must be the id of an organization, which begins with org_")
	}
	if !printing(in.Product) {
		return market.Invalid("product", "there is no such product")
	}
	s, err := h.Market.Subscribe(r.Context(), actor(r), id.Org(in.Org), in.Product)
	if err != nil {
		return err
	}
	created(w, "/v1/subscriptions/"+string(s.ID), subscription(s))
	return nil
}

func (h *Handler) listSubscriptions(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	org := id.Org(q.identifier("org", "org_"))
	state := market.SubscriptionState(q.word("state", subscriptionStates()...))
	if err := q.err(); err != nil {
		return err
	}
	all, err := view(r.Context(), h, func(read market.Reader) ([]market.Subscription, error) {
		if err := isOrg(read, org); err != nil {
			return nil, err
		}
		return read.Subscriptions(org, state)
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, "", subscription))
	return nil
}

func (h *Handler) patchSubscription(w http.ResponseWriter, r *http.Request) error {
	name, err := subscriptionID(r)
	if err != nil {
		return err
	}
	var in api.SubscriptionPatch
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Plan == nil {
		return market.Invalid("plan", "is missing: the name of a plan, or an empty text for the product's first")
	}
	s, err := h.Market.PutOnPlan(r.Context(), actor(r), name, *in.Plan)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, subscription(s))
	return nil
}

func (h *Handler) stepSubscription(w http.ResponseWriter, r *http.Request) error {
	name, err := subscriptionID(r)
	if err != nil {
		return err
	}
	action := market.SubscriptionAction(r.PathValue("action"))
	known := false
	for _, a := range market.SubscriptionActions() {
		known = known || a == action
	}
	if !known {
		return notFound("action", "GET the subscription: it shows the actions that it takes")
	}
	var in api.SubscriptionStep
	if err := readIfAny(w, r, &in); err != nil {
		return err
	}
	s, err := h.Market.ChangeSubscription(r.Context(), actor(r), name, action, in.Contract, in.Note)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, subscription(s))
	return nil
}
