package strictyaml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Get returns the member with that name, or nil.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for _, member := range n.Members {
		if member.Name == name {
			return member.Value
		}
	}
	return nil
}

// At returns the node that a JSON pointer (RFC 6901) names below n, or nil.
func (n *Node) At(pointer string) *Node {
	if pointer == "" {
		return n
	}
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch {
		case n == nil:
			return nil
		case n.Kind == List:
			index, err := strconv.Atoi(token)
			if err != nil || index < 0 || index >= len(n.Items) {
				return nil
			}
			n = n.Items[index]
		default:
			n = n.Get(token)
		}
	}
	return n
}

// Text returns the value of a Text, and "" for anything else.
func (n *Node) Text() string {
	if n == nil || n.Kind != Text {
		return ""
	}
	return n.Scalar
}

// Value returns the value in the model of encoding/json: nil, bool, float64,
// string, []any, map[string]any.
func (n *Node) Value() any {
	switch n.Kind {
	case Map:
		out := make(map[string]any, len(n.Members))
		for _, member := range n.Members {
			out[member.Name] = member.Value.Value()
		}
		return out
	case List:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Value()
		}
		return out
	case Number:
		f, _ := strconv.ParseFloat(n.Scalar, 64) // Parse saw that it is one
		return f
	case Bool:
		return n.Scalar == "true"
	case Text:
		return n.Scalar
	case Null:
	}
	return nil
}

// AppendJSON appends the value as compact JSON, members in the order of the
// document.
func (n *Node) AppendJSON(out []byte) []byte {
	switch n.Kind {
	case Map:
		out = append(out, '{')
		for i, member := range n.Members {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(AppendText(out, member.Name), ':')
			out = member.Value.AppendJSON(out)
		}
		return append(out, '}')
	case List:
		out = append(out, '[')
		for i, item := range n.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.AppendJSON(out)
		}
		return append(out, ']')
	case Number, Bool:
		return append(out, n.Scalar...)
	case Text:
		return AppendText(out, n.Scalar)
	case Null:
	}
	return append(out, "null"...)
}

// AppendText appends s as a JSON string, without the escapes that encoding/json
// adds for HTML.
func AppendText(out []byte, s string) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(fmt.Sprintf("strictyaml: a string cannot be encoded: %v", err)) // it always can
	}
	return append(out, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}
