package market_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/market"
)

func states() []market.SubscriptionState {
	return []market.SubscriptionState{market.SubSandbox, market.SubRequested, market.SubSubscribed, market.SubSuspended, market.SubEnded}
}

// The picture in subscription.go, as the table it was drawn from.
func TestASubscriptionTakesTheStepsOfThePictureAndNoOthers(t *testing.T) {
	want := map[market.SubscriptionState]map[market.SubscriptionAction]market.SubscriptionState{
		market.SubSandbox:    {market.ActRequest: market.SubRequested, market.ActApprove: market.SubSubscribed, market.ActEnd: market.SubEnded},
		market.SubRequested:  {market.ActApprove: market.SubSubscribed, market.ActRefuse: market.SubSandbox, market.ActEnd: market.SubEnded},
		market.SubSubscribed: {market.ActSuspend: market.SubSuspended, market.ActEnd: market.SubEnded},
		market.SubSuspended:  {market.ActResume: market.SubSubscribed, market.ActEnd: market.SubEnded},
		market.SubEnded:      {market.ActReopen: market.SubSandbox},
	}
	now := time.Unix(1_700_000_000, 0)
	for _, from := range states() {
		for _, action := range market.SubscriptionActions() {
			before := market.Subscription{State: from}
			contract := ""
			if action == market.ActApprove {
				contract = "C-1"
			}
			after, err := before.Apply(action, contract, "note", now)
			to, allowed := want[from][action]
			switch {
			case allowed && (err != nil || after.State != to || after.Updated != now || after.Note != "note"):
				t.Errorf("%s, %s: %+v, %v; want %s", from, action, after, err, to)
			case !allowed && (!errors.Is(err, market.Conflict) || after.State != from):
				t.Errorf("%s, %s: %s, %v; want a conflict", from, action, after.State, err)
			case slices.Contains(before.Actions(), action) != allowed:
				t.Errorf("%s: Actions says %v", from, before.Actions())
			}
		}
	}
}

func TestApprovingNeedsAContract(t *testing.T) {
	s := market.Subscription{State: market.SubRequested}
	if _, err := s.Apply(market.ActApprove, "", "", time.Now()); !errors.Is(err, market.InvalidInput) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Apply(market.ActApprove, "  ", "", time.Now()); !errors.Is(err, market.InvalidInput) {
		t.Errorf("a contract of spaces: %v", err)
	}
	if _, err := (market.Subscription{State: market.SubSandbox}).Apply(market.ActRequest, "mine", "", time.Now()); !errors.Is(err, market.InvalidInput) {
		t.Errorf("a customer's own contract: %v", err)
	}
	if _, err := s.Apply("promote", "", "", time.Now()); !errors.Is(err, market.InvalidInput) {
		t.Errorf("an unknown action: %v", err)
	}
}

// Whatever is done to a subscription, production opens only while a contract
// is recorded, and nothing opens production without opening the sandbox.
func TestProductionOpensOnlyUnderAContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := market.Subscription{State: market.SubSandbox}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			action := rapid.SampledFrom(market.SubscriptionActions()).Draw(t, "action")
			contract := rapid.SampledFrom([]string{"", "C-1"}).Draw(t, "contract")
			if next, err := s.Apply(action, contract, "", time.Now()); err == nil {
				s = next
			}
			if s.State.Opens(market.Production) && s.Contract == "" {
				t.Fatalf("%s opens production without a contract", s.State)
			}
			if s.State.Opens(market.Production) && !s.State.Opens(market.Sandbox) {
				t.Fatalf("%s opens production and not the sandbox", s.State)
			}
		}
	})
}
