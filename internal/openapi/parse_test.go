package openapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

const head = "openapi: 3.1.0\ninfo: {title: T, version: \"1\", summary: S}\n"

// ok is the least that an operation answers.
const ok = "{\"200\": {description: fine}}"

func parse(t *testing.T, text string) *openapi.Document {
	t.Helper()
	doc, err := openapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const library = head + `
paths:
  /books/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}, description: the book}
      - {name: lang, in: query, schema: {type: string}}
    get:
      operationId: readBook
      deprecated: true
      parameters:
        - {name: lang, in: query, required: true, example: en, schema: {type: string}}
      responses:
        "404": {$ref: "#/components/responses/Missing"}
        "200":
          description: a book
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Book"}
              examples:
                short: {summary: a short one, value: {title: A, pages: 3}, x-mock-when: {path: {id: "1"}}}
                long: {$ref: "#/components/examples/Long"}
            text/plain:
              example: A book
  /books:
    post:
      operationId: addBook
      summary: Add
      requestBody: {$ref: "#/components/requestBodies/Book"}
      responses: {default: {description: anything, content: {application/json: {example: {title: X}}}}}
components:
  requestBodies:
    Book:
      required: true
      content:
        application/xml: {}
        application/json:
          schema: {$ref: "#/components/schemas/Book"}
          example: {title: A}
  responses:
    Missing: {description: no, content: {application/json: {example: {error: not_found}}}}
  examples:
    Long: {value: {title: B, pages: 999}}
  schemas:
    Book:
      type: object
      required: [title]
      properties: {title: {type: string}, pages: {type: integer}}
`

func TestParseReadsOperationsAndExamplesInTheDocumentsOrder(t *testing.T) {
	doc := parse(t, library)
	want := []*openapi.Operation{
		{
			ID: "readBook", Method: "GET", Template: "/books/{id}", Deprecated: true,
			Parameters: []openapi.Parameter{
				{Name: "id", In: "path", Required: true, Description: "the book"},
				{Name: "lang", In: "query", Required: true, Example: "en"},
			},
			Examples: []openapi.Example{
				{Name: "404", Status: 404, MediaType: "application/json", Value: []byte(`{"error":"not_found"}`)},
				{Name: "short", Summary: "a short one", Status: 200, MediaType: "application/json", Value: []byte(`{"title":"A","pages":3}`), When: []byte(`{"path":{"id":"1"}}`)},
				{Name: "long", Status: 200, MediaType: "application/json", Value: []byte(`{"title":"B","pages":999}`)},
				{Name: "200", Status: 200, MediaType: "text/plain", Value: []byte("A book")},
			},
		},
		{
			ID: "addBook", Method: "POST", Template: "/books", Summary: "Add",
			Body: &openapi.Body{
				Required: true, MediaTypes: []string{"application/xml", "application/json"},
				Examples: []openapi.Example{{Name: "request", MediaType: "application/json", Value: []byte(`{"title":"A"}`)}},
			},
			Examples: []openapi.Example{{Name: "default", Status: 500, MediaType: "application/json", Value: []byte(`{"title":"X"}`)}},
		},
	}
	if diff := cmp.Diff(want, doc.Operations, cmpopts.IgnoreFields(openapi.Body{}, "JSON"), cmpopts.IgnoreUnexported(openapi.Parameter{}, openapi.Operation{})); diff != "" {
		t.Error(diff)
	}
	if v := doc.Operations[1].Body.JSON.Check(map[string]any{}); v == nil || v.Field != "/title" {
		t.Errorf("the schema behind two references is not checked: %v", v)
	}
	if !strings.HasPrefix(string(doc.Source), "{\n  \"openapi\": \"3.1.0\",") {
		t.Errorf("the source does not keep the document's order: %.60s", doc.Source)
	}
	if doc.Title != "T" || doc.Version != "1" || doc.Summary != "S" {
		t.Errorf("got %q %q %q", doc.Title, doc.Version, doc.Summary)
	}
}

func TestADocumentAsJSONIsTheSameDocument(t *testing.T) {
	doc := parse(t, library)
	again := parse(t, string(doc.Source))
	if diff := cmp.Diff(string(doc.Source), string(again.Source)); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesWithOneClearLineForEachMistake(t *testing.T) {
	op := func(id string) string { return "{operationId: " + id + ", responses: " + ok + "}" }
	tests := []struct{ name, text, want string }{
		{"a list", "- a", `line 1: the document is a list; it must be a map`},
		{"another kind of file", "swagger: \"2.0\"", `line 1: there is no member "openapi"`},
		{"OpenAPI 3.0", "openapi: 3.0.1", `line 1: OpenAPI 3.0.1 is not supported; write it as 3.1.0`},
		{"an unknown version", "openapi: 4.0.0", `line 1: OpenAPI version "4.0.0" is not supported; allowed are`},
		{"no paths", head, `line 1: there are no paths`},
		{"no title", "openapi: 3.1.0\ninfo: {version: \"1\"}\npaths: {/a: {get: " + op("x") + "}}", `line 2: not as OpenAPI 3.1 has it`},
		{"a member that OpenAPI does not know", head + "pahts: {}\npaths: {/a: {get: " + op("x") + "}}", `not as OpenAPI 3.1 has it: extra sibling fields: [pahts]`},
		{"an operation without an id", head + "paths:\n  /a:\n    get: {responses: " + ok + "}", `line 5: GET /a has no operationId`},
		{"an id used twice", head + "paths:\n  /a:\n    get: " + op("x") + "\n    put: " + op("x"), `line 6: operationId "x" is used twice; the first is in line 5`},
		{"an id with a space", head + "paths:\n  /a:\n    get: " + op("a b"), `line 5: operationId "a b" cannot be used; allowed are letters`},
		{"TRACE", head + "paths:\n  /a:\n    trace: " + op("x"), `line 5: TRACE /a cannot be served`},
		{"a reference to a file", head + "paths:\n  /a:\n    get:\n      operationId: x\n      responses: {\"200\": {$ref: other.yaml}}", `line 7: $ref "other.yaml" leaves the document`},
		{"a reference to a URL", head + "paths: {}\ncomponents: {schemas: {A: {$ref: \"http://127.0.0.1/x\"}}}", `$ref "http://127.0.0.1/x" leaves the document`},
		{"a reference to nothing", head + "paths: {}\ncomponents: {schemas: {A: {$ref: \"#/components/schemas/B\"}}}", `line 4: $ref "#/components/schemas/B" names nothing`},
		{"a path that is a reference", head + "paths:\n  /a: {$ref: \"#/components/pathItems/A\"}\ncomponents: {pathItems: {A: {}}}", `line 4: the path /a is a $ref; write the path out here`},
		{
			"a pattern with lookahead", head + "paths:\n  /a:\n    get: " + op("x") + "\ncomponents:\n  schemas:\n    A: {type: string, pattern: '^(?!x)'}",
			`line 8: the pattern "^(?!x)" cannot be used`,
		},
		{
			"a property called pattern is no pattern, but its own is", head + "paths: {}\ncomponents:\n  schemas:\n    A: {type: object, properties: {pattern: {type: string, pattern: '(a)\\1'}}}",
			`line 6: the pattern "(a)\\1" cannot be used`,
		},
		{
			"an example that does not match", head + "paths:\n  /a:\n    get:\n      operationId: x\n      responses:\n        \"200\":\n          description: d\n          content:\n            application/json:\n              schema: {type: object, properties: {n: {type: integer}}}\n              examples:\n                bad:\n                  value: {n: text}",
			`line 15: the example "bad" does not match its schema: /n must be a whole number`,
		},
		{
			"an example without a value", head + "paths:\n  /a:\n    get:\n      operationId: x\n      responses:\n        \"200\":\n          description: d\n          content:\n            application/json:\n              examples:\n                far: {externalValue: \"http://a/b\"}",
			`line 13: the example "far" has no value`,
		},
		{
			"a text example that is an object", head + "paths:\n  /a:\n    get:\n      operationId: x\n      responses: {\"200\": {description: d, content: {text/plain: {example: {a: 1}}}}}",
			`line 7: the example "200" is a map; an example of text/plain must be a text`,
		},
		{
			"a schema of the wrong kind", head + "paths:\n  /a:\n    post:\n      operationId: x\n      requestBody: {content: {application/json: {schema: {type: object, required: title}}}}\n      responses: " + ok,
			`not an OpenAPI 3.1 document`,
		},
		{"two paths that match alike", head + "paths:\n  /a/{x}:\n    get:\n      operationId: x\n      parameters: [{name: x, in: path, required: true, schema: {}}]\n      responses: " + ok + "\n  /a/{y}:\n    get:\n      operationId: y\n      parameters: [{name: y, in: path, required: true, schema: {}}]\n      responses: " + ok, `line 9: the path /a/{y} cannot be served: it matches the same paths as /a/{x}`},
		{"two paths but for a slash", head + "paths:\n  /a:\n    get: " + op("x") + "\n  /a/:\n    put: " + op("y"), `line 6: the path /a/ cannot be served: it matches the same paths as /a`},
		{"a parameter within a segment", head + "paths:\n  /a/{x}.json:\n    get:\n      operationId: x\n      parameters: [{name: x, in: path, required: true, schema: {}}]\n      responses: " + ok, `line 4: the path /a/{x}.json cannot be served`},
		{"an empty segment", head + "paths:\n  /a//b:\n    get: " + op("x"), `the segment "" cannot be matched`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := openapi.Parse([]byte(tt.text))
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestParseTellsAllMistakesOfOneKindAtOnce(t *testing.T) {
	_, err := openapi.Parse([]byte(head + "paths:\n  /a:\n    get: {responses: " + ok + "}\n    put: {responses: " + ok + "}\n    post: {operationId: \"?\", responses: " + ok + "}"))
	var problems strictyaml.Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Errorf("got %v, want three problems", err)
	}
}

// FuzzParse holds that no text makes Parse panic, that every refusal has a line,
// and that what is accepted can be matched and is accepted again as JSON.
func FuzzParse(f *testing.F) {
	f.Add([]byte(library))
	f.Add([]byte(bodies))
	f.Add([]byte(head + "paths:\n  /a/{x}:\n    get: {operationId: a, responses: {}}"))
	f.Add([]byte(head + "paths: {/: {post: {operationId: a, requestBody: {content: {application/json: {schema: {$ref: \"#/paths\"}}}}, responses: " + ok + "}}}"))
	f.Add([]byte(head + "paths: {}\ncomponents: {schemas: {A: {$ref: \"#/components/schemas/A\"}}}"))
	f.Add([]byte(`{"openapi":"3.1.0","info":{"title":"a","version":"1"},"paths":{"/":{"get":{"operationId":"x","responses":{"200":{"description":""}}}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := openapi.Parse(data)
		if err != nil {
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || problems[0].Line < 1 {
				t.Fatalf("not a list of problems: %v", err)
			}
			return
		}
		for _, op := range doc.Operations {
			if found, _, _, ok := doc.Match(op.Method, op.Template); ok && found.Method != op.Method {
				t.Errorf("%s matches %s", op.Method, found.Method)
			}
			if op.Body != nil {
				op.Body.JSON.Check(map[string]any{"a": []any{1.5, nil, "x"}})
			}
		}
		if _, err := openapi.Parse(doc.Source); err != nil {
			t.Fatalf("the document's own JSON is refused: %v", err)
		}
	})
}
