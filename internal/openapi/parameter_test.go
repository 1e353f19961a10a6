package openapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/openapi"
)

const shelf = head + `
paths:
  /shelves/{id}:
    get:
      operationId: shelf
      parameters:
        - {name: id, in: path, required: true, schema: {$ref: "#/components/schemas/Number"}}
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
        - {name: sort, in: query, required: true, schema: {type: string, enum: [title, year]}}
        - {name: tag, in: query, schema: {type: array, maxItems: 2, items: {type: string, maxLength: 3}}}
        - {name: year, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: deep, in: query, style: deepObject, schema: {type: object, required: [a]}}
        - {name: new, in: query, schema: {type: [boolean, "null"]}}
        - {name: price, in: query, schema: {type: number, exclusiveMinimum: 0}}
        - {name: prices, in: query, explode: false, schema: {type: array, uniqueItems: true, items: {type: number, minimum: 0}}}
        - {name: X-Lang, in: header, schema: {type: string, pattern: "^[a-z]{2}$"}}
        - {name: X-Known, in: header, required: true, schema: {type: integer}}
      responses:
        "200": {description: ok, content: {application/json: {schema: {type: object, required: [books]}}}}
        4XX: {description: no, content: {application/problem+json: {schema: {type: object, required: [title]}}}}
components:
  schemas:
    Number: {type: integer}
`

func TestCheckParametersNamesTheParameterAndWhatIsAllowed(t *testing.T) {
	op := parse(t, shelf).Operations[0]
	for query, want := range map[string]string{
		"sort=title":                             "",
		"sort=year&limit=7&tag=a&tag=b&new=true": "",
		"sort=title&unknown=1&unknown=2":         "",
		"sort=title&year=1,2,3":                  "",
		"sort=title&deep[x]=1":                   "",
		"limit=7":                                "query sort is required",
		"sort=pages":                             "query sort must be one of \"title\", \"year\"",
		"sort=title&sort=year":                   "query sort must be sent once",
		"sort=title&limit=0":                     "query limit must be at least 1",
		"sort=title&limit=many":                  "query limit must be a whole number",
		"sort=title&limit=1e999999":              "query limit must be a whole number",
		"sort=title&limit=0x10":                  "query limit must be a whole number",
		"sort=title&limit=":                      "query limit must be a whole number",
		"sort=title&tag=a&tag=b&tag=c":           "query tag must have at most 2 items",
		"sort=title&tag=abcd":                    "query tag/0 must have at most 3 characters",
		"sort=title&year=1,b":                    "query year/1 must be a whole number",
		"sort=title&new=yes":                     "query new must be null or true or false",
		"sort=title&limit=1.0e1":                 "",
		"sort=title&price=1e-99":                 "",
		"sort=title&price=-1E%2B09":              "query price must be greater than 0",
	} {
		t.Run(query, func(t *testing.T) {
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if v := op.CheckParameters(openapi.Values{Path: map[string]string{"id": "7"}, Query: values, Header: none, Known: known}); v != nil {
				got = v.String()
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A caller sends numbers that are short to write and have millions of digits, or more
// than any machine can count: they are no numbers here, and cost nothing.
func TestAttackANumberOfAMillionDigitsInAParameter(t *testing.T) {
	op := parse(t, shelf).Operations[0]
	many := strings.TrimSuffix(strings.Repeat("1e-999999,", 3000), ",") // a minute and a half of work, if it is done
	for query, field := range map[string]string{
		"price=1e-999999999": "query price", "price=1e-1000000": "query price", "price=1e-0000000001": "query price", "price=1e999999999": "query price",
		"price=0." + strings.Repeat("0", 30_000) + "1": "query price", "limit=1e-999999999": "query limit", "limit=" + strings.Repeat("1", 30_000): "query limit",
		"prices=" + many: "query prices", "prices=1e-999999999" + strings.Repeat(",1", 30): "query prices", "year=" + many: "query year/0",
	} {
		values, err := url.ParseQuery("sort=title&" + query)
		if err != nil {
			t.Fatal(err)
		}
		v := op.CheckParameters(openapi.Values{Path: map[string]string{"id": "7"}, Query: values, Header: none, Known: known})
		if v == nil || v.Field != field {
			t.Errorf("%.40s: got %v", query, v)
		}
	}
}

func none(string) []string { return nil }

func known(name string) bool { return name == "X-Known" }

func TestCheckParametersLooksAtPathAndHeaders(t *testing.T) {
	op := parse(t, shelf).Operations[0]
	header := http.Header{"X-Lang": {"english"}}
	values := openapi.Values{Path: map[string]string{"id": "seven"}, Query: url.Values{"sort": {"title"}}, Header: header.Values, Known: known}
	if v := op.CheckParameters(values); v == nil || v.String() != "path id must be a whole number" {
		t.Errorf("got %v", v)
	}
	values.Path["id"] = "7"
	if v := op.CheckParameters(values); v == nil || v.Field != "header X-Lang" {
		t.Errorf("got %v", v)
	}
}

func TestAnswerFindsTheSchemaOfAStatus(t *testing.T) {
	op := parse(t, shelf).Operations[0]
	for name, c := range map[string]struct {
		status    int
		mediaType string
		listed    bool
		ok        bool // an empty object matches
	}{
		"as listed":             {200, "application/json; charset=utf-8", true, false},
		"of a range":            {404, "application/problem+json", true, false},
		"of another media type": {200, "text/plain", true, true},
		"that is not listed":    {302, "application/json", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			schema, listed := op.Answer(c.status, c.mediaType)
			if ok := schema.Check(map[string]any{}) == nil; listed != c.listed || ok != c.ok {
				t.Errorf("listed %v, an empty object matches: %v", listed, ok)
			}
		})
	}
}
