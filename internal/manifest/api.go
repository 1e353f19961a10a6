package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/mock"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// pages lists the pages that an API may have.
func pages() []string { return []string{"overview", "changelog", "faq", "security"} }

// apiReader reads one manifest.yaml.
type apiReader struct {
	strictyaml.Reader
	l      *loader
	folder string
	api    *API

	openapi *strictyaml.Node // the name of the file
	mock    *strictyaml.Node

	publicNode *strictyaml.Node
}

// unsure notes what only the configuration of a server can tell, and reports whether
// that is not at hand: if it is, an unknown name is a fault.
func (r *apiReader) unsure(n *strictyaml.Node, format string, args ...any) bool {
	if r.l.unsure == nil {
		return false
	}
	r.l.unsure(Problem{File: path.Join(r.folder, manifestFile), Line: max(n.Line, 1), Text: fmt.Sprintf(format, args...)})
	return true
}

// api reads the API in folder.
func (l *loader) api(folder string) {
	file := path.Join(folder, manifestFile)
	data, ok := l.files[file]
	if !ok {
		l.problem(file, 1, "is missing; every folder of a catalogue is an API and has one")
		return
	}
	root, err := strictyaml.Parse(data)
	if err != nil {
		l.take(file, err)
		return
	}
	r := &apiReader{l: l, folder: folder, api: &API{
		Name:      folder,
		Upstreams: make(map[market.Environment]Upstream),
		Request:   RequestRules{Validate: ValidateEnforce, Unlisted: RefuseUnlisted},
		Answers:   ValidateOff,
		Pages:     make(map[string]string),
		sums:      make(map[string][32]byte),
	}}
	r.manifest(root)
	r.document(root)
	l.take(file, r.Err())
	r.pages()
	if r.api.BasePath != "" {
		l.bases = append(l.bases, base{r.api.BasePath, file, root.Get("base_path").Line})
	}
	l.catalog.APIs = append(l.catalog.APIs, r.api)
}

func (r *apiReader) manifest(root *strictyaml.Node) {
	a := r.api
	r.Map(root, "the manifest", strictyaml.Fields{
		"title":     r.Text("title", &a.Title),
		"summary":   r.Text("summary", &a.Summary),
		"base_path": r.basePath,
		"products":  r.products,
		"openapi":   func(n *strictyaml.Node) { r.openapi = r.fileName(n, "openapi") },
		"mock":      func(n *strictyaml.Node) { r.mock = r.fileName(n, "mock") },
		"upstreams": r.upstreams,
		"request":   r.request,
		"answer":    r.answer,
	})
	if root.Kind != strictyaml.Map {
		return
	}
	for _, name := range []string{"base_path", "products"} {
		if root.Get(name) == nil {
			r.Problem(root, "the manifest has no member %q; it must have base_path and products", name)
		}
	}
	if root.Get("openapi") == nil {
		r.withoutDocument(root)
	}
}

// withoutDocument lets an API be proxied that is described nowhere: all that is
// below its base path.
func (r *apiReader) withoutDocument(root *strictyaml.Node) {
	r.api.Document = openapi.Undescribed()
	r.api.Request.Unlisted = PassUnlisted
	r.api.Request.Validate = ValidateOff
	if root.Get("title") == nil {
		r.Problem(root, "the manifest has no title and no OpenAPI document that has one; give it a title, or name the document as openapi")
	}
	if answer := root.Get("answer"); answer != nil {
		r.Problem(answer, "answer needs an OpenAPI document to hold answers to; name it as openapi, or take answer out")
	}
	if request := root.Get("request"); request != nil && request.Kind == strictyaml.Map && request.Get("validate") != nil {
		r.Problem(request.Get("validate"), "validate needs an OpenAPI document to hold requests to; name it as openapi, or take validate out")
	}
}

func (r *apiReader) basePath(n *strictyaml.Node) {
	var text string
	if r.Text("base_path", &text)(n); text == "" {
		return
	}
	first, rest, _ := strings.Cut(text, "/")
	ok := first == "" && rest != ""
	for segment := range strings.SplitSeq(rest, "/") {
		ok = ok && segment != "" && segment != "." && segment != ".." && !strings.ContainsFunc(segment, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~", c)
		})
	}
	switch {
	case !ok:
		r.Problem(n, "the base path %q cannot be used; it begins with \"/\", does not end with one, and its segments are of letters, digits and -._~", text)
	case text == "/.well-known" || strings.HasPrefix(text, "/.well-known/"):
		r.Problem(n, "the base path %q belongs to the discovery documents; choose one outside /.well-known", text)
	default:
		r.api.BasePath = text
	}
}

func (r *apiReader) products(n *strictyaml.Node) {
	r.Texts("products", &r.api.Products)(n)
	if n.Kind == strictyaml.List && len(n.Items) == 0 {
		r.Problem(n, "products is empty; an API is part of at least one product, or nobody could call it")
	}
	known := make([]string, 0, len(r.l.catalog.Products))
	for _, p := range r.l.catalog.Products {
		known = append(known, p.Name)
	}
	for _, item := range n.Items {
		if item.Kind == strictyaml.Text && !slices.Contains(known, item.Scalar) {
			r.Problem(item, "there is no product %q in %s; there are: %s", item.Scalar, productsFile, joined(known))
		}
	}
}

// fileName reads the name of a file in the API's folder.
func (r *apiReader) fileName(n *strictyaml.Node, what string) *strictyaml.Node {
	var name string
	if r.Text(what, &name)(n); name == "" {
		return nil
	}
	if strings.ContainsAny(name, "/\\") {
		r.Problem(n, "%s is %q; it must be the name of a file in this folder, without a path", what, name)
		return nil
	}
	if _, ok := r.l.files[path.Join(r.folder, name)]; !ok {
		r.Problem(n, "there is no file %q in this folder; put it there, or correct %s", name, what)
		return nil
	}
	return n
}

// document reads the OpenAPI document and the rules of the mock.
func (r *apiReader) document(root *strictyaml.Node) {
	a := r.api
	if r.openapi == nil && root.Get("openapi") != nil {
		return // a name that is wrong, and was told
	}
	if root.Kind != strictyaml.Map {
		return
	}
	rules := path.Join(r.folder, manifestFile)
	if r.openapi != nil {
		rules = path.Join(r.folder, r.openapi.Scalar) // where the rules that examples carry stand
		doc, err := r.l.documents.parse(r.folder, r.l.files[rules])
		if err != nil {
			r.l.take(rules, err)
			return
		}
		a.Document, a.Source, a.Version = doc, doc.Source, doc.Version
		if root.Get("title") == nil {
			a.Title = doc.Title
		}
		if root.Get("summary") == nil {
			a.Summary = doc.Summary
		}
	}
	r.publicOperations()
	var data []byte
	if r.mock != nil {
		rules = path.Join(r.folder, r.mock.Scalar)
		data = r.l.files[rules]
		if len(data) == 0 {
			r.l.problem(rules, 1, "the file is empty; give it rules, or take it out of the manifest")
		}
		r.l.sum(a, mockRules, rules)
	}
	var err error
	if a.Mock, err = mock.ParseRules(data, a.Document); err != nil {
		r.l.take(rules, err)
	}
}

// pages takes the Markdown pages, and complains about files that nothing uses.
func (r *apiReader) pages() {
	for name, data := range r.l.files {
		folder, base := path.Split(name)
		if folder != r.folder+"/" || base == manifestFile ||
			(r.openapi != nil && base == r.openapi.Scalar) || (r.mock != nil && base == r.mock.Scalar) {
			continue
		}
		page, markdown := strings.CutSuffix(base, ".md")
		switch {
		case !markdown || !slices.Contains(pages(), page):
			if r.openapi != nil { // else it may be the document whose name is wrong
				r.l.problem(printable(name), 1, "is used by nothing; in this folder stand %s, the files that it names, and the pages %s.md", manifestFile, strings.Join(pages(), ".md, "))
			}
		case !isText(data):
			r.l.problem(name, 1, "is not UTF-8 text; a page is Markdown")
		default:
			r.api.Pages[page] = string(data)
			r.l.sum(r.api, page, name)
		}
	}
}

func joined(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
