package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// What is checked in a body must be what the upstream will find there. Upstreams
// read JSON with less care than this package: they take a member in another case,
// one item for a list of one, a number for a text. So whatever is nearly where a
// rule looks, but not quite, is refused.

// texts returns the texts that pointer names in the body; a segment * stands for
// every item of an array.
func (c *call) texts(pointer string) ([]string, error) {
	if pointer == "" || c.body == nil || c.body.document == nil {
		return nil, nil
	}
	segments := strings.Split(pointer[1:], "/")
	if _, object := c.body.document.(map[string]any); !object && segments[0] != manifest.EachItem {
		return nil, nil // not a request that this rule is about
	}
	values, err := find(c.body.document, "", segments)
	if err != nil {
		return nil, err
	}
	texts := make([]string, 0, len(values))
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			return nil, misplaced(pointer, "is not a text")
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// find returns the values at the end of segments, below the value at path.
func find(value any, path string, segments []string) ([]any, error) {
	if len(segments) == 0 {
		return []any{value}, nil
	}
	if value == nil {
		return nil, nil // null: there is nothing
	}
	segment, rest := segments[0], segments[1:]
	below := path + "/" + segment
	switch value := value.(type) {
	case map[string]any:
		if segment == manifest.EachItem {
			return nil, misplaced(path, "is not an array")
		}
		found, there, err := member(value, unescape(segment), below)
		if err != nil || !there {
			return nil, err
		}
		return find(found, below, rest)
	case []any:
		return findIn(value, path, segment, rest)
	}
	return nil, misplaced(path, "is not what this API takes there")
}

// findIn follows segment into an array.
func findIn(list []any, path, segment string, rest []string) ([]any, error) {
	if segment == manifest.EachItem {
		var all []any
		for _, item := range list {
			found, err := find(item, path+"/"+segment, rest)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	index, err := strconv.Atoi(segment)
	if err != nil || index < 0 {
		return nil, misplaced(path, "is an array")
	}
	if index >= len(list) {
		return nil, nil
	}
	return find(list[index], path+"/"+segment, rest)
}

// member returns the member called name. One that is called so in another case
// is refused, since some readers would take it.
func member(object map[string]any, name, path string) (value any, there bool, err error) {
	for other := range object {
		if other != name && strings.EqualFold(strings.TrimFunc(other, blank), name) {
			return nil, false, misplaced(path, "is there in another spelling")
		}
	}
	value, there = object[name]
	return value, there, nil
}

// pairs returns the values of the {name, value} pairs called name in the array
// that pointer names (S003: the body's headers).
func (c *call) pairs(pointer, name string) ([]string, error) {
	if pointer == "" || name == "" || c.body == nil {
		return nil, nil
	}
	if _, object := c.body.document.(map[string]any); !object {
		return nil, nil
	}
	lists, err := find(c.body.document, "", strings.Split(pointer[1:], "/"))
	if err != nil || len(lists) == 0 {
		return nil, err
	}
	list, ok := lists[0].([]any)
	if !ok {
		return nil, misplaced(pointer, "is not an array")
	}
	var values []string
	for i, item := range list {
		value, called, err := pair(item, name, fmt.Sprint(pointer, "/", i))
		if err != nil {
			return nil, err
		}
		if called {
			values = append(values, value)
		}
	}
	return values, nil
}

// pair returns the value of a pair, if it is called name.
func pair(item any, name, path string) (value string, called bool, err error) {
	object, ok := item.(map[string]any)
	if !ok {
		return "", false, misplaced(path, "is not a pair of name and value")
	}
	nameThere, _, err := member(object, "name", path+"/name")
	if err != nil {
		return "", false, err
	}
	given, _, err := member(object, "value", path+"/value")
	if err != nil {
		return "", false, err
	}
	text, isText := nameThere.(string)
	switch {
	case !isText:
		return "", false, misplaced(path+"/name", "is not a text")
	case !strings.EqualFold(strings.TrimFunc(text, blank), name):
		return "", false, nil
	case lower(text) != lower(name):
		return "", false, misplaced(path+"/name", "is "+name+" in another spelling")
	}
	if value, ok = given.(string); !ok {
		return "", false, misplaced(path+"/value", "is not a text")
	}
	return value, true, nil
}

// blank reports whether r is not seen: some readers trim it.
func blank(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// lower folds the case of ASCII letters alone: ſ is no s.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func unescape(segment string) string {
	return strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~")
}

// misplaced refuses a body that a rule cannot be sure about. Path holds nothing
// of the request: it is the manifest's pointer, and numbers.
func misplaced(path, what string) *refusal {
	ref := badBody(strings.TrimSuffix("The body's "+path, "'s ") + " " + what + ". Compare it with the API's reference")
	ref.field = path
	return ref
}
