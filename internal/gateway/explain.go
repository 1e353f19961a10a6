package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// Step is what one stage of the chain says of a call that is asked about.
type Step struct {
	Stage string
	Says  string
}

// Verdict is what would become of a call.
type Verdict struct {
	Steps  []Step // those that were passed; the last one is that which refused, if one did
	Status int    // 0: it would be passed to the upstream, or answered with mock data
	Code   string // the `error` of the refusal
	Detail string // what the caller would be told
	Reason string // what it really is
	Next   string // what to do about it
	Live   bool   // the upstream would answer
	Source string // "live", or "mock; reason=…"
}

// Asker is a client whose call is asked about, without a token: with a fresh one of all
// that it may have.
type Asker struct {
	Client    snapshot.Client
	Principal *token.Principal // of that token; nil: it gets none
	Refusal   Verdict          // why it gets none
}

// Explain says what would become of a call, by the very stages that it would
// pass, and why. Nothing is sent, counted or remembered. Of the body it knows what
// r brings; who calls, its token says, or asker, if that is not nil.
func (g *Gateway) Explain(r *http.Request, asker *Asker) Verdict {
	c := &call{w: unwritten{}, r: r, began: g.Now(), asked: true}
	var v Verdict
	for i := range g.chain {
		stage := &g.chain[i]
		pass := stage.pass
		if asker != nil && stage.name == "authenticate" {
			pass = func(c *call) error { return g.assume(c, asker) }
		}
		if err := pass(c); err != nil {
			if errors.Is(err, errNoToken) {
				no := asker.Refusal
				no.Steps = append(v.Steps, no.Steps...)
				return no
			}
			v.refused(stage.name, g.refusalOf(c, err))
			return v
		}
		if says := g.says(stage.name, c); says != "" {
			v.Steps = append(v.Steps, Step{stage.name, says})
		}
	}
	v.Live, v.Source = c.source.Live, c.source.String()
	if v.Live && c.target == nil {
		v.refused("upstream", notOffered())
	}
	if !v.Live {
		if _, err := g.mockData(c); err != nil {
			v.refused("mock", g.refusalOf(c, err))
		}
	}
	return v
}

// errNoToken is that the client would not even get a token.
var errNoToken = errors.New("no token")

// assume authenticates the client of a call that is asked about, as if it had sent a
// fresh token.
func (g *Gateway) assume(c *call, asker *Asker) error {
	switch {
	case g.Model.Age() > g.MaxStale:
		return g.authenticate(c) // which refuses
	case c.public:
		return nil
	}
	if env := asker.Client.App.Environment; env != g.Environment {
		ref := invalid(errNoToken)
		ref.reason = "the app is of " + string(env) + ", and its tokens are good there alone"
		ref.next = "ask about a call to " + string(env) + ", or as an app of " + string(g.Environment)
		return ref
	}
	if !c.api.Request.TakesTokensOf(manifest.OwnIssuer) {
		return g.otherIssuer(c, manifest.OwnIssuer, asker.Principal, true)
	}
	if asker.Principal == nil {
		return errNoToken
	}
	c.principal, c.client = asker.Principal, asker.Client
	if no := policy.Standing(c.principal, c.client, true, false); no != nil {
		return no
	}
	return nil
}

// refused makes v that of a call which a stage refuses.
func (v *Verdict) refused(stage string, ref *refusal) {
	v.Status, v.Code, v.Detail, v.Reason, v.Next = ref.status, ref.code, ref.detail, ref.reason, ref.next
	says := ref.reason
	if says == "" {
		says = ref.detail
	}
	v.Steps = append(v.Steps, Step{stage, says})
}

// says tells what a stage found out about a call that passed it.
func (g *Gateway) says(stage string, c *call) string {
	switch stage {
	case "canonical":
		return c.path
	case "match":
		return fmt.Sprintf("API %s, operation %s (%s %s)", c.api.Name, c.operation.ID, c.r.Method, c.api.BasePath+c.operation.Template)
	case "authenticate":
		return g.saysWho(c)
	case "entitle":
		return saysProduct(c)
	case "limit":
		return g.saysLimit(c)
	case "read":
		return saysBody(c)
	case "submitter":
		if c.api.Request.Submitter != nil && !c.public {
			return "the submitter ids are the organization's"
		}
	case "choose":
		return g.saysSource(c)
	}
	return ""
}

func (g *Gateway) saysWho(c *call) string {
	if c.public {
		return "not asked for: the manifest says that this operation is public"
	}
	left := time.Unix(c.principal.Expires, 0).Sub(g.Now()).Round(time.Second)
	text := "token of "
	if name := c.principal.Foreign; name != "" {
		text = "token of the issuer " + name + ", of "
	}
	if c.client.App.ID != "" {
		text += fmt.Sprintf("app %q of ", c.client.App.Name)
	}
	text += fmt.Sprintf("%q, which ends in %s", c.client.Org.Name, left)
	if c.principal.User != "" {
		text += "; the upstream is told its user"
	}
	switch bound := c.principal.Confirmation; {
	case bound.Certificate != "":
		text += "; it is bound to a client certificate, which the call has to come with"
	case bound.Key != "":
		text += "; it is bound to a DPoP key, by which the call has to bring a proof"
	}
	return text
}

func saysProduct(c *call) string {
	if c.public {
		return ""
	}
	return fmt.Sprintf("by product %s; the subscription is %s", c.product, c.client.Org.Subscription(c.product))
}

func (g *Gateway) saysLimit(c *call) string {
	var room [maxLimits]*limit.Limit
	limits := g.limits(c, room[:0])
	if len(limits) == 0 {
		return "none is set"
	}
	var standings [maxLimits]limit.Standing
	g.Counter.Look(g.limited(c), limits, standings[:], g.Now())
	texts := make([]string, len(limits))
	for i, l := range limits {
		texts[i] = fmt.Sprintf("%s: %s, %d left on this node", l.Name, told(l), standings[i].Left)
	}
	return strings.Join(texts, "; ")
}

func saysBody(c *call) string {
	switch {
	case c.body == nil:
		return "not looked into: the body streams past"
	case c.checked():
		return "matches the API's document"
	}
	return "read, not held to the document"
}

func (g *Gateway) saysSource(c *call) string {
	if !c.source.Live {
		return "mock data: " + sourceReasons[c.source.Reason]
	}
	if c.target == nil {
		return "live, but the API has no upstream in " + string(g.Environment)
	}
	if n := len(c.target.members()); n > 1 {
		return "live, by one of the " + strconv.Itoa(n) + " servers of the upstream"
	}
	return "live, by the upstream " + strings.TrimSuffix(c.target.url.String(), "/")
}

// sourceReasons spells out why a call is answered with mock data.
var sourceReasons = map[string]string{
	"header":         "the header environment asks for it",
	"not-subscribed": "the organization is not subscribed to the product",
	"no-tin":         "the request names no provider TIN",
	"no-upstream":    "the API has no upstream here",
	"public":         "a public operation of an API without an upstream here",
}

// unwritten is the answer to a call that is only asked about: nobody gets it.
type unwritten struct{}

func (unwritten) Header() http.Header         { return http.Header{} }
func (unwritten) WriteHeader(int)             {}
func (unwritten) Write(b []byte) (int, error) { return len(b), nil }
