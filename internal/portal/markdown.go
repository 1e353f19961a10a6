package portal

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown turns the Markdown of a catalogue into HTML that may stand on a page
// of ours: no HTML of its own, no image, no link but to the web, to mail or
// within the portal, and no attribute that the Content-Security-Policy forbids.
type markdown struct{ engine goldmark.Markdown }

// newMarkdown returns a renderer whose highest heading is of level top: those
// above belong to the page around the text.
func newMarkdown(top int) *markdown {
	return &markdown{goldmark.New(
		goldmark.WithExtensions(
			// Alignment would be a style attribute, which the policy forbids.
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone)),
		),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tamer{top}, 1000))),
		goldmark.WithRendererOptions(gmhtml.WithXHTML()),
	)}
}

// render renders source. It is the one place where text becomes template.HTML.
func (m *markdown) render(source string) (template.HTML, error) {
	var buf bytes.Buffer
	if err := m.engine.Convert([]byte(source), &buf); err != nil {
		return "", fmt.Errorf("rendering Markdown: %w", err)
	}
	return template.HTML(buf.String()), nil //nolint:gosec // goldmark escapes, and tamer has taken out what could act
}

// tamer is the transformer that holds a text to what [markdown] promises.
type tamer struct{ top int }

// Transform implements parser.ASTTransformer.
func (t tamer) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	// A title over the whole text says what the section around it says already.
	if h, ok := doc.FirstChild().(*ast.Heading); ok && h.Level == 1 {
		doc.RemoveChild(doc, h)
	}
	var headings []*ast.Heading
	var unwrap []ast.Node
	var plain []*ast.AutoLink
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			headings = append(headings, n)
		case *ast.Image: // its text stands for it: it would be fetched from elsewhere
			unwrap = append(unwrap, n)
		case *ast.Link:
			if !safeLink(string(n.Destination)) {
				unwrap = append(unwrap, n)
			}
		case *ast.AutoLink:
			if n.AutoLinkType == ast.AutoLinkURL && !safeLink(string(n.URL(reader.Source()))) {
				plain = append(plain, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range unwrap {
		for child := n.FirstChild(); child != nil; child = n.FirstChild() {
			n.Parent().InsertBefore(n.Parent(), n, child)
		}
		n.Parent().RemoveChild(n.Parent(), n)
	}
	for _, n := range plain {
		n.Parent().ReplaceChild(n.Parent(), n, ast.NewString(n.Label(reader.Source())))
	}
	t.lower(headings)
}

// lower moves all headings alike, so that the highest is of level top.
func (t tamer) lower(headings []*ast.Heading) {
	highest := 6
	for _, h := range headings {
		highest = min(highest, h.Level)
	}
	for _, h := range headings {
		h.Level = min(6, h.Level-highest+t.top)
	}
}

// safeLink reports whether a link may be followed: by https, http or mail, or
// within the portal. It looks at the destination as a browser would, which
// resolves entities and skips control characters and spaces (WHATWG URL §4.4).
func safeLink(destination string) bool {
	seen := strings.ToLower(strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f {
			return -1
		}
		return c
	}, html.UnescapeString(destination)))
	scheme, _, found := strings.Cut(seen, ":")
	if !found || strings.ContainsAny(scheme, "/?#") {
		return true // no scheme: the colon, if any, is in the path or behind it
	}
	return scheme == "https" || scheme == "http" || scheme == "mailto"
}
