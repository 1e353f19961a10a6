package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) subscriptionCommand() *cobra.Command {
	noun := p.noun("subscription", "Subscriptions: an organization's standing with a product",
		`  sallyport subscription create MN_Product_Eligibility_v3 --org "Acme Health"
  sallyport subscription list --state requested
  sallyport subscription approve MN_Product_Eligibility_v3 --org "Acme Health" --contract C-2031`,
		p.subscriptionCreate(), p.subscriptionList(), p.subscriptionShow(), p.subscriptionPlan())
	for _, step := range []struct{ action, short string }{
		{"request", "Ask for the product with a contract, for the customer"},
		{"approve", "Record the contract: production and live data open"},
		{"refuse", "Turn a request down: back to the sandbox"},
		{"suspend", "Close a subscription for a while"},
		{"resume", "Open a suspended subscription again"},
		{"end", "End a subscription, its sandbox included"},
		{"reopen", "Start an ended subscription over, in the sandbox"},
	} {
		noun.AddCommand(p.subscriptionStep(step.action, step.short))
	}
	return noun
}

func subscriptionTable(n naming, all ...api.Subscription) table {
	t := table{header: []string{"ID", "ORG", "PRODUCT", "STATE", "PLAN", "NEXT", "CONTRACT", "UPDATED"}}
	for _, s := range all {
		t.add(s.ID, n.org(s.Org), s.Product, s.State, planOf(s), s.NextActor, s.Contract, when(s.Updated))
	}
	return t
}

func subscriptionMembers(s api.Subscription) table {
	return members("id", s.ID, "org", s.Org, "product", s.Product, "state", s.State, "plan", planOf(s), "contract", s.Contract, "note", s.Note,
		"requested", when(s.Requested), "created", when(s.Created), "updated", when(s.Updated),
		"who acts next", s.NextActor, "actions", words(s.Actions))
}

// planOf names a subscription's plan: one that names none is on the product's first,
// if the product has any.
func planOf(s api.Subscription) string {
	if s.Plan == "" {
		return "first, if any"
	}
	return s.Plan
}

const subscriptionOrg = "`ORG`, id or name, if the subscription is named by its product"

func (p *Program) subscriptionCreate() *cobra.Command {
	var org string
	cmd := operation(p, "create PRODUCT", "Open a product's sandbox to an organization, at once",
		`  sallyport subscription create MN_Product_Eligibility_v3 --org "Acme Health"`, subscriptionMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (s api.Subscription, err error) {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return s, err
			}
			return m.CreateSubscription(cmd.Context(), api.NewSubscription{Org: id, Product: args[0]})
		})
	orgFlag(cmd, &org, "`ORG` that gets it: id or name")
	need(cmd, "org")
	return cmd
}

func (p *Program) subscriptionList() *cobra.Command {
	var org, state string
	cmd := p.manage("list", "List subscriptions; with --state requested, the operator's queue",
		`  sallyport subscription list --state requested
  sallyport subscription list --org "Acme Health"`,
		func(cmd *cobra.Command, m *client.Management, _ []string) error {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return err
			}
			all, err := m.Subscriptions(cmd.Context(), id, state)
			if err != nil {
				return err
			}
			n, err := p.namesOf(cmd, m, idsOf(all.Items, func(s api.Subscription) string { return s.Org }), nil)
			if err != nil {
				return err
			}
			return p.answer(all, subscriptionTable(n, all.Items...))
		})
	idsFlag(cmd)
	orgFlag(cmd, &org, "only those of this `ORG`: id or name")
	cmd.Flags().StringVar(&state, "state", "", "only those in this `STATE`: sandbox, requested, subscribed, suspended, ended")
	complete(cmd, "state", "sandbox", "requested", "subscribed", "suspended", "ended")
	return cmd
}

func (p *Program) subscriptionShow() *cobra.Command {
	var org string
	cmd := operation(p, "show SUBSCRIPTION", "Show a subscription, who acts next, and what can be done",
		`  sallyport subscription show MN_Product_Eligibility_v3 --org "Acme Health"`, subscriptionMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (s api.Subscription, err error) {
			id, err := findSubscription(cmd.Context(), m, org, args[0])
			if err != nil {
				return s, err
			}
			return m.Subscription(cmd.Context(), id)
		})
	orgFlag(cmd, &org, subscriptionOrg)
	return cmd
}

func (p *Program) subscriptionPlan() *cobra.Command {
	var org string
	cmd := operation(p, "plan SUBSCRIPTION PLAN", "Put a subscription on another plan of its product",
		`  sallyport subscription plan MN_Product_Eligibility_v3 gold --org "Acme Health"`, subscriptionMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (s api.Subscription, err error) {
			id, err := findSubscription(cmd.Context(), m, org, args[0])
			if err != nil {
				return s, err
			}
			return m.UpdateSubscription(cmd.Context(), id, api.SubscriptionPatch{Plan: &args[1]})
		})
	orgFlag(cmd, &org, subscriptionOrg)
	cmd.Long = `Put a subscription on another plan of its product, from the next call on. What was
counted towards a quota stays counted. An empty PLAN is the product's first.`
	return cmd
}

func (p *Program) subscriptionStep(action, short string) *cobra.Command {
	var org string
	var in api.SubscriptionStep
	example := `  sallyport subscription ` + action + ` MN_Product_Eligibility_v3 --org "Acme Health"`
	if action == "approve" {
		example += " --contract C-2031"
	}
	cmd := operation(p, action+" SUBSCRIPTION", short, example, subscriptionMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (s api.Subscription, err error) {
			id, err := findSubscription(cmd.Context(), m, org, args[0])
			if err != nil {
				return s, err
			}
			return m.StepSubscription(cmd.Context(), id, action, in)
		})
	orgFlag(cmd, &org, subscriptionOrg)
	cmd.Flags().StringVar(&in.Note, "note", "", "`TEXT` that says why, shown to both sides")
	if action == "approve" {
		cmd.Flags().StringVar(&in.Contract, "contract", "", "`REFERENCE` of the contract")
	}
	return cmd
}
