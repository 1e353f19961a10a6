package mock

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// predefined is the values that mock data exists for.
type predefined struct {
	operations []string // nil: all
	status     int
	body       *template
	fields     []field
}

// field is one field of a request's body.
type field struct {
	path   []string // tokens of its pointer; "*" is every item of a list
	values []string // matched without regard to case
}

// violation is one value that is not predefined. It does not hold the value.
type violation struct {
	path   []string
	values []string
}

func (p *parser) predefined(n *strictyaml.Node) {
	out := &predefined{}
	status := int64(200) // clients of the medical network read business errors from a 200
	p.Map(n, "predefined", strictyaml.Fields{
		"operation": func(n *strictyaml.Node) { out.operations = p.operationNames(n) },
		"status":    p.Int("status", 200, 599, &status),
		"body":      func(n *strictyaml.Node) { out.body = p.template(n, true) },
		"fields":    func(n *strictyaml.Node) { p.Each(n, "fields", func(n *strictyaml.Node) { p.field(n, out) }) },
	})
	out.status = int(status)
	if out.body == nil {
		list := &strictyaml.Node{Kind: strictyaml.Map, Members: []strictyaml.Member{
			{Name: violationsList, Value: &strictyaml.Node{Kind: strictyaml.Bool, Scalar: "true"}},
		}}
		out.body = &template{&strictyaml.Node{Kind: strictyaml.Map, Members: []strictyaml.Member{{Name: "errors", Value: list}}}}
	}
	p.rules.predefined = out
}

func (p *parser) field(n *strictyaml.Node, to *predefined) {
	var pointer string
	var values []string
	p.Map(n, "a predefined field", strictyaml.Fields{
		"pointer": p.Text("pointer", &pointer),
		"values":  p.Texts("values", &values),
	})
	if n.Kind != strictyaml.Map {
		return
	}
	if pointer == "" || len(values) == 0 {
		p.Problem(n, "a predefined field needs a pointer and at least one value")
		return
	}
	p.pointer(n, pointer)
	to.fields = append(to.fields, field{path: strings.Split(strings.TrimPrefix(pointer, "/"), "/"), values: values})
}

// check holds a request against the predefined values. What it does not carry
// is not held against it.
func (d *predefined) check(op *openapi.Operation, req *Request) []violation {
	if d == nil || (d.operations != nil && !slices.Contains(d.operations, op.ID)) {
		return nil
	}
	var out []violation
	for _, f := range d.fields {
		out = f.check(out, req.Body, f.path, nil)
	}
	return out
}

func (f *field) check(out []violation, value any, path, done []string) []violation {
	if len(out) == maxViolations { // no more are told
		return out
	}
	if len(path) == 0 {
		text, ok := value.(string)
		if ok && slices.ContainsFunc(f.values, func(v string) bool { return strings.EqualFold(v, text) }) {
			return out
		}
		return append(out, violation{path: done, values: f.values})
	}
	token := strings.ReplaceAll(strings.ReplaceAll(path[0], "~1", "/"), "~0", "~")
	switch value := value.(type) {
	case map[string]any:
		if member, ok := value[token]; ok {
			out = f.check(out, member, path[1:], append(slices.Clip(done), token))
		}
	case []any:
		for i, item := range value {
			if len(out) == maxViolations {
				break
			}
			if token == "*" || token == index(i) {
				out = f.check(out, item, path[1:], append(slices.Clip(done), index(i)))
			}
		}
	}
	return out
}

func index(i int) string { return strconv.Itoa(i) }

// maxViolations bounds an answer: a list in a request may be long.
const maxViolations = 50

// appendViolations appends the violations in the format that clients know,
// separated by commas; allowedValues is ours.
func appendViolations(out []byte, violations []violation) []byte {
	for i, v := range violations {
		if i > 0 {
			out = append(out, ',')
		}
		name := v.path[len(v.path)-1]
		parent := strings.Join(v.path[:len(v.path)-1], ".")
		if parent == "" {
			parent = name
		}
		out = strictyaml.AppendText(append(out, `{"field":`...), parent)
		out = strictyaml.AppendText(append(out, `,"description":`...),
			"Please use predefined canned users for non-prod environments: "+name+" was not predefined.")
		out = append(out, `,"allowedValues":[`...)
		for j, value := range v.values {
			if j > 0 {
				out = append(out, ',')
			}
			out = strictyaml.AppendText(out, value)
		}
		out = append(out, ']', '}')
	}
	return out
}
