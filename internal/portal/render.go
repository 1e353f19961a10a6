package portal

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

//go:embed templates
var templates embed.FS

// views are the templates, each page's with the layout around it.
type views struct {
	home, api, problems, problem, migrate, fault *template.Template
}

func parseViews() (*views, error) {
	layout, err := template.New("layout.html").Option("missingkey=error").ParseFS(templates, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	v := &views{}
	for name, to := range map[string]**template.Template{
		"home.html": &v.home, "api.html": &v.api, "problems.html": &v.problems,
		"problem.html": &v.problem, "migrate.html": &v.migrate, "fault.html": &v.fault,
	} {
		page, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if *to, err = page.ParseFS(templates, "templates/"+name); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// section is a part of the portal that the navigation leads to.
type section string

const (
	sectionAPIs    section = "apis"
	sectionErrors  section = "errors"
	sectionMigrate section = "migrate"
	sectionNone    section = ""
)

// page is what the layout is given.
type page struct {
	Site      string
	Title     string // of this page; empty: the site's is enough
	Section   section
	StylePath string
	IconPath  string
	Body      any // the page's own model
}

// render answers with a page, whole or not at all.
func (p *Portal) render(w http.ResponseWriter, status int, view *template.Template, pg page) error {
	pg.Site, pg.StylePath, pg.IconPath = p.Name, p.style.path, p.icon.path
	var buf bytes.Buffer
	if err := view.Execute(&buf, pg); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	w.Header().Set("Cache-Control", "no-cache") // a catalogue may be applied at any time
	httpx.WriteBody(w, status, "text/html; charset=utf-8", buf.Bytes())
	return nil
}

// fault is an error with a page of its own.
type fault struct {
	status int
	what   string // that was looked for; empty: a page
	allow  string // of a 405
}

// Error implements error.
func (f *fault) Error() string { return http.StatusText(f.status) + " " + f.what }

func notFound(what string) error { return &fault{status: http.StatusNotFound, what: what} }

// faultView is the model of the page of a fault.
type faultView struct {
	Status int
	What   string
	Trace  string
}

// Fail answers err with a page. It is also for errors that come from around the
// handler, such as a panic.
func (p *Portal) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p.guard(w.Header())
	var f *fault
	if !errors.As(err, &f) {
		p.Logger.ErrorContext(r.Context(), "page failed", slog.Any("error", err), slog.String("trace_id", httpx.Trace(r.Context())))
		f = &fault{status: http.StatusInternalServerError}
	}
	if f.allow != "" {
		w.Header().Set("Allow", f.allow)
	}
	title := "Something went wrong here"
	switch f.status {
	case http.StatusNotFound:
		title = "Not found"
	case http.StatusMethodNotAllowed:
		title = "Pages are only read"
	}
	err = p.render(w, f.status, p.views.fault, page{
		Title: title, Section: sectionNone,
		Body: faultView{Status: f.status, What: f.what, Trace: httpx.Trace(r.Context())},
	})
	if err != nil { // nothing has been written: say the least
		p.Logger.ErrorContext(r.Context(), "fault page failed", slog.Any("error", err), slog.String("trace_id", httpx.Trace(r.Context())))
		httpx.WriteBody(w, http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("Something went wrong here.\n"))
	}
}
