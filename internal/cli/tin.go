package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) tinCommand() *cobra.Command {
	return p.noun("tin", "TINs: provider tax identification numbers that open live data in the sandbox",
		`  sallyport tin list --state requested
  sallyport tin associate 123456789 --org "Acme Health"`,
		p.tinRequest(),
		p.tinDecide("associate", "Open live data to an organization for a TIN", "associated"),
		p.tinDecide("refuse", "Turn a request for a TIN down", "refused"),
		p.tinList(), p.tinDelete())
}

func tinTable(all ...api.TIN) table {
	t := table{header: []string{"TIN", "ORG", "STATE", "NOTE", "UPDATED"}}
	for _, tin := range all {
		t.add(tin.TIN, tin.Org, tin.State, tin.Note, when(tin.Updated))
	}
	return t
}

// holder is the required flag for the organization that holds something.
func holder(cmd *cobra.Command, org *string) {
	orgFlag(cmd, org, "`ORG`: id or name")
	need(cmd, "org")
}

func (p *Program) tinRequest() *cobra.Command {
	var org string
	cmd := operation(p, "request TIN", "Ask for the association of a TIN, for the customer", `  sallyport tin request 123456789 --org "Acme Health"`, one(tinTable),
		func(cmd *cobra.Command, m *client.Management, args []string) (tin api.TIN, err error) {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return tin, err
			}
			return m.RequestTIN(cmd.Context(), id, api.NewTIN{TIN: args[0]})
		})
	holder(cmd, &org)
	return cmd
}

func (p *Program) tinDecide(verb, short, state string) *cobra.Command {
	var org, note string
	cmd := operation(p, verb+" TIN", short, `  sallyport tin `+verb+` 123456789 --org "Acme Health" --note "by letter of 5 May"`, one(tinTable),
		func(cmd *cobra.Command, m *client.Management, args []string) (tin api.TIN, err error) {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return tin, err
			}
			return m.DecideTIN(cmd.Context(), id, args[0], api.TINDecision{State: state, Note: note})
		})
	holder(cmd, &org)
	cmd.Flags().StringVar(&note, "note", "", "`TEXT` that says why, shown to both sides")
	return cmd
}

func (p *Program) tinList() *cobra.Command {
	var org, state string
	cmd := operation(p, "list", "List TINs; with --state requested, the operator's queue", `  sallyport tin list --state requested`, items(tinTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (all api.List[api.TIN], err error) {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return all, err
			}
			return m.TINs(cmd.Context(), id, state)
		})
	orgFlag(cmd, &org, "only those of this `ORG`: id or name")
	cmd.Flags().StringVar(&state, "state", "", "only those in this `STATE`: requested, associated, refused")
	complete(cmd, "state", "requested", "associated", "refused")
	return cmd
}

func (p *Program) tinDelete() *cobra.Command {
	var org string
	cmd := p.manage("delete TIN", "End the association or the request of a TIN", `  sallyport tin delete 123456789 --org "Acme Health"`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return err
			}
			if err := m.DeleteTIN(cmd.Context(), id, args[0]); err != nil {
				return err
			}
			return p.did("deleted %s", args[0])
		})
	holder(cmd, &org)
	return cmd
}
