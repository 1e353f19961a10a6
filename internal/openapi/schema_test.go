package openapi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

const bodies = head + `
paths:
  /:
    post:
      operationId: check
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Inquiry"}}}
      responses: {"200": {description: d}}
components:
  schemas:
    Inquiry:
      type: object
      required: [controlNumber, subscriber]
      properties:
        controlNumber: {type: string, pattern: '^\d{9}$', maxLength: 9}
        amount: {type: number, minimum: 0, maximum: 1000, multipleOf: 0.01}
        count: {type: integer, format: int32}
        subscriber: {$ref: "#/components/schemas/Person"}
        dependents: {type: array, maxItems: 2, items: {$ref: "#/components/schemas/Person"}}
        id: {type: string, format: uuid}
        day: {type: string, format: date}
        data: {type: string, format: byte}
        nothing: {type: [string, "null"]}
        either: {oneOf: [{type: string}, {type: integer}]}
        party:
          anyOf:
            - {type: object, required: [organization], properties: {kind: {const: org}, organization: {type: string}}, additionalProperties: false}
            - {type: object, required: [first, last], properties: {kind: {const: person}, first: {type: string}, last: {type: object, required: [name], properties: {name: {type: string}}}}}
        tags: {type: array, uniqueItems: true, items: {type: string, pattern: '^[a-z]+$'}}
        free: {type: object, additionalProperties: {type: integer}}
        small: {type: object, minProperties: 1, dependentRequired: {b: [a]}}
        never: false
      additionalProperties: false
    Person:
      type: object
      properties:
        gender: {type: string, enum: [M, F]}
        dateOfBirth: {type: string, pattern: '^\d{8}$', x-allowed: "a date as yyyyMMdd, such as 19800102"}
        name: {type: string, minLength: 1, maxLength: 5}
      additionalProperties: false
`

func parse2(tb testing.TB, text string) *openapi.Document {
	tb.Helper()
	doc, err := openapi.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

func body(tb testing.TB) *openapi.Schema {
	tb.Helper()
	return parse2(tb, bodies).Operations[0].Body.JSON
}

const least = `"controlNumber":"123456789","subscriber":{}`

func TestCheckNamesTheFieldAndWhatIsAllowed(t *testing.T) {
	schema := body(t)
	tests := []struct{ name, body, want string }{
		{"what matches", `{` + least + `}`, ""},
		{"all that matches", `{` + least + `,"amount":19.99,"count":7,"id":"5c1d7f40-2b9e-4a6b-8d13-7e0a9b4c2f01","day":"2026-01-31","data":"QUI=","nothing":null,"either":1,"free":{"x":1}}`, ""},
		{"nothing", `null`, "the body must be an object"},
		{"a list", `[]`, "the body must be an object"},
		{"a missing field", `{"subscriber":{}}`, "/controlNumber is required"},
		{"the first of several", `{"tags":["A"],"zzz":1}`, "/controlNumber is required"},
		{"too few digits", `{"controlNumber":"12345","subscriber":{}}`, "/controlNumber must be exactly 9 digits"},
		{"two rules broken at once", `{"controlNumber":"1234567890","subscriber":{}}`, "/controlNumber must be exactly 9 digits"},
		{"a number for a text", `{"controlNumber":123456789,"subscriber":{}}`, "/controlNumber must be a text"},
		{"not one of a set", `{` + least[:28] + `"subscriber":{"gender":"Mallory"}}`, `/subscriber/gender must be one of "M", "F"`},
		{"the document's own words", `{` + least[:28] + `"subscriber":{"dateOfBirth":"1980-01-02"}}`, "/subscriber/dateOfBirth must be a date as yyyyMMdd, such as 19800102"},
		{"a text that is too short", `{` + least[:28] + `"subscriber":{"name":""}}`, "/subscriber/name must have at least 1 character"},
		{"a text that is too long", `{` + least[:28] + `"subscriber":{"name":"éééééé"}}`, "/subscriber/name must have at most 5 characters"},
		{"a misspelled field", `{` + least + `,"dependants":[]}`, "/dependants is not a field of this API; check its spelling and place"},
		{"a name that might be a value", `{` + least + `,"Mr John Doe":1}`, "/* is not a field of this API; check its spelling and place"},
		{"a field in a list", `{` + least + `,"dependents":[{},{"gender":"x"}]}`, `/dependents/1/gender must be one of "M", "F"`},
		{"too many items", `{` + least + `,"dependents":[{},{},{}]}`, "/dependents must have at most 2 items"},
		{"the same item twice", `{` + least + `,"tags":["a","a"]}`, "/tags must not hold the same item twice"},
		{"a pattern", `{` + least + `,"tags":["A"]}`, "/tags/0 must match the pattern ^[a-z]+$"},
		{"a number that is too small", `{` + least + `,"amount":-1}`, "/amount must be at least 0"},
		{"a number that is too large", `{` + least + `,"amount":1e300}`, "/amount must be at most 1000"},
		{"a number between the steps", `{` + least + `,"amount":0.001}`, "/amount must be a multiple of 0.01"},
		{"a fraction for a whole number", `{` + least + `,"count":1.5}`, "/count must be a whole number"},
		{"more than 32 bits", `{` + least + `,"count":2147483648}`, "/count must be a whole number of 32 bits"},
		{"a whole number written with an exponent", `{` + least + `,"count":1e3}`, ""},
		{"no UUID", `{` + least + `,"id":"x"}`, "/id must be a UUID"},
		{"no date", `{` + least + `,"day":"2026-02-30"}`, "/day must be a date as 2026-01-31"},
		{"no base64", `{` + least + `,"data":"QUI"}`, "/data must be base64 text (RFC 4648 §4, with padding)"},
		{"base64 with line ends", `{` + least + `,"data":"QU\nI="}`, "/data must be base64 text (RFC 4648 §4, with padding)"},
		{"one of two types", `{` + least + `,"nothing":1}`, "/nothing must be null or a text"},
		{"one of two forms", `{` + least + `,"either":true}`, "/either must be a text, or a whole number"},
		{"the form that came furthest", `{` + least + `,"party":{"kind":"person","first":"a","last":{}}}`, "/party/last/name is required"},
		{"a member of a map", `{` + least + `,"free":{"x":"y"}}`, "/free/* must be a whole number"},
		{"too few members", `{` + least + `,"small":{}}`, "/small must have at least 1 member"},
		{"a field that another asks for", `{` + least + `,"small":{"b":1}}`, "/small/a is required when b is given"},
		{"a field that is never allowed", `{` + least + `,"never":1}`, "/never is not a field of this API; check its spelling and place"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var value any
			if err := strictjson.Unmarshal([]byte(tt.body), &value); err != nil {
				t.Fatal(err)
			}
			for range 50 { // maps are walked in random order, the answer is not
				got := ""
				if v := schema.Check(value); v != nil {
					got = v.String()
				}
				if got != tt.want {
					t.Fatalf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

func TestCheckTakesNumbersAsFloatsAndAsText(t *testing.T) {
	schema := body(t)
	for text, want := range map[string]bool{
		`{` + least + `,"amount":19.99,"count":3}`:     true,
		`{` + least + `,"amount":19.999}`:              false,
		`{` + least + `,"count":99999999999999999999}`: false,
	} {
		var asFloat, asNumber any
		if err := json.Unmarshal([]byte(text), &asFloat); err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
		decoder.UseNumber()
		if err := decoder.Decode(&asNumber); err != nil {
			t.Fatal(err)
		}
		for kind, value := range map[string]any{"float64": asFloat, "json.Number": asNumber} {
			if v := schema.Check(value); (v == nil) != want {
				t.Errorf("%s as %s: %v, want %v", text, kind, v, want)
			}
		}
	}
}

// Whatever is wrong with a body about a patient, the answer repeats none of it.
func TestCheckNeverRepeatsAValue(t *testing.T) {
	schema := body(t)
	const secret = "S3CRET 1980"
	bodies := []string{
		`"X"`, `["X"]`, `{"X":1}`, `{` + least + `,"X":1}`, `{` + least + `,"free":{"X":"X"}}`, `{` + least + `,"party":{"X":"X"}}`,
		`{` + least + `,"either":["X"]}`, `{"controlNumber":"X"}`, `{"controlNumber":"X","subscriber":"X"}`,
		`{` + least + `,"small":{"b":"X"}}`, `{` + least + `,"never":"X"}`, `{` + least + `,"tags":["X","X"]}`,
	}
	for _, field := range []string{"amount", "count", "id", "day", "data", "nothing", "either", "party", "tags", "free", "small", "never", "dependents"} {
		bodies = append(bodies, `{`+least+`,"`+field+`":"X"}`, `{`+least+`,"`+field+`":{"X":"X"}}`)
	}
	for _, field := range []string{"gender", "dateOfBirth", "name"} {
		bodies = append(bodies, `{"controlNumber":"123456789","subscriber":{"`+field+`":"X"}}`)
	}
	for _, text := range bodies {
		var value any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "X", secret)), &value); err != nil {
			t.Fatal(err)
		}
		if v := schema.Check(value); v != nil && strings.Contains(v.String(), "S3CRET") {
			t.Errorf("%s: %s", text, v)
		}
	}
}

func TestANilSchemaTakesEverything(t *testing.T) {
	var schema *openapi.Schema
	if v := schema.Check("x"); v != nil {
		t.Error(v)
	}
}

func TestCheckMayRunInManyGoroutines(t *testing.T) {
	schema := body(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if v := schema.Check(map[string]any{"controlNumber": "1"}); v == nil || v.Field != "/controlNumber" {
					t.Errorf("got %v", v)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkCheck(b *testing.B) {
	schema := body(b)
	var value any
	if err := json.Unmarshal([]byte(`{`+least+`,"amount":19.99,"dependents":[{"gender":"F","dateOfBirth":"19800102"}]}`), &value); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if v := schema.Check(value); v != nil {
			b.Fatal(v)
		}
	}
}

// nodes is a tree of three kinds, as documents describe it.
const nodes = head + `
paths:
  /:
    post:
      operationId: plant
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Node"}}}}
      responses: {"200": {description: d}}
    put:
      operationId: chain
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Chain"}}}}
      responses: {"200": {description: d}}
components:
  schemas:
    Node:
      oneOf:
        - {type: object, required: [and], properties: {and: {const: true}, of: {type: array, items: {$ref: "#/components/schemas/Node"}}}}
        - {type: object, required: [or], properties: {or: {const: true}, of: {type: array, items: {$ref: "#/components/schemas/Node"}}}}
        - {type: object, required: [not], properties: {not: {const: true}, of: {type: array, items: {$ref: "#/components/schemas/Node"}}}}
        - {type: string}
    Chain: {type: object, properties: {next: {$ref: "#/components/schemas/Chain"}, end: {type: boolean}}, additionalProperties: false}
`

// A filter of three hundred bytes, thirty levels deep, each of which may be one of
// three things, is tried in more ways than there are microseconds in a life.
func TestAttackATreeIsTriedInEveryWay(t *testing.T) {
	doc := parse2(t, nodes)
	tree := func(levels int, leaf string) string {
		return strings.Repeat(`{"and":true,"of":[`, levels) + leaf + strings.Repeat(`]}`, levels)
	}
	chain := func(levels int, leaf string) string {
		return strings.Repeat(`{"next":`, levels) + leaf + strings.Repeat(`}`, levels)
	}
	for name, c := range map[string]struct {
		operation int
		body      string
		want      string
	}{
		"a tree":                         {0, tree(3, `"a","b"`), ""},
		"a wide tree":                    {0, tree(2, strings.Repeat(tree(1, `"a"`)+",", 300)+`"z"`), ""},
		"a tree with a fault":            {0, tree(2, `7`), "/of/0/of/0 must be an object, or a text"},
		"a tree of thirty levels":        {0, tree(30, `"a"`), "the body is nested too deeply for what it may be at each level"},
		"a tree of thirty, with a fault": {0, tree(30, `7`), "the body is nested too deeply for what it may be at each level"},
		"a chain of sixty":               {1, chain(60, `{"end":true}`), ""},
		"a chain of sixty with a fault":  {1, chain(2, `{"end":7}`), "/next/next/end must be true or false"},
	} {
		var body any
		if err := strictjson.Unmarshal([]byte(c.body), &body); err != nil {
			t.Fatal(name, err)
		}
		got := ""
		if v := doc.Operations[c.operation].Body.JSON.Check(body); v != nil {
			got = v.String()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
