package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) operatorCommand() *cobra.Command {
	return p.noun("operator", "Operator tokens: who may use the management API",
		`  sallyport operator create "build server" --expires 90d
  sallyport operator list`,
		p.operatorCreate(), p.operatorList(), p.operatorRevoke())
}

func operatorTable(all ...api.OperatorToken) table {
	t := table{header: []string{"ID", "LABEL", "HINT", "LIVE", "CREATED", "EXPIRES", "REVOKED"}}
	for _, o := range all {
		t.add(o.ID, o.Label, o.Hint, yesNo(o.Live), when(o.Created), when(o.Expires), when(o.Revoked))
	}
	return t
}

func (p *Program) operatorCreate() *cobra.Command {
	var expires string
	cmd := p.manage("create LABEL", "Make an operator token; it is shown only now",
		`  sallyport operator create "build server" --expires 90d`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			in := api.NewOperatorToken{Label: args[0]}
			var err error
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			o, err := m.CreateOperatorToken(cmd.Context(), in)
			if err != nil {
				return err
			}
			if err := p.answer(o, members("id", o.ID, "label", o.Label, "expires", when(o.Expires), "token", o.Token.Reveal())); err != nil {
				return err
			}
			p.note("note: the operator token is shown only this once; keep it where others cannot read it")
			return nil
		})
	cmd.Flags().StringVar(&expires, "expires", "never", "`WHEN` it stops working: a time, or how long from now, such as 90d")
	return cmd
}

func (p *Program) operatorList() *cobra.Command {
	return operation(p, "list", "List operator tokens", `  sallyport operator list`, items(operatorTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (api.List[api.OperatorToken], error) {
			return m.OperatorTokens(cmd.Context())
		})
}

func (p *Program) operatorRevoke() *cobra.Command {
	return operation(p, "revoke TOKEN-ID", "End an operator token", `  sallyport operator revoke op_7k2m4x6d3c5b7a2e4f6g3h5j7q`, one(operatorTable),
		func(cmd *cobra.Command, m *client.Management, args []string) (api.OperatorToken, error) {
			return m.RevokeOperatorToken(cmd.Context(), args[0])
		})
}
