package strictyaml

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// jsonReader builds the tree of a JSON text. The YAML library could read most
// JSON, but not tabs and surrogate pairs, and it is slow at it.
type jsonReader struct {
	Reader
	data    []byte
	decoder *json.Decoder
	line    int   // the line that offset is in
	offset  int64 // how far lines have been counted
}

// parseJSON reads data, which is valid JSON.
func parseJSON(data []byte) (*Node, error) {
	r := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	root := r.value(0)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return root, nil
}

// next returns the next token and its line. The decoder does not fail, because
// the text is known to be valid.
func (r *jsonReader) next() (json.Token, int) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, r.line
	}
	end := r.decoder.InputOffset()
	r.line += bytes.Count(r.data[r.offset:end], []byte("\n"))
	r.offset = end
	return token, r.line
}

func (r *jsonReader) value(depth int) *Node {
	token, line := r.next()
	return r.node(token, line, depth)
}

func (r *jsonReader) node(token json.Token, line, depth int) *Node {
	node := &Node{Line: line, Kind: Null}
	if depth == MaxDepth+1 {
		r.Problem(node, "nested too deeply; at most %d levels are allowed", MaxDepth)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			node.Kind = Map
			r.members(node, depth)
		} else {
			node.Kind = List
			for r.decoder.More() {
				node.Items = append(node.Items, r.value(depth+1))
			}
		}
		r.next() // the closing bracket
	case string:
		node.Kind, node.Scalar = Text, token
	case json.Number:
		node.Kind, node.Scalar = Number, token.String()
		if _, err := token.Float64(); err != nil {
			r.Problem(node, "%s is out of range for a number", token)
		}
	case bool:
		node.Kind, node.Scalar = Bool, strconv.FormatBool(token)
	}
	return node
}

func (r *jsonReader) members(node *Node, depth int) {
	seen := make(map[string]int)
	for r.decoder.More() {
		token, line := r.next()
		name, _ := token.(string)
		value := r.value(depth + 1)
		if first, ok := seen[name]; ok {
			r.Problem(&Node{Line: line}, "the key %q stands here for the second time; the first is in line %d", name, first)
			continue
		}
		seen[name] = line
		node.Members = append(node.Members, Member{Name: name, Line: line, Value: value})
	}
}
