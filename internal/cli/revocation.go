package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) notBeforeCommand() *cobra.Command {
	return p.noun("not-before", "The moment before which all tokens of the platform or an environment are revoked",
		`  sallyport not-before show
  sallyport not-before set sandbox now`,
		p.notBeforeSet(), p.notBeforeShow())
}

func notBeforeTable(all ...api.NotBefore) table {
	t := table{header: []string{"LEVEL", "NOT BEFORE", "UPDATED"}}
	for _, n := range all {
		t.add(n.Level, second(n.NotBefore), when(n.Updated))
	}
	return t
}

func (p *Program) notBeforeSet() *cobra.Command {
	cmd := operation(p, "set LEVEL WHEN", "Revoke every token of a level that was issued before a moment",
		`  sallyport not-before set sandbox now
  sallyport not-before set platform 2026-01-31T12:00:00Z`, one(notBeforeTable),
		func(cmd *cobra.Command, m *client.Management, args []string) (n api.NotBefore, err error) {
			second, err := epoch(args[1])
			if err != nil {
				return n, err
			}
			return m.SetNotBefore(cmd.Context(), args[0], second)
		})
	cmd.ValidArgsFunction = cobra.FixedCompletions([]string{"platform", "sandbox", "production"}, cobra.ShellCompDirectiveNoFileComp)
	return cmd
}

func (p *Program) notBeforeShow() *cobra.Command {
	return operation(p, "show", "Show the not-before of the platform and of every environment", `  sallyport not-before show`, items(notBeforeTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (api.List[api.NotBefore], error) {
			return m.NotBefores(cmd.Context())
		})
}

func (p *Program) tokenCommand() *cobra.Command {
	return p.noun("token", "Access tokens that are out there, and how apps use theirs",
		`  sallyport token revoke 0b0f5c5e-7c8e-4a44-9d8a-3f1f6c1f0a11 --expires 2h`, p.tokenRevoke(), p.tokenUsage())
}

func (p *Program) tokenRevoke() *cobra.Command {
	var expires string
	var in api.TokenRevocation
	cmd := p.manage("revoke JTI", "Revoke one access token, by its claim jti",
		`  sallyport token revoke 0b0f5c5e-7c8e-4a44-9d8a-3f1f6c1f0a11 --expires 2026-01-31T12:00:00Z`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			var err error
			in.JTI = args[0]
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			if in.Org, err = findOrg(cmd.Context(), m, in.Org); err != nil {
				return err
			}
			if err := m.RevokeToken(cmd.Context(), in); err != nil {
				return err
			}
			return p.did("revoked %s", in.JTI)
		})
	cmd.Flags().StringVar(&expires, "expires", "", "`WHEN` the token ends by itself, its claim exp: a time, or how long from now, such as 2h")
	cmd.Flags().StringVar(&in.App, "app", "", "id of the `APP` whose token it is, for the audit")
	orgFlag(cmd, &in.Org, "`ORG` whose token it is, id or name, for the audit")
	need(cmd, "expires")
	return cmd
}

func (p *Program) tokenUsage() *cobra.Command {
	var f api.TokenUsageFilter
	var only spanFlags
	cmd := p.manage("usage", "Tell which apps fetch far more tokens than they need, the worst first; of the last day, unless you say",
		`  sallyport token usage --from 7d
  sallyport token usage --org "Acme Health" --environment production`,
		func(cmd *cobra.Command, m *client.Management, _ []string) (err error) {
			if f.From, f.To, f.Org, f.App, err = only.read(cmd.Context(), p, m); err != nil {
				return err
			}
			page, err := m.TokenUsage(cmd.Context(), f)
			if err != nil {
				return err
			}
			n, err := p.namesOf(cmd, m, idsOf(page.Items, func(u api.TokenUsage) string { return u.Org }), idsOf(page.Items, func(u api.TokenUsage) string { return u.App }))
			if err != nil {
				return err
			}
			t := table{header: []string{"ENVIRONMENT", "ORG", "APP", "SIGNED", "AGAIN", "REFUSED", "CALLS", "TOKENS/CALL", "ADVICE"}}
			for _, u := range page.Items {
				ratio := ""
				if u.TokensPerCall != nil {
					ratio = strconv.FormatFloat(*u.TokensPerCall, 'f', -1, 64)
				}
				t.add(u.Environment, n.org(u.Org), n.app(u.App), number(u.Signed), number(u.Again), number(u.Refused), number(u.Calls), ratio, u.Advice)
			}
			return answerPage(p, page, t)
		})
	only.add(cmd)
	idsFlag(cmd)
	environmentFlag(cmd, &f.Environment, "only of this `ENVIRONMENT`")
	pageFlags(cmd, &f.Page)
	return cmd
}
