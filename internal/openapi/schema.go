package openapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// documentURL names the document to the schema compiler; nothing is ever read
// from it.
const documentURL = "sallyport:///openapi.json"

// Schema is a compiled schema of a JSON body.
type Schema struct {
	compiled *jsonschema.Schema
	words    *vocabulary
	again    *form // nil: it does not hold itself
}

// Recursive reports whether the schema may come to itself again, so that a small value
// may take long to check.
func (s *Schema) Recursive() bool { return s != nil && s.again != nil }

// Check holds a decoded JSON value (nil, bool, float64 or json.Number, string,
// []any, map[string]any) against the schema. It returns nil if the value
// matches, else the first violation in the order in which the document names
// its fields. A nil Schema takes everything.
func (s *Schema) Check(value any) *Violation {
	if s == nil {
		return nil
	}
	if s.again != nil && s.again.tooMuch(value) {
		return &Violation{Text: "is nested too deeply for what it may be at each level"}
	}
	err := s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return &Violation{Text: "cannot be checked against the schema"}
	}
	return s.words.first(invalid)
}

// noLoader refuses to load anything: a schema lives in its document alone.
type noLoader struct{}

func (noLoader) Load(string) (any, error) {
	return nil, errors.New("a schema may refer only to its own document")
}

// newCompiler returns a compiler for the schemas of one document.
func newCompiler(root *strictyaml.Node) (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.AssertFormat()
	for _, format := range formats() {
		c.RegisterFormat(format)
	}
	if err := c.AddResource(documentURL, root.Value()); err != nil {
		return nil, fmt.Errorf("adding the document to the schema compiler: %w", err)
	}
	return c, nil
}

// location is the address of the schema at a JSON pointer of the document.
func location(pointer string) string {
	tokens := strings.Split(pointer, "/")
	for i, token := range tokens {
		tokens[i] = url.PathEscape(token)
	}
	return documentURL + "#" + strings.Join(tokens, "/")
}

// formats are the formats of OpenAPI that JSON Schema does not know and that
// say something about a value.
func formats() []*jsonschema.Format {
	whole := func(bits int) func(any) error {
		return func(value any) error {
			var f float64
			switch value := value.(type) {
			case float64:
				f = value
			case json.Number:
				f, _ = value.Float64()
			default:
				return nil // a format says nothing about other types
			}
			if limit := math.Ldexp(1, bits-1); f != math.Trunc(f) || f < -limit || f >= limit {
				return errors.New("out of range")
			}
			return nil
		}
	}
	return []*jsonschema.Format{
		{Name: "int32", Validate: whole(32)},
		{Name: "int64", Validate: whole(64)},
		{Name: "byte", Validate: func(value any) error {
			if s, ok := value.(string); ok {
				// The decoder skips line ends; a body's text may not hold any.
				if _, err := base64.StdEncoding.Strict().DecodeString(s); err != nil || strings.ContainsAny(s, "\r\n") {
					return errors.New("not base64")
				}
			}
			return nil
		}},
	}
}
