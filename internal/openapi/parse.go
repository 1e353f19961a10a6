package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// Parse reads an OpenAPI 3.1 document, as YAML or JSON. The error is a
// [strictyaml.Problems]: everything that is wrong, each with its line.
func Parse(data []byte) (*Document, error) {
	root, err := strictyaml.Parse(data)
	if err != nil {
		return nil, err // unwrapped: it is the Problems that are promised
	}
	p := &parser{root: root, words: newVocabulary(root)}
	doc := &Document{
		Title:   root.Get("info").Get("title").Text(),
		Version: root.Get("info").Get("version").Text(),
		Summary: root.Get("info").Get("summary").Text(),
		routes:  &route{},
	}
	// Each step relies on the one before, so that it speaks only of its own.
	steps := []func(*Document){p.version, p.references, p.list, p.specification, p.operations}
	for _, step := range steps {
		step(doc)
		if err := p.Err(); err != nil {
			return nil, err
		}
	}
	var source bytes.Buffer
	if err := json.Indent(&source, root.AppendJSON(nil), "", "  "); err != nil {
		return nil, fmt.Errorf("writing the document as JSON: %w", err)
	}
	doc.Source = source.Bytes()
	return doc, nil
}

// parser is one Parse under way.
type parser struct {
	strictyaml.Reader
	root     *strictyaml.Node
	words    *vocabulary
	compiler *jsonschema.Compiler
	listed   []listed
}

func (p *parser) version(*Document) {
	if !p.Is(p.root, "the document", strictyaml.Map) {
		return
	}
	version := p.root.Get("openapi")
	switch text := version.Text(); {
	case version == nil:
		p.Problem(p.root, "there is no member \"openapi\"; an OpenAPI document begins with openapi: 3.1.0")
	case strings.HasPrefix(text, "3.0"):
		p.Problem(version, "OpenAPI %s is not supported; write it as 3.1.0: nullable becomes type: [string, \"null\"], and exclusiveMinimum becomes a number", text)
	case text != "3.1.0" && text != "3.1.1" && text != "3.1.2":
		p.Problem(version, "OpenAPI version %q is not supported; allowed are 3.1.0, 3.1.1 and 3.1.2", version.Scalar)
	}
}

// references looks at every $ref and every pattern outside of example data.
func (p *parser) references(*Document) { p.walk(p.root, false) }

// walk visits n. In a map of names (properties, schemas) a member called
// "example" is a field like any other; elsewhere it holds data.
func (p *parser) walk(n *strictyaml.Node, names bool) {
	for _, item := range n.Items {
		p.walk(item, false)
	}
	for _, member := range n.Members {
		if names {
			p.walk(member.Value, false)
			continue
		}
		switch member.Name {
		case "example", "value", "default", "const", "enum":
			continue
		case "$ref":
			p.reference(member.Value)
		case "pattern":
			p.pattern(member.Value, member.Value.Text())
		case "patternProperties":
			for _, property := range member.Value.Members {
				p.pattern(member.Value, property.Name)
			}
		}
		if member.Name == "examples" && member.Value.Kind == strictyaml.List {
			continue // of a schema: data
		}
		switch member.Name {
		case "properties", "patternProperties", "$defs", "schemas", "dependentSchemas":
			p.walk(member.Value, true)
		default:
			p.walk(member.Value, false)
		}
	}
}

func (p *parser) reference(n *strictyaml.Node) {
	pointer, local := strings.CutPrefix(n.Text(), "#")
	if !local || !strings.HasPrefix(pointer, "/") {
		p.Problem(n, "$ref %q leaves the document; only references within it are allowed, as #/components/…", n.Scalar)
		return
	}
	if decoded, err := url.PathUnescape(pointer); err != nil || p.root.At(decoded) == nil {
		p.Problem(n, "$ref %q names nothing; it must be the place of something in this document", n.Scalar)
	}
}

func (p *parser) pattern(n *strictyaml.Node, pattern string) {
	if _, err := regexp.Compile(pattern); err != nil {
		p.Problem(n, "the pattern %q cannot be used (%s); patterns are of RE2, which has no lookahead, no lookbehind and no backreference", pattern, cause(err))
	}
}

func cause(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// specification has kin-openapi hold the document against the specification.
// Patterns, examples and defaults are checked elsewhere, by the compiler that
// requests will meet.
func (p *parser) specification(*Document) {
	loaded, err := openapi3.NewLoader().LoadFromData(p.root.AppendJSON(nil))
	if err != nil {
		p.Problem(p.root, "not an OpenAPI 3.1 document: %s", brief(err))
		return
	}
	err = loaded.Validate(openapi3.NewLoader().Context,
		openapi3.EnableMultiError(),
		openapi3.DisableExamplesValidation(),
		openapi3.DisableSchemaPatternValidation(),
		openapi3.DisableSchemaDefaultsValidation(),
	)
	var several openapi3.MultiError
	switch {
	case err == nil:
	case errors.As(err, &several):
		for _, one := range several {
			p.Problem(p.place(one), "not as OpenAPI 3.1 has it: %s", brief(one))
		}
	default:
		p.Problem(p.place(err), "not as OpenAPI 3.1 has it: %s", brief(err))
	}
}

// place finds the node that an error of kin-openapi is about, as nearly as the
// error tells.
func (p *parser) place(err error) *strictyaml.Node {
	n := p.root
	deeper := func(name string) {
		for _, member := range n.Members {
			if strings.EqualFold(member.Name, name) {
				n = &strictyaml.Node{Line: member.Line, Kind: member.Value.Kind, Members: member.Value.Members, Items: member.Value.Items}
				return
			}
		}
	}
	var section *openapi3.SectionValidationError
	if errors.As(err, &section) {
		deeper(section.Section)
	}
	var path *openapi3.PathValidationError
	if errors.As(err, &path) {
		deeper(path.Path)
	}
	var operation *openapi3.OperationValidationError
	if errors.As(err, &operation) {
		deeper(operation.Method)
	}
	var component *openapi3.ComponentValidationError
	if errors.As(err, &component) {
		deeper(strings.ReplaceAll(component.Section, " ", "") + "s")
		deeper(component.Name)
	}
	return n
}

// brief is the text of a library's error on one line, and not all of it.
func brief(err error) string {
	text := []rune(strings.Join(strings.Fields(err.Error()), " "))
	if len(text) > 300 {
		text = append(text[:300], '…')
	}
	return string(text)
}
