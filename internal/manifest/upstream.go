package manifest

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// The longest and shortest times that an upstream may be given.
const (
	minTimeout = 100 * time.Millisecond
	maxTimeout = 5 * time.Minute
	maxConnect = time.Minute
	maxIdle    = 24 * time.Hour
	minProbe   = time.Second
	maxProbe   = 10 * time.Minute
)

const (
	maxTargets  = 32
	maxWeight   = 1000
	maxAttempts = 5
	maxInARow   = 1000
)

// What is so where the manifest names retries, health or a breaker, and no more of it.
const (
	defaultAttempts  = 2
	defaultBudget    = 20
	defaultInterval  = 10 * time.Second
	defaultProbe     = 2 * time.Second
	defaultUnhealthy = 3
	defaultHealthy   = 2
	defaultEject     = 5 * time.Second
	defaultOpenFor   = 10 * time.Second
)

// DefaultRetries is what holds for an upstream without retries of its own.
func DefaultRetries() Retries { return Retries{Attempts: defaultAttempts, Budget: defaultBudget} }

// DefaultHealth is what holds for an upstream without health of its own.
func DefaultHealth() Health {
	return Health{Interval: defaultInterval, Timeout: defaultProbe, Unhealthy: defaultUnhealthy, Healthy: defaultHealthy, Eject: defaultEject}
}

var (
	environmentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	variable        = regexp.MustCompile(`\$\{([^}]*)\}`)
	variableName    = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	probePath       = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)
)

// upstreams reads the upstream of each environment.
func (r *apiReader) upstreams(n *strictyaml.Node) {
	if !r.Is(n, "upstreams", strictyaml.Map) {
		return
	}
	for _, member := range n.Members {
		if !environmentName.MatchString(member.Name) {
			r.Problem(&strictyaml.Node{Line: member.Line}, "%q cannot name an environment; allowed are small letters, digits and \"-\", as sandbox or production", member.Name)
			continue
		}
		r.api.Upstreams[market.Environment(member.Name)] = r.upstream(member.Name, member.Value)
	}
}

func (r *apiReader) upstream(environment string, n *strictyaml.Node) Upstream {
	u := Upstream{KeepPrefix: true}
	r.Map(n, "an upstream", strictyaml.Fields{
		"url":             func(n *strictyaml.Node) { u.URL = r.upstreamURL(n) },
		"targets":         func(n *strictyaml.Node) { u.Targets = r.targets(n) },
		"connect_timeout": r.Duration("connect_timeout", minTimeout, maxConnect, &u.Connect),
		"timeout":         r.Duration("timeout", minTimeout, maxTimeout, &u.Timeout),
		"idle_timeout":    r.Duration("idle_timeout", minTimeout, maxIdle, &u.Idle),
		"retries":         func(n *strictyaml.Node) { u.Retries = r.retries(n) },
		"health":          func(n *strictyaml.Node) { u.Health = r.health(n) },
		"breaker":         func(n *strictyaml.Node) { u.Breaker = r.breaker(n) },
		"tls":             func(n *strictyaml.Node) { u.TLS = r.tlsName(n) },
		"http":            func(n *strictyaml.Node) { u.HTTP = r.httpVersion(n) },
		"forward_token":   r.Bool("forward_token", &u.ForwardToken),
		"keep_prefix":     r.Bool("keep_prefix", &u.KeepPrefix),
		"websocket":       r.Bool("websocket", &u.WebSocket),
		"lenient":         r.Bool("lenient", &u.Lenient),
	})
	if n.Kind != strictyaml.Map {
		return u
	}
	one, several := n.Get("url"), n.Get("targets")
	switch {
	case one == nil && several == nil:
		r.Problem(n, "the upstream of %s has no url; give one, or several as targets, or leave the environment out", environment)
	case one != nil && several != nil:
		r.Problem(several, "the upstream of %s has a url and targets; give one url, or several as targets", environment)
	}
	r.spoken(n, u)
	return u
}

// spoken holds what is spoken to the URLs.
func (r *apiReader) spoken(n *strictyaml.Node, u Upstream) {
	for _, t := range u.All() {
		secure := strings.HasPrefix(t.URL, "https:")
		switch {
		case t.URL == "": // and was told
		case u.TLS != "" && !secure:
			r.Problem(n.Get("tls"), "tls is for https, and a URL of the upstream begins with http; correct the URL, or take tls out")
		case (u.HTTP == HTTP2 || u.HTTP == HTTPAuto) && !secure:
			r.Problem(n.Get("http"), "http is %q, which is for https, and a URL of the upstream begins with http; say h2c for HTTP/2 in the clear", u.HTTP)
		case u.HTTP == HTTP2C && secure:
			r.Problem(n.Get("http"), "http is \"h2c\", which is for http, and a URL of the upstream begins with https; say 2")
		default:
			continue
		}
		break
	}
	if u.WebSocket && u.HTTP != "" && u.HTTP != HTTP11 {
		r.Problem(n.Get("http"), "http is %q, and WebSocket needs 1.1; take one of them out", u.HTTP)
	}
}

// tlsName reads the name of settings that each node has: keys are not in catalogues.
func (r *apiReader) tlsName(n *strictyaml.Node) string {
	var name string
	if r.Text("tls", &name)(n); name != "" && !slices.Contains(r.l.tls, name) {
		if r.unsure(n, "tls is %q: the configuration of the server has to have upstream_tls of that name", name) {
			return name
		}
		known := slices.Sorted(slices.Values(r.l.tls))
		r.Problem(n, "tls is %q, and upstream_tls of the configuration has no such name; there are: %s", name, joined(known))
	}
	return name
}

func (r *apiReader) httpVersion(n *strictyaml.Node) HTTPVersion {
	if !r.Is(n, "http", strictyaml.Text, strictyaml.Number) {
		return ""
	}
	switch v := HTTPVersion(n.Scalar); v {
	case HTTP11, HTTP2, HTTP2C, HTTPAuto:
		return v
	}
	r.Problem(n, "http is %q; it must be 1.1, 2, h2c or auto", n.Scalar)
	return ""
}

// targets reads the servers of an upstream. They do the same, so they are asked for
// the same path.
func (r *apiReader) targets(n *strictyaml.Node) []UpstreamTarget {
	var out []UpstreamTarget
	total := int64(0)
	r.Each(n, "targets", func(item *strictyaml.Node) {
		t := UpstreamTarget{Weight: 1}
		r.Map(item, "a target", strictyaml.Fields{
			"url":    func(n *strictyaml.Node) { t.URL = r.upstreamURL(n) },
			"weight": r.Int("weight", 0, maxWeight, &t.Weight),
		})
		if item.Kind == strictyaml.Map && item.Get("url") == nil {
			r.Problem(item, "the target has no url; give one")
		}
		if t.URL != "" && slices.ContainsFunc(out, func(other UpstreamTarget) bool { return other.URL == t.URL }) {
			r.Problem(item, "the target is named twice; give it a weight instead")
		}
		total += t.Weight
		out = append(out, t)
	})
	switch {
	case n.Kind != strictyaml.List:
	case len(out) == 0 || len(out) > maxTargets:
		r.Problem(n, "targets has %d targets; it must have from 1 to %d", len(out), maxTargets)
	case total == 0:
		r.Problem(n, "every target has the weight 0, so that none would be asked; give one of them more")
	}
	return out
}

func (r *apiReader) retries(n *strictyaml.Node) *Retries {
	rule := DefaultRetries()
	var methods []string
	r.Map(n, "retries", strictyaml.Fields{
		"attempts": r.Int("attempts", 1, maxAttempts, &rule.Attempts),
		"budget":   r.Int("budget", 1, 100, &rule.Budget),
		"methods":  r.Texts("methods", &methods),
		"statuses": func(n *strictyaml.Node) {
			r.Each(n, "statuses", func(item *strictyaml.Node) {
				var status int64
				if r.Int("a status that is asked again", 502, 504, &status)(item); status != 0 && !slices.Contains(rule.Statuses, int(status)) {
					rule.Statuses = append(rule.Statuses, int(status))
				}
			})
		},
	})
	for _, method := range methods {
		if method != "PUT" && method != "DELETE" {
			r.Problem(n.Get("methods"), "methods names %q; only PUT and DELETE can be added to GET, HEAD and OPTIONS, for others may not be done twice", method)
		}
	}
	rule.Methods = methods
	slices.Sort(rule.Methods)
	slices.Sort(rule.Statuses)
	return &rule
}

func (r *apiReader) health(n *strictyaml.Node) *Health {
	rule := DefaultHealth()
	r.Map(n, "health", strictyaml.Fields{
		"path":      r.probePath(&rule.Path),
		"interval":  r.Duration("interval", minProbe, maxProbe, &rule.Interval),
		"timeout":   r.Duration("timeout", minTimeout, maxConnect, &rule.Timeout),
		"status":    r.Int("status", 200, 599, &rule.Status),
		"healthy":   r.Int("healthy", 1, maxInARow, &rule.Healthy),
		"unhealthy": r.Int("unhealthy", 1, maxInARow, &rule.Unhealthy),
		"eject_for": r.Duration("eject_for", minTimeout, maxTimeout, &rule.Eject),
	})
	for _, member := range []string{"interval", "timeout", "status", "healthy"} {
		if n.Kind == strictyaml.Map && rule.Path == "" && n.Get("path") == nil && n.Get(member) != nil {
			r.Problem(n, "health has %s, which is about probes, and no path to ask for; give one", member)
			break
		}
	}
	return &rule
}

// probePath reads the path that probes ask for.
func (r *apiReader) probePath(to *string) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		var text string
		if r.Text("path", &text)(n); text == "" {
			return
		}
		if !probePath.MatchString(text) {
			r.Problem(n, "%q is not a path that can be asked for; write it as /healthcheck, without a query", text)
			return
		}
		*to = text
	}
}

func (r *apiReader) breaker(n *strictyaml.Node) *Breaker {
	rule := Breaker{OpenFor: defaultOpenFor}
	r.Map(n, "breaker", strictyaml.Fields{
		"failures": r.Int("failures", 1, maxInARow, &rule.Failures),
		"ratio":    r.Int("ratio", 1, 100, &rule.Ratio),
		"open_for": r.Duration("open_for", minTimeout, maxTimeout, &rule.OpenFor),
	})
	if n.Kind == strictyaml.Map && n.Get("failures") == nil && n.Get("ratio") == nil {
		r.Problem(n, "breaker does not say when it opens; give failures in a row, or a ratio in percent")
	}
	return &rule
}

// upstreamURL reads a URL and puts the values of its variables in. Messages
// show it as it is written: a value is nobody's business.
func (r *apiReader) upstreamURL(n *strictyaml.Node) string {
	var text string
	if r.Text("url", &text)(n); text == "" {
		return ""
	}
	resolved := true
	value := variable.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		value, ok := r.l.vars[name]
		switch {
		case !variableName.MatchString(name):
			resolved = false
			r.Problem(n, "%q cannot name a variable; allowed are capital letters, digits and \"_\", as ${BILLING_URL}", name)
		case !ok:
			resolved = false
			known := make([]string, 0, len(r.l.vars))
			for name := range r.l.vars {
				known = append(known, name)
			}
			slices.Sort(known)
			r.Problem(n, "the variable ${%s} has no value; values are given for: %s", name, joined(known))
		}
		return value
	})
	if !resolved {
		return ""
	}
	u, err := url.Parse(value)
	bad := err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(value, "#\\ ${}") || slices.Contains(strings.Split(u.Path, "/"), "..")
	if !bad && u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		bad = err != nil || port < 1 || port > 65535
	}
	if bad {
		r.Problem(n, "%q is not the URL of an upstream; it must be http:// or https:// with a host and perhaps a port and a path, without user, query and fragment", text)
		return ""
	}
	return strings.TrimRight(value, "/")
}
