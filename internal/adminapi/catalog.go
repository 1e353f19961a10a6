package adminapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func catalogVersion(c market.CatalogVersion) api.CatalogVersion {
	return api.CatalogVersion{
		Version: c.Version, SHA256: c.SHA256, Applied: c.Applied.UTC(), By: c.By, Summary: lines(c.Summary),
	}
}

func lines(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n")
}

// current returns the catalogue in force, nil if none was applied.
func (h *Handler) current(r *http.Request) (*market.CatalogVersion, *manifest.Catalog, error) {
	c, err := view(r.Context(), h, func(read market.Reader) (market.CatalogVersion, error) { return read.Catalog(0) })
	if errors.Is(err, market.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	files, err := manifest.Open(c.Bundle)
	if err != nil {
		return nil, nil, fmt.Errorf("open catalogue %d: %w", c.Version, err)
	}
	loaded, err := manifest.Load(files, h.Catalogs)
	if err != nil {
		return nil, nil, fmt.Errorf("load catalogue %d: %w", c.Version, err)
	}
	return &c, loaded, nil
}

func (h *Handler) showCatalog(w http.ResponseWriter, r *http.Request) error {
	c, loaded, err := h.current(r)
	if err != nil {
		return err
	}
	if c == nil {
		return &refusal{code: api.CodeNotFound, detail: "no catalogue has been applied yet", hint: "apply one: sallyport catalog apply DIR"}
	}
	out := api.Catalog{CatalogVersion: catalogVersion(*c), APIs: []api.CatalogAPI{}, Products: []string{}}
	for _, a := range loaded.APIs {
		live := []string{}
		for _, env := range h.Environments {
			if _, ok := a.Upstreams[env]; ok {
				live = append(live, string(env))
			}
		}
		out.APIs = append(out.APIs, api.CatalogAPI{
			Name: a.Name, Title: a.Title, Version: a.Version, BasePath: a.BasePath,
			Products: append([]string{}, a.Products...), Operations: len(a.Document.Operations), Live: live,
		})
	}
	for _, p := range loaded.Products {
		out.Products = append(out.Products, p.Name)
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (h *Handler) catalogHistory(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	limit := q.limit()
	if err := q.err(); err != nil {
		return err
	}
	all, err := view(r.Context(), h, func(read market.Reader) ([]market.CatalogVersion, error) { return read.CatalogHistory(limit) })
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, "", catalogVersion))
	return nil
}

func (h *Handler) applyCatalog(w http.ResponseWriter, r *http.Request) error {
	var in api.CatalogPut
	if err := readUpTo(w, r, &in, maxCatalogBody); err != nil {
		return err
	}
	if len(in.Files) == 0 {
		return market.Invalid("files", "is empty: send the catalogue's files, as text by path")
	}
	files, err := manifest.Tree(in.Files)
	if err != nil {
		return market.Invalid("files", "%v", err)
	}
	wanted, err := manifest.Load(files, h.Catalogs)
	if err != nil {
		return &refusal{
			code: api.CodeInvalid, field: "files", detail: "the catalogue has faults; nothing was changed", errors: faults(err),
			hint: "mend them all and try again; a dry run only checks",
		}
	}
	bundle, sum, err := manifest.Bundle(files)
	if err != nil {
		return fmt.Errorf("bundle the catalogue: %w", err)
	}
	before, old, err := h.current(r)
	if err != nil {
		return err
	}
	out := api.CatalogResult{SHA256: sum, Diff: []string{}}
	if before != nil {
		out.Version = before.Version
	} else {
		old = &manifest.Catalog{}
	}
	out.Diff = append(out.Diff, manifest.Diff(old, wanted)...)
	out.Opens = manifest.Opened(old, wanted)
	if in.DryRun || before != nil && before.SHA256 == sum {
		httpx.WriteJSON(w, http.StatusOK, out)
		return nil
	}
	if len(out.Opens) > 0 && !in.AllowPublic {
		return &refusal{
			code: api.CodeConflict, detail: "the catalogue would let operations be called without a token; nothing was changed", errors: out.Opens,
			hint: "if that is meant, say so: allow_public, or sallyport catalog apply --allow-public; if not, take them out of the manifest",
		}
	}
	c, err := h.Market.ApplyCatalog(r.Context(), actor(r), market.CatalogVersion{
		SHA256: sum, Bundle: bundle, Summary: strings.Join(out.Diff, "\n"),
	}, wanted.Products)
	if err != nil {
		return err
	}
	out.Applied, out.Version = true, c.Version
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

// faults lists what an error joins, a line each.
func faults(err error) []string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out []string
		for _, e := range joined.Unwrap() {
			out = append(out, faults(e)...)
		}
		return out
	}
	return strings.Split(cmp.Or(strings.TrimSpace(err.Error()), "unknown"), "\n")
}
