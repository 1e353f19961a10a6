package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) submitterCommand() *cobra.Command {
	return p.noun("submitter", "Submitter ids of an organization, for pharmacy claims",
		`  sallyport submitter assign SUB0001 --org "Acme Health"
  sallyport submitter list --org "Acme Health"`,
		p.submitterAssign(), p.submitterList(), p.submitterRemove())
}

func submitterTable(all ...api.Submitter) table {
	t := table{header: []string{"KIND", "VALUE", "ORG", "CREATED"}}
	for _, s := range all {
		t.add(s.Kind, s.Value, s.Org, when(s.Created))
	}
	return t
}

func kindFlag(cmd *cobra.Command, kind *string) {
	cmd.Flags().StringVar(kind, "kind", "submitter", "`KIND` of id: submitter (submitterID) or host (hostSubmitterID)")
	complete(cmd, "kind", "submitter", "host")
}

func (p *Program) submitterAssign() *cobra.Command {
	var org, kind string
	cmd := operation(p, "assign VALUE", "Assign a submitter id to an organization", `  sallyport submitter assign HOST01 --kind host --org "Acme Health"`, one(submitterTable),
		func(cmd *cobra.Command, m *client.Management, args []string) (s api.Submitter, err error) {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return s, err
			}
			return m.AssignSubmitter(cmd.Context(), id, api.NewSubmitter{Kind: kind, Value: args[0]})
		})
	holder(cmd, &org)
	kindFlag(cmd, &kind)
	return cmd
}

func (p *Program) submitterList() *cobra.Command {
	var org string
	cmd := operation(p, "list", "List an organization's submitter ids", `  sallyport submitter list --org "Acme Health"`, items(submitterTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (all api.List[api.Submitter], err error) {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return all, err
			}
			return m.Submitters(cmd.Context(), id)
		})
	holder(cmd, &org)
	return cmd
}

func (p *Program) submitterRemove() *cobra.Command {
	var org, kind string
	cmd := p.manage("remove VALUE", "Take a submitter id away from an organization", `  sallyport submitter remove HOST01 --kind host --org "Acme Health"`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return err
			}
			if err := m.RemoveSubmitter(cmd.Context(), id, kind, args[0]); err != nil {
				return err
			}
			return p.did("removed %s", args[0])
		})
	holder(cmd, &org)
	kindFlag(cmd, &kind)
	return cmd
}
