package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) productCommand() *cobra.Command {
	return p.noun("product", "Products: what is subscribed to and what a token authorizes",
		`  sallyport product list
  sallyport product retire MN_Product_Eligibility_v2`,
		p.productCreate(), p.productList(), p.productShow(), p.productUpdate(),
		p.productState("retire PRODUCT", "Take a product out of every token and off every route", "retired"),
		p.productState("activate PRODUCT", "Bring a retired product back", "active"))
}

func productTable(all ...api.Product) table {
	t := table{header: []string{"NAME", "TITLE", "STATE", "SOURCE", "TOKEN LIFETIME"}}
	for _, product := range all {
		t.add(product.Name, product.Title, product.State, product.Source, lifetime(product.TokenLifetime))
	}
	return t
}

func productMembers(product api.Product) table {
	return members("name", product.Name, "title", product.Title, "description", product.Description, "state", product.State,
		"source", product.Source, "token lifetime", lifetime(product.TokenLifetime), "plans", planTexts(product.Plans), "created", when(product.Created))
}

// planTexts tells plans, for people.
func planTexts(all []api.Plan) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.Name + ": " + limitsText(p.Limits)
		for _, op := range p.Operations {
			texts[i] += ", " + op.Operation + " " + limitsText(op.Limits)
		}
	}
	return strings.Join(texts, "; ")
}

func limitsText(l api.PlanLimits) string {
	var parts []string
	if l.Rate != nil {
		parts = append(parts, fmt.Sprintf("%d in %s, %d at once", l.Rate.Calls, l.Rate.Per.Duration(), l.Rate.Burst))
	}
	if l.Day > 0 {
		parts = append(parts, number(l.Day)+" a day")
	}
	if l.Month > 0 {
		parts = append(parts, number(l.Month)+" a month")
	}
	if len(parts) == 0 {
		return "without limits"
	}
	return strings.Join(parts, ", ")
}

func lifetime(s api.Seconds) string {
	if s == 0 {
		return ""
	}
	return s.Duration().String()
}

func (p *Program) productCreate() *cobra.Command {
	var title, description string
	var tokens time.Duration
	cmd := operation(p, "create NAME", "Add a product that no catalogue names",
		`  sallyport product create MN_Product_Referral_v1 --title Referrals`, productMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (product api.Product, err error) {
			s, err := seconds("token-lifetime", tokens)
			if err != nil {
				return product, err
			}
			return m.CreateProduct(cmd.Context(), api.NewProduct{Name: args[0], Title: title, Description: description, TokenLifetime: s})
		})
	productFlags(cmd, &title, &description, &tokens)
	need(cmd, "title")
	return cmd
}

func productFlags(cmd *cobra.Command, title, description *string, tokens *time.Duration) {
	cmd.Flags().StringVar(title, "title", "", "`TEXT` to show for it")
	cmd.Flags().StringVar(description, "description", "", "`TEXT` about it")
	cmd.Flags().DurationVar(tokens, "token-lifetime", 0, "`DURATION` that tokens with it live at most, such as 1h; 0: as long as others")
}

func (p *Program) productList() *cobra.Command {
	return operation(p, "list", "List products", `  sallyport product list`, items(productTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (api.List[api.Product], error) {
			return m.Products(cmd.Context())
		})
}

func (p *Program) productShow() *cobra.Command {
	return operation(p, "show PRODUCT", "Show a product", `  sallyport product show MN_Product_Eligibility_v3`, productMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Product, error) {
			return m.Product(cmd.Context(), args[0])
		})
}

func (p *Program) productUpdate() *cobra.Command {
	var title, description string
	var tokens time.Duration
	cmd := operation(p, "update PRODUCT", "Change a product that no catalogue names",
		`  sallyport product update MN_Product_Referral_v1 --token-lifetime 1h`, productMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Product, error) {
			s, err := secondsIf(cmd, "token-lifetime", tokens)
			if err != nil {
				return api.Product{}, err
			}
			return m.UpdateProduct(cmd.Context(), args[0], api.ProductPatch{
				Title: given(cmd, "title", title), Description: given(cmd, "description", description), TokenLifetime: s,
			})
		})
	productFlags(cmd, &title, &description, &tokens)
	cmd.MarkFlagsOneRequired("title", "description", "token-lifetime")
	return cmd
}

func (p *Program) productState(use, short, state string) *cobra.Command {
	verb := use[:len(use)-len(" PRODUCT")]
	return operation(p, use, short, `  sallyport product `+verb+` MN_Product_Eligibility_v2`, productMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Product, error) {
			return m.UpdateProduct(cmd.Context(), args[0], api.ProductPatch{State: &state})
		})
}
