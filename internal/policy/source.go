package policy

import (
	"slices"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// Source is what answers a call.
type Source struct {
	Live   bool
	Reason string // why it is mock data; empty when live
}

// String is how an answer says which it was (CONTRACT 5.4).
func (s Source) String() string {
	if s.Live {
		return "live"
	}
	return "mock; reason=" + s.Reason
}

// Question is what [Choose] decides on.
type Question struct {
	Environment market.Environment
	API         *manifest.API
	Org         *snapshot.Org
	Product     string
	ForceMock   bool     // the header environment: sandbox
	TINs        []string // all that the request names; none of them is empty
}

// Choose decides between mock data and the live upstream, by the table of
// CONTRACT 5.1, and checks the provider's TIN on the way.
//
// Only the sandbox mocks. There, in this order: the header asks for mock data;
// the organization is subscribed and the TIN is associated with it: live; it is
// subscribed and the TIN is not: refused, never silent mock data; else mock. Of
// several TINs each has to be associated.
func Choose(q Question) (Source, *Refusal) {
	rule := q.API.Request.TIN
	mocks := q.Environment == market.Sandbox
	if mocks && q.ForceMock {
		return Source{Reason: "header"}, nil
	}
	if rule != nil {
		if ref := checkTINs(rule, q.TINs); ref != nil {
			return Source{}, ref
		}
	}
	subscribed := q.Org.Subscription(q.Product) == market.SubSubscribed
	switch {
	case mocks && !subscribed:
		return Source{Reason: "not-subscribed"}, nil
	case rule != nil && slices.ContainsFunc(q.TINs, func(tin string) bool { return !q.Org.HasTIN(tin) }):
		ref := &Refusal{
			Code:   AccessDenied,
			Detail: "The provider TIN is not associated with your organization. Ask the API consultant to associate it",
			Reason: "the TIN of the request is not associated with the organization",
			Next:   "request the TIN; the operator associates it", Parameter: tinParameter(rule),
		}
		if mocks {
			ref.Detail += ", or send the header environment: sandbox for mock data"
		}
		return Source{}, ref
	case mocks && rule != nil && len(q.TINs) == 0:
		return Source{Reason: "no-tin"}, nil
	}
	if _, ok := q.API.Upstreams[q.Environment]; !ok && mocks {
		return Source{Reason: "no-upstream"}, nil
	}
	return Source{Live: true}, nil
}

func checkTINs(rule *manifest.TINRule, tins []string) *Refusal {
	place := "the header " + rule.Header
	switch {
	case rule.Header == "":
		place = rule.Pointer + " of the body"
	case rule.Pointer != "":
		place += ", or " + rule.Pointer + " of the body"
	}
	switch {
	case len(tins) == 0 && rule.Required:
		return &Refusal{Code: InvalidRequest, Parameter: tinParameter(rule), Detail: "The provider TIN is missing. Send nine digits in " + place}
	case slices.ContainsFunc(tins, func(tin string) bool { return !market.ValidTIN(tin) }):
		return &Refusal{Code: InvalidRequest, Parameter: tinParameter(rule), Detail: "The provider TIN must be nine digits, without a hyphen, in " + place}
	}
	return nil
}

// tinParameter is where a TIN travels: its header, else its place in the body.
func tinParameter(rule *manifest.TINRule) string {
	if rule.Header != "" {
		return rule.Header
	}
	return rule.Pointer
}
