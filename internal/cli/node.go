package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) nodeCommand() *cobra.Command {
	return p.noun("node", "The processes of this installation, as they tell of themselves",
		`  sallyport node list
  sallyport node remove node_7k2m4x6d3c5b7a2e4f6g3h5j7q`,
		p.nodeList(), p.nodeRemove())
}

func nodeTable(all ...api.Node) table {
	t := table{header: []string{"ID", "NAME", "VERSION", "STATE", "STARTED", "SEEN", "CHANGE"}}
	for _, n := range all {
		t.add(n.ID, n.Name, n.Version, n.State, when(n.Started), when(n.Seen), number(n.Sequence))
	}
	return t
}

func (p *Program) nodeList() *cobra.Command {
	return operation(p, "list", "List the nodes; a new signing key waits for those that may still be serving", `  sallyport node list`, items(nodeTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (api.List[api.Node], error) {
			return m.Nodes(cmd.Context())
		})
}

func (p *Program) nodeRemove() *cobra.Command {
	cmd := p.manage("remove NODE-ID", "Forget a node that has ended without saying so; one that runs comes back by itself",
		`  sallyport node remove node_7k2m4x6d3c5b7a2e4f6g3h5j7q --yes`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			if err := m.RemoveNode(cmd.Context(), args[0]); err != nil {
				return err
			}
			return p.did("removed %s", args[0])
		})
	p.asksFirst(cmd, func(args []string) string {
		return "Has " + args[0] + " really ended? One that still serves would refuse tokens of a key that it does not hold."
	})
	return cmd
}
