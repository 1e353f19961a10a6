package manifest

import (
	"regexp"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// planName is what a plan may be called.
var planName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// highestQuota is a quota that nobody means.
const highestQuota = 1_000_000_000_000

// limitedOperation is an operation that a plan limits, to be held to the documents
// once those are read.
type limitedOperation struct {
	product *string
	id      string
	line    int
}

// limitedOperations finds limits of operations that there are not: such a limit
// would bound nothing, and nobody would know.
func (l *loader) limitedOperations() {
	for _, limited := range l.limited {
		var ids []string
		for _, a := range l.catalog.APIs {
			if a.Document == nil || !slices.Contains(a.Products, *limited.product) {
				continue
			}
			for _, op := range a.Document.Operations {
				ids = append(ids, op.ID)
			}
			if a.Request.Unlisted == PassUnlisted {
				ids = append(ids, OtherOperation)
			}
		}
		if !slices.Contains(ids, limited.id) {
			l.problem(productsFile, limited.line, "no API of the product has an operation %q; there are: %s", limited.id, joined(ids))
		}
	}
}

// plans reads the plans of a product.
func (l *loader) plans(r *strictyaml.Reader, n *strictyaml.Node, product *string) []market.Plan {
	var out []market.Plan
	lines := map[string]int{}
	r.Each(n, "plans", func(n *strictyaml.Node) {
		var p market.Plan
		fields := planLimits(r, &p.Limits)
		fields["name"] = r.Text("name", &p.Name)
		fields["title"] = r.Text("title", &p.Title)
		fields["operations"] = func(n *strictyaml.Node) { p.Operations = l.operationLimits(r, n, product) }
		r.Map(n, "a plan", fields)
		switch line, twice := lines[p.Name]; {
		case n.Kind != strictyaml.Map:
		case p.Name == "":
			r.Problem(n, "the plan has no name; every plan needs one, such as standard")
		case !planName.MatchString(p.Name):
			r.Problem(n.Get("name"), "the plan name %q cannot be used; allowed are small letters, digits and \"-\", a letter first, at most 32", p.Name)
		case twice:
			r.Problem(n.Get("name"), "the plan %q is listed twice; the first is in line %d", p.Name, line)
		default:
			lines[p.Name] = n.Line
			out = append(out, p)
		}
	})
	return out
}

// operationLimits reads limits by operationId.
func (l *loader) operationLimits(r *strictyaml.Reader, n *strictyaml.Node, product *string) map[string]market.PlanLimits {
	if !r.Is(n, "operations", strictyaml.Map) {
		return nil
	}
	out := map[string]market.PlanLimits{}
	for _, member := range n.Members {
		var limits market.PlanLimits
		r.Map(member.Value, "the limits of an operation", planLimits(r, &limits))
		out[member.Name] = limits
		l.limited = append(l.limited, limitedOperation{product, member.Name, member.Line})
	}
	return out
}

// planLimits reads a rate and a quota.
func planLimits(r *strictyaml.Reader, l *market.PlanLimits) strictyaml.Fields {
	return strictyaml.Fields{
		"rate": func(n *strictyaml.Node) { l.Rate = planRate(r, n) },
		"quota": func(n *strictyaml.Node) {
			r.Map(n, "quota", strictyaml.Fields{
				"day":   r.Int("day", 1, highestQuota, &l.Day),
				"month": r.Int("month", 1, highestQuota, &l.Month),
			})
			if l.Day > 0 && l.Month > 0 && l.Month < l.Day {
				r.Problem(n, "the quota of a month, %d, is less than that of a day, %d: the latter could never be reached", l.Month, l.Day)
			}
		},
	}
}

func planRate(r *strictyaml.Reader, n *strictyaml.Node) (rate market.PlanRate) {
	var second, minute int64
	r.Map(n, "rate", strictyaml.Fields{
		"per_second": r.Int("per_second", 1, highestRate, &second),
		"per_minute": r.Int("per_minute", 1, highestRate, &minute),
		"burst":      r.Int("burst", 1, highestRate, &rate.Burst),
	})
	switch {
	case n.Kind != strictyaml.Map:
	case (second == 0) == (minute == 0):
		r.Problem(n, "a rate has per_second or per_minute; give one of them")
	case second > 0:
		rate.Calls, rate.Per = second, time.Second
	default:
		rate.Calls, rate.Per = minute, time.Minute
	}
	if rate.Burst == 0 {
		rate.Burst = rate.Calls
	}
	return rate
}
