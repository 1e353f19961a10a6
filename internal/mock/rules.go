// Package mock answers calls in an API's stead, from the examples of its
// OpenAPI document and a file of rules (CONTRACT 5.6).
//
// The file has three parts, all optional:
//
//	set:                         # into answers that are taken from examples
//	  /controlNumber: {$from: /controlNumber}
//	predefined:                  # values that mock data exists for
//	  fields:
//	    - {pointer: /subscriber/memberId, values: ["0000000000"]}
//	rules:                       # the first whose conditions all hold answers
//	  - name: inactive coverage
//	    when:
//	      operation: checkEligibility
//	      body: {/tradingPartnerServiceId: {equals: "000041"}}
//	    answer: {example: inactive}
//
// A request first meets the predefined values, then the rules in order, then
// those that examples carry themselves (x-mock-when); if none applies, the
// operation's first example of a success answers, and if there is none, a 501
// that says what the operator should add. A rule that names an example without
// naming an operation applies to the operations that have it.
//
// Answers are JSON values in which a few objects are replaced by values:
// {"$from": "/pointer"} of the request's body, {"$param": "name"} of its path,
// {"$trace": true}, {"$app": true}. Values are never pasted into text, so
// nothing can be injected; headers of a request, which carry its token, cannot
// be named at all. What the request lacks is left out, or is what "$else" says.
//
// The engine keeps no state, reads no clock and sleeps for nobody: a delay is
// told to the caller. Rules do not change after ParseRules.
package mock

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// MaxDelay is the longest that a rule may delay its answer.
const MaxDelay = 10 * time.Second

// maxRules bounds what a request may have to be held against.
const maxRules = 1000

// Rules is a file of rules, checked against its document. A nil Rules answers
// from the document's examples alone.
type Rules struct {
	rules      []rule
	predefined *predefined // nil: none
	examples   map[exampleKey]*template
}

// exampleKey names an example: names are unique within an operation only.
type exampleKey struct{ operation, example string }

// rule is one rule: the conditions and the answer.
type rule struct {
	name       string
	operations []string // nil: all
	conditions []condition
	answer     answer
}

// answer is what a rule says.
type answer struct {
	status  int    // 0: the example's, else 200
	example string // empty: body
	body    *template
	set     []setting
	header  http.Header
	delay   time.Duration
}

// parser is one ParseRules under way.
type parser struct {
	strictyaml.Reader
	doc   *openapi.Document
	rules *Rules
	set   []setting
}

// ParseRules reads a file of rules for doc. Empty data stands for a file
// without rules. The error is a [strictyaml.Problems].
func ParseRules(data []byte, doc *openapi.Document) (*Rules, error) {
	p := &parser{doc: doc, rules: &Rules{examples: make(map[exampleKey]*template)}}
	if len(data) > 0 {
		root, err := strictyaml.Parse(data)
		if err != nil {
			return nil, err // unwrapped: it is the Problems that are promised
		}
		p.Map(root, "the rule file", strictyaml.Fields{
			"set":        func(n *strictyaml.Node) { p.set = p.settings(n) },
			"predefined": p.predefined,
			"rules":      func(n *strictyaml.Node) { p.Each(n, "rules", p.rule) },
		})
	}
	p.carried()
	if len(p.rules.rules) > maxRules {
		p.Problem(nil, "there are %d rules; at most %d are allowed", len(p.rules.rules), maxRules)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	p.compile()
	return p.rules, nil
}

func (p *parser) rule(n *strictyaml.Node) {
	r := rule{}
	p.Map(n, "a rule", strictyaml.Fields{
		"name":   p.Text("name", &r.name),
		"when":   func(n *strictyaml.Node) { p.when(n, &r) },
		"answer": func(n *strictyaml.Node) { p.answer(n, &r.answer) },
	})
	if n.Kind != strictyaml.Map {
		return
	}
	if r.name == "" {
		p.Problem(n, "the rule has no name; give one, it is told in the log and in an answer's header")
	}
	for _, c := range r.name {
		if c < ' ' || c > '~' {
			p.Problem(n.Get("name"), "the name of a rule is told in a header; only printable ASCII is allowed")
			break
		}
	}
	for _, other := range p.rules.rules {
		if other.name == r.name && r.name != "" {
			p.Problem(n.Get("name"), "there are two rules named %q; give each its own name", r.name)
		}
	}
	if n.Get("answer") == nil {
		p.Problem(n, "the rule %q has no answer; add answer: {example: NAME} or answer: {body: …}", r.name)
	} else if r.answer.example != "" {
		p.exampleExists(n.Get("answer").Get("example"), &r)
	}
	p.rules.rules = append(p.rules.rules, r)
}

// exampleExists holds a rule's example against the operations that it applies
// to: each that is named must have it, and if none is named, one has to.
func (p *parser) exampleExists(n *strictyaml.Node, r *rule) {
	var have []string
	found := false
	for _, op := range p.doc.Operations {
		if r.operations != nil && !r.applies(op.ID) {
			continue
		}
		has := false
		for _, e := range op.Examples {
			have = append(have, e.Name)
			has = has || e.Name == r.answer.example
		}
		found = found || has
		if !has && r.operations != nil {
			p.Problem(n, "operation %s has no example %q; it has: %s", op.ID, r.answer.example, listed(have))
			return
		}
	}
	if !found {
		p.Problem(n, "there is no example %q; there are: %s", r.answer.example, listed(have))
	}
}

func (p *parser) answer(n *strictyaml.Node, a *answer) {
	var status int64
	p.Map(n, "answer", strictyaml.Fields{
		"status":  p.Int("status", 200, 599, &status),
		"example": p.Text("example", &a.example),
		"body":    func(n *strictyaml.Node) { a.body = p.template(n, false) },
		"set":     func(n *strictyaml.Node) { a.set = p.settings(n) },
		"headers": func(n *strictyaml.Node) { a.header = p.headers(n) },
		"delay":   p.Duration("delay", 0, MaxDelay, &a.delay),
	})
	a.status = int(status)
	switch {
	case a.example != "" && a.body != nil:
		p.Problem(n, "the answer has both an example and a body; give one of them")
	case a.body != nil && a.set != nil:
		p.Problem(n, "the answer has both a body and set; set is for examples, write the values into the body")
	case n.Kind == strictyaml.Map && a.example == "" && a.body == nil && a.status == 0:
		p.Problem(n, "the answer is empty; give an example, a body, or a status alone")
	}
}

// headers reads the headers of an answer. Those that frame the message are the
// gateway's business.
func (p *parser) headers(n *strictyaml.Node) http.Header {
	out := make(http.Header)
	if !p.Is(n, "headers", strictyaml.Map) {
		return nil
	}
	for _, member := range n.Members {
		at := member.Value
		if !p.Is(at, "the header "+member.Name, strictyaml.Text) {
			continue
		}
		switch name := http.CanonicalHeaderKey(member.Name); {
		case !isToken(member.Name):
			p.Problem(at, "%q is not a header's name; allowed are letters, digits and \"-\"", member.Name)
		case framing(name):
			p.Problem(at, "the header %s frames the message and cannot be set by a rule", name)
		case strings.ContainsFunc(at.Scalar, func(c rune) bool { return c < ' ' || c > '~' }):
			p.Problem(at, "the value of %s has characters that a header cannot carry; only printable ASCII is allowed", name)
		default:
			out.Set(name, at.Scalar)
		}
	}
	return out
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

func framing(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Keep-Alive", "Te", "Date",
		"Set-Cookie", "Proxy-Connection":
		return true
	}
	return false
}

// carried reads the rules that examples carry.
func (p *parser) carried() {
	for _, op := range p.doc.Operations {
		for _, e := range op.Examples {
			if e.When == nil {
				continue
			}
			r := rule{name: "example " + e.Name, answer: answer{example: e.Name}}
			inner := &parser{doc: p.doc, rules: p.rules}
			n, err := strictyaml.Parse(e.When)
			inner.Add(err)
			if err == nil {
				inner.when(n, &r)
			}
			var problems strictyaml.Problems
			if errors.As(inner.Err(), &problems) {
				p.Problem(nil, "x-mock-when of the example %q of %s: %s", e.Name, op.ID, problems[0].Text)
			}
			r.operations = []string{op.ID}
			p.rules.rules = append(p.rules.rules, r)
		}
	}
}

// compile makes a template of every JSON example and applies the settings.
func (p *parser) compile() {
	for _, op := range p.doc.Operations {
		for _, e := range op.Examples {
			key := exampleKey{op.ID, e.Name}
			if _, ok := p.rules.examples[key]; ok {
				continue // of two with one name the first answers
			}
			if n, err := strictyaml.Parse(e.Value); err == nil && strings.Contains(e.MediaType, "json") {
				p.rules.examples[key] = &template{root: apply(n, p.set)}
			}
		}
	}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
