package openapi

import (
	"errors"
	"mime"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// operationID is what an operation may be called: a name that can stand in a
// log, a URL and a rule without being escaped.
var operationID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,99}$`)

// isMethod reports whether a member of a path item is an operation.
func isMethod(name string) bool {
	switch name {
	case "get", "put", "post", "delete", "options", "head", "patch", "trace":
		return true
	}
	return false
}

// spot is a node with its JSON pointer: the schema compiler wants the latter.
type spot struct {
	*strictyaml.Node
	pointer string
}

func (s spot) child(name string) spot {
	return spot{s.Get(name), s.pointer + "/" + escaper.Replace(name)}
}

// resolve follows $ref. A chain that does not end is cut.
func (p *parser) resolve(s spot) spot {
	for range 32 {
		ref := s.Get("$ref").Text()
		if ref == "" {
			break
		}
		pointer, err := url.PathUnescape(strings.TrimPrefix(ref, "#"))
		if err != nil {
			break
		}
		s = spot{p.root.At(pointer), pointer}
	}
	return s
}

// listed is an operation that is known by name, and where it stands.
type listed struct {
	op       *Operation
	item, at spot
}

// list finds every operation in the order of the document, and sees that it can
// be named and routed to.
func (p *parser) list(doc *Document) {
	seen := make(map[string]int)
	paths := spot{p.root, ""}.child("paths")
	if paths.Node == nil || paths.Kind != strictyaml.Map {
		p.Problem(p.root, "there are no paths; an API has at least one operation")
		return
	}
	for _, path := range paths.Members {
		if strings.HasPrefix(path.Name, "x-") {
			continue
		}
		item := paths.child(path.Name)
		if item.Get("$ref") != nil {
			p.Problem(item.Node, "the path %s is a $ref; write the path out here", path.Name)
			continue
		}
		for _, member := range item.Members {
			if !isMethod(member.Name) {
				continue
			}
			op := &Operation{Method: strings.ToUpper(member.Name), Template: path.Name}
			at := &strictyaml.Node{Line: member.Line}
			p.identify(op, at, member.Value.Get("operationId").Text(), seen)
			if op.Method == "TRACE" {
				p.Problem(at, "TRACE %s cannot be served; it would send a caller's credentials back", path.Name)
			}
			if problem := doc.routes.add(op); problem != "" {
				p.Problem(&strictyaml.Node{Line: path.Line}, "the path %s cannot be served: %s", path.Name, problem)
			}
			p.listed = append(p.listed, listed{op, item, item.child(member.Name)})
		}
	}
	if len(p.listed) == 0 {
		p.Problem(paths.Node, "there are no operations; an API has at least one")
	}
}

// operations reads every operation.
func (p *parser) operations(doc *Document) {
	var err error
	if p.compiler, err = newCompiler(p.root); err != nil {
		p.Problem(p.root, "%v", err)
		return
	}
	for _, l := range p.listed {
		p.operation(l.op, l.item, l.at)
		doc.Operations = append(doc.Operations, l.op)
	}
}

func (p *parser) identify(op *Operation, at *strictyaml.Node, id string, seen map[string]int) {
	op.ID = id
	switch line, twice := seen[id]; {
	case id == "":
		p.Problem(at, "%s %s has no operationId; every operation needs one, by which rules, logs and pages name it", op.Method, op.Template)
	case !operationID.MatchString(id):
		p.Problem(at, "operationId %q cannot be used; allowed are letters, digits, \"_\", \"-\" and \".\", a letter first, at most 100", id)
	case twice:
		p.Problem(at, "operationId %q is used twice; the first is in line %d", id, line)
	default:
		seen[id] = at.Line
	}
}

func (p *parser) operation(op *Operation, item, s spot) {
	op.Summary = s.Get("summary").Text()
	op.Description = s.Get("description").Text()
	op.Deprecated = s.Get("deprecated") != nil && s.Get("deprecated").Value() == true
	p.parameters(op, item.child("parameters"))
	p.parameters(op, s.child("parameters"))
	if body := s.child("requestBody"); body.Node != nil {
		p.body(op, p.resolve(body))
	}
	responses := s.child("responses")
	if responses.Node == nil {
		return
	}
	for _, response := range responses.Members {
		if strings.HasPrefix(response.Name, "x-") {
			continue
		}
		content := p.resolve(responses.child(response.Name)).child("content")
		op.Examples = append(op.Examples, p.content(content, status(response.Name), response.Name)...)
		op.answers = append(op.answers, answer{response.Name, p.answerSchemas(content)})
	}
}

// answerSchemas compiles the schemas of JSON answers, by media type.
func (p *parser) answerSchemas(content spot) map[string]*Schema {
	out := map[string]*Schema{}
	if content.Node == nil {
		return out
	}
	for _, media := range content.Members {
		if schema := content.child(media.Name).child("schema"); schema.Node != nil && isJSON(baseType(media.Name)) {
			out[baseType(media.Name)] = p.compile(schema)
		}
	}
	return out
}

// parameters reads parameters; an operation's own stands in for one of its path
// of the same name and place.
func (p *parser) parameters(op *Operation, list spot) {
	if list.Node == nil {
		return
	}
	for i := range list.Items {
		n := p.resolve(spot{list.Items[i], list.pointer + "/" + strconv.Itoa(i)})
		if n.Node == nil {
			continue
		}
		parameter := Parameter{
			Name:        n.Get("name").Text(),
			In:          n.Get("in").Text(),
			Description: n.Get("description").Text(),
			Required:    n.Get("required") != nil && n.Get("required").Value() == true,
		}
		if example := n.Get("example"); example != nil {
			parameter.Example = example.Scalar
		}
		parameter.check = p.parameterCheck(n, parameter.In)
		replaced := false
		for j, other := range op.Parameters {
			if other.Name == parameter.Name && other.In == parameter.In {
				op.Parameters[j], replaced = parameter, true
			}
		}
		if !replaced {
			op.Parameters = append(op.Parameters, parameter)
		}
	}
}

func (p *parser) body(op *Operation, s spot) {
	op.Body = &Body{Required: s.Get("required") != nil && s.Get("required").Value() == true}
	content := s.child("content")
	if content.Node == nil {
		return
	}
	exact := false
	for _, media := range content.Members {
		op.Body.MediaTypes = append(op.Body.MediaTypes, media.Name)
		schema := content.child(media.Name).child("schema")
		base := baseType(media.Name)
		if schema.Node == nil || !isJSON(base) || exact || (op.Body.JSON != nil && base != "application/json") {
			continue
		}
		op.Body.JSON = p.compile(schema)
		exact = base == "application/json"
	}
	op.Body.Examples = p.content(content, 0, "request")
}

// compile compiles the schema at s, or notes why that cannot be done.
func (p *parser) compile(s spot) *Schema {
	compiled, err := p.compiler.Compile(location(s.pointer))
	if err == nil {
		return &Schema{compiled: compiled, words: p.words, again: recursive(compiled)}
	}
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		_, fragment, _ := strings.Cut(invalid.URL, "#")
		if pointer, err := url.PathUnescape(fragment); err == nil && p.root.At(pointer) != nil {
			s.Node = p.root.At(pointer)
		}
		err = invalid.Err
	}
	p.Problem(s.Node, "the schema cannot be used: %s", brief(err))
	return nil
}

// content reads the examples of every media type, and holds each against its
// schema.
func (p *parser) content(content spot, status int, unnamed string) []Example {
	if content.Node == nil {
		return nil
	}
	var out []Example
	for _, member := range content.Members {
		media := content.child(member.Name)
		var schema *Schema
		if s := media.child("schema"); s.Node != nil && isJSON(baseType(member.Name)) {
			schema = p.compile(s)
		}
		add := func(e Example, value *strictyaml.Node) {
			e.Status, e.MediaType = status, member.Name
			if p.example(&e, value, schema) {
				out = append(out, e)
			}
		}
		if single := media.Get("example"); single != nil {
			add(Example{Name: unnamed}, single)
		}
		examples := media.child("examples")
		if examples.Node == nil {
			continue
		}
		for _, named := range examples.Members {
			n := p.resolve(examples.child(named.Name))
			e := Example{Name: named.Name, Summary: n.Get("summary").Text()}
			if when := n.Get("x-mock-when"); when != nil {
				e.When = when.AppendJSON(nil)
			}
			if value := n.Get("value"); value != nil {
				add(e, value)
			} else {
				p.Problem(n.Node, "the example %q has no value; write the value out, externalValue is not read", named.Name)
			}
		}
	}
	return out
}

func (p *parser) example(e *Example, value *strictyaml.Node, schema *Schema) bool {
	switch {
	case isJSON(baseType(e.MediaType)):
		e.Value = value.AppendJSON(nil)
		if violation := schema.Check(value.Value()); violation != nil {
			p.Problem(value, "the example %q does not match its schema: %s", e.Name, violation)
			return false
		}
	case value.Kind == strictyaml.Text:
		e.Value = []byte(value.Scalar)
	default:
		p.Problem(value, "the example %q is %s; an example of %s must be a text", e.Name, value.Kind, e.MediaType)
		return false
	}
	return true
}

// status is the number that a key of responses stands for.
func status(key string) int {
	if key == "default" {
		return 500
	}
	n, err := strconv.Atoi(strings.Replace(strings.ToUpper(key), "XX", "00", 1))
	if err != nil {
		return 500
	}
	return n
}

func baseType(mediaType string) string {
	base, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return strings.ToLower(mediaType)
	}
	return base
}

func isJSON(base string) bool {
	return base == "application/json" || (strings.HasPrefix(base, "application/") && strings.HasSuffix(base, "+json"))
}
