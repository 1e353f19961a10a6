package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
)

func (p *Program) auditCommand() *cobra.Command {
	return p.noun("audit", "Who did what", `  sallyport audit list --org "Acme Health"`, p.auditList())
}

func (p *Program) auditList() *cobra.Command {
	var f api.AuditFilter
	cmd := p.verb("list", "List what was done, newest first",
		`  sallyport audit list --org "Acme Health"
  sallyport audit list --kind credential --limit 20`,
		func(cmd *cobra.Command, _ []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
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
			if err := p.answer(page, t); err != nil {
				return err
			}
			p.more(page.Next)
			return nil
		})
	orgFlag(cmd, &f.Org, "only about this `ORG`: id or name")
	flags := cmd.Flags()
	flags.StringVar(&f.Kind, "kind", "", "only about things of this `KIND`, such as app or credential")
	flags.StringVar(&f.ID, "id", "", "only about the thing with this `ID`")
	flags.StringVar(&f.Page.After, "after", "", "go on after this `CURSOR`")
	flags.IntVar(&f.Page.Limit, "limit", 100, "at most `N`")
	complete(cmd, "kind", "organization", "app", "credential", "product", "subscription", "tin", "submitter", "catalog",
		"keys", "revocation", "platform", "operator_token", "node")
	return cmd
}

func (p *Program) usageCommand() *cobra.Command {
	var f api.UsageFilter
	var app, from, to string
	var total bool
	cmd := p.verb("usage", "Count calls and tokens, by hour; of the last day, unless you say",
		`  sallyport usage --org "Acme Health" --from 7d
  sallyport usage --org "Acme Health" --from 30d --total
  sallyport usage --environment production --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z -o json`,
		func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.From, err = p.past("from", from); err != nil {
				return err
			}
			if f.To, err = p.past("to", to); err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			if f.Org, err = findOrg(cmd.Context(), m, f.Org); err != nil {
				return err
			}
			if app != "" {
				if f.App, err = findApp(cmd.Context(), m, f.Org, app); err != nil {
					return err
				}
			}
			if total {
				f.By = "total"
			}
			all, err := m.Usage(cmd.Context(), f)
			if err != nil {
				return err
			}
			t := table{header: []string{"HOUR", "ENVIRONMENT", "ORG", "APP", "API", "OPERATION", "OUTCOME", "SOURCE", "COUNT", "MEAN", "P50", "P95", "P99"}}
			for _, u := range all.Items {
				t.add(when(u.Hour), u.Environment, u.Org, u.App, u.API, u.Operation, u.Outcome, u.Source, number(u.Count), mean(u), took(u.P50MS), took(u.P95MS), took(u.P99MS))
			}
			return p.answer(all, t)
		})
	orgFlag(cmd, &f.Org, "only of this `ORG`: id or name")
	environmentFlag(cmd, &f.Environment, "only of this `ENVIRONMENT`")
	flags := cmd.Flags()
	flags.StringVar(&app, "app", "", "only of this `APP`: id or name")
	flags.StringVar(&from, "from", "", "not before this `TIME`, or how long ago, such as 7d")
	flags.StringVar(&to, "to", "", "before this `TIME`, or how long ago")
	flags.BoolVar(&total, "total", false, "add the hours up")
	return cmd
}

func mean(u api.UsageRow) string {
	if u.Count == 0 {
		return ""
	}
	return (time.Duration(u.DurationMS/u.Count) * time.Millisecond).String()
}

// took is a duration as a table shows it.
func took(ms *float64) string {
	if ms == nil {
		return ""
	}
	return (time.Duration(*ms*100) * 10 * time.Microsecond).String()
}
