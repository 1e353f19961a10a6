package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/foreign"
)

func (p *Program) importCommand() *cobra.Command {
	return p.noun("import", "Take over the clients of another server, with their client_id and what they authenticate by",
		`  sallyport import keycloak realm.json --environment sandbox --org "Acme Health" --email dev@example.com
  sallyport import hydra clients.json --environment sandbox --create-orgs --email dev@example.com --apply
  sallyport import apigee apps.json --environment sandbox --create-orgs --map claims-v2=MN_Product_Claims_v2`,
		p.importFrom("keycloak", "a realm of Keycloak, from kc.sh export", foreign.Keycloak),
		p.importFrom("hydra", "clients of Ory Hydra, as JSON", foreign.Hydra),
		p.importFrom("apigee", "developer apps of Apigee, from its management API with expand=true", foreign.Apigee))
}

// importFlags say where clients go.
type importFlags struct {
	org, environment, email, contract string
	createOrgs, skip, apply           bool
	products, renames                 []string
}

func (f *importFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.org, "org", "", "`ORG` that all of them go to: id or name")
	flags.BoolVar(&f.createOrgs, "create-orgs", false, "in the place of --org: an organization for each realm, owner, company or developer, made if there is none of its name")
	flags.StringVar(&f.environment, "environment", "", "`ENVIRONMENT` that they go to")
	flags.StringVar(&f.email, "email", "", "`ADDRESS` of the developer where the file has none")
	flags.StringSliceVar(&f.renames, "map", nil, "`OLD=NEW`: a product or scope there, and its product here; OLD= drops it; may be repeated")
	flags.StringSliceVar(&f.products, "product", nil, "`PRODUCT` of clients that name none there; may be repeated; else they get all that the organization has")
	flags.StringVar(&f.contract, "contract", "", "`REFERENCE` to record where a product has to be subscribed")
	flags.BoolVar(&f.skip, "skip-existing", false, "leave clients alone whose client_id is there already")
	flags.BoolVar(&f.apply, "apply", false, "do it; else only say what would be done")
	need(cmd, "environment")
	cmd.MarkFlagsOneRequired("org", "create-orgs")
	cmd.MarkFlagsMutuallyExclusive("org", "create-orgs")
}

func (p *Program) importFrom(name, what string, read func([]byte, time.Time) (foreign.Export, error)) *cobra.Command {
	var f importFlags
	cmd := p.verb(name+" FILE", "Take over "+what+"; without --apply it only says what would be done",
		`  sallyport import `+name+` export.json --environment sandbox --org "Acme Health" --email dev@example.com
  sallyport import `+name+` export.json --environment sandbox --org "Acme Health" --email dev@example.com --apply`,
		func(cmd *cobra.Command, args []string) error {
			data, err := readExport(args[0])
			if err != nil {
				return err
			}
			export, err := read(data, p.Now())
			if err != nil {
				return hint(err, "is it what "+name+" writes? nothing was sent")
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			in, err := f.request(cmd.Context(), m, export)
			if err != nil {
				return err
			}
			for _, left := range export.Left {
				p.note("left behind: %s: %s", printable(left.ClientID), printable(left.Reason))
			}
			if len(in.Apps) == 0 {
				return errors.New("there is nothing that can be taken over")
			}
			result, err := m.Import(cmd.Context(), in)
			if err != nil {
				return err
			}
			return p.answerImport(result, export)
		})
	f.add(cmd)
	return cmd
}

func readExport(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the file that the operator names
	if err != nil {
		return nil, &usageError{fmt.Sprintf("read the export: %s", reason(err)), []string{"name the file that the other server wrote"}}
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, foreign.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the export: %s", reason(err))
	}
	return data, nil
}

// request is what the server is asked to do about an export.
func (f *importFlags) request(ctx context.Context, m *client.Management, export foreign.Export) (in api.Import, err error) {
	in = api.Import{Environment: f.environment, Contract: f.contract, SkipExisting: f.skip, DryRun: !f.apply}
	rename, err := f.mapping()
	if err != nil {
		return in, err
	}
	org, err := findOrg(ctx, m, f.org)
	if err != nil {
		return in, err
	}
	known, err := productNames(ctx, m)
	if err != nil {
		return in, err
	}
	unknown := map[string]bool{}
	for i, c := range export.Clients {
		a := api.ImportApp{
			Org: org, Name: c.Name, DeveloperEmail: cmp.Or(c.Email, f.email), ClientID: c.ClientID, Disabled: c.Disabled, Credentials: c.Credentials,
		}
		if f.createOrgs {
			a.OrgName = cmp.Or(c.Organization, "imported")
		}
		if a.DeveloperEmail == "" {
			return in, usagef("the file has no e-mail address for %s: give one with --email", printable(c.ClientID))
		}
		if a.Products, err = f.productsOf(c, rename); err != nil {
			return in, err
		}
		for _, name := range a.Products {
			if !known[name] {
				unknown[name] = true
			}
		}
		if len(a.Products) == 0 {
			export.Clients[i].Notes = append(export.Clients[i].Notes, "it names no product there, and gets all that the organization has: narrow it with --product or --map SCOPE=PRODUCT")
		}
		in.Apps = append(in.Apps, a)
	}
	if len(unknown) > 0 {
		return in, hint(fmt.Errorf("there are no such products here: %s", words(slices.Sorted(maps.Keys(unknown)))),
			"say which they are: --map OLD=NEW, or --map OLD= to drop one; or correct --product", "what there is: sallyport product list")
	}
	return in, nil
}

// productsOf returns the products here of a client of another server, each once.
func (f *importFlags) productsOf(c foreign.Client, rename map[string]string) (products []string, err error) {
	for _, product := range c.Products {
		name, mapped := rename[product]
		switch {
		case mapped && name == "":
			continue
		case !mapped:
			name = product
		}
		products = append(products, name)
	}
	for _, scope := range c.Scopes {
		if name := rename[scope]; name != "" {
			products = append(products, name)
		}
	}
	switch {
	case len(c.Products) == 0 && len(products) == 0:
		products = slices.Clone(f.products)
	case len(products) == 0:
		return nil, hint(fmt.Errorf("%s would be left without a product, and so be open to all of its organization's", printable(c.ClientID)), "map one of its products: --map OLD=NEW")
	}
	slices.Sort(products)
	return slices.Compact(products), nil
}

func (f *importFlags) mapping() (map[string]string, error) {
	rename := map[string]string{}
	for _, pair := range f.renames {
		was, is, ok := strings.Cut(pair, "=")
		if !ok || was == "" {
			return nil, usagef("--map is %q: give OLD=NEW", pair)
		}
		rename[was] = is
	}
	return rename, nil
}

func productNames(ctx context.Context, m *client.Management) (map[string]bool, error) {
	all, err := m.Products(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, product := range all.Items {
		known[product.Name] = true
	}
	return known, nil
}

// answerImport shows what was done, or would be.
func (p *Program) answerImport(result api.ImportResult, export foreign.Export) error {
	said := map[string][]string{}
	for _, c := range export.Clients {
		said[c.ClientID] = c.Notes
	}
	t := table{header: []string{"CLIENT ID", "NAME", "AUTHENTICATES BY", "NOTES"}}
	for _, a := range result.Apps {
		kinds := make([]string, len(a.Credentials))
		for i, c := range a.Credentials {
			kinds[i] = c.Kind
		}
		notes := slices.Concat(said[a.ClientID], a.Notes)
		if a.Skipped {
			notes = []string{"is there already: left alone"}
		}
		t.add(a.ClientID, a.Name, words(kinds), strings.Join(notes, "; "))
	}
	if err := p.answer(result, t); err != nil {
		return err
	}
	for _, name := range result.Organizations {
		p.note("organization: %s", printable(name))
	}
	for _, s := range result.Subscriptions {
		p.note("subscription: %s, %s", printable(s.Product), s.State)
	}
	if result.Applied {
		p.note("done: their secrets work from now on")
	} else {
		p.note("dry run: nothing was changed; add --apply to do it")
	}
	return nil
}
