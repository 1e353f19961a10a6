// Package portal is the surface for developers: pages that say which APIs there
// are, how to call them, and what a refusal means. Everything on a page comes
// from the catalogue, from the running configuration and from the registry of
// problems, so that the pages cannot disagree with what the server does
// (CONTRACT §8).
//
// The flow of a page:
//
//	guard      the headers of every answer, whatever comes   portal.go
//	handler    its path, its model                           one file per page
//	render     the template, into a buffer, then out         render.go
//	fail       an error becomes a page, in one place         render.go
//
// Invariants: nothing is inline and nothing is fetched from elsewhere, so the
// Content-Security-Policy names no exception; no script; no cookie; a page that
// cannot be rendered whole is not sent in part. Text of a catalogue is escaped,
// or is Markdown whose HTML is ours (markdown.go).
//
// What it does not do yet: sign-up, apps, subscriptions, Try It, logs. Nothing
// here knows who is asking.
package portal

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// Config is what a Portal is made of. All fields are needed but Issuers, LocalCA and
// OverTLS.
type Config struct {
	Name         string                   // of the marketplace, in every title
	Catalog      func() *manifest.Catalog // as it is now; nil counts as empty
	Environments []Environment            // in the order in which they are shown
	Issuers      []Issuer                 // beside our own; may be none
	LocalCA      bool                     // the environments' certificates are a local CA's: curl has to be told
	OverTLS      bool                     // browsers are to come by TLS alone from now on (RFC 6797)
	Logger       *slog.Logger
}

// Environment is what callers have to know of an environment.
type Environment struct {
	Name      string // "sandbox", "production"
	BaseURL   string // of the gateway, no trailing slash
	Issuer    string
	MutualTLS string // URL at which certificates are asked for, no trailing slash; empty: none
	TokenURLs []TokenURL
}

// Metadata is the URL of the environment's metadata for client libraries (OpenID
// Connect Discovery 4, RFC 8414 §5): below the issuer, whether it has a path or not.
func (e Environment) Metadata() string {
	return strings.TrimSuffix(e.Issuer, "/") + "/.well-known/openid-configuration"
}

// Issuer is an issuer beside our own, as callers have to know it.
type Issuer struct {
	Name, URL    string
	Environments []string
}

// TokenURL is a token endpoint as clients see it.
type TokenURL struct {
	Dialect  string // "v1", "v2", "v3", "rfc"
	URL      string
	Lifetime time.Duration // of a token, where neither app nor product sets one
	JSON     bool          // takes JSON beside forms
}

// Portal serves the pages.
type Portal struct {
	Config
	views *views
	texts *markdown // pages of a catalogue, as sections
	notes *markdown // descriptions of operations
	style asset
	icon  asset
}

// New returns a portal for c.
func New(c Config) (*Portal, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("configuring the portal: %w", err)
	}
	views, err := parseViews()
	if err != nil {
		return nil, fmt.Errorf("reading the portal's templates: %w", err)
	}
	p := &Portal{Config: c, views: views, texts: newMarkdown(3), notes: newMarkdown(4)}
	if p.style, err = openAsset("style.css", "text/css; charset=utf-8"); err != nil {
		return nil, err
	}
	if p.icon, err = openAsset("icon.svg", "image/svg+xml"); err != nil {
		return nil, err
	}
	return p, nil
}

func (c Config) check() error {
	if c.Name == "" || c.Catalog == nil || c.Logger == nil {
		return errors.New("the name, the catalogue and the logger are all needed")
	}
	if len(c.Environments) == 0 {
		return errors.New("there is no environment to show")
	}
	for _, env := range c.Environments {
		urls := []string{env.BaseURL, env.Issuer}
		for _, t := range env.TokenURLs {
			urls = append(urls, t.URL)
		}
		for _, text := range urls {
			u, err := url.Parse(text)
			if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
				return fmt.Errorf("%q, of the environment %q, is not an absolute http or https URL", text, env.Name)
			}
		}
	}
	return nil
}

// Handler returns the portal's pages.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range map[string]httpx.HandlerFunc{
		"/{$}":                      p.home,
		"/apis/{name}":              p.api,
		"/apis/{name}/openapi.json": p.openAPI,
		"/errors":                   p.problems,
		"/errors/{code}":            p.problem,
		"/migrate/v1":               p.migrate,
		"/healthz":                  p.health,
		p.style.path:                p.style.serve,
		p.icon.path:                 p.icon.serve,
		"/":                         p.nothing,
	} {
		mux.Handle(pattern, httpx.Handle(onlyGet(handler), p.Fail))
	}
	none := httpx.Handle(onlyGet(p.nothing), p.Fail)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.guard(w.Header())
		if _, pattern := mux.Handler(r); pattern != "/" {
			httpx.Place(r.Context(), strings.TrimSuffix(pattern, "{$}"))
		}
		// The mux would redirect to what it takes a path for, or answer in a text of its own.
		if at := r.URL.EscapedPath(); r.Method == http.MethodConnect || at == "" || at[0] != '/' || path.Clean(at) != at {
			none.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// policy is the Content-Security-Policy of every answer: our stylesheet, our
// icon, our forms, and nothing else from anywhere.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// strict is how long browsers remember to come by TLS alone: a year.
const strict = "max-age=31536000"

// guard sets the headers that every answer has.
func (p *Portal) guard(h http.Header) {
	if p.OverTLS {
		h.Set("Strict-Transport-Security", strict)
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// onlyGet refuses methods that no page takes. The mux could, but would answer
// with a text of its own.
func onlyGet(next httpx.HandlerFunc) httpx.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return &fault{status: http.StatusMethodNotAllowed, allow: "GET, HEAD"}
		}
		return next(w, r)
	}
}

// nothing answers every path that is no page.
func (p *Portal) nothing(http.ResponseWriter, *http.Request) error { return notFound("") }

// health says that the portal is up.
func (p *Portal) health(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	httpx.WriteJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"OK"})
	return nil
}

// catalog is the catalogue as it is now.
func (p *Portal) catalog() *manifest.Catalog {
	if c := p.Catalog(); c != nil {
		return c
	}
	return &manifest.Catalog{}
}
