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
	var ids []string
	for _, o := range all {
		if o.Name == text {
			ids = append(ids, o.ID)
		}
	}
	return only(ids, "organization", text, "sallyport org list")
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
	var ids, whose []string
	for _, a := range all {
		if a.Name == text {
			ids, whose = append(ids, a.ID), append(whose, a.ID+" of "+a.Org)
		}
	}
	if len(ids) > 1 && org == "" {
		return "", hint(fmt.Errorf("there are %d apps %q", len(ids), text), "say whose: --org ORG", "or give the id of one: "+strings.Join(whose, ", "))
	}
	return only(ids, "app", text, "sallyport app list")
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
	var ids []string
	for _, s := range all.Items {
		if s.Product == text {
			ids = append(ids, s.ID)
		}
	}
	return only(ids, "subscription to", text, "sallyport subscription list --org "+org)
}

// only returns the one id, or says that there is none, or which there are.
func only(ids []string, kind, name, list string) (string, error) {
	switch len(ids) {
	case 0:
		return "", hint(fmt.Errorf("there is no %s %q", kind, name), "what there is: "+list)
	case 1:
		return ids[0], nil
	}
	return "", hint(fmt.Errorf("there are %d %ss %q", len(ids), kind, name), "give the id of one: "+strings.Join(ids, ", "))
}
