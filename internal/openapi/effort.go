package openapi

import (
	"reflect"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A schema whose alternatives hold the schema itself, a tree of nodes of several
// kinds, say, is tried in every way at every level of a value: ten levels of three
// kinds are sixty thousand ways, and each level more takes three times as long. So
// what a check would come to is counted first, which is quick since a part that is
// reached in two ways is counted once. It is done for such schemas alone.

// What a check may come to: so many visits of a schema to a value, and as many more for
// each value.
const (
	leastVisits    = 100_000
	visitsPerValue = 16
)

// form is a schema as it is visited.
type form struct {
	types    map[jsonType]bool // nil: all
	same     []*form           // that the same value is held to
	members  map[string]*form
	patterns map[jsonschema.Regexp]*form
	others   []*form // of members that are not named
	first    []*form // of the first items
	items    []*form // of the others
}

// jsonType is a type of JSON.
type jsonType string

func typeOf(value any) jsonType {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "number"
}

// recursive returns the form of a schema that may come to itself again, nil for any
// other.
func recursive(schema *jsonschema.Schema) *form {
	r := &reading{known: map[*jsonschema.Schema]*form{}, open: map[*jsonschema.Schema]bool{}}
	if root := r.form(schema); r.again {
		return root
	}
	return nil
}

type reading struct {
	known map[*jsonschema.Schema]*form
	open  map[*jsonschema.Schema]bool // those that are being read
	again bool                        // one of them was met
}

func (r *reading) form(s *jsonschema.Schema) *form {
	if f, ok := r.known[s]; ok {
		r.again = r.again || r.open[s]
		return f
	}
	f := &form{}
	r.known[s], r.open[s] = f, true
	defer delete(r.open, s)
	if s.Types != nil {
		for _, name := range s.Types.ToStrings() {
			if f.types == nil {
				f.types = map[jsonType]bool{}
			}
			if name == "integer" {
				name = "number"
			}
			f.types[jsonType(name)] = true
		}
	}
	f.same = r.forms(append([]*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else}, s.AllOf...)...)
	f.same = append(append(f.same, r.forms(s.AnyOf...)...), r.forms(s.OneOf...)...)
	if s.DynamicRef != nil {
		f.same = append(f.same, r.forms(s.DynamicRef.Ref)...)
	}
	for _, dependent := range s.DependentSchemas {
		f.same = append(f.same, r.form(dependent))
	}
	f.members = map[string]*form{}
	for name, member := range s.Properties {
		f.members[name] = r.form(member)
	}
	f.patterns = map[jsonschema.Regexp]*form{}
	for pattern, member := range s.PatternProperties {
		f.patterns[pattern] = r.form(member)
	}
	additional, _ := s.AdditionalProperties.(*jsonschema.Schema)
	f.others = r.forms(additional, s.UnevaluatedProperties)
	f.first = r.forms(s.PrefixItems...)
	f.items = r.forms(s.Items2020, s.Contains, s.UnevaluatedItems)
	return f
}

func (r *reading) forms(schemas ...*jsonschema.Schema) []*form {
	var out []*form
	for _, s := range schemas {
		if s != nil {
			out = append(out, r.form(s))
		}
	}
	return out
}

// tooMuch reports whether holding value to f takes more visits than may be.
func (f *form) tooMuch(value any) bool {
	c := &counting{most: leastVisits + visitsPerValue*size(value), known: map[visit]int{}}
	return c.visits(f, value) > c.most
}

// size is how many values there are in a value.
func size(value any) int {
	n := 1
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			n += size(member)
		}
	case []any:
		for _, item := range value {
			n += size(item)
		}
	}
	return n
}

// counting counts visits, up to a few more than most.
type counting struct {
	most  int
	known map[visit]int
}

// visit is of a form to a value: to an object or an array by where that is, to others
// by what they are.
type visit struct {
	form *form
	kind jsonType
	at   uintptr
}

func (c *counting) visits(f *form, value any) int {
	v := visit{form: f, kind: typeOf(value)}
	if f.types != nil && !f.types[v.kind] {
		return 1
	}
	if v.kind == "object" || v.kind == "array" {
		v.at = reflect.ValueOf(value).Pointer()
	}
	if n, ok := c.known[v]; ok {
		return n
	}
	c.known[v] = 1 // for one that comes to itself without going deeper
	n := 1
	add := func(f *form, value any) {
		if n <= c.most && len(c.known) <= c.most {
			n += c.visits(f, value)
		} else {
			n = c.most + 1
		}
	}
	for _, other := range f.same {
		add(other, value)
	}
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			f.member(name, func(other *form) { add(other, member) })
		}
	case []any:
		for i, item := range value {
			if i < len(f.first) {
				add(f.first[i], item)
			}
			for _, other := range f.items {
				add(other, item)
			}
		}
	}
	c.known[v] = min(n, c.most+1)
	return c.known[v]
}

// member tells visit which forms a member called so is held to.
func (f *form) member(name string, visit func(*form)) {
	named, ok := f.members[name]
	if ok {
		visit(named)
	}
	for pattern, form := range f.patterns {
		if pattern.MatchString(name) {
			ok = true
			visit(form)
		}
	}
	if ok {
		return
	}
	for _, other := range f.others {
		visit(other)
	}
}
