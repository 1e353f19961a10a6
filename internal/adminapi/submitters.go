package adminapi

import (
	"net/http"
	"net/url"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func submitter(s market.Submitter) api.Submitter {
	return api.Submitter{Org: string(s.Org), Kind: string(s.Kind), Value: s.Value, Created: s.Created.UTC()}
}

func (h *Handler) listSubmitters(w http.ResponseWriter, r *http.Request) error {
	org, err := orgID(r)
	if err != nil {
		return err
	}
	if err := readQuery(r).err(); err != nil {
		return err
	}
	all, err := view(r.Context(), h, func(read market.Reader) ([]market.Submitter, error) {
		if err := isOrg(read, org); err != nil {
			return nil, err
		}
		return read.Submitters(org)
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, "", submitter))
	return nil
}

func (h *Handler) assignSubmitter(w http.ResponseWriter, r *http.Request) error {
	org, err := orgID(r)
	if err != nil {
		return err
	}
	var in api.NewSubmitter
	if err := read(w, r, &in); err != nil {
		return err
	}
	s, err := h.Market.AssignSubmitter(r.Context(), actor(r), org, market.SubmitterKind(in.Kind), in.Value)
	if err != nil {
		return err
	}
	created(w, "/v1/organizations/"+string(org)+"/submitters/"+string(s.Kind)+"/"+url.PathEscape(s.Value), submitter(s))
	return nil
}

// orgSubmitter returns the identifiers of a submitter id's path.
func orgSubmitter(r *http.Request) (org id.Org, kind market.SubmitterKind, value string, err error) {
	if org, err = orgID(r); err != nil {
		return "", "", "", err
	}
	kind, value = market.SubmitterKind(r.PathValue("kind")), r.PathValue("value")
	if kind != market.SubmitterOwn && kind != market.SubmitterHost || !printing(value) {
		return "", "", "", errNoSubmitter
	}
	return org, kind, value, nil
}

var errNoSubmitter = notFound("submitter id", "GET /v1/organizations/{org}/submitters lists them")

func (h *Handler) showSubmitter(w http.ResponseWriter, r *http.Request) error {
	org, kind, value, err := orgSubmitter(r)
	if err != nil {
		return err
	}
	all, err := view(r.Context(), h, func(read market.Reader) ([]market.Submitter, error) { return read.Submitters(org) })
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Kind == kind && s.Value == value {
			httpx.WriteJSON(w, http.StatusOK, submitter(s))
			return nil
		}
	}
	return errNoSubmitter
}

func (h *Handler) removeSubmitter(w http.ResponseWriter, r *http.Request) error {
	org, kind, value, err := orgSubmitter(r)
	if err != nil {
		return err
	}
	if err := h.Market.RemoveSubmitter(r.Context(), actor(r), org, kind, value); err != nil {
		return err
	}
	done(w)
	return nil
}
