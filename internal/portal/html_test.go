package portal_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// node is an element of a page, or a text.
type node struct {
	name     string // empty: a text
	text     string
	attrs    map[string]string
	parent   *node
	children []*node
}

// parse reads a page. Our templates write every element closed and every
// attribute quoted, so the strict reader of encoding/xml takes them, and what
// it refuses is a mistake.
func parse(t *testing.T, page string) *node {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Entity = xml.HTMLEntity
	root := &node{name: "#document"}
	at := root
	for {
		tok, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v\n%s", err, page)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: tok.Name.Local, attrs: map[string]string{}, parent: at}
			for _, a := range tok.Attr {
				n.attrs[a.Name.Local] = a.Value
			}
			at.children = append(at.children, n)
			at = n
		case xml.EndElement:
			at = at.parent
		case xml.CharData:
			at.children = append(at.children, &node{text: string(tok), parent: at})
		}
	}
}

// all returns the elements that want picks, in the order of the page.
func (n *node) all(want func(*node) bool) []*node {
	var found []*node
	for _, child := range n.children {
		if child.name == "" {
			continue
		}
		if want(child) {
			found = append(found, child)
		}
		found = append(found, child.all(want)...)
	}
	return found
}

func (n *node) named(name string) []*node {
	return n.all(func(n *node) bool { return n.name == name })
}

// one returns the only element of that name.
func (n *node) one(t *testing.T, name string) *node {
	t.Helper()
	found := n.named(name)
	if len(found) != 1 {
		t.Fatalf("the page has %d <%s>; want one", len(found), name)
	}
	return found[0]
}

// byID returns the element with that id, nil if there is none.
func (n *node) byID(id string) *node {
	if found := n.all(func(n *node) bool { return n.attrs["id"] == id }); len(found) > 0 {
		return found[0]
	}
	return nil
}

// content is the text of an element, with single spaces.
func (n *node) content() string {
	var b strings.Builder
	var write func(*node)
	write = func(n *node) {
		b.WriteString(n.text)
		for _, child := range n.children {
			write(child)
		}
	}
	write(n)
	return strings.Join(strings.Fields(b.String()), " ")
}
