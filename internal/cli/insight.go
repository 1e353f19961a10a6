package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) auditCommand() *cobra.Command {
	return p.noun("audit", "Who did what", `  sallyport audit list --org "Acme Health"`, p.auditList())
}

func (p *Program) auditList() *cobra.Command {
	var f api.AuditFilter
	cmd := p.manage("list", "List what was done, newest first",
		`  sallyport audit list --org "Acme Health"
  sallyport audit list --kind credential --limit 20`,
		func(cmd *cobra.Command, m *client.Management, _ []string) (err error) {
			if f.Org, err = findOrg(cmd.Context(), m, f.Org); err != nil {
				return err
			}
			page, err := m.Audit(cmd.Context(), f)
			if err != nil {
				return err
			}
			t := table{header: []string{"AT", "WHO", "FROM", "ACTION", "KIND", "ID", "DETAIL"}}
			for _, r := range page.Items {
				t.add(when(r.At), r.Actor.Kind+" "+r.Actor.ID, r.Actor.From, r.Action, r.Kind, r.ID, string(r.Detail))
			}
			return answerPage(p, page, t)
		})
	orgFlag(cmd, &f.Org, "only about this `ORG`: id or name")
	flags := cmd.Flags()
	flags.StringVar(&f.Kind, "kind", "", "only about things of this `KIND`, such as app or credential")
	flags.StringVar(&f.ID, "id", "", "only about the thing with this `ID`")
	pageFlags(cmd, &f.Page)
	complete(cmd, "kind", "organization", "app", "credential", "product", "subscription", "tin", "submitter", "catalog",
		"keys", "revocation", "platform", "operator_token", "node")
	return cmd
}

func (p *Program) usageCommand() *cobra.Command {
	var f api.UsageFilter
	var only spanFlags
	var total bool
	cmd := p.manage("usage", "Count calls and tokens, by hour; of the last day, unless you say",
		`  sallyport usage --org "Acme Health" --from 7d
  sallyport usage --org "Acme Health" --from 30d --total
  sallyport usage --environment production --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z -o json`,
		func(cmd *cobra.Command, m *client.Management, _ []string) (err error) {
			if f.From, f.To, f.Org, f.App, err = only.read(cmd.Context(), p, m); err != nil {
				return err
			}
			if total {
				f.By = "total"
			}
			all, err := m.Usage(cmd.Context(), f)
			if err != nil {
				return err
			}
			n, err := p.namesOf(cmd, m, idsOf(all.Items, func(u api.UsageRow) string { return u.Org }), idsOf(all.Items, func(u api.UsageRow) string { return u.App }))
			if err != nil {
				return err
			}
			t := table{header: []string{"HOUR", "ENVIRONMENT", "ORG", "APP", "API", "OPERATION", "OUTCOME", "SOURCE", "COUNT", "MEAN", "P50", "P95", "P99"}}
			for _, u := range all.Items {
				t.add(when(u.Hour), u.Environment, n.org(u.Org), n.app(u.App), u.API, u.Operation, u.Outcome, u.Source, number(u.Count), mean(u), took(u.P50MS), took(u.P95MS), took(u.P99MS))
			}
			return p.answer(all, t)
		})
	only.add(cmd)
	idsFlag(cmd)
	environmentFlag(cmd, &f.Environment, "only of this `ENVIRONMENT`")
	cmd.Flags().BoolVar(&total, "total", false, "add the hours up")
	return cmd
}

// spanFlags narrow what was counted or kept: whose it is, and from when.
type spanFlags struct{ org, app, from, to string }

func (f *spanFlags) add(cmd *cobra.Command) {
	orgFlag(cmd, &f.org, "only of this `ORG`: id or name")
	flags := cmd.Flags()
	flags.StringVar(&f.app, "app", "", "only of this `APP`: id or name")
	flags.StringVar(&f.from, "from", "", "not before this `TIME`, or how long ago, such as 7d")
	flags.StringVar(&f.to, "to", "", "before this `TIME`, or how long ago")
}

// read returns both bounds of the time, and the ids of the organization and the app.
func (f *spanFlags) read(ctx context.Context, p *Program, m *client.Management) (from, to time.Time, org, app string, err error) {
	if from, err = p.past("from", f.from); err != nil {
		return from, to, "", "", err
	}
	if to, err = p.past("to", f.to); err != nil {
		return from, to, "", "", err
	}
	if org, err = findOrg(ctx, m, f.org); err != nil || f.app == "" {
		return from, to, org, "", err
	}
	app, err = findApp(ctx, m, org, f.app)
	return from, to, org, app, err
}

func mean(u api.UsageRow) string {
	if u.Count == 0 {
		return ""
	}
	each := (time.Duration(u.DurationMS) * time.Millisecond / time.Duration(u.Count)).Round(10 * time.Microsecond)
	if each == 0 {
		return "<1ms" // only whole milliseconds are added up
	}
	return each.String()
}

// took is a duration as a table shows it.
func took(ms *float64) string {
	if ms == nil {
		return ""
	}
	return (time.Duration(*ms*100) * 10 * time.Microsecond).String()
}
