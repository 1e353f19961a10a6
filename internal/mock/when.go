package mock

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// place is where a condition looks.
type place string

// The places, as they are called in a rule.
const (
	inHeader place = "header"
	inQuery  place = "query"
	inPath   place = "path"
	inBody   place = "body"
)

// test is how a condition compares.
type test string

// The tests, as they are called in a rule.
const (
	equals  test = "equals"
	fold    test = "fold" // equals, but for case
	prefix  test = "prefix"
	oneOf   test = "one_of"
	present test = "present"
	absent  test = "absent"
)

// condition is one condition of a rule.
type condition struct {
	place place
	name  string // of a header, parameter; a JSON pointer for the body
	test  test
	want  []any // scalars
}

// when reads the conditions of a rule.
func (p *parser) when(n *strictyaml.Node, r *rule) {
	fields := strictyaml.Fields{"operation": func(n *strictyaml.Node) { r.operations = p.operationNames(n) }}
	for _, place := range []place{inHeader, inQuery, inPath, inBody} {
		fields[string(place)] = func(n *strictyaml.Node) {
			if !p.Is(n, string(place), strictyaml.Map) {
				return
			}
			for _, member := range n.Members {
				if place == inBody {
					p.pointer(&strictyaml.Node{Line: member.Line}, member.Name)
				}
				c := condition{place: place, name: member.Name}
				p.condition(member.Value, &c)
				r.conditions = append(r.conditions, c)
			}
		}
	}
	p.Map(n, "when", fields)
}

// operationNames reads one operationId or a list of them.
func (p *parser) operationNames(n *strictyaml.Node) []string {
	var names []string
	if n.Kind == strictyaml.List {
		p.Texts("operation", &names)(n)
	} else {
		var name string
		p.Text("operation", &name)(n)
		names = append(names, name)
	}
	known := make([]string, 0, len(p.doc.Operations))
	for _, op := range p.doc.Operations {
		known = append(known, op.ID)
	}
	for _, name := range names {
		if name != "" && !slices.Contains(known, name) {
			p.Problem(n, "there is no operation %q; there are: %s", name, strings.Join(known, ", "))
		}
	}
	return names
}

// condition reads "value" or {test: value}.
func (p *parser) condition(n *strictyaml.Node, c *condition) {
	what := string(c.place) + " " + c.name
	scalar := func(n *strictyaml.Node) {
		kinds := []strictyaml.Kind{strictyaml.Text}
		if c.place == inBody && c.test != prefix && c.test != fold {
			kinds = append(kinds, strictyaml.Number, strictyaml.Bool, strictyaml.Null)
		}
		if p.Is(n, "the value for "+what, kinds...) {
			c.want = append(c.want, n.Value())
		}
	}
	if n.Kind != strictyaml.Map {
		c.test = equals
		scalar(n)
		return
	}
	one := func(t test) func(*strictyaml.Node) {
		return func(n *strictyaml.Node) { c.test = t; scalar(n) }
	}
	flag := func(t test) func(*strictyaml.Node) {
		return func(n *strictyaml.Node) {
			c.test = t
			if p.Is(n, string(t), strictyaml.Bool) && n.Scalar != "true" {
				p.Problem(n, "%s is false; write true, or use the opposite test", t)
			}
		}
	}
	p.Map(n, "the condition on "+what, strictyaml.Fields{
		string(equals): one(equals), string(fold): one(fold), string(prefix): one(prefix),
		string(present): flag(present), string(absent): flag(absent),
		string(oneOf): func(n *strictyaml.Node) {
			c.test = oneOf
			if p.Each(n, string(oneOf), scalar); n.Kind == strictyaml.List && len(n.Items) == 0 {
				p.Problem(n, "one_of is empty; give the values, or use absent")
			}
		},
	})
	if len(n.Members) != 1 {
		p.Problem(n, "the condition on %s has %d tests; give exactly one of equals, fold, prefix, one_of, present, absent", what, len(n.Members))
	}
}

// pointer checks that text is a JSON pointer to something in the body.
func (p *parser) pointer(n *strictyaml.Node, text string) {
	if !strings.HasPrefix(text, "/") {
		p.Problem(n, "%q is not a JSON pointer; write it as /subscriber/memberId", text)
		return
	}
	for i := range len(text) {
		if text[i] == '~' && (i+1 == len(text) || (text[i+1] != '0' && text[i+1] != '1')) {
			p.Problem(n, "%q is not a JSON pointer; after \"~\" stands 0 or 1 (RFC 6901)", text)
			return
		}
	}
}

// applies reports whether the rule is for the operation.
func (r *rule) applies(operation string) bool {
	return r.operations == nil || slices.Contains(r.operations, operation)
}

// holds reports whether every condition holds.
func (r *rule) holds(req *Request) bool {
	for i := range r.conditions {
		if !r.conditions[i].holds(req) {
			return false
		}
	}
	return true
}

// holds reports whether the condition holds: for one of the values, where a
// header or a query parameter stands several times.
func (c *condition) holds(req *Request) bool {
	switch c.place {
	case inHeader:
		return c.any(req.Header.Values(c.name))
	case inQuery:
		return c.any(req.Query[c.name])
	case inPath:
		if value, ok := req.Params[c.name]; ok {
			return c.any([]string{value})
		}
		return c.any(nil)
	case inBody:
	}
	value, ok := strictjson.At(req.Body, c.name)
	if !ok || req.Body == nil {
		return c.test == absent
	}
	return c.matches(value)
}

func (c *condition) any(values []string) bool {
	if len(values) == 0 {
		return c.test == absent
	}
	return slices.ContainsFunc(values, func(value string) bool { return c.matches(value) })
}

// matches holds one value that is there against the test.
func (c *condition) matches(value any) bool {
	switch c.test {
	case present:
		return true
	case absent:
		return false
	case fold, prefix:
		text, ok := value.(string)
		want, isText := c.want[0].(string)
		if !ok || !isText {
			return false
		}
		if c.test == prefix {
			return strings.HasPrefix(text, want)
		}
		return strings.EqualFold(text, want)
	case equals, oneOf:
	}
	return slices.ContainsFunc(c.want, func(want any) bool { return same(value, want) })
}

// same compares scalars; lists and objects are never the same as one.
func same(value, want any) bool {
	switch v := value.(type) {
	case nil, bool, string, float64:
		return v == want
	case json.Number:
		f, err := v.Float64()
		return err == nil && f == want
	}
	return false
}
