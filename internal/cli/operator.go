package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
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
	cmd := p.verb("create LABEL", "Make an operator token; it is shown only now",
		`  sallyport operator create "build server" --expires 90d`,
		func(cmd *cobra.Command, args []string) error {
			in := api.NewOperatorToken{Label: args[0]}
			var err error
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
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
	cmd.Flags().StringVar(&expires, "expires", "never", "`WHEN` it stops to work: a time, or how long from now, such as 90d")
	return cmd
}

func (p *Program) operatorList() *cobra.Command {
	return p.verb("list", "List operator tokens", `  sallyport operator list`,
		func(cmd *cobra.Command, _ []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			all, err := m.OperatorTokens(cmd.Context())
			if err != nil {
				return err
			}
			return p.answer(all, operatorTable(all.Items...))
		})
}

func (p *Program) operatorRevoke() *cobra.Command {
	return p.verb("revoke TOKEN-ID", "End an operator token", `  sallyport operator revoke op_7k2m4x6d3c5b7a2e4f6g3h5j7q`,
		func(cmd *cobra.Command, args []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			o, err := m.RevokeOperatorToken(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.answer(o, operatorTable(o))
		})
}
