package openapi

import (
	"net/url"
	"slices"
	"strings"
)

// route is a node of the tree of templates, one level for each segment.
type route struct {
	literals map[string]*route
	param    *route
	leaf     *leaf // nil: no template ends here
}

// leaf is what a template ends in.
type leaf struct {
	template string
	params   []string // names of the parameters, in the order of the path
	methods  map[string]*Operation
	allowed  []string // the methods, sorted; with HEAD where there is GET
}

// Undescribed returns a document without an operation: that of an API which has
// none.
func Undescribed() *Document { return &Document{} }

// Match finds the operation for method and path. The path is the part after the
// API's base path: empty or "/" is the base, and one slash at the end makes no
// difference. The caller has made it canonical and has decoded each segment, so
// that a parameter's value is handed on as it stands; a segment that decodes to
// something with a slash in it must have been refused before.
//
// A literal segment wins over a parameter. HEAD is answered by GET's operation
// unless it has its own. If the path exists but not with this method, allowed
// lists the methods that it has, for the Allow header; it must not be changed.
func (d *Document) Match(method, path string) (op *Operation, params map[string]string, allowed []string, ok bool) {
	path = strings.TrimPrefix(path, "/")
	path = strings.TrimSuffix(path, "/")
	found := d.routes.find(path, path == "")
	if found == nil {
		return nil, nil, nil, false
	}
	op = found.methods[method]
	if op == nil && method == "HEAD" {
		op = found.methods["GET"]
	}
	if op == nil {
		return nil, nil, found.allowed, false
	}
	if len(found.params) > 0 {
		params = found.values(path)
	}
	return op, params, nil, true
}

// find walks the tree along the segments of path. It visits a node of the tree
// at most once, so a hostile path costs no more than the document is large.
func (r *route) find(path string, end bool) *leaf {
	if r == nil {
		return nil
	}
	if end {
		return r.leaf
	}
	segment, rest, more := strings.Cut(path, "/")
	if segment == "" {
		return nil
	}
	if found := r.literals[segment].find(rest, !more); found != nil {
		return found
	}
	return r.param.find(rest, !more)
}

// values reads the parameters off a path that matched.
func (l *leaf) values(path string) map[string]string {
	values := make(map[string]string, len(l.params))
	template := strings.Trim(l.template, "/")
	for next := 0; next < len(l.params); {
		var part, segment string
		part, template, _ = strings.Cut(template, "/")
		segment, path, _ = strings.Cut(path, "/")
		if strings.HasPrefix(part, "{") {
			values[l.params[next]] = segment
			next++
		}
	}
	return values
}

// add puts an operation into the tree. It returns what is wrong with its
// template, or "".
func (r *route) add(op *Operation) (problem string) {
	at := r
	var params []string
	for _, part := range segments(op.Template) {
		name, isParam := strings.CutPrefix(part, "{")
		if !isParam {
			literal, err := url.PathUnescape(part)
			if err != nil || part == "" || strings.ContainsAny(part, "{}") || strings.Contains(literal, "/") {
				return "the segment " + quote(part) + " cannot be matched; a segment is a literal, or one parameter as {name}"
			}
			if at.literals == nil {
				at.literals = make(map[string]*route)
			}
			if at.literals[literal] == nil {
				at.literals[literal] = &route{}
			}
			at = at.literals[literal]
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		if !closed || name == "" || strings.ContainsAny(name, "{}") {
			return "the segment " + quote(part) + " cannot be matched; a parameter is a whole segment, as {name}"
		}
		if slices.Contains(params, name) {
			return "the parameter {" + name + "} stands in it twice; name each parameter once"
		}
		params = append(params, name)
		if at.param == nil {
			at.param = &route{}
		}
		at = at.param
	}
	if at.leaf == nil {
		at.leaf = &leaf{template: op.Template, params: params, methods: make(map[string]*Operation)}
	}
	if at.leaf.template != op.Template {
		return "it matches the same paths as " + at.leaf.template + "; keep one of the two"
	}
	at.leaf.methods[op.Method] = op
	at.leaf.allow(op.Method)
	return ""
}

func (l *leaf) allow(method string) {
	l.allowed = append(l.allowed, method)
	if method == "GET" {
		l.allowed = append(l.allowed, "HEAD")
	}
	slices.Sort(l.allowed)
	l.allowed = slices.Compact(l.allowed)
}

// segments splits a template; the base has none.
func segments(template string) []string {
	template = strings.TrimPrefix(template, "/")
	template = strings.TrimSuffix(template, "/")
	if template == "" {
		return nil
	}
	return strings.Split(template, "/")
}

func quote(s string) string { return `"` + s + `"` }
