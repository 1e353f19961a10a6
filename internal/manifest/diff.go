package manifest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// Diff says what changes from one catalogue to another, a line for each thing:
// products, then APIs by name. A nil catalogue is an empty one.
func Diff(from, to *Catalog) []string {
	d := &diff{}
	if from == nil {
		from = &Catalog{}
	}
	if to == nil {
		to = &Catalog{}
	}
	pairs(byName(from.Products, productNamed), byName(to.Products, productNamed), d.product)
	pairs(byName(from.APIs, apiNamed), byName(to.APIs, apiNamed), d.api)
	return d.lines
}

// Opened lists the operations that one catalogue lets be called without a token
// and the one before it did not: what somebody has to have meant.
func Opened(from, to *Catalog) []string {
	was := map[string]bool{}
	for _, line := range publicOperations(from) {
		was[line] = true
	}
	return slices.DeleteFunc(publicOperations(to), func(line string) bool { return was[line] })
}

// publicOperations lists the operations that need no token, a line each.
func publicOperations(c *Catalog) []string {
	if c == nil {
		return nil
	}
	var lines []string
	for _, a := range c.APIs {
		for _, op := range a.Document.Operations {
			if a.IsPublic(op) {
				lines = append(lines, fmt.Sprintf("API %s: %s %s", a.Name, op.Method, a.BasePath+op.Template))
			}
		}
		if a.IsPublic(&openapi.Operation{ID: OtherOperation}) {
			lines = append(lines, fmt.Sprintf("API %s: everything else below %s", a.Name, a.BasePath))
		}
	}
	return lines
}

type diff struct{ lines []string }

func (d *diff) line(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func productNamed(p market.Product) string { return p.Name }

func apiNamed(a *API) string { return a.Name }

func byName[T any](list []T, name func(T) string) map[string]*T {
	out := make(map[string]*T, len(list))
	for i := range list {
		out[name(list[i])] = &list[i]
	}
	return out
}

// pairs calls each for every name in either map, in order; a side that lacks
// the name is nil.
func pairs[K ~string, T any](from, to map[K]*T, each func(name K, from, to *T)) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(from)), maps.Keys(to))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		each(name, from[name], to[name])
	}
}

func (d *diff) product(name string, from, to *market.Product) {
	switch {
	case from == nil:
		d.line("product %s: added, token lifetime %s", name, lifetime(to.TokenLifetime))
		return
	case to == nil:
		d.line("product %s: removed", name)
		return
	}
	if from.TokenLifetime != to.TokenLifetime {
		d.line("product %s: token lifetime changed from %s to %s", name, lifetime(from.TokenLifetime), lifetime(to.TokenLifetime))
	}
	if !reflect.DeepEqual(from.Plans, to.Plans) {
		d.line("product %s: plans changed from %s to %s", name, planNames(from), planNames(to))
	}
	if from.Title != to.Title || from.Description != to.Description {
		d.line("product %s: title or description changed", name)
	}
}

// planNames lists the plans of a product; a plan whose limits changed is told by
// the line itself.
func planNames(p *market.Product) string {
	names := make([]string, len(p.Plans))
	for i, plan := range p.Plans {
		allows := PlanText(plan.Limits)
		for _, op := range slices.Sorted(maps.Keys(plan.Operations)) {
			allows += "; " + op + " " + PlanText(plan.Operations[op])
		}
		names[i] = fmt.Sprintf("%s (%s)", plan.Name, allows)
	}
	return joined(names)
}

// PlanText says what a plan allows, for people.
func PlanText(l market.PlanLimits) string {
	var parts []string
	if l.Rate.Calls > 0 {
		per := "second"
		if l.Rate.Per == time.Minute {
			per = "minute"
		}
		parts = append(parts, fmt.Sprintf("%d calls a %s, %d at once", l.Rate.Calls, per, l.Rate.Burst))
	}
	if l.Day > 0 {
		parts = append(parts, fmt.Sprintf("%d a day", l.Day))
	}
	if l.Month > 0 {
		parts = append(parts, fmt.Sprintf("%d a month", l.Month))
	}
	if len(parts) == 0 {
		return "without limits"
	}
	return strings.Join(parts, ", ")
}

func lifetime(l time.Duration) string {
	if l == 0 {
		return "by dialect"
	}
	return l.String()
}

func (d *diff) api(name string, was, is **API) {
	switch {
	case was == nil:
		d.line("API %s: added at %s with %d operations, products %s", name, (*is).BasePath, len((*is).Document.Operations), strings.Join((*is).Products, ", "))
		return
	case is == nil:
		d.line("API %s: removed from %s", name, (*was).BasePath)
		return
	}
	from, to := *was, *is
	changed := func(what, before, after string) {
		if before != after {
			d.line("API %s: %s changed from %s to %s", name, what, before, after)
		}
	}
	changed("base path", from.BasePath, to.BasePath)
	changed("version", orNone(from.Version), orNone(to.Version))
	changed("products", strings.Join(from.Products, ", "), strings.Join(to.Products, ", "))
	if from.Title != to.Title || from.Summary != to.Summary {
		d.line("API %s: title or summary changed", name)
	}
	before := len(d.lines)
	pairs(operations(from), operations(to), func(key string, was, is *string) {
		switch {
		case was == nil:
			d.line("API %s: operation %s added", name, key)
		case is == nil:
			d.line("API %s: operation %s removed", name, key)
		case *was != *is:
			d.line("API %s: operation %s renamed from %s to %s", name, key, *was, *is)
		}
	})
	if len(d.lines) == before && string(from.Source) != string(to.Source) {
		d.line("API %s: OpenAPI document changed, with the same operations", name)
	}
	pairs(upstreams(from), upstreams(to), func(environment market.Environment, was, is *Upstream) {
		switch {
		case was == nil:
			d.line("API %s: upstream of %s added, %s", name, environment, is.servers())
		case is == nil:
			d.line("API %s: upstream of %s removed", name, environment)
		case was.servers() != is.servers():
			d.line("API %s: upstream of %s changed from %s to %s", name, environment, was.servers(), is.servers())
		case !reflect.DeepEqual(was, is):
			d.line("API %s: upstream of %s has other settings", name, environment)
		}
	})
	changed("validation of answers", string(from.Answers), string(to.Answers))
	d.request(name, from.Request, to.Request)
	d.files(name, from, to)
}

func (d *diff) request(name string, from, to RequestRules) {
	changed := func(what string, before, after any) {
		if before != after {
			d.line("API %s: %s changed from %v to %v", name, what, before, after)
		}
	}
	changed("validation", from.Validate, to.Validate)
	changed("max_body", from.MaxBody, to.MaxBody)
	changed("body_timeout", from.BodyTimeout, to.BodyTimeout)
	changed("public_health", from.PublicHealth, to.PublicHealth)
	changed("public operations", joined(from.Public), joined(to.Public))
	changed("unlisted calls", from.Unlisted, to.Unlisted)
	changed("rate", from.Rate.text(), to.Rate.text())
	changed("concurrency", from.Concurrency.text(), to.Concurrency.text())
	changed("issuers", issuers(from), issuers(to))
	changed("ima_token", from.IMAToken, to.IMAToken)
	changed("TIN rule", from.TIN.text(), to.TIN.text())
	changed("submitter rule", from.Submitter.text(), to.Submitter.text())
}

func issuers(r RequestRules) string {
	if r.Issuers == nil {
		return OwnIssuer
	}
	return joined(r.Issuers)
}

func (r *RateRule) text() string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("%d calls a second, %d at once", r.PerSecond, r.Burst)
}

func (c Concurrency) text() string {
	var parts []string
	if c.App > 0 {
		parts = append(parts, fmt.Sprintf("%d of an app", c.App))
	}
	if c.API > 0 {
		parts = append(parts, fmt.Sprintf("%d of all", c.API))
	}
	return joined(parts)
}

func (t *TINRule) text() string {
	if t == nil {
		return "none"
	}
	need := "optional"
	if t.Required {
		need = "required"
	}
	return joined(slices.DeleteFunc([]string{place("header ", t.Header), place("pointer ", t.Pointer), need}, empty))
}

func (s *SubmitterRule) text() string {
	if s == nil {
		return "none"
	}
	return joined(slices.DeleteFunc([]string{place("header ", s.Header), place("host header ", s.HostHeader), place("pointer ", s.Pointer)}, empty))
}

func place(kind, name string) string {
	if name == "" {
		return ""
	}
	return kind + name
}

func empty(s string) bool { return s == "" }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// mockRules names the file of rules among the files that are compared.
const mockRules = "mock rules"

// files tells of files whose content no other line speaks about.
func (d *diff) files(name string, from, to *API) {
	pairs(sums(from), sums(to), func(use string, was, is *[32]byte) {
		what := "page " + use
		if use == mockRules {
			what = use
		}
		switch {
		case was == nil:
			d.line("API %s: %s added", name, what)
		case is == nil:
			d.line("API %s: %s removed", name, what)
		case *was != *is:
			d.line("API %s: %s changed", name, what)
		}
	})
}

func operations(a *API) map[string]*string {
	out := make(map[string]*string)
	for _, op := range a.Document.Operations {
		out[op.Method+" "+op.Template] = &op.ID
	}
	return out
}

func upstreams(a *API) map[market.Environment]*Upstream {
	out := make(map[market.Environment]*Upstream)
	for environment, upstream := range a.Upstreams {
		out[environment] = &upstream
	}
	return out
}

// servers lists the targets of an upstream.
func (u Upstream) servers() string {
	if len(u.Targets) == 0 {
		return u.URL
	}
	texts := make([]string, len(u.Targets))
	for i, t := range u.Targets {
		texts[i] = fmt.Sprintf("%s (weight %d)", t.URL, t.Weight)
	}
	return joined(texts)
}

func sums(a *API) map[string]*[32]byte {
	out := make(map[string]*[32]byte)
	for file, sum := range a.sums {
		out[file] = &sum
	}
	return out
}
