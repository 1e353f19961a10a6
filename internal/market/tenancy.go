package market

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Subscribe opens a product to an organization: its sandbox, at once and
// without a contract (CONTRACT 6.1).
func (m *Market) Subscribe(ctx context.Context, by Actor, org id.Org, product string) (s Subscription, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if _, err := tx.Org(org); err != nil {
			return err
		}
		p, err := tx.Product(product)
		if err != nil {
			return noProduct("product", product, err)
		}
		if p.State != ProductActive {
			return &Error{Code: Conflict, Public: "the product is retired: it takes no new subscriptions", Hint: "subscribe to the product that took its place, or activate it again"}
		}
		if old, err := tx.SubscriptionTo(org, product); err == nil {
			return &Error{
				Code: Conflict, Public: "the organization has a subscription to " + product + " already, which is " + string(old.State),
				Hint: "it takes: " + joinActions(old.Actions()),
			}
		} else if !errors.Is(err, NotFound) {
			return err
		}
		now := m.Now()
		s = Subscription{ID: id.NewSubscription(), Org: org, Product: product, State: SubSandbox, Created: now, Updated: now}
		if err := tx.PutSubscription(s); err != nil {
			return err
		}
		return tx.Record(tenancyChange("create", KindSubscription, string(s.ID), org, map[string]any{"product": product, "state": s.State}))
	})
	return s, err
}

// ChangeSubscription takes a subscription a step further; see
// [Subscription.Apply].
func (m *Market) ChangeSubscription(ctx context.Context, by Actor, sub id.Subscription, action SubscriptionAction, contract, note string) (s Subscription, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if s, err = tx.Subscription(sub); err != nil {
			return err
		}
		if err := errors.Join(checkNote("contract", contract), checkNote("note", note)); err != nil {
			return err
		}
		was := s.State
		if s, err = s.Apply(action, contract, note, m.Now()); err != nil {
			return err
		}
		if err := tx.PutSubscription(s); err != nil {
			return err
		}
		return tx.Record(tenancyChange(string(action), KindSubscription, string(s.ID), s.Org, map[string]any{
			"product": s.Product, "from": was, "to": s.State, "contract": s.Contract, "note": note,
		}))
	})
	return s, err
}

// RequestTIN asks for the association of a TIN; an operator decides.
func (m *Market) RequestTIN(ctx context.Context, by Actor, org id.Org, number string) (t TIN, err error) {
	return m.putTIN(ctx, by, org, number, TINRequested, "")
}

// DecideTIN associates a TIN with an organization, or refuses it. An operator
// may associate one that nobody requested.
func (m *Market) DecideTIN(ctx context.Context, by Actor, org id.Org, number string, state TINState, note string) (TIN, error) {
	if state != TINAssociated && state != TINRefused {
		return TIN{}, Invalid("state", "an operator decides %q or %q", TINAssociated, TINRefused)
	}
	return m.putTIN(ctx, by, org, number, state, note)
}

func (m *Market) putTIN(ctx context.Context, by Actor, org id.Org, number string, state TINState, note string) (t TIN, err error) {
	if !ValidTIN(number) {
		return t, Invalid("tin", "must be nine digits, without a hyphen")
	}
	if err := checkNote("note", note); err != nil {
		return t, err
	}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if _, err := tx.Org(org); err != nil {
			return err
		}
		t, err = tx.TIN(org, number)
		switch {
		case errors.Is(err, NotFound):
			t = TIN{Org: org, Number: number, Created: m.Now()}
		case err != nil:
			return err
		case t.State == state:
			return &Error{Code: Conflict, Public: "the TIN is " + string(state) + " already", Hint: "nothing is left to do"}
		case state == TINRequested && t.State == TINAssociated:
			return &Error{Code: Conflict, Public: "the TIN is associated already", Hint: "nothing is left to request: send it with the call"}
		}
		t.State, t.Note, t.Updated = state, note, m.Now()
		if err := tx.PutTIN(t); err != nil {
			return err
		}
		return tx.Record(tenancyChange(string(state), KindTIN, number, org, map[string]any{"note": note}))
	})
	return t, err
}

// RemoveTIN ends the association or the request of a TIN.
func (m *Market) RemoveTIN(ctx context.Context, by Actor, org id.Org, number string) error {
	return m.Store.Update(ctx, by, func(tx Tx) error {
		if _, err := tx.TIN(org, number); err != nil {
			return err
		}
		if err := tx.DeleteTIN(org, number); err != nil {
			return err
		}
		return tx.Record(tenancyChange("delete", KindTIN, number, org, nil))
	})
}

// AssignSubmitter assigns a submitter id to an organization (CONTRACT 4.6).
func (m *Market) AssignSubmitter(ctx context.Context, by Actor, org id.Org, kind SubmitterKind, value string) (s Submitter, err error) {
	if kind != SubmitterOwn && kind != SubmitterHost {
		return s, Invalid("kind", "a submitter id is %q or %q", SubmitterOwn, SubmitterHost)
	}
	if err := checkName("value", value); err != nil {
		return s, err
	}
	s = Submitter{Org: org, Kind: kind, Value: value, Created: m.Now()}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if _, err := tx.Org(org); err != nil {
			return err
		}
		all, err := tx.Submitters(org)
		if err != nil {
			return err
		}
		for _, other := range all {
			if other.Kind == kind && other.Value == value {
				return &Error{Code: Conflict, Public: "the organization has that submitter id already", Hint: "nothing is left to do"}
			}
		}
		if err := tx.PutSubmitter(s); err != nil {
			return err
		}
		return tx.Record(tenancyChange("create", KindSubmitter, value, org, map[string]any{"kind": kind}))
	})
	return s, err
}

// RemoveSubmitter takes a submitter id away.
func (m *Market) RemoveSubmitter(ctx context.Context, by Actor, org id.Org, kind SubmitterKind, value string) error {
	return m.Store.Update(ctx, by, func(tx Tx) error {
		if err := tx.DeleteSubmitter(org, kind, value); err != nil {
			return err
		}
		return tx.Record(tenancyChange("delete", KindSubmitter, value, org, map[string]any{"kind": kind}))
	})
}

// operatorPrefix begins every token of the management API.
const operatorPrefix = "spop"

// AddOperatorToken makes a token of the management API and returns it: the
// only time that it is shown.
func (m *Market) AddOperatorToken(ctx context.Context, by Actor, label string, expires time.Time) (t OperatorToken, text secret.String, err error) {
	if err := checkName("label", label); err != nil {
		return t, text, err
	}
	now := m.Now()
	if !expires.IsZero() && !expires.After(now) {
		return t, text, Invalid("expires", "has passed already")
	}
	text, hint := NewSecret(operatorPrefix)
	t = OperatorToken{ID: id.NewOperatorToken(), Label: label, Hint: hint, Hash: m.Hasher.Hash(text.Reveal()), Created: now, Expires: expires}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if err := tx.PutOperatorToken(t); err != nil {
			return err
		}
		return tx.Record(Change{Action: "create", Kind: KindOperatorToken, ID: string(t.ID), Detail: map[string]any{"label": label}})
	})
	return t, text, err
}

// RevokeOperatorToken ends a token of the management API.
func (m *Market) RevokeOperatorToken(ctx context.Context, by Actor, token id.OperatorToken) (t OperatorToken, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if t, err = tx.OperatorToken(token); err != nil {
			return err
		}
		if !t.Revoked.IsZero() {
			return &Error{Code: Conflict, Public: "the operator token was revoked already", Hint: "nothing is left to do"}
		}
		t.Revoked = m.Now()
		if err := tx.PutOperatorToken(t); err != nil {
			return err
		}
		return tx.Record(Change{Action: "revoke", Kind: KindOperatorToken, ID: string(t.ID)})
	})
	return t, err
}

// Operator returns the operator token that text is, if it is live.
func (m *Market) Operator(ctx context.Context, text secret.String) (t OperatorToken, err error) {
	hash := m.Hasher.Hash(text.Reveal())
	err = m.Store.View(ctx, func(r Reader) error {
		t, err = r.OperatorTokenByHash(hash)
		return err
	})
	if err != nil {
		return OperatorToken{}, err
	}
	if now := m.Now(); !t.Revoked.IsZero() || !t.Expires.IsZero() && !now.Before(t.Expires) {
		return OperatorToken{}, Missing("operator token", "…")
	}
	return t, nil
}

func tenancyChange(action string, kind Kind, name string, org id.Org, detail map[string]any) Change {
	return Change{
		Action: action, Kind: kind, ID: name, Org: org, Detail: detail,
		Feed: KindOrg, FeedKey: string(org),
	}
}
