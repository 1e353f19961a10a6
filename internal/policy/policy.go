// Package policy decides whether a call may be made and by what it is
// answered. Its functions are pure: they are told what is (from the snapshot,
// the token and the request) and say what follows, so that the same question
// has the same answer at the gateway, in a diagnosis and in a test.
//
// The order of the questions is the gateway's: [Standing], [Product],
// [Submitter], [Choose]. Each returns nil or a [Refusal].
//
// What it does not do: read requests, or write answers.
package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// Code is the kind of a refusal: the `error` that deployed clients match on
// (CONTRACT 4.2).
type Code string

// The codes that policy refuses with.
const (
	NotApproved    Code = "access_token_not_approved"
	InvalidProduct Code = "invalid_product"
	AccessDenied   Code = "access_denied"
	InvalidRequest Code = "invalid_request"
)

// Refusal says no: Detail to the caller, with the next step in it; Reason to
// the owner alone, where it says more.
type Refusal struct {
	Code      Code
	Detail    string
	Reason    string
	Next      string
	Parameter string // what it is about, by its name in the request; empty: nothing single
}

// Error implements error.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Why() }

// Why is the exact reason.
func (r *Refusal) Why() string {
	if r.Reason != "" {
		return r.Reason
	}
	return r.Detail
}

// Standing decides whether a token that verified is still honoured: whose it is
// must be active, and nothing revoked that stands behind it (CONTRACT 2.5, 4.2). A
// token of another issuer has no credential of ours behind it.
func Standing(p *token.Principal, c snapshot.Client, known, revoked bool) *Refusal {
	reason, next := standing(p, c, known, revoked)
	if reason == "" {
		return nil
	}
	return &Refusal{
		Code: NotApproved, Reason: reason, Next: next,
		Detail: "The access token was revoked, or its app or secret was. Get a new token; if that fails too, make a new secret or ask the operator",
	}
}

// standing returns why a token is not honoured any more, "" if it is. It makes
// no refusal: nearly every call asks, and nearly none is refused.
func standing(p *token.Principal, c snapshot.Client, known, revoked bool) (reason, next string) {
	switch {
	case !known:
		return "the app of this token is gone", "use the credentials of an app that exists"
	case revoked:
		return "the token was revoked", "get a new one"
	case p.Foreign == "" && (c.Credential == nil || c.Credential.Revoked):
		return "the secret that this token was got with was revoked", "get a token with another secret"
	case p.IssuedAt < c.NotBefore:
		return "the token was issued before " + time.Unix(c.NotBefore, 0).UTC().Format(time.RFC3339) + ", up to when all were revoked", "get a new one"
	case !c.App.Active:
		return "the app is disabled", "enable the app"
	case !c.Org.Active:
		return "the organization is suspended", "ask the operator"
	}
	return "", ""
}

// Product decides by which product a call is entitled: one that the API is
// filed under, that is in the token, and that the organization's subscription
// opens now (CONTRACT 3.3).
func Product(api *manifest.API, p *token.Principal, c snapshot.Client, active func(product string) bool) (string, *Refusal) {
	var reason, next string
	for _, product := range api.Products {
		if reason, next = closed(product, p, c, active); reason == "" {
			return product, nil
		}
	}
	return "", &Refusal{
		Code: InvalidProduct, Reason: reason, Next: next,
		Detail: fmt.Sprintf("The token does not open this API. It is part of %s: request access to it, then get a new token", strings.Join(api.Products, " and ")),
	}
}

// closed returns why a product does not open its APIs to a caller, "" if it does.
func closed(product string, p *token.Principal, c snapshot.Client, active func(product string) bool) (reason, next string) {
	state := c.Org.Subscription(product)
	switch {
	case !active(product):
		return "the product " + product + " is retired", "see the change log for its successor"
	case state == "":
		return "the organization has no subscription to " + product, "subscribe to it"
	case !state.Opens(c.App.Environment):
		return fmt.Sprintf("the subscription to %s is %q, which does not open %s", product, state, c.App.Environment), nextFor(state)
	case !c.App.Takes(product):
		return "the app is narrowed to other products", "add " + product + " to the app's products"
	case !p.HasProduct(product):
		return product + " is open to the app, but not in this token, which is older or has a narrower scope", "get a new token"
	}
	return "", ""
}

func nextFor(state market.SubscriptionState) string {
	switch state {
	case market.SubSandbox:
		return "request the subscription; an operator approves it with the contract"
	case market.SubRequested, market.SubSuspended:
		return "the operator acts next"
	case market.SubSubscribed, market.SubEnded: // the former opens everything
	}
	return "reopen the subscription"
}

// SubmitterIDs is what a request says about submitters.
type SubmitterIDs struct{ Own, Host string }

// Submitter decides whether the submitter ids of a request are the
// organization's (CONTRACT 4.6, S003). If the request must have them, the host's
// is needed where the organization has one; an id that is there is checked in any
// case.
func Submitter(rule *manifest.SubmitterRule, ids SubmitterIDs, must bool, org *snapshot.Org) *Refusal {
	places := func(name string) string {
		if rule.Pointer == "" {
			return "the header " + name
		}
		return "the header " + name + ", or a {name, value} pair in " + rule.Pointer + " of the body"
	}
	switch hasHost := len(org.Submitters(market.SubmitterHost)) > 0; {
	case must && ids.Own == "":
		return &Refusal{Code: InvalidRequest, Parameter: rule.Header, Detail: "The submitter ID is missing. Send it in " + places(rule.Header)}
	case must && hasHost && ids.Host == "":
		return &Refusal{Code: InvalidRequest, Parameter: rule.HostHeader, Detail: "The host submitter ID is missing; your account has one. Send it in " + places(rule.HostHeader)}
	case ids.Own != "" && !org.HasSubmitter(market.SubmitterOwn, ids.Own):
		return notYours("submitter ID", rule.Header)
	case ids.Host != "" && !org.HasSubmitter(market.SubmitterHost, ids.Host):
		return notYours("host submitter ID", rule.HostHeader)
	}
	return nil
}

func notYours(what, parameter string) *Refusal {
	return &Refusal{
		Code:   AccessDenied,
		Detail: "The " + what + " is not assigned to your organization. Send the one that you were given, or ask the operator to assign it",
		Reason: "the " + what + " of the request is not assigned to the organization",
		Next:   "the operator assigns it", Parameter: parameter,
	}
}
