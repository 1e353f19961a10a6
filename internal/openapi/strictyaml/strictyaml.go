// Package strictyaml reads the YAML that people write for Sallyport (OpenAPI
// documents, manifests, mock rules) in the one way in which it can only mean
// one thing, and remembers where everything stands: a [Node] knows its line, a
// map keeps its order.
//
// It reads one document of UTF-8 text; JSON is read as the YAML that it is.
// Refused are: a repeated key; anchors, aliases and merge keys, which hide what
// a file says and can make a small one huge; tags; numbers that YAML and JSON
// read differently (0123, 0x1F, 1_000, .inf), because the member id 0000000001
// is a text; nesting deeper than [MaxDepth].
//
// [Reader] then takes a tree apart and collects everything that is wrong with
// it as [Problems], each with its line, so that an author sees all mistakes at
// once.
//
// It does not write YAML and does not fill Go structs by reflection.
package strictyaml

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxDepth is how deep maps and lists may be nested.
const MaxDepth = 100

// Kind is the kind of a value.
type Kind string

// The kinds, as they are called in messages.
const (
	Null   Kind = "nothing"
	Bool   Kind = "true or false"
	Number Kind = "a number"
	Text   Kind = "a text"
	List   Kind = "a list"
	Map    Kind = "a map"
)

// Node is one value of a document.
type Node struct {
	Line    int
	Kind    Kind
	Members []Member // of a Map, in the order of the document
	Items   []*Node  // of a List
	Scalar  string   // of a Text, Number or Bool: as it is written
}

// Member is one entry of a map.
type Member struct {
	Name  string
	Line  int
	Value *Node
}

// number is what both YAML and JSON read as the same number.
var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// Parse reads one document. The error is a [Problems].
func Parse(data []byte) (*Node, error) {
	if !utf8.Valid(data) {
		return nil, Problems{{Line: 1, Text: "the file is not UTF-8 text"}}
	}
	if json.Valid(data) {
		return parseJSON(data)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, Problems{{Line: 1, Text: "the file is empty"}}
	} else if err != nil {
		return nil, Problems{syntax(err)}
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, Problems{{Line: max(second.Line, 1), Text: "the file holds more than one YAML document; write one, without \"---\" after it"}}
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil, Problems{{Line: 1, Text: "the file is empty"}}
	}
	var r Reader
	root := r.convert(document.Content[0], 0)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return root, nil
}

// syntax turns an error of the YAML library ("yaml: line 3: …") into a Problem.
func syntax(err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if before, after, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(before); err == nil {
				line, text = max(n, 1), after
			}
		}
	}
	return Problem{Line: line, Text: "not well-formed YAML: " + oneLine(text)}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (r *Reader) convert(from *yaml.Node, depth int) *Node {
	node := &Node{Line: from.Line, Kind: Null}
	if depth > MaxDepth {
		r.Problem(node, "nested too deeply; at most %d levels are allowed", MaxDepth)
		return node
	}
	if from.Anchor != "" || from.Kind == yaml.AliasNode {
		r.Problem(node, "anchors and aliases are not allowed; write the value out, or use $ref in an OpenAPI document")
		return node
	}
	if from.Style&yaml.TaggedStyle != 0 {
		r.Problem(node, "the tag %s is not allowed; write the value without a tag", from.Tag)
		return node
	}
	switch from.Kind {
	case yaml.MappingNode:
		node.Kind = Map
		r.convertMap(node, from, depth)
	case yaml.SequenceNode:
		node.Kind = List
		for _, item := range from.Content {
			node.Items = append(node.Items, r.convert(item, depth+1))
		}
	default:
		r.convertScalar(node, from)
	}
	return node
}

func (r *Reader) convertMap(node *Node, from *yaml.Node, depth int) {
	seen := make(map[string]int, len(from.Content)/2)
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		at := &Node{Line: key.Line}
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			r.Problem(at, "a key must be a plain text")
			continue
		case key.Tag == "!!merge":
			r.Problem(at, "merge keys (<<) are not allowed; write the members out")
			continue
		}
		if line, ok := seen[key.Value]; ok {
			r.Problem(at, "the key %q stands here for the second time; the first is in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		node.Members = append(node.Members, Member{Name: key.Value, Line: key.Line, Value: r.convert(from.Content[i+1], depth+1)})
	}
}

func (r *Reader) convertScalar(node *Node, from *yaml.Node) {
	node.Scalar = from.Value
	switch from.Tag {
	case "!!null":
		node.Kind = Null
	case "!!bool":
		node.Kind = Bool
		node.Scalar = strings.ToLower(from.Value)
	case "!!int", "!!float":
		node.Kind = Number
		if !number.MatchString(from.Value) {
			r.Problem(node, "%s can be read as more than one number; put it in quotes if it is a text, else write it as in JSON", from.Value)
		} else if _, err := strconv.ParseFloat(from.Value, 64); err != nil {
			r.Problem(node, "%s is out of range for a number", from.Value)
		}
	case "!!str", "!!timestamp": // a date without quotes is still a text
		node.Kind = Text
		if from.Style == 0 && number.MatchString(from.Value) { // YAML has no such number, JSON has
			r.Problem(node, "%s is out of range for a number; put it in quotes if it is a text", from.Value)
		}
	default:
		r.Problem(node, "the tag %s is not allowed; write the value without a tag", from.Tag)
	}
}
