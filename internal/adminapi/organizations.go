package adminapi

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func organization(o market.Organization) api.Organization {
	return api.Organization{ID: string(o.ID), Name: o.Name, State: string(o.State), NotBefore: o.NotBefore, Created: o.Created.UTC()}
}

func (h *Handler) createOrganization(w http.ResponseWriter, r *http.Request) error {
	var in api.NewOrganization
	if err := read(w, r, &in); err != nil {
		return err
	}
	o, err := h.Market.AddOrganization(r.Context(), actor(r), in.Name)
	if err != nil {
		return err
	}
	created(w, "/v1/organizations/"+string(o.ID), organization(o))
	return nil
}

func (h *Handler) listOrganizations(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	page := q.page()
	if err := q.err(); err != nil {
		return err
	}
	var orgs []market.Organization
	var next string
	err := h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		orgs, next, err = read.Orgs(page)
		return err
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(orgs, next, organization))
	return nil
}

func (h *Handler) patchOrganization(w http.ResponseWriter, r *http.Request) error {
	org, err := orgID(r)
	if err != nil {
		return err
	}
	var in api.OrganizationPatch
	if err := read(w, r, &in); err != nil {
		return err
	}
	o, err := h.Market.ChangeOrganization(r.Context(), actor(r), org, market.OrganizationPatch{
		Name:      in.Name,
		State:     (*market.OrgState)(in.State),
		NotBefore: h.epoch(in.NotBefore),
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, organization(o))
	return nil
}

// isOrg holds a filter to the organizations that there are; none is no filter.
func isOrg(read market.Reader, org id.Org) error {
	if org == "" {
		return nil
	}
	_, err := read.Org(org)
	return err
}
