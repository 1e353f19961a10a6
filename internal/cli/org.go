package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) orgCommand() *cobra.Command {
	return p.noun("org", "Organizations: the customers",
		`  sallyport org create "Acme Health"
  sallyport org list`,
		p.orgCreate(), p.orgList(), p.orgShow(), p.orgUpdate(), p.orgSuspend(), p.orgResume(), p.orgNotBefore())
}

func orgTable(orgs ...api.Organization) table {
	t := table{header: []string{"ID", "NAME", "STATE", "NOT BEFORE", "CREATED"}}
	for _, o := range orgs {
		t.add(o.ID, o.Name, o.State, second(o.NotBefore), when(o.Created))
	}
	return t
}

func orgMembers(o api.Organization) table {
	return members("id", o.ID, "name", o.Name, "state", o.State, "not before", second(o.NotBefore), "created", when(o.Created))
}

func (p *Program) orgCreate() *cobra.Command {
	return p.verb("create NAME", "Add an organization", `  sallyport org create "Acme Health"`,
		func(cmd *cobra.Command, args []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			o, err := m.CreateOrganization(cmd.Context(), api.NewOrganization{Name: args[0]})
			if err != nil {
				return err
			}
			return p.answer(o, orgMembers(o))
		})
}

func (p *Program) orgList() *cobra.Command {
	return p.verb("list", "List organizations", `  sallyport org list
  sallyport org list -o json`,
		func(cmd *cobra.Command, _ []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			all, err := client.All(func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(cmd.Context(), page) })
			if err != nil {
				return err
			}
			return p.answer(api.List[api.Organization]{Items: all}, orgTable(all...))
		})
}

func (p *Program) orgShow() *cobra.Command {
	return p.verb("show ORG", "Show an organization", `  sallyport org show "Acme Health"
  sallyport org show org_7k2m4x6d3c5b7a2e4f6g3h5j7q`,
		func(cmd *cobra.Command, args []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			id, err := findOrg(cmd.Context(), m, args[0])
			if err != nil {
				return err
			}
			o, err := m.Organization(cmd.Context(), id)
			if err != nil {
				return err
			}
			return p.answer(o, orgMembers(o))
		})
}

// patchOrg changes the organization that text names.
func (p *Program) patchOrg(cmd *cobra.Command, text string, patch api.OrganizationPatch) error {
	m, err := p.management()
	if err != nil {
		return err
	}
	id, err := findOrg(cmd.Context(), m, text)
	if err != nil {
		return err
	}
	o, err := m.UpdateOrganization(cmd.Context(), id, patch)
	if err != nil {
		return err
	}
	return p.answer(o, orgMembers(o))
}

func (p *Program) orgUpdate() *cobra.Command {
	var name string
	cmd := p.verb("update ORG", "Rename an organization", `  sallyport org update "Acme Health" --name "Acme Health Inc."`,
		func(cmd *cobra.Command, args []string) error {
			return p.patchOrg(cmd, args[0], api.OrganizationPatch{Name: &name})
		})
	cmd.Flags().StringVar(&name, "name", "", "its new `NAME`")
	need(cmd, "name")
	return cmd
}

func (p *Program) orgSuspend() *cobra.Command {
	cmd := p.verb("suspend ORG", "Stop an organization's tokens and calls everywhere", `  sallyport org suspend "Acme Health" --yes`,
		func(cmd *cobra.Command, args []string) error {
			if err := p.confirm(cmd, "Stop all tokens and calls of "+args[0]+"?"); err != nil {
				return err
			}
			state := "suspended"
			return p.patchOrg(cmd, args[0], api.OrganizationPatch{State: &state})
		})
	yesFlag(cmd)
	return cmd
}

func (p *Program) orgResume() *cobra.Command {
	return p.verb("resume ORG", "Let a suspended organization go on", `  sallyport org resume "Acme Health"`,
		func(cmd *cobra.Command, args []string) error {
			state := "active"
			return p.patchOrg(cmd, args[0], api.OrganizationPatch{State: &state})
		})
}

func (p *Program) orgNotBefore() *cobra.Command {
	return p.verb("not-before ORG WHEN", "Revoke an organization's tokens that were issued before a moment",
		`  sallyport org not-before "Acme Health" now
  sallyport org not-before "Acme Health" 2026-01-31T12:00:00Z`,
		func(cmd *cobra.Command, args []string) error {
			second, err := epoch(args[1])
			if err != nil {
				return err
			}
			return p.patchOrg(cmd, args[0], api.OrganizationPatch{NotBefore: &second})
		})
}
