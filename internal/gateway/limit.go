package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Counter counts calls under the limits that they are under. A [*limit.Counter]
// counts those of one node; one that all nodes share would fill the same interface.
type Counter interface {
	// Take counts one call of subject under each limit, or under none if one of
	// them is used up: that one is refused, until wait has passed. It tells where
	// the subject stands with each.
	Take(subject string, limits []*limit.Limit, standings []limit.Standing, now time.Time) (refused *limit.Limit, wait time.Duration)
	// Look is Take, and counts nothing.
	Look(subject string, limits []*limit.Limit, standings []limit.Standing, now time.Time) (refused *limit.Limit, wait time.Duration)
}

// maxLimits is how many limits a call is under at most: the API's, and a rate, a
// day and a month of the plan and of the operation.
const maxLimits = 7

// plans are the limits of every plan, by product and plan. They are built anew
// when a product has changed, and never changed.
type plans struct {
	version uint64 // of the model's products
	limits  map[planKey]*planLimits
}

type planKey struct{ product, plan string }

// planLimits are the limits of a plan: of all operations, then of single ones.
type planLimits struct {
	all        []*limit.Limit
	operations map[string][]*limit.Limit
}

// apiLimit is the rate of one app at an API, nil if it has none.
func apiLimit(api *manifest.API) *limit.Limit {
	rule := api.Request.Rate
	if rule == nil {
		return nil
	}
	return &limit.Limit{
		Name: "app", Scope: "api " + api.Name, Interval: time.Second / time.Duration(rule.PerSecond), Burst: rule.Burst,
	}
}

// plan returns the limits of the plan that the call is under, nil if there are
// none.
func (g *Gateway) plan(c *call) *planLimits {
	if c.client.App == nil || c.product == "" {
		return nil
	}
	p := g.plans.Load()
	if p == nil || p.version != c.client.Version {
		p = buildPlans(g.Model.Products(), c.client.Version)
		g.plans.Store(p)
	}
	if len(p.limits) == 0 {
		return nil
	}
	if l := p.limits[planKey{c.product, c.client.Org.Plan(c.product)}]; l != nil {
		return l
	}
	return p.limits[planKey{product: c.product}] // the product's first
}

func buildPlans(products []market.Product, version uint64) *plans {
	p := &plans{version: version, limits: map[planKey]*planLimits{}}
	for i := range products {
		product := &products[i]
		for j := range product.Plans {
			plan := &product.Plans[j]
			l := &planLimits{all: limitsOf(plan.Limits, "", "product "+product.Name)}
			for _, op := range slices.Sorted(maps.Keys(plan.Operations)) {
				if l.operations == nil {
					l.operations = map[string][]*limit.Limit{}
				}
				l.operations[op] = limitsOf(plan.Operations[op], "operation-", "product "+product.Name+" operation "+op)
			}
			p.limits[planKey{product.Name, plan.Name}] = l
			if j == 0 {
				p.limits[planKey{product: product.Name}] = l
			}
		}
	}
	return p
}

// limitsOf spells limits out. What was counted stays when a plan changes: the
// scope does not name it.
func limitsOf(l market.PlanLimits, prefix, scope string) (out []*limit.Limit) {
	if l.Rate.Calls > 0 {
		out = append(out, &limit.Limit{
			Name: prefix + "rate", Scope: scope, Interval: l.Rate.Per / time.Duration(l.Rate.Calls), Burst: l.Rate.Burst,
		})
	}
	if l.Day > 0 {
		out = append(out, &limit.Limit{Name: prefix + "day", Scope: scope, Period: limit.Day, Max: l.Day})
	}
	if l.Month > 0 {
		out = append(out, &limit.Limit{Name: prefix + "month", Scope: scope, Period: limit.Month, Max: l.Month})
	}
	return out
}

// limits lists what the call is under, in the room of into.
func (g *Gateway) limits(c *call, into []*limit.Limit) []*limit.Limit {
	if c.rate != nil {
		into = append(into, c.rate)
	}
	if l := g.plan(c); l != nil {
		into = append(append(into, l.all...), l.operations[c.operation.ID]...)
	}
	return into
}

// limited is whose calls are counted together: the app's, or the organization's
// where no app calls; or, of a public operation, those of a network. An app is of one
// environment; the others are in all of them, and counted in each by itself.
func (g *Gateway) limited(c *call) string {
	switch {
	case c.client.App != nil && c.client.App.ID != "":
		return string(c.client.App.ID)
	case c.client.App != nil:
		return string(g.Environment) + " " + string(c.client.Org.ID)
	}
	return string(g.Environment) + " " + httpx.Network(httpx.RemoteAddr(c.r))
}

// limit counts the call against what its app may do, and tells the app where it
// stands, in the fields of draft-ietf-httpapi-ratelimit-headers-10.
func (g *Gateway) limit(c *call) error {
	var room [maxLimits]*limit.Limit
	limits := g.limits(c, room[:0])
	if len(limits) == 0 {
		return nil
	}
	c.counted = true
	var standings [maxLimits]limit.Standing
	count := g.Counter.Take
	if c.asked {
		count = g.Counter.Look
	}
	refused, wait := count(g.limited(c), limits, standings[:len(limits)], g.Now())
	tell(c.w.Header(), limits, standings[:len(limits)], refused)
	if refused == nil {
		return nil
	}
	ref := &refusal{
		status: http.StatusTooManyRequests, code: codeRateLimit, retry: wait,
		detail: "The app calls this API more often than it may. Wait as long as Retry-After says, and spread the calls",
		reason: "more calls than " + told(refused), next: "spread the calls; ask the operator for a larger plan if that is not enough",
	}
	if refused.Period != "" {
		of := "the " + string(refused.Period)
		if strings.HasPrefix(refused.Name, "operation-") {
			of += " for this operation"
		}
		ref.detail = "The app has used up its quota of " + of + ". The next one begins when Retry-After has passed, at midnight UTC; the operator can give it a larger plan"
		ref.next = "wait for the next " + string(refused.Period) + ", or have the operator put the subscription on a larger plan"
	}
	return ref
}

// told says what a limit allows, for people.
func told(l *limit.Limit) string {
	if l.Period != "" {
		return fmt.Sprintf("%d a %s (%s)", l.Max, l.Period, l.Scope)
	}
	return fmt.Sprintf("one in %s, or %d at once (%s)", l.Interval, l.Burst, l.Scope)
}

// tell writes the fields RateLimit-Policy and RateLimit. When a limit is used up,
// only that one: where the others stand was not asked.
func tell(h http.Header, limits []*limit.Limit, standings []limit.Standing, refused *limit.Limit) {
	var room [2][256]byte
	policy, now := room[0][:0], room[1][:0]
	for i, l := range limits {
		if refused != nil && l != refused {
			continue
		}
		if len(policy) > 0 {
			policy, now = append(policy, ", "...), append(now, ", "...)
		}
		most, window := l.Max, int64(periodSeconds(l.Period))
		if l.Period == "" {
			most, window = l.Burst, max(1, int64((l.Interval*time.Duration(l.Burst)+time.Second-1)/time.Second))
		}
		policy = append(append(append(policy, '"'), l.Name...), `";q=`...)
		policy = strconv.AppendInt(append(strconv.AppendInt(policy, most, 10), ";w="...), window, 10)
		now = append(append(append(now, '"'), l.Name...), `";r=`...)
		now = strconv.AppendInt(append(strconv.AppendInt(now, standings[i].Left, 10), ";t="...), int64((standings[i].Full+time.Second-1)/time.Second), 10)
	}
	values := []string{string(policy), string(now)}
	h["Ratelimit-Policy"], h["Ratelimit"] = values[:1:1], values[1:]
}

// periodSeconds is the window of a quota. A month is told as thirty days.
func periodSeconds(p limit.Period) int {
	const day = 24 * 60 * 60
	if p == limit.Month {
		return 30 * day
	}
	return day
}

// enter lets the call in if fewer are under way than may be, at this node. An API
// that is full is overloaded, whoever calls; an app that has too many under way has
// itself to blame.
func (g *Gateway) enter(c *call) error {
	most := c.api.Request.Concurrency
	if c.asked || most == (manifest.Concurrency{}) {
		return nil
	}
	if most.App > 0 {
		key := c.api.Name + " " + g.limited(c)
		if !g.underWay.Enter(key, most.App) {
			return &refusal{
				status: http.StatusTooManyRequests, code: codeRateLimit, retry: time.Second,
				detail: "The app has " + strconv.FormatInt(most.App, 10) + " calls to this API under way, as many as it may. Wait for one to be answered",
				reason: "more than " + strconv.FormatInt(most.App, 10) + " calls of one app under way", next: "make fewer calls at once",
			}
		}
		c.inside = append(c.inside, key)
	}
	if most.API > 0 {
		if !g.underWay.Enter(c.api.Name, most.API) {
			ref := unavailable(strconv.FormatInt(most.API, 10) + " calls to the API are under way, as many as its manifest allows at one node")
			ref.detail, ref.next = "This API has as many calls under way as it can take. Try again shortly", "try again; if it stays so, the operator raises the API's concurrency"
			return ref
		}
		c.inside = append(c.inside, c.api.Name)
	}
	return nil
}

// leave takes the call out again.
func (g *Gateway) leave(c *call) {
	for _, key := range c.inside {
		g.underWay.Leave(key)
	}
}
