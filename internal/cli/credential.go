package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
)

func (p *Program) credentialCommand() *cobra.Command {
	return p.noun("credential", "Credentials: the client secrets of an app; several may be live at once",
		`  sallyport credential create claims --org "Acme Health" --label "build server"
  sallyport credential list claims`,
		p.credentialCreate(), p.credentialList(), p.credentialExpire(), p.credentialRevoke())
}

func credentialTable(all ...api.Credential) table {
	t := table{header: []string{"ID", "LABEL", "HINT", "LIVE", "CREATED", "EXPIRES", "REVOKED", "LAST USED", "FROM"}}
	for _, c := range all {
		t.add(c.ID, c.Label, c.Hint, yesNo(c.Live), when(c.Created), when(c.Expires), when(c.Revoked), when(c.LastUsed), c.LastUsedFrom)
	}
	return t
}

func credentialMembers(c api.Credential) table {
	return members("id", c.ID, "app", c.App, "label", c.Label, "hint", c.Hint, "live", yesNo(c.Live), "created", when(c.Created),
		"created by", c.CreatedBy, "expires", when(c.Expires), "revoked", when(c.Revoked), "last used", when(c.LastUsed), "from", c.LastUsedFrom)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *Program) credentialCreate() *cobra.Command {
	var org, label, expires string
	cmd := p.verb("create APP", "Make a client secret; it is shown only now",
		`  sallyport credential create claims --org "Acme Health" --label "build server" --expires 90d
  sallyport credential create claims -o json > secret.json`,
		func(cmd *cobra.Command, args []string) error {
			in := api.NewCredential{Label: label}
			var err error
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			app, err := findApp(cmd.Context(), m, org, args[0])
			if err != nil {
				return err
			}
			c, err := m.CreateCredential(cmd.Context(), app, in)
			if err != nil {
				return err
			}
			if err := p.answer(c, members("id", c.ID, "app", c.App, "label", c.Label, "expires", when(c.Expires),
				"client_id", c.ClientID, "client_secret", c.ClientSecret.Reveal())); err != nil {
				return err
			}
			p.note("note: the client secret is shown only this once; keep it where others cannot read it")
			return nil
		})
	orgFlag(cmd, &org, withinOrg)
	cmd.Flags().StringVar(&label, "label", "", "`TEXT` to know it by")
	cmd.Flags().StringVar(&expires, "expires", "never", "`WHEN` it stops to work: a time, or how long from now, such as 90d")
	return cmd
}

func (p *Program) credentialList() *cobra.Command {
	var org string
	cmd := p.verb("list APP", "List an app's credentials, and when each was last used", `  sallyport credential list claims --org "Acme Health"`,
		func(cmd *cobra.Command, args []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			app, err := findApp(cmd.Context(), m, org, args[0])
			if err != nil {
				return err
			}
			all, err := m.Credentials(cmd.Context(), app)
			if err != nil {
				return err
			}
			return p.answer(all, credentialTable(all.Items...))
		})
	orgFlag(cmd, &org, withinOrg)
	return cmd
}

func (p *Program) credentialExpire() *cobra.Command {
	return p.verb("expire CREDENTIAL WHEN", "Move the moment at which a secret stops to work; its tokens live on",
		`  sallyport credential expire cred_7k2m4x6d3c5b7a2e4f6g3h5j7q 7d
  sallyport credential expire cred_7k2m4x6d3c5b7a2e4f6g3h5j7q never`,
		func(cmd *cobra.Command, args []string) error {
			at, err := p.moment(args[1])
			if err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			c, err := m.ExpireCredential(cmd.Context(), args[0], api.Expiry{Time: at})
			if err != nil {
				return err
			}
			return p.answer(c, credentialMembers(c))
		})
}

func (p *Program) credentialRevoke() *cobra.Command {
	cmd := p.verb("revoke CREDENTIAL", "End a secret at once, and every token that it got",
		`  sallyport credential revoke cred_7k2m4x6d3c5b7a2e4f6g3h5j7q --yes`,
		func(cmd *cobra.Command, args []string) error {
			if err := p.confirm(cmd, "Revoke "+args[0]+" and every token that it got?"); err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			c, err := m.RevokeCredential(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.answer(c, credentialMembers(c))
		})
	yesFlag(cmd)
	return cmd
}
