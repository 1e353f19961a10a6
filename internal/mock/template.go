package mock

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// The members that make an object stand for a value.
const (
	fromBody       = "$from"
	fromPath       = "$param"
	traceID        = "$trace"
	appName        = "$app"
	violationsList = "$violations" // in the answer to values that are not predefined
	orElse         = "$else"
)

// template is an answer's body: a tree in which some objects stand for values.
type template struct{ root *strictyaml.Node }

// setting puts a stand-in into an example, at a pointer.
type setting struct {
	pointer string
	value   *strictyaml.Node
}

// template checks a body. Only the answer to violations may name them.
func (p *parser) template(n *strictyaml.Node, violations bool) *template {
	p.standIns(n, violations)
	return &template{root: n}
}

// standIns checks every object that stands for a value, below n.
func (p *parser) standIns(n *strictyaml.Node, violations bool) {
	for _, item := range n.Items {
		p.standIns(item, violations)
	}
	for _, member := range n.Members {
		if !strings.HasPrefix(member.Name, "$") {
			p.standIns(member.Value, violations)
		}
	}
	if !slices.ContainsFunc(n.Members, func(m strictyaml.Member) bool { return strings.HasPrefix(m.Name, "$") }) {
		return
	}
	value, others := "", 0
	yes := func(n *strictyaml.Node) {
		if p.Is(n, "its value", strictyaml.Bool) && n.Scalar != "true" {
			p.Problem(n, "its value is false; write true")
		}
	}
	fields := strictyaml.Fields{
		fromBody: func(n *strictyaml.Node) {
			var pointer string
			if p.Text(fromBody, &pointer)(n); pointer != "" {
				p.pointer(n, pointer)
			}
		},
		fromPath: p.Text(fromPath, new(string)),
		traceID:  yes,
		appName:  yes,
		orElse:   func(n *strictyaml.Node) { p.standIns(n, false) },
	}
	if violations {
		fields[violationsList] = yes
	}
	p.Map(n, "an object that stands for a value", fields)
	for _, member := range n.Members {
		if member.Name != orElse {
			value = member.Name
			others++
		}
	}
	if others != 1 || value == "" {
		p.Problem(n, "an object that stands for a value has one of $from, $param, $trace, $app, and perhaps $else; nothing beside")
	}
}

// settings reads a map of pointers to stand-ins.
func (p *parser) settings(n *strictyaml.Node) []setting {
	if !p.Is(n, "set", strictyaml.Map) {
		return nil
	}
	out := make([]setting, 0, len(n.Members))
	for _, member := range n.Members {
		p.pointer(&strictyaml.Node{Line: member.Line}, member.Name)
		p.standIns(member.Value, false)
		out = append(out, setting{member.Name, member.Value})
	}
	return out
}

// apply returns the example n with the settings in it, wherever it has the
// place that they name. An example's own value stays as the "$else".
func apply(n *strictyaml.Node, settings []setting) *strictyaml.Node {
	for _, s := range settings {
		n = put(n, strings.Split(s.pointer[1:], "/"), s.value)
	}
	return n
}

func put(n *strictyaml.Node, path []string, value *strictyaml.Node) *strictyaml.Node {
	if len(path) == 0 {
		if value.Get(orElse) != nil || value.Kind != strictyaml.Map || !isStandIn(value) {
			return value
		}
		if isStandIn(n) { // a rule's setting over the file's: keep the example's own value
			if n = n.Get(orElse); n == nil {
				return value
			}
		}
		with := *value
		with.Members = append(slices.Clip(value.Members), strictyaml.Member{Name: orElse, Value: n})
		return &with
	}
	token := strings.ReplaceAll(strings.ReplaceAll(path[0], "~1", "/"), "~0", "~")
	changed := *n
	switch n.Kind {
	case strictyaml.Map:
		changed.Members = slices.Clone(n.Members)
		for i, member := range changed.Members {
			if member.Name == token {
				changed.Members[i].Value = put(member.Value, path[1:], value)
			}
		}
	case strictyaml.List:
		changed.Items = slices.Clone(n.Items)
		for i, item := range changed.Items {
			if token == "*" || token == index(i) {
				changed.Items[i] = put(item, path[1:], value)
			}
		}
	case strictyaml.Null, strictyaml.Bool, strictyaml.Number, strictyaml.Text:
	}
	return &changed
}

func isStandIn(n *strictyaml.Node) bool {
	if n.Kind != strictyaml.Map || len(n.Members) == 0 || len(n.Members) > 2 {
		return false
	}
	switch n.Members[0].Name {
	case fromBody, fromPath, traceID, appName, violationsList:
		return true
	case orElse:
		return len(n.Members) == 2
	}
	return false
}

// render writes the body for a request.
func (t *template) render(req *Request, violations []violation) []byte {
	out, ok := appendNode(nil, t.root, req, violations)
	if !ok {
		return []byte("null")
	}
	return out
}

// appendNode appends n with its stand-ins replaced. It reports false, and
// appends nothing, if n stands for something that the request lacks.
func appendNode(out []byte, n *strictyaml.Node, req *Request, violations []violation) ([]byte, bool) {
	switch {
	case isStandIn(n):
		return appendValue(out, n, req, violations)
	case n.Kind == strictyaml.Map:
		out = append(out, '{')
		start := len(out)
		for _, member := range n.Members {
			before := len(out)
			if before > start {
				out = append(out, ',')
			}
			out = append(strictyaml.AppendText(out, member.Name), ':')
			var ok bool
			if out, ok = appendNode(out, member.Value, req, violations); !ok {
				out = out[:before]
			}
		}
		return append(out, '}'), true
	case n.Kind == strictyaml.List:
		out = append(out, '[')
		start := len(out)
		for _, item := range n.Items {
			before := len(out)
			if before > start {
				out = append(out, ',')
			}
			after := len(out)
			var ok bool
			if item.Get(violationsList) != nil { // the violations among other items, not a list in the list
				out = appendViolations(out, violations)
				ok = len(out) > after
			} else {
				out, ok = appendNode(out, item, req, violations)
			}
			if !ok {
				out = out[:before]
			}
		}
		return append(out, ']'), true
	}
	return n.AppendJSON(out), true
}

func appendValue(out []byte, n *strictyaml.Node, req *Request, violations []violation) ([]byte, bool) {
	for _, member := range n.Members {
		switch member.Name {
		case fromBody:
			value, ok := strictjson.At(req.Body, member.Value.Text())
			if !ok || req.Body == nil {
				continue
			}
			if text, err := json.Marshal(value); err == nil {
				return append(out, text...), true
			}
		case fromPath:
			if value, ok := req.Params[member.Value.Text()]; ok {
				return strictyaml.AppendText(out, value), true
			}
		case traceID:
			if req.Trace != "" {
				return strictyaml.AppendText(out, req.Trace), true
			}
		case appName:
			if req.App != "" {
				return strictyaml.AppendText(out, req.App), true
			}
		case violationsList:
			return append(appendViolations(append(out, '['), violations), ']'), true
		}
	}
	if instead := n.Get(orElse); instead != nil {
		return appendNode(out, instead, req, violations)
	}
	return out, false
}
