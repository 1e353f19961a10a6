package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) credentialList() *cobra.Command {
	var org, expiring string
	cmd := p.manage("list APP", "List credentials, and when each was last used: of an app, of an organization, or all",
		`  sallyport credential list claims --org "Acme Health"
  sallyport credential list --org "Acme Health"
  sallyport credential list --expiring 30d`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			days, err := wholeDays(expiring)
			if err != nil {
				return err
			}
			if len(args) == 1 && days == 0 {
				return p.listOfApp(cmd.Context(), m, org, args[0])
			}
			filter := api.CredentialFilter{Expiring: days}
			if filter.Org, err = findOrg(cmd.Context(), m, org); err != nil {
				return err
			}
			if len(args) == 1 {
				if filter.App, err = findApp(cmd.Context(), m, org, args[0]); err != nil {
					return err
				}
			}
			all, err := client.All(func(page api.Page) (api.List[api.Credential], error) {
				return m.CredentialsBy(cmd.Context(), filter, page)
			})
			if err != nil {
				return err
			}
			if days != 0 {
				slices.SortStableFunc(all, func(a, b api.Credential) int { return a.Expires.Compare(b.Expires) })
			}
			n, err := p.namesOf(cmd, m, nil, idsOf(all, func(c api.Credential) string { return c.App }))
			if err != nil {
				return err
			}
			return p.answer(api.List[api.Credential]{Items: all}, credentialsByApp(n, all))
		})
	cmd.Use = "list [APP]"
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("too many arguments: it takes one APP, or none for all")
		}
		return nil
	}
	orgFlag(cmd, &org, "only those of this `ORG`: id or name")
	idsFlag(cmd)
	cmd.Flags().StringVar(&expiring, "expiring", "", "only live ones that end within `DAYS` from now, such as 30d")
	return cmd
}

// credentialsByApp shows credentials with whose they are.
func credentialsByApp(n naming, all []api.Credential) table {
	t := table{header: append([]string{"ORG", "ENVIRONMENT", "APP"}, credentialTable().header...)}
	if n.apps == nil { // ids are wanted: an app's is enough
		t.header = t.header[2:]
	}
	for i, row := range credentialTable(all...).rows {
		whose := []string{n.app(all[i].App)}
		if n.apps != nil {
			a := n.apps[all[i].App]
			whose = []string{n.org(a.Org), a.Environment, whose[0]}
		}
		t.add(append(whose, row...)...)
	}
	return t
}

func (p *Program) listOfApp(ctx context.Context, m *client.Management, org, name string) error {
	app, err := findApp(ctx, m, org, name)
	if err != nil {
		return err
	}
	all, err := m.Credentials(ctx, app)
	if err != nil {
		return err
	}
	return p.answer(all, credentialTable(all.Items...))
}

// wholeDays reads a number of days, such as 30d; 0 for none.
func wholeDays(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	const day = 24 * time.Hour
	d, ok := span(text)
	if !ok || d < day || d%day != 0 || d > 3660*day {
		return 0, usagef("--expiring is %q: give whole days, such as 30d", text)
	}
	return int(d / day), nil
}

func (p *Program) credentialRotate() *cobra.Command {
	var label, expires string
	var overlap time.Duration
	cmd := p.manage("rotate CREDENTIAL", "Make a secret in the place of another, which goes on working for a while; it is shown only now",
		`  sallyport credential rotate cred_7k2m4x6d3c5b7a2e4f6g3h5j7q --overlap 48h --expires 90d
  sallyport credential rotate cred_7k2m4x6d3c5b7a2e4f6g3h5j7q -o json > secret.json`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			in := api.CredentialRotation{Label: label}
			var err error
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			over, err := seconds("overlap", overlap)
			if err != nil {
				return err
			}
			in.Overlap = &over
			c, err := unlessInUse(p, cmd, func(force bool) (api.RotatedCredential, error) {
				in.Force = force
				return m.RotateCredential(cmd.Context(), args[0], in)
			})
			if err != nil {
				return err
			}
			return p.answerRotation(c)
		})
	cmd.Flags().StringVar(&label, "label", "", "`TEXT` to know the new one by; else the old one's")
	cmd.Flags().StringVar(&expires, "expires", "never", "`WHEN` the new one stops working: a time, or how long from now, such as 90d")
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "`DURATION` for which the old one goes on working, such as 48h")
	cmd.Flags().Lookup("overlap").DefValue = "24h" // as people write it
	forceFlag(cmd)
	return cmd
}

// answerRotation shows a new secret, once.
func (p *Program) answerRotation(c api.RotatedCredential) error {
	if err := p.answer(c, members("id", c.ID, "app", c.App, "label", c.Label, "replaces", c.Replaces, "expires", when(c.Expires),
		"old one ends", when(c.OldExpires), "client_id", c.ClientID, "client_secret", c.ClientSecret.Reveal())); err != nil {
		return err
	}
	p.note("note: the client secret is shown only this once; the old one works until %s", when(c.OldExpires))
	return nil
}
