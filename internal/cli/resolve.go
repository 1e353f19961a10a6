package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// Names may stand for ids where only one thing has them.

// findOrg returns the id of the organization that text is the id or name of;
// "" for "".
func findOrg(ctx context.Context, m *client.Management, text string) (string, error) {
	if text == "" || strings.HasPrefix(text, "org_") {
		return text, nil
	}
	all, err := client.All(func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(ctx, page) })
	if err != nil {
		return "", err
	}
	var found []match
	for _, o := range all {
		if o.Name == text {
			found = append(found, match{o.ID, o.State + ", of " + when(o.Created)})
		}
	}
	return only(found, "organization", text, "sallyport org list")
}

// findApp returns the id of the app that text is the id or name of, within an
// organization if org is not empty.
func findApp(ctx context.Context, m *client.Management, org, text string) (string, error) {
	if strings.HasPrefix(text, "app_") {
		return text, nil
	}
	org, err := findOrg(ctx, m, org)
	if err != nil {
		return "", err
	}
	all, err := client.All(func(page api.Page) (api.List[api.App], error) { return m.Apps(ctx, org, page) })
	if err != nil {
		return "", err
	}
	var found []match
	for _, a := range all {
		if a.Name == text {
			found = append(found, match{a.ID, a.Environment + ", of " + a.Org})
		}
	}
	if len(found) > 1 && org == "" {
		return "", hint(fmt.Errorf("there are %d apps %q", len(found), text), "say whose: --org ORG", "or give the id of one: "+toldApart(found, "sallyport app list"))
	}
	return only(found, "app", text, "sallyport app list")
}

// findSubscription returns the id of the subscription that text is the id of,
// or the product of, with the organization org.
func findSubscription(ctx context.Context, m *client.Management, org, text string) (string, error) {
	if strings.HasPrefix(text, "sub_") {
		return text, nil
	}
	if org == "" {
		return "", usagef("%q is not the id of a subscription: with the name of a product, give --org too", text)
	}
	org, err := findOrg(ctx, m, org)
	if err != nil {
		return "", err
	}
	all, err := m.Subscriptions(ctx, org, "")
	if err != nil {
		return "", err
	}
	var found []match
	for _, s := range all.Items {
		if s.Product == text {
			found = append(found, match{s.ID, s.State})
		}
	}
	return only(found, "subscription to", text, "sallyport subscription list --org "+org)
}

// match is a thing that a name may mean, and what tells it from others of that name.
type match struct{ id, apart string }

// mostTold is how many things of one name are told apart.
const mostTold = 5

// only returns the one id, or says that there is none, or which there are.
func only(found []match, kind, name, list string) (string, error) {
	switch len(found) {
	case 0:
		return "", hint(fmt.Errorf("there is no %s %q", kind, name), "what there is: "+list)
	case 1:
		return found[0].id, nil
	}
	return "", hint(fmt.Errorf("there are %d %ss %q", len(found), kind, name), "give the id of one: "+toldApart(found, list))
}

// toldApart lists the first of some things that have one name.
func toldApart(found []match, list string) string {
	told := make([]string, min(len(found), mostTold))
	for i := range told {
		told[i] = found[i].id + " (" + printable(found[i].apart) + ")"
	}
	if len(found) > mostTold {
		told = append(told, "…: "+list)
	}
	return strings.Join(told, ", ")
}
