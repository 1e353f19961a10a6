package openapi

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// Parameter is a parameter of an operation, or of its path.
type Parameter struct {
	Name        string
	In          string // "path", "query", "header", "cookie"
	Description string
	Required    bool
	Example     string // empty: none

	check parameterCheck
}

// parameterCheck is how the text of a parameter becomes a value, and what that is
// held to. The zero one takes everything.
type parameterCheck struct {
	schema  *Schema
	types   []string // that the value may have, in the order to try them in
	items   []string // of an array's items
	explode bool     // an array's items come as parameters of their own
}

// parameterCheck reads the schema of a parameter. What is serialized in a style
// of its own, or has a media type instead of a schema, is not held to anything.
func (p *parser) parameterCheck(n spot, in string) parameterCheck {
	schema := n.child("schema")
	style := n.Get("style").Text()
	usual := map[string]string{"query": "form", "path": "simple", "header": "simple"}[in]
	if schema.Node == nil || usual == "" || style != "" && style != usual {
		return parameterCheck{}
	}
	resolved := p.resolve(schema)
	c := parameterCheck{types: types(resolved), items: types(p.resolve(resolved.child("items"))), explode: in == "query"}
	if explode := n.Get("explode"); explode != nil {
		c.explode = explode.Value() == true
	}
	for _, t := range c.types {
		if t == "object" {
			return parameterCheck{}
		}
	}
	c.schema = p.compile(schema)
	return c
}

// types are the types that a schema names, null aside.
func types(s spot) []string {
	n := s.Get("type")
	switch {
	case n == nil:
		return nil
	case n.Kind == strictyaml.Text:
		return []string{n.Scalar}
	}
	var out []string
	for _, item := range n.Items {
		if item.Scalar != "null" {
			out = append(out, item.Scalar)
		}
	}
	return out
}

// Values are the parameters of a request, each text as it was sent and decoded.
type Values struct {
	Path   map[string]string
	Query  url.Values
	Header func(name string) []string
	// Known reports whether a header is read by somebody else, who judges it.
	Known func(name string) bool
}

// CheckParameters holds the parameters of a request to the operation. It returns
// nil, or the first violation in the order of the document; its Field is like
// "query limit". Parameters that the operation does not name are not looked at.
func (op *Operation) CheckParameters(v Values) *Violation {
	var told *Violation
	for i := range op.Parameters {
		p := &op.Parameters[i]
		var texts []string
		switch p.In {
		case "path":
			if text, there := v.Path[p.Name]; there {
				texts = []string{text}
			}
		case "query":
			texts = v.Query[p.Name]
		case "header":
			if v.Known(p.Name) {
				continue
			}
			texts = v.Header(p.Name)
		default:
			continue
		}
		if violation := p.violation(texts); violation != nil {
			all := append([]Violation{*violation}, violation.Others...)
			for i := range all {
				all[i].Field, all[i].Others = p.In+" "+p.Name+all[i].Field, nil
			}
			if told == nil {
				told, all = &all[0], all[1:]
			}
			told.Others = append(told.Others, all[:min(len(all), mostTold-1-len(told.Others))]...)
		}
	}
	return told
}

// violation says what is wrong with the texts of a parameter.
func (p *Parameter) violation(texts []string) *Violation {
	c := &p.check
	isArray := len(c.types) == 1 && c.types[0] == "array"
	switch {
	case len(texts) == 0 && p.Required:
		return &Violation{Text: "is required"}
	case len(texts) == 0, c.schema == nil:
		return nil
	case isArray && !c.explode && len(texts) == 1:
		texts = strings.Split(texts[0], ",")
	case !isArray && len(texts) > 1:
		return &Violation{Text: "must be sent once"}
	}
	if !isArray {
		return c.schema.Check(value(texts[0], c.types))
	}
	items := make([]any, len(texts))
	for i, text := range texts {
		items[i] = value(text, c.items)
	}
	return c.schema.Check(items)
}

// value is what a text stands for, by the first of the types that it can be; a
// text that can be none of them is itself, which the schema then refuses.
func value(text string, types []string) any {
	for _, t := range types {
		switch t {
		case "integer", "number":
			if plainNumber(text) {
				return json.Number(text)
			}
		case "boolean":
			if text == "true" || text == "false" {
				return text == "true"
			}
		case "string":
			return text
		}
	}
	return text
}

// What a number in a parameter may be: any that somebody means. The schema library
// writes numbers out, digit by digit, which takes it a second for a few of those of
// a million digits that 1e-999999 stands for, and it fails at larger ones.
const (
	longestNumber  = 64
	exponentDigits = 2
)

// plainNumber reports whether text is a number of JSON, and one that costs little.
func plainNumber(text string) bool {
	if len(text) > longestNumber || !json.Valid([]byte(text)) {
		return false
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 && len(strings.TrimLeft(text[i+1:], "+-")) > exponentDigits {
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}
