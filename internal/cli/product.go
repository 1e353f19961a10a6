package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
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
	cmd := p.verb("create NAME", "Add a product that no catalogue names",
		`  sallyport product create MN_Product_Referral_v1 --title Referrals`,
		func(cmd *cobra.Command, args []string) error {
			s, err := seconds("token-lifetime", tokens)
			if err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			product, err := m.CreateProduct(cmd.Context(), api.NewProduct{Name: args[0], Title: title, Description: description, TokenLifetime: s})
			if err != nil {
				return err
			}
			return p.answer(product, productMembers(product))
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
	return p.verb("list", "List products", `  sallyport product list`,
		func(cmd *cobra.Command, _ []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			all, err := m.Products(cmd.Context())
			if err != nil {
				return err
			}
			return p.answer(all, productTable(all.Items...))
		})
}

func (p *Program) productShow() *cobra.Command {
	return p.verb("show PRODUCT", "Show a product", `  sallyport product show MN_Product_Eligibility_v3`,
		func(cmd *cobra.Command, args []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			product, err := m.Product(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.answer(product, productMembers(product))
		})
}

func (p *Program) patchProduct(cmd *cobra.Command, name string, patch api.ProductPatch) error {
	m, err := p.management()
	if err != nil {
		return err
	}
	product, err := m.UpdateProduct(cmd.Context(), name, patch)
	if err != nil {
		return err
	}
	return p.answer(product, productMembers(product))
}

func (p *Program) productUpdate() *cobra.Command {
	var title, description string
	var tokens time.Duration
	cmd := p.verb("update PRODUCT", "Change a product that no catalogue names",
		`  sallyport product update MN_Product_Referral_v1 --token-lifetime 1h`,
		func(cmd *cobra.Command, args []string) error {
			s, err := secondsIf(cmd, "token-lifetime", tokens)
			if err != nil {
				return err
			}
			return p.patchProduct(cmd, args[0], api.ProductPatch{
				Title: given(cmd, "title", title), Description: given(cmd, "description", description), TokenLifetime: s,
			})
		})
	productFlags(cmd, &title, &description, &tokens)
	cmd.MarkFlagsOneRequired("title", "description", "token-lifetime")
	return cmd
}

func (p *Program) productState(use, short, state string) *cobra.Command {
	verb := use[:len(use)-len(" PRODUCT")]
	return p.verb(use, short, `  sallyport product `+verb+` MN_Product_Eligibility_v2`,
		func(cmd *cobra.Command, args []string) error {
			return p.patchProduct(cmd, args[0], api.ProductPatch{State: &state})
		})
}
