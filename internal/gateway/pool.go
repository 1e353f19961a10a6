package gateway

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/relay"
	"github.com/sallyport-dev/sallyport/internal/tracing"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// pool is the servers of an upstream that has several, or rules for when one fails.
type pool struct {
	*upstream.Pool
	members  []*target
	states   []*upstream.State
	attempts int64
	retries  manifest.Retries
}

// stateKey tells targets apart whose standing is kept: where it changes in any way,
// it is another's.
type stateKey struct {
	api, url string
	rules    upstream.Rules
}

// pooled returns the target that stands for all of members.
func (p *proxy) pooled(api *manifest.API, up manifest.Upstream, members []*target) *target {
	rules, retries := rulesOf(up)
	made := &pool{members: members, attempts: retries.Attempts, retries: retries}
	first := *members[0]
	first.pool = made
	targets := make([]upstream.Target, len(members))
	for i, each := range up.All() {
		members[i].siblings = members
		targets[i] = upstream.Target{State: p.state(stateKey{api.Name, each.URL, rules}), Weight: each.Weight}
		made.states = append(made.states, targets[i].State)
		if members[i].relay == nil {
			first.relay = nil // all go one way
		}
	}
	made.Pool = upstream.New(targets, retries.Budget, p.g.Now)
	return &first
}

func rulesOf(up manifest.Upstream) (upstream.Rules, manifest.Retries) {
	health, retries := manifest.DefaultHealth(), manifest.DefaultRetries()
	if up.Health != nil {
		health = *up.Health
	}
	if up.Retries != nil {
		retries = *up.Retries
	} else if len(up.All()) == 1 {
		retries.Attempts = 1
	}
	rules := upstream.Rules{Unhealthy: health.Unhealthy, Healthy: health.Healthy, Eject: health.Eject}
	if b := up.Breaker; b != nil {
		rules.Breaker = upstream.Breaker{Failures: b.Failures, Percent: b.Ratio, OpenFor: b.OpenFor}
	}
	return rules, retries
}

// state returns how a target does, as it was before the catalogue changed if it was
// there.
func (p *proxy) state(key stateKey) *upstream.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.states[key]
	if s == nil {
		s = upstream.NewState(key.rules, func(well bool, why string) {
			log := p.g.Logger.With(slog.String("environment", string(p.g.Environment)), slog.String("api", key.api), slog.String("upstream", key.url), slog.String("why", why))
			if well {
				log.Info("an upstream does well again")
				return
			}
			log.Warn("an upstream does badly and is passed over")
		})
		p.states[key] = s
	}
	return s
}

// members lists the servers that t stands for.
func (t *target) members() []*target {
	switch {
	case t == nil:
		return nil
	case t.pool == nil:
		return []*target{t}
	}
	return t.pool.members
}

// named returns the server of the call's upstream that u names: t, unless it is
// another of the same pool.
func (t *target) named(u *url.URL) *target {
	for _, sibling := range t.siblings {
		if strings.EqualFold(u.Hostname(), sibling.url.Hostname()) && portOf(u, sibling.url.Scheme) == portOf(sibling.url, sibling.url.Scheme) {
			return sibling
		}
	}
	return t
}

// attempt has send ask one target after the other, until one answers or it would not
// be safe, or too much, to ask once more. The call's target is the last that was
// asked. Send reads the body from what it is given, and nothing has reached the
// caller when it returns. What is answered and not taken is dropped.
func attempt[A any](p *proxy, c *call, body *clientBody, send func(io.Reader) (A, int, error), drop func(A)) (answer A, err error) {
	pool := c.target.pool
	who := c.organization()
	pool.Asked(who)
	var tried upstream.Tried
	for n := int64(1); ; n++ {
		turn, none := pool.Choose(tried, who)
		if errors.Is(none, upstream.ErrTried) {
			turn, none = pool.Choose(0, who)
		}
		if none != nil {
			if err == nil {
				err = none
			}
			return answer, err // of the last attempt, if there was one
		}
		tried.Add(turn.Index)
		c.target, c.state = pool.members[turn.Index], pool.states[turn.Index]
		if turn.Desperate {
			httpx.Note(c.r.Context(), slog.Bool("upstream_all_bad", true))
		}
		var status int
		whole, one := c.visit, c.visit.Child("attempt", tracing.Client)
		if one != nil {
			c.visit = one // which the server is told as its parent
		}
		answer, status, err = send(body.content(c))
		c.visit = whole
		c.attempted(one, n, status, err)
		turn.Done(outcomeOf(c, body, status, err))
		if n >= pool.attempts || !p.repeatable(c, pool, body, status, err) || !pool.Again(who) {
			return answer, err
		}
		if err == nil {
			drop(answer)
		}
		httpx.Note(c.r.Context(), slog.Int64("upstream_attempts", n+1))
	}
}

// attempted ends the span of the n-th attempt of a call. Of an error it has the stage:
// its text names addresses, and may hold what the upstream has sent.
func (c *call) attempted(span *tracing.Span, n int64, status int, err error) {
	if span == nil {
		return
	}
	span.Text("server.address", c.target.url.Host)
	if n > 1 {
		span.Number("http.request.resend_count", n-1)
	}
	if err != nil {
		span.Text("error.type", string(relay.StageOf(err)))
	} else {
		span.Number("http.response.status_code", int64(status))
	}
	if err != nil && c.r.Context().Err() == nil || status >= http.StatusInternalServerError {
		span.Fail()
	}
	span.End()
}

// outcomeOf says what an exchange tells of a target. A 500 may be about this one
// call: by that, a caller could have a server that does well be passed over. So may any
// other failure once there is a connection, which whose call it was has to do with.
func outcomeOf(c *call, body *clientBody, status int, err error) upstream.Outcome {
	switch {
	case err == nil && (status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout):
		return upstream.Unanswered
	case err == nil:
		return upstream.Answered
	case body.broken.Load(), c.r.Context().Err() != nil, errors.Is(err, relay.ErrUnsendable):
		return upstream.Unknown
	}
	switch relay.StageOf(err) {
	case relay.Connecting, relay.Securing:
		return upstream.Failed
	case relay.Writing, relay.Heading, relay.Reading:
	}
	return upstream.Unanswered
}

// organization is whose call it is; empty: anybody's.
func (c *call) organization() string {
	if c.client.Org == nil {
		return ""
	}
	return string(c.client.Org.ID)
}

// repeatable reports whether it does no harm to ask once more: nothing was sent; or
// it may be done twice, and its body can be sent again. Who did not answer in time is
// not asked again, for the caller has waited, and the answer may be on its way.
func (p *proxy) repeatable(c *call, pool *pool, body *clientBody, status int, err error) bool {
	var timeout net.Error
	switch {
	case c.r.Context().Err() != nil, body.broken.Load():
		return false
	case err != nil && relay.Unsent(err):
		return c.body != nil || !c.hasBody() || body.rewind()
	case err == nil && !slices.Contains(pool.retries.Statuses, status):
		return false
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, relay.ErrMalformed), errors.Is(err, relay.ErrUnsendable):
		return false
	case c.body == nil && c.hasBody():
		return false
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return slices.Contains(pool.retries.Methods, c.r.Method)
}

// hasBody reports whether the call's request may have a body.
func (c *call) hasBody() bool {
	return c.r.ContentLength != 0 && c.r.Body != nil && c.r.Body != http.NoBody
}

// content returns the reader of the body for one attempt. What the gateway has read
// is read anew: an attempt that failed may hold on to its own.
func (b *clientBody) content(c *call) io.Reader {
	if c.body != nil {
		return bytes.NewReader(c.body.raw)
	}
	return b
}

// broke notes that the upstream broke off within its answer, whose status may be a good one.
func (c *call) broke(err error, now time.Time) {
	if c.state != nil {
		c.state.Report(upstream.Unanswered, c.organization(), now)
	}
	c.visit.Fail()
	httpx.Note(c.r.Context(), slog.String("upstream_error", quiet{err}.Error()), slog.String("upstream", c.target.url.String()), slog.String("upstream_stage", string(relay.Reading)))
}

// RoundTrip sends by the transport of the call's target, or of those of its pool.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	passing, c := passageOf(r.Context()), callOf(r.Context())
	began := p.g.Now()
	res, err := p.roundTrip(passing, c, r)
	if err == nil {
		c.target.visits.answered.Add(p.g.Now().Sub(began))
	}
	return res, err
}

func (p *proxy) roundTrip(passing *passage, c *call, r *http.Request) (*http.Response, error) {
	if passing.pool == nil {
		return c.traced(r, p.g.Now)
	}
	return attempt(p, c, passing.body, func(content io.Reader) (*http.Response, int, error) {
		out, at := *r, *r.URL
		at.Scheme, at.Host, at.Path, at.RawPath = c.target.url.Scheme, c.target.url.Host, c.upstreamPath(), ""
		out.URL = &at
		if c.visit != nil { // that of the attempt
			out.Header = r.Header.Clone()
			out.Header["Traceparent"] = []string{c.visit.Traceparent()}
		}
		if r.Body != nil && r.Body != http.NoBody {
			out.Body = io.NopCloser(content) // a transport closes what it could not send
		}
		res, err := c.traced(&out, p.g.Now)
		if err != nil {
			return nil, 0, err
		}
		res.Request = r
		return res, res.StatusCode, nil
	}, func(res *http.Response) { _ = res.Body.Close() })
}
