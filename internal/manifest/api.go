package manifest

import (
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
		Request:   RequestRules{Validate: ValidateEnforce},
		Pages:     make(map[string]string),
		sums:      make(map[string][32]byte),
	}}
	r.manifest(root)
	l.take(file, r.Err())
	r.document(root)
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
	})
	if root.Kind != strictyaml.Map {
		return
	}
	for _, name := range []string{"base_path", "products", "openapi"} {
		if root.Get(name) == nil {
			r.Problem(root, "the manifest has no member %q; it must have base_path, products and openapi", name)
		}
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
	if r.openapi == nil {
		return
	}
	file := path.Join(r.folder, r.openapi.Scalar)
	doc, err := openapi.Parse(r.l.files[file])
	if err != nil {
		r.l.take(file, err)
		return
	}
	a := r.api
	a.Document, a.Source, a.Version = doc, doc.Source, doc.Version
	if root.Get("title") == nil {
		a.Title = doc.Title
	}
	if root.Get("summary") == nil {
		a.Summary = doc.Summary
	}
	rules := file // where the rules that examples carry stand
	var data []byte
	if r.mock != nil {
		rules = path.Join(r.folder, r.mock.Scalar)
		data = r.l.files[rules]
		if len(data) == 0 {
			r.l.problem(rules, 1, "the file is empty; give it rules, or take it out of the manifest")
		}
		r.l.sum(a, mockRules, rules)
	}
	if a.Mock, err = mock.ParseRules(data, doc); err != nil {
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
