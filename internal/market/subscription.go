package market

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// SubscriptionState is how far a subscription has come.
//
//	sandbox ──request──▶ requested ──approve──▶ subscribed ◀──▶ suspended
//	   ▲                     │                      │               │
//	   └───────refuse────────┘                      └──────end──────┴──▶ ended
//
// A state other than suspended and ended opens the sandbox, where it answers
// with mock data; only subscribed opens production and live data in the
// sandbox (CONTRACT 5.1, 6.1, 6.2). An ended subscription may start over.
type SubscriptionState string

// The states of a subscription.
const (
	SubSandbox    SubscriptionState = "sandbox"    // self-service; nothing signed
	SubRequested  SubscriptionState = "requested"  // the operator acts next
	SubSubscribed SubscriptionState = "subscribed" // a contract is recorded
	SubSuspended  SubscriptionState = "suspended"
	SubEnded      SubscriptionState = "ended"
)

// OpensSandbox reports whether the sandbox answers at all.
func (s SubscriptionState) OpensSandbox() bool {
	return s == SubSandbox || s == SubRequested || s == SubSubscribed
}

// Opens reports whether a token of env may carry the product now.
func (s SubscriptionState) Opens(env Environment) bool {
	if env == Sandbox {
		return s.OpensSandbox()
	}
	return s == SubSubscribed
}

// SubscriptionAction is what can be done to a subscription.
type SubscriptionAction string

// The actions.
const (
	ActRequest SubscriptionAction = "request" // by the customer
	ActApprove SubscriptionAction = "approve" // by an operator, with a contract
	ActRefuse  SubscriptionAction = "refuse"
	ActSuspend SubscriptionAction = "suspend"
	ActResume  SubscriptionAction = "resume"
	ActEnd     SubscriptionAction = "end"
	ActReopen  SubscriptionAction = "reopen" // an ended one, back to sandbox
)

// SubscriptionActions lists every action, in the order of a subscription's life.
func SubscriptionActions() []SubscriptionAction {
	return []SubscriptionAction{ActRequest, ActApprove, ActRefuse, ActSuspend, ActResume, ActEnd, ActReopen}
}

// transitions is the picture above as a table: which states an action takes,
// and where it leads.
var transitions = map[SubscriptionAction]struct {
	from []SubscriptionState
	to   SubscriptionState
}{
	ActRequest: {[]SubscriptionState{SubSandbox}, SubRequested},
	ActApprove: {[]SubscriptionState{SubSandbox, SubRequested}, SubSubscribed},
	ActRefuse:  {[]SubscriptionState{SubRequested}, SubSandbox},
	ActSuspend: {[]SubscriptionState{SubSubscribed}, SubSuspended},
	ActResume:  {[]SubscriptionState{SubSuspended}, SubSubscribed},
	ActEnd:     {[]SubscriptionState{SubSandbox, SubRequested, SubSubscribed, SubSuspended}, SubEnded},
	ActReopen:  {[]SubscriptionState{SubEnded}, SubSandbox},
}

// Apply returns s after action, or an [Error] of code Conflict that says which
// actions s takes. Approving needs a contract's reference.
func (s Subscription) Apply(action SubscriptionAction, contract, note string, now time.Time) (Subscription, error) {
	step, ok := transitions[action]
	if !ok {
		return s, Invalid("action", "there is no action %q; the actions are: %s", action, joinActions(SubscriptionActions()))
	}
	if !slices.Contains(step.from, s.State) {
		return s, &Error{
			Code:   Conflict,
			Public: fmt.Sprintf("a subscription that is %q cannot be changed by %q", s.State, action),
			Hint:   "it takes: " + joinActions(s.Actions()),
		}
	}
	contract = strings.TrimSpace(contract)
	switch {
	case action == ActApprove && contract == "":
		return s, Invalid("contract", "approving records a contract: give its reference")
	case action == ActApprove:
		s.Contract = contract
	case contract != "":
		return s, Invalid("contract", "is recorded by %q, and by nothing else", ActApprove)
	}
	s.State, s.Note, s.Updated = step.to, note, now
	switch action {
	case ActRequest:
		s.Requested = now
	case ActReopen:
		s.Contract, s.Requested = "", time.Time{}
	case ActApprove, ActRefuse, ActSuspend, ActResume, ActEnd: // the state alone
	}
	return s, nil
}

// Actions lists what can be done to s as it stands.
func (s Subscription) Actions() []SubscriptionAction {
	var out []SubscriptionAction
	for _, action := range SubscriptionActions() {
		if slices.Contains(transitions[action].from, s.State) {
			out = append(out, action)
		}
	}
	return out
}

// NextActor says who has to act for the subscription to move on: "operator",
// "customer", or nobody.
func (s Subscription) NextActor() string {
	switch s.State {
	case SubRequested, SubSuspended:
		return "operator"
	case SubSandbox:
		return "customer"
	case SubSubscribed, SubEnded:
	}
	return ""
}

func joinActions(actions []SubscriptionAction) string {
	words := make([]string, len(actions))
	for i, a := range actions {
		words[i] = string(a)
	}
	return strings.Join(words, ", ")
}
