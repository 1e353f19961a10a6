package mock

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// None is the rule of an answer that nobody has written.
const None = "none"

// none says that there is no mock data; the words are the caller's to choose.
var none = Response{Status: http.StatusNotImplemented, Rule: None}

// Answer answers a request to op, an operation of doc. Where there is no mock data
// the answer's rule is [None], and it has no body.
func (r *Rules) Answer(doc *openapi.Document, op *openapi.Operation, req Request) Response {
	if op == nil {
		return none
	}
	if r != nil {
		if violations := r.predefined.check(op, &req); len(violations) > 0 {
			return Response{
				Status: r.predefined.status,
				Header: http.Header{"Content-Type": {"application/json"}},
				Body:   r.predefined.body.render(&req, violations),
				Rule:   "predefined",
			}
		}
		for i := range r.rules {
			rule := &r.rules[i]
			if rule.applies(op.ID) && rule.holds(&req) {
				if response, ok := r.by(rule, op, &req); ok {
					return response
				}
			}
		}
	}
	for i := range op.Examples {
		if e := &op.Examples[i]; e.Status >= 200 && e.Status < 300 {
			return r.example(e, op, &req, nil)
		}
	}
	return none
}

// by answers by a rule. It reports false if the rule names an example that op
// does not have.
func (r *Rules) by(rule *rule, op *openapi.Operation, req *Request) (Response, bool) {
	a := &rule.answer
	response := Response{Status: http.StatusOK, Header: make(http.Header)}
	switch {
	case a.example != "":
		found := false
		for i := range op.Examples {
			if e := &op.Examples[i]; e.Name == a.example {
				response, found = r.example(e, op, req, a.set), true
				break
			}
		}
		if !found {
			return Response{}, false
		}
	case a.body != nil:
		response.Header.Set("Content-Type", "application/json")
		response.Body = a.body.render(req, nil)
	}
	if a.status != 0 {
		response.Status = a.status
	}
	for name, values := range a.header {
		response.Header[name] = append([]string(nil), values...)
	}
	response.Delay = a.delay
	response.Rule = rule.name
	return response, true
}

// example answers with an example of op.
func (r *Rules) example(e *openapi.Example, op *openapi.Operation, req *Request, set []setting) Response {
	response := Response{
		Status: e.Status,
		Header: http.Header{"Content-Type": {e.MediaType}},
		Body:   e.Value,
		Rule:   "example " + e.Name,
	}
	if r == nil {
		return response
	}
	if t := r.examples[exampleKey{op.ID, e.Name}]; t != nil {
		if len(set) > 0 {
			t = &template{root: apply(t.root, set)}
		}
		response.Body = t.render(req, nil)
	}
	return response
}
