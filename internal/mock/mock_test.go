package mock_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mock"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

const document = `
openapi: 3.1.0
info: {title: T, version: "1"}
paths:
  /check:
    post:
      operationId: check
      requestBody: {content: {application/json: {}}}
      responses:
        "400": {description: d, content: {application/json: {examples: {bad: {value: {error: bad}}}}}}
        "200":
          description: d
          content:
            application/json:
              examples:
                good: {value: {number: "1", meta: {trace: t}, list: [{id: a}, {id: b}], said: kept}}
                other: {value: {other: true}}
                carried: {value: {carried: true}, x-mock-when: {query: {mode: carried}}}
            text/csv: {examples: {table: {value: "a,b"}}}
  /items/{id}:
    get:
      operationId: read
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {"204": {description: d}}
`

func load(t testing.TB) *openapi.Document {
	t.Helper()
	doc, err := openapi.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func rules(t *testing.T, text string) *mock.Rules {
	t.Helper()
	r, err := mock.ParseRules([]byte(text), load(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func body(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// ask answers a request to the operation with that id.
func ask(t *testing.T, r *mock.Rules, operation string, req mock.Request) mock.Response {
	t.Helper()
	doc := load(t)
	for _, op := range doc.Operations {
		if op.ID == operation {
			return r.Answer(doc, op, req)
		}
	}
	t.Fatalf("no operation %q", operation)
	return mock.Response{}
}

func TestConditionsHoldAsTheySay(t *testing.T) {
	tests := []struct {
		name, when string
		req        mock.Request
		want       bool
	}{
		{"no condition", `{}`, mock.Request{}, true},
		{"the operation", `{operation: check}`, mock.Request{}, true},
		{"another operation", `{operation: [read]}`, mock.Request{}, false},
		{"a header", `{header: {X-A: b}}`, mock.Request{Header: http.Header{"X-A": {"b"}}}, true},
		{"a header by another case of its name", `{header: {x-a: b}}`, mock.Request{Header: http.Header{"X-A": {"b"}}}, true},
		{"a header by another case of its value", `{header: {x-a: B}}`, mock.Request{Header: http.Header{"X-A": {"b"}}}, false},
		{"a header folded", `{header: {x-a: {fold: B}}}`, mock.Request{Header: http.Header{"X-A": {"b"}}}, true},
		{"a header's second value", `{header: {x-a: b}}`, mock.Request{Header: http.Header{"X-A": {"a", "b"}}}, true},
		{"a prefix", `{header: {x-a: {prefix: test_}}}`, mock.Request{Header: http.Header{"X-A": {"test_1"}}}, true},
		{"not the prefix", `{header: {x-a: {prefix: test_}}}`, mock.Request{Header: http.Header{"X-A": {"xtest_1"}}}, false},
		{"present", `{header: {x-a: {present: true}}}`, mock.Request{Header: http.Header{"X-A": {""}}}, true},
		{"not present", `{header: {x-a: {present: true}}}`, mock.Request{}, false},
		{"absent", `{query: {a: {absent: true}}}`, mock.Request{}, true},
		{"not absent", `{query: {a: {absent: true}}}`, mock.Request{Query: url.Values{"a": {""}}}, false},
		{"a query parameter", `{query: {testMode: "true"}}`, mock.Request{Query: url.Values{"testMode": {"true"}}}, true},
		{"a path parameter", `{path: {id: {one_of: ["1", "2"]}}}`, mock.Request{Params: map[string]string{"id": "2"}}, true},
		{"another path parameter", `{path: {id: {one_of: ["1", "2"]}}}`, mock.Request{Params: map[string]string{"id": "3"}}, false},
		{"a body's text", `{body: {/a/0: x}}`, mock.Request{Body: body(t, `{"a":["x"]}`)}, true},
		{"a body's number", `{body: {/a: 5}}`, mock.Request{Body: body(t, `{"a":5.0}`)}, true},
		{"a number is no text", `{body: {/a: "5"}}`, mock.Request{Body: body(t, `{"a":5}`)}, false},
		{"a body's truth", `{body: {/a: true}}`, mock.Request{Body: body(t, `{"a":true}`)}, true},
		{"a body's null", `{body: {/a: {equals: null}}}`, mock.Request{Body: body(t, `{"a":null}`)}, true},
		{"null is present", `{body: {/a: {present: true}}}`, mock.Request{Body: body(t, `{"a":null}`)}, true},
		{"a list is nothing's equal", `{body: {/a: x}}`, mock.Request{Body: body(t, `{"a":["x"]}`)}, false},
		{"a body's absence", `{body: {/a: {absent: true}}}`, mock.Request{}, true},
		{"no body has no text", `{body: {/a: x}}`, mock.Request{}, false},
		{"a folded number", `{body: {/a: {fold: "5"}}}`, mock.Request{Body: body(t, `{"a":5}`)}, false},
		{"all of several", `{header: {a: b}, body: {/a: x}}`, mock.Request{Header: http.Header{"A": {"b"}}, Body: body(t, `{"a":"x"}`)}, true},
		{"one of several", `{header: {a: b}, body: {/a: y}}`, mock.Request{Header: http.Header{"A": {"b"}}, Body: body(t, `{"a":"x"}`)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rules(t, `rules: [{name: it, when: `+tt.when+`, answer: {status: 299}}]`)
			got := ask(t, r, "check", tt.req)
			if (got.Rule == "it") != tt.want {
				t.Errorf("answered by %q, want the rule to hold: %v", got.Rule, tt.want)
			}
		})
	}
}

func TestTheFirstRuleThatHoldsAnswers(t *testing.T) {
	r := rules(t, `
rules:
  - {name: first, when: {query: {a: {present: true}}}, answer: {example: other, status: 202, headers: {X-Scenario: one}, delay: 1500ms}}
  - {name: second, when: {query: {b: {present: true}}}, answer: {example: bad}}
  - {name: third, when: {query: {a: {present: true}}}, answer: {example: good}}
`)
	got := ask(t, r, "check", mock.Request{Query: url.Values{"a": {"1"}, "b": {"1"}}})
	want := mock.Response{
		Status: 202, Rule: "first", Delay: 1500 * time.Millisecond, Body: []byte(`{"other":true}`),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Scenario": {"one"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := ask(t, r, "check", mock.Request{Query: url.Values{"b": {"1"}}}); got.Status != 400 || got.Rule != "second" {
		t.Errorf("got %d by %q", got.Status, got.Rule)
	}
}

func TestWithoutARuleTheFirstExampleOfASuccessAnswers(t *testing.T) {
	for name, r := range map[string]*mock.Rules{"no rules": nil, "a file without rules": rules(t, "rules: []"), "no file": rules(t, "")} {
		got := ask(t, r, "check", mock.Request{})
		if got.Status != 200 || got.Rule != "example good" || !strings.Contains(string(got.Body), `"kept"`) {
			t.Errorf("%s: %d by %q: %s", name, got.Status, got.Rule, got.Body)
		}
	}
}

func TestAnExampleMayCarryItsOwnRule(t *testing.T) {
	got := ask(t, rules(t, ""), "check", mock.Request{Query: url.Values{"mode": {"carried"}}})
	if got.Rule != "example carried" || string(got.Body) != `{"carried":true}` {
		t.Errorf("answered by %q: %s", got.Rule, got.Body)
	}
}

func TestAnOperationWithoutAMockIsToldFromOthers(t *testing.T) {
	if got := ask(t, nil, "read", mock.Request{}); got.Status != 501 || got.Rule != mock.None || got.Body != nil {
		t.Errorf("%d by %q: %s", got.Status, got.Rule, got.Body)
	}
	if got := rules(t, "").Answer(load(t), nil, mock.Request{Method: "GET", Path: "/x"}); got.Status != 501 {
		t.Errorf("no operation: %d", got.Status)
	}
}

func TestStandInsAreReplacedByValuesAndNeverByText(t *testing.T) {
	r := rules(t, `
rules:
  - name: it
    answer:
      body:
        text: {$from: /text}
        whole: {$from: /whole}
        list: [{$from: /missing}, {$from: /number}, last]
        left_out: {$from: /missing}
        instead: {$from: /missing, $else: {x: {$trace: true}}}
        id: {$param: id}
        trace: {$trace: true}
        app: {$app: true}
        plain: "{$from: /text}"
`)
	got := ask(t, r, "check", mock.Request{
		Trace: `t","x":"`, App: "app", Params: map[string]string{"id": "a/b"},
		Body: body(t, `{"text":"\",\"injected\":true,\"","whole":{"a":[1,null]},"number":7.5}`),
	})
	want := map[string]any{
		"text": `","injected":true,"`, "whole": map[string]any{"a": []any{1.0, nil}}, "list": []any{7.5, "last"},
		"instead": map[string]any{"x": `t","x":"`}, "id": "a/b", "trace": `t","x":"`, "app": "app", "plain": "{$from: /text}",
	}
	if diff := cmp.Diff(want, body(t, string(got.Body))); diff != "" {
		t.Error(diff)
	}
	empty := ask(t, r, "check", mock.Request{})
	if want := `{"list":["last"],"instead":{},"plain":"{$from: /text}"}`; string(empty.Body) != want {
		t.Errorf("without values: %s, want %s", empty.Body, want)
	}
}

func TestSettingsGoIntoExamplesWhereTheyHaveThePlace(t *testing.T) {
	r := rules(t, `
set:
  /number: {$from: /n}
  /meta/trace: {$trace: true}
  /list/*/id: {$from: /id}
  /nowhere/x: {$trace: true}
rules:
  - {name: mine, when: {query: {a: {present: true}}}, answer: {example: good, set: {/number: {$from: /mine}, /said: changed}}}
`)
	first := ask(t, r, "check", mock.Request{Trace: "T", Body: body(t, `{"n":5}`)})
	if want := `{"number":5,"meta":{"trace":"T"},"list":[{"id":"a"},{"id":"b"}],"said":"kept"}`; string(first.Body) != want {
		t.Errorf("got  %s\nwant %s", first.Body, want)
	}
	second := ask(t, r, "check", mock.Request{Query: url.Values{"a": {"1"}}, Body: body(t, `{"n":5,"id":"z"}`)})
	if want := `{"number":"1","meta":{"trace":"t"},"list":[{"id":"z"},{"id":"z"}],"said":"changed"}`; string(second.Body) != want {
		t.Errorf("got  %s\nwant %s", second.Body, want)
	}
	if again := ask(t, r, "check", mock.Request{Trace: "T", Body: body(t, `{"n":5}`)}); string(again.Body) != string(first.Body) {
		t.Errorf("an answer changed the rules: %s", again.Body)
	}
}

func TestValuesThatAreNotPredefinedAreToldBeforeAnyRule(t *testing.T) {
	r := rules(t, `
predefined:
  operation: check
  fields:
    - {pointer: /who/name, values: [one, two]}
    - {pointer: /top, values: [a]}
rules: [{name: it, answer: {example: other}}]
`)
	for _, fine := range []string{`{}`, `{"who":{}}`, `{"who":"x"}`, `{"who":{"name":"ONE"},"top":"A"}`} {
		if got := ask(t, r, "check", mock.Request{Body: body(t, fine)}); got.Rule != "it" {
			t.Errorf("%s: answered by %q", fine, got.Rule)
		}
	}
	got := ask(t, r, "check", mock.Request{Body: body(t, `{"who":{"name":"SECRET"},"top":1}`)})
	want := `{"errors":[` +
		`{"field":"who","description":"Please use predefined canned users for non-prod environments: name was not predefined.","allowedValues":["one","two"]},` +
		`{"field":"top","description":"Please use predefined canned users for non-prod environments: top was not predefined.","allowedValues":["a"]}]}`
	if string(got.Body) != want || got.Status != 200 || got.Rule != "predefined" {
		t.Errorf("%d by %q: %s\nwant %s", got.Status, got.Rule, got.Body, want)
	}
	if got := ask(t, r, "read", mock.Request{Body: body(t, `{"top":1}`)}); got.Rule == "predefined" {
		t.Error("held another operation against the predefined values")
	}
}

// A hundred thousand items, none of which is predefined: fifty are told, and no more are
// looked for.
func TestAttackAListOfNothingPredefined(t *testing.T) {
	doc := load(t)
	r := rules(t, "predefined:\n  fields: [{pointer: /list/*/name, values: [one]}]")
	req := mock.Request{Body: body(t, `{"list":[`+strings.Repeat(`{"name":7},`, 100_000)+`{}]}`)}
	var got mock.Response
	allocations := testing.AllocsPerRun(1, func() { got = r.Answer(doc, doc.Operations[0], req) })
	if n := strings.Count(string(got.Body), "was not predefined"); n != 50 || allocations > 5000 {
		t.Errorf("%d are told, by %v allocations", n, allocations)
	}
}

func TestMistakesInRulesAreToldByLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a member that is not known", "ruels: []", `line 1: the rule file has no member "ruels"; allowed are: predefined, rules, set`},
		{"a rule without a name", "rules:\n  - answer: {status: 200}", `line 2: the rule has no name`},
		{"a rule without an answer", "rules:\n  - {name: a}", `line 2: the rule "a" has no answer`},
		{"two rules of one name", "rules:\n  - {name: a, answer: {status: 200}}\n  - {name: a, answer: {status: 200}}", `line 3: there are two rules named "a"`},
		{"a name that no header carries", "rules:\n  - {name: \"a\\nb\", answer: {status: 200}}", `line 2: the name of a rule is told in a header`},
		{"an answer that is empty", "rules:\n  - {name: a, answer: {delay: 1s}}", `line 2: the answer is empty`},
		{"an example and a body", "rules:\n  - {name: a, answer: {example: good, body: {}}}", `line 2: the answer has both an example and a body`},
		{"an example that is not there", "rules:\n  - name: a\n    answer: {example: goood}", `line 3: there is no example "goood"; there are: bad, good, other, carried, table`},
		{"an example of another operation", "rules:\n  - name: a\n    when: {operation: read}\n    answer: {example: good}", `line 4: operation read has no example "good"; it has: none`},
		{"an operation that is not there", "rules:\n  - name: a\n    when: {operation: chekc}\n    answer: {status: 200}", `line 3: there is no operation "chekc"; there are: check, read`},
		{"a condition that is not known", "rules:\n  - {name: a, when: {heeder: {}}, answer: {status: 200}}", `line 2: when has no member "heeder"; allowed are: body, header, operation, path, query`},
		{"a test that is not known", "rules:\n  - {name: a, when: {header: {x: {matches: y}}}, answer: {status: 200}}", `has no member "matches"; allowed are: absent, equals, fold, one_of, prefix, present`},
		{"two tests", "rules:\n  - {name: a, when: {header: {x: {equals: y, prefix: y}}}, answer: {status: 200}}", `line 2: the condition on header x has 2 tests`},
		{"a number as a header", "rules:\n  - {name: a, when: {header: {x: 5}}, answer: {status: 200}}", `line 2: the value for header x is a number; it must be a text`},
		{"present: false", "rules:\n  - {name: a, when: {header: {x: {present: false}}}, answer: {status: 200}}", `line 2: present is false; write true, or use the opposite test`},
		{"an empty choice", "rules:\n  - {name: a, when: {header: {x: {one_of: []}}}, answer: {status: 200}}", `line 2: one_of is empty`},
		{"a path that is no pointer", "rules:\n  - {name: a, when: {body: {a.b: y}}, answer: {status: 200}}", `line 2: "a.b" is not a JSON pointer`},
		{"a delay that is too long", "rules:\n  - {name: a, answer: {status: 200, delay: 11s}}", `line 2: delay is 11s; it must be from 0s to 10s`},
		{"a status that is none", "rules:\n  - {name: a, answer: {status: 99}}", `line 2: status is 99; it must be a whole number from 200 to 599`},
		{"a header that frames", "rules:\n  - {name: a, answer: {status: 200, headers: {content-length: \"5\"}}}", `line 2: the header Content-Length frames the message`},
		{"a header with a line end", "rules:\n  - {name: a, answer: {status: 200, headers: {x-a: \"a\\r\\nb: c\"}}}", `line 2: the value of X-A has characters that a header cannot carry`},
		{"a stand-in that is not known", "rules:\n  - {name: a, answer: {body: {x: {$header: authorization}}}}", `has no member "$header"; allowed are: $app, $else, $from, $param, $trace`},
		{"two stand-ins in one", "rules:\n  - {name: a, answer: {body: {x: {$trace: true, $app: true}}}}", `line 2: an object that stands for a value has one of`},
		{"a stand-in beside a member", "rules:\n  - {name: a, answer: {body: {x: {$trace: true, y: 1}}}}", `has no member "y"`},
		{"violations outside their place", "rules:\n  - {name: a, answer: {body: {x: {$violations: true}}}}", `has no member "$violations"`},
		{"a setting that is no pointer", "set: {number: 5}", `line 1: "number" is not a JSON pointer`},
		{"settings on a body", "rules:\n  - {name: a, answer: {body: {}, set: {/a: 1}}}", `line 2: the answer has both a body and set`},
		{"a field without values", "predefined:\n  fields:\n    - {pointer: /a}", `line 3: a predefined field needs a pointer and at least one value`},
		{"a value without quotes", "predefined:\n  fields:\n    - {pointer: /a, values: [0001]}", `line 3: 0001 can be read as more than one number`},
		{"an anchor", "rules: &a []", `line 1: anchors and aliases are not allowed`},
	}
	doc := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mock.ParseRules([]byte(tt.text), doc)
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

// FuzzRules holds that no file of rules makes the engine panic, and that every
// answer in JSON is JSON.
func FuzzRules(f *testing.F) {
	doc := load(f)
	for _, s := range []string{
		"", "rules: []", "set: {/number: {$from: /a}, /list/*/id: {$trace: true}}",
		"rules:\n  - {name: a, when: {operation: check, body: {/a: {fold: x}}, header: {x: {prefix: y}}}, answer: {example: good, status: 201, delay: 1s}}",
		"rules: [{name: a, answer: {body: [{$from: /a}, {$else: {$app: true}, $param: id}]}}]",
		"predefined: {status: 400, body: [{$violations: true}, {e: {$violations: true}}], fields: [{pointer: /a/*/b, values: [x]}]}",
		"rules: [{name: a, answer: {example: table, set: {/a: {$from: /a, $else: [{$trace: true}]}}}}]",
	} {
		f.Add([]byte(s), []byte(`{"a":[{"b":"c"}],"x":1}`))
	}
	f.Fuzz(func(t *testing.T, file, sent []byte) {
		r, err := mock.ParseRules(file, doc)
		if err != nil {
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || problems[0].Line < 1 {
				t.Fatalf("not a list of problems: %v", err)
			}
			return
		}
		var value any
		if json.Unmarshal(sent, &value) != nil {
			value = nil
		}
		for _, op := range doc.Operations {
			got := r.Answer(doc, op, mock.Request{Operation: op.ID, Body: value, Trace: "t", Params: map[string]string{"id": "1"}})
			if got.Delay < 0 || got.Delay > mock.MaxDelay || got.Status < 200 || got.Status > 599 {
				t.Errorf("status %d after %s", got.Status, got.Delay)
			}
			if strings.Contains(got.Header.Get("Content-Type"), "json") && !json.Valid(got.Body) {
				t.Errorf("the answer is not JSON: %q", got.Body)
			}
		}
	})
}
