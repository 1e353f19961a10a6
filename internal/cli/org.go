package cli

import (
	"context"
	"strings"

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
	return operation(p, "create NAME", "Add an organization", `  sallyport org create "Acme Health"`, orgMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Organization, error) {
			made, err := m.CreateOrganization(cmd.Context(), api.NewOrganization{Name: args[0]})
			if err == nil {
				p.noteNamesakes(cmd.Context(), m, made)
			}
			return made, err
		})
}

// noteNamesakes says that other organizations have the name of one that was made: two
// customers may, and then commands take their ids alone.
func (p *Program) noteNamesakes(ctx context.Context, m *client.Management, made api.Organization) {
	all, err := client.All(func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(ctx, page) })
	if err != nil {
		return // it is made all the same
	}
	for _, o := range all {
		if o.ID != made.ID && strings.EqualFold(o.Name, made.Name) {
			p.note("there is another organization of this name, %s: commands will need the id, or give this one a name of its own: sallyport org update %s --name NAME", o.ID, made.ID)
			return
		}
	}
}

func (p *Program) orgList() *cobra.Command {
	return operation(p, "list", "List organizations", `  sallyport org list
  sallyport org list -o json`, items(orgTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (api.List[api.Organization], error) {
			all, err := client.All(func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(cmd.Context(), page) })
			return api.List[api.Organization]{Items: all}, err
		})
}

func (p *Program) orgShow() *cobra.Command {
	return operation(p, "show ORG", "Show an organization", `  sallyport org show "Acme Health"
  sallyport org show org_7k2m4x6d3c5b7a2e4f6g3h5j7q`, orgMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (o api.Organization, err error) {
			id, err := findOrg(cmd.Context(), m, args[0])
			if err != nil {
				return o, err
			}
			return m.Organization(cmd.Context(), id)
		})
}

// patchOrg changes the organization that text names.
func patchOrg(ctx context.Context, m *client.Management, text string, patch api.OrganizationPatch) (o api.Organization, err error) {
	id, err := findOrg(ctx, m, text)
	if err != nil {
		return o, err
	}
	return m.UpdateOrganization(ctx, id, patch)
}

func (p *Program) orgUpdate() *cobra.Command {
	var name string
	cmd := operation(p, "update ORG", "Rename an organization", `  sallyport org update "Acme Health" --name "Acme Health Inc."`, orgMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Organization, error) {
			return patchOrg(cmd.Context(), m, args[0], api.OrganizationPatch{Name: &name})
		})
	cmd.Flags().StringVar(&name, "name", "", "its new `NAME`")
	need(cmd, "name")
	return cmd
}

func (p *Program) orgSuspend() *cobra.Command {
	cmd := operation(p, "suspend ORG", "Stop an organization's tokens and calls everywhere", `  sallyport org suspend "Acme Health" --yes`, orgMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Organization, error) {
			state := "suspended"
			return patchOrg(cmd.Context(), m, args[0], api.OrganizationPatch{State: &state})
		})
	p.asksFirst(cmd, func(args []string) string { return "Stop all tokens and calls of " + args[0] + "?" })
	return cmd
}

func (p *Program) orgResume() *cobra.Command {
	return operation(p, "resume ORG", "Let a suspended organization go on", `  sallyport org resume "Acme Health"`, orgMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Organization, error) {
			state := "active"
			return patchOrg(cmd.Context(), m, args[0], api.OrganizationPatch{State: &state})
		})
}

func (p *Program) orgNotBefore() *cobra.Command {
	return operation(p, "not-before ORG WHEN", "Revoke an organization's tokens that were issued before a moment",
		`  sallyport org not-before "Acme Health" now
  sallyport org not-before "Acme Health" 2026-01-31T12:00:00Z`, orgMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Organization, error) {
			second, err := epoch(args[1])
			if err != nil {
				return api.Organization{}, err
			}
			return patchOrg(cmd.Context(), m, args[0], api.OrganizationPatch{NotBefore: &second})
		})
}
