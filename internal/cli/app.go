package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) appCommand() *cobra.Command {
	return p.noun("app", "Apps: the OAuth clients of an organization, each in one environment",
		`  sallyport app create claims --org "Acme Health" --environment sandbox --email dev@example.com
  sallyport app list --org "Acme Health"`,
		p.appCreate(), p.appList(), p.appShow(), p.appUpdate(),
		p.appState("enable APP", "Let a disabled app go on", "active"),
		p.appState("disable APP", "Stop an app's tokens and calls everywhere", "disabled"),
		p.appDelete(), p.appNotBefore())
}

func appTable(n naming, apps ...api.App) table {
	t := table{header: []string{"ID", "ORG", "ENVIRONMENT", "NAME", "STATE", "CLIENT ID"}}
	for _, a := range apps {
		t.add(a.ID, n.org(a.Org), a.Environment, a.Name, a.State, a.ClientID)
	}
	return t
}

func appMembers(a api.App) table {
	products, lifetime, window := words(a.Products), a.TokenLifetime.Duration().String(), "the environment's"
	if products == "" {
		products = "all that the organization has"
	}
	if a.TokenLifetime == 0 {
		lifetime = "by product, then by endpoint"
	}
	if a.ReuseWindow != nil {
		window = a.ReuseWindow.Duration().String()
	}
	return members("id", a.ID, "org", a.Org, "environment", a.Environment, "name", a.Name, "developer email", a.DeveloperEmail,
		"client_id", a.ClientID, "state", a.State, "products", products, "token lifetime", lifetime, "reuse window", window, "binding", a.Binding,
		"oversees", a.Oversees+" tokens",
		"not before", second(a.NotBefore), "created", when(a.Created))
}

// appFlags are the settings of an app.
type appFlags struct {
	name, email string
	products    []string
	lifetime    time.Duration
	window      time.Duration
	binding     string
	oversees    string
}

func (f *appFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.email, "email", "", "`ADDRESS` of the developer: the claim developer_email")
	flags.StringSliceVar(&f.products, "product", nil, "narrow the organization's products to this `PRODUCT`; may be repeated")
	flags.DurationVar(&f.lifetime, "token-lifetime", 0, "`DURATION` that its tokens live, such as 1h; 0: by product, then by endpoint")
	flags.DurationVar(&f.window, "reuse-window", 0, "`DURATION` within which the same token may be given again, such as 20s; below 0: the environment's")
	flags.StringVar(&f.binding, "binding", "", "what its tokens must be bound to: `BINDING` is certificate, dpop or none")
	flags.StringVar(&f.oversees, "oversees", "", "whose tokens it may introspect and revoke: `WHOSE` is own, organization or environment")
	complete(cmd, "oversees", "own", "organization", "environment")
	complete(cmd, "binding", "certificate", "dpop", "none")
}

// secondsIf returns the whole seconds of a flag that was given.
func secondsIf(cmd *cobra.Command, flag string, d time.Duration) (*api.Seconds, error) {
	if !cmd.Flags().Changed(flag) {
		return nil, nil // not given
	}
	if d < 0 {
		d = -time.Second
	}
	s, err := seconds(flag, d)
	return &s, err
}

// given returns a flag's value if it was given.
func given[T any](cmd *cobra.Command, flag string, value T) *T {
	if !cmd.Flags().Changed(flag) {
		return nil
	}
	return &value
}

func (p *Program) appCreate() *cobra.Command {
	var f appFlags
	var org, environment string
	cmd := operation(p, "create NAME", "Add an app; it has no secret yet",
		`  sallyport app create claims --org "Acme Health" --environment sandbox --email dev@example.com
  sallyport credential create claims --org "Acme Health"`, appMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (a api.App, err error) {
			lifetime, err := seconds("token-lifetime", f.lifetime)
			if err != nil {
				return a, err
			}
			window, err := secondsIf(cmd, "reuse-window", f.window)
			if err != nil {
				return a, err
			}
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return a, err
			}
			return m.CreateApp(cmd.Context(), api.NewApp{
				Org: id, Environment: environment, Name: args[0], DeveloperEmail: f.email, Products: f.products,
				TokenLifetime: lifetime, ReuseWindow: window, Binding: f.binding, Oversees: f.oversees,
			})
		})
	f.add(cmd)
	cmd.Flags().StringVar(&org, "org", "", "`ORG` that it belongs to: id or name")
	environmentFlag(cmd, &environment, "`ENVIRONMENT` that it is for: sandbox or production")
	need(cmd, "org")
	need(cmd, "environment")
	need(cmd, "email")
	return cmd
}

// environmentFlag is the flag for an environment.
func environmentFlag(cmd *cobra.Command, value *string, usage string) {
	cmd.Flags().StringVar(value, "environment", "", usage)
	complete(cmd, "environment", "sandbox", "production")
}

// orgFlag is the flag for an organization.
func orgFlag(cmd *cobra.Command, value *string, usage string) {
	cmd.Flags().StringVar(value, "org", "", usage)
}

const withinOrg = "`ORG` that the app belongs to, id or name, if other apps have its name"

func (p *Program) appList() *cobra.Command {
	var org string
	cmd := p.manage("list", "List apps", `  sallyport app list --org "Acme Health"`,
		func(cmd *cobra.Command, m *client.Management, _ []string) error {
			id, err := findOrg(cmd.Context(), m, org)
			if err != nil {
				return err
			}
			all, err := client.All(func(page api.Page) (api.List[api.App], error) { return m.Apps(cmd.Context(), id, page) })
			if err != nil {
				return err
			}
			n, err := p.namesOf(cmd, m, idsOf(all, func(a api.App) string { return a.Org }), nil)
			if err != nil {
				return err
			}
			return p.answer(api.List[api.App]{Items: all}, appTable(n, all...))
		})
	idsFlag(cmd)
	orgFlag(cmd, &org, "only those of this `ORG`: id or name")
	return cmd
}

func (p *Program) appShow() *cobra.Command {
	var org string
	cmd := operation(p, "show APP", "Show an app", `  sallyport app show claims --org "Acme Health"`, appMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (a api.App, err error) {
			id, err := findApp(cmd.Context(), m, org, args[0])
			if err != nil {
				return a, err
			}
			return m.App(cmd.Context(), id)
		})
	orgFlag(cmd, &org, withinOrg)
	return cmd
}

// patchApp changes the app that text names.
func (p *Program) patchApp(cmd *cobra.Command, m *client.Management, org, text string, patch api.AppPatch) (a api.App, err error) {
	id, err := findApp(cmd.Context(), m, org, text)
	if err != nil {
		return a, err
	}
	update := func(force bool) (api.App, error) {
		patch.Force = force
		return m.UpdateApp(cmd.Context(), id, patch)
	}
	if cmd.Flags().Lookup("force") == nil {
		return update(false)
	}
	return unlessInUse(p, cmd, update)
}

func (p *Program) appUpdate() *cobra.Command {
	var f appFlags
	var org string
	cmd := operation(p, "update APP", "Change an app's settings",
		`  sallyport app update claims --org "Acme Health" --token-lifetime 2h
  sallyport app update claims --product MN_Product_Eligibility_v3`, appMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (a api.App, err error) {
			lifetime, err := secondsIf(cmd, "token-lifetime", f.lifetime)
			if err != nil {
				return a, err
			}
			window, err := secondsIf(cmd, "reuse-window", f.window)
			if err != nil {
				return a, err
			}
			return p.patchApp(cmd, m, org, args[0], api.AppPatch{
				Name: given(cmd, "name", f.name), DeveloperEmail: given(cmd, "email", f.email),
				Products: given(cmd, "product", f.products), TokenLifetime: lifetime, ReuseWindow: window,
				Binding: given(cmd, "binding", f.binding), Oversees: given(cmd, "oversees", f.oversees),
			})
		})
	f.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "its new `NAME`")
	orgFlag(cmd, &org, withinOrg)
	cmd.MarkFlagsOneRequired("name", "email", "product", "token-lifetime", "reuse-window", "binding", "oversees")
	return cmd
}

func (p *Program) appState(use, short, state string) *cobra.Command {
	var org string
	verb := use[:len(use)-len(" APP")]
	cmd := operation(p, use, short, `  sallyport app `+verb+` claims --org "Acme Health"`, appMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.App, error) {
			return p.patchApp(cmd, m, org, args[0], api.AppPatch{State: &state})
		})
	if state == "disabled" {
		forceFlag(cmd)
	}
	orgFlag(cmd, &org, withinOrg)
	return cmd
}

func (p *Program) appDelete() *cobra.Command {
	var org string
	cmd := p.manage("delete APP", "Delete an app with its credentials; its tokens die with it",
		`  sallyport app delete claims --org "Acme Health" --yes`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			id, err := findApp(cmd.Context(), m, org, args[0])
			if err != nil {
				return err
			}
			_, err = unlessInUse(p, cmd, func(force bool) (struct{}, error) { return struct{}{}, m.DeleteApp(cmd.Context(), id, force) })
			if err != nil {
				return err
			}
			return p.did("deleted %s", id)
		})
	orgFlag(cmd, &org, withinOrg)
	p.asksFirst(cmd, func(args []string) string { return "Delete the app " + args[0] + " with its credentials?" })
	forceFlag(cmd)
	return cmd
}

func (p *Program) appNotBefore() *cobra.Command {
	var org string
	cmd := operation(p, "not-before APP WHEN", "Revoke an app's tokens that were issued before a moment",
		`  sallyport app not-before claims now`, appMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (a api.App, err error) {
			second, err := epoch(args[1])
			if err != nil {
				return a, err
			}
			return p.patchApp(cmd, m, org, args[0], api.AppPatch{NotBefore: &second})
		})
	orgFlag(cmd, &org, withinOrg)
	return cmd
}
