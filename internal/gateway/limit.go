package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// limitedApps is how many apps' limits are kept at a time, for an API.
const limitedApps = 1 << 14

// rateKey tells limits apart: an API keeps its limit, and what was used of it,
// over a change of the catalogue that leaves the rule as it was.
type rateKey struct {
	api  string
	rule manifest.RateRule
}

// limiter returns what counts the calls to api, nil if nothing does. Limits are
// exact on one node; nodes do not share them.
func (g *Gateway) limiter(api *manifest.API) *limit.Table {
	rule := api.Request.Rate
	if rule == nil {
		return nil
	}
	g.limitsMu.Lock()
	defer g.limitsMu.Unlock()
	key := rateKey{api.Name, *rule}
	t := g.limits[key]
	if t == nil {
		t = limit.New(float64(rule.PerSecond), int(rule.Burst), limitedApps)
		g.limits[key] = t
	}
	return t
}

// limited is whose calls are counted together: the app's, or, of a public
// operation, those of a network.
func (c *call) limited() string {
	if c.client.App != nil {
		return c.client.App.ClientID
	}
	return httpx.Network(httpx.RemoteAddr(c.r))
}

// take counts the call, unless it is only asked about.
func (g *Gateway) take(c *call, now time.Time) (wait time.Duration, ok bool) {
	if !c.asked {
		return c.limiter.Take(c.limited(), now)
	}
	left, full := c.limiter.Left(c.limited(), now)
	return full, left > 0
}

// limit counts the call against what its app may do, and tells the app where it
// stands, in the fields of draft-ietf-httpapi-ratelimit-headers-10.
func (g *Gateway) limit(c *call) error {
	if c.limiter == nil {
		return nil
	}
	now := g.Now()
	wait, ok := g.take(c, now)
	left, full := c.limiter.Left(c.limited(), now)
	rule := c.api.Request.Rate
	h := c.w.Header()
	h["Ratelimit-Policy"] = []string{fmt.Sprintf(`"app";q=%d;w=%d`, rule.Burst, max(1, (rule.Burst+rule.PerSecond-1)/rule.PerSecond))}
	h["Ratelimit"] = []string{`"app";r=` + strconv.Itoa(left) + `;t=` + strconv.FormatInt(int64((full+time.Second-1)/time.Second), 10)}
	if ok {
		return nil
	}
	return &refusal{
		status: http.StatusTooManyRequests, code: codeRateLimit, retry: wait,
		detail: "The app calls this API more often than it may. Wait as long as Retry-After says, and spread the calls",
		reason: fmt.Sprintf("more than %d calls a second, or %d at once, by one app", rule.PerSecond, rule.Burst),
		next:   "spread the calls; ask the operator for more if that is not enough",
	}
}
