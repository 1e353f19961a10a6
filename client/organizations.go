package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sallyport-dev/sallyport/api"
)

// CreateOrganization adds an organization.
func (m *Management) CreateOrganization(ctx context.Context, in api.NewOrganization) (api.Organization, error) {
	return call[api.Organization](ctx, m, http.MethodPost, "/v1/organizations", nil, in)
}

// Organizations lists organizations, by id.
func (m *Management) Organizations(ctx context.Context, page api.Page) (api.List[api.Organization], error) {
	return call[api.List[api.Organization]](ctx, m, http.MethodGet, "/v1/organizations", pageQuery(page), nil)
}

// Organization returns an organization.
func (m *Management) Organization(ctx context.Context, org string) (api.Organization, error) {
	return call[api.Organization](ctx, m, http.MethodGet, "/v1/organizations/"+segment(org), nil, nil)
}

// UpdateOrganization changes an organization. Suspending one stops its tokens
// and calls everywhere.
func (m *Management) UpdateOrganization(ctx context.Context, org string, in api.OrganizationPatch) (api.Organization, error) {
	return call[api.Organization](ctx, m, http.MethodPatch, "/v1/organizations/"+segment(org), nil, in)
}

// TINs lists the TINs of an organization, or of all for "", in a state, or in
// any for "".
func (m *Management) TINs(ctx context.Context, org, state string) (api.List[api.TIN], error) {
	q := url.Values{}
	put(q, "org", org)
	put(q, "state", state)
	return call[api.List[api.TIN]](ctx, m, http.MethodGet, "/v1/tins", q, nil)
}

// OrganizationTINs lists the TINs of one organization, in a state, or in any
// for "".
func (m *Management) OrganizationTINs(ctx context.Context, org, state string) (api.List[api.TIN], error) {
	q := url.Values{}
	put(q, "state", state)
	return call[api.List[api.TIN]](ctx, m, http.MethodGet, "/v1/organizations/"+segment(org)+"/tins", q, nil)
}

// RequestTIN requests the association of a TIN.
func (m *Management) RequestTIN(ctx context.Context, org string, in api.NewTIN) (api.TIN, error) {
	return call[api.TIN](ctx, m, http.MethodPost, "/v1/organizations/"+segment(org)+"/tins", nil, in)
}

// TIN returns a TIN of an organization.
func (m *Management) TIN(ctx context.Context, org, tin string) (api.TIN, error) {
	return call[api.TIN](ctx, m, http.MethodGet, "/v1/organizations/"+segment(org)+"/tins/"+segment(tin), nil, nil)
}

// DecideTIN associates or refuses a TIN.
func (m *Management) DecideTIN(ctx context.Context, org, tin string, in api.TINDecision) (api.TIN, error) {
	return call[api.TIN](ctx, m, http.MethodPut, "/v1/organizations/"+segment(org)+"/tins/"+segment(tin), nil, in)
}

// DeleteTIN ends the association or the request of a TIN.
func (m *Management) DeleteTIN(ctx context.Context, org, tin string) error {
	_, err := m.send(ctx, http.MethodDelete, "/v1/organizations/"+segment(org)+"/tins/"+segment(tin), nil, nil)
	return err
}

// Submitters lists an organization's submitter ids.
func (m *Management) Submitters(ctx context.Context, org string) (api.List[api.Submitter], error) {
	return call[api.List[api.Submitter]](ctx, m, http.MethodGet, "/v1/organizations/"+segment(org)+"/submitters", nil, nil)
}

// AssignSubmitter assigns a submitter id to an organization.
func (m *Management) AssignSubmitter(ctx context.Context, org string, in api.NewSubmitter) (api.Submitter, error) {
	return call[api.Submitter](ctx, m, http.MethodPost, "/v1/organizations/"+segment(org)+"/submitters", nil, in)
}

// Submitter returns a submitter id of an organization.
func (m *Management) Submitter(ctx context.Context, org, kind, value string) (api.Submitter, error) {
	return call[api.Submitter](ctx, m, http.MethodGet,
		"/v1/organizations/"+segment(org)+"/submitters/"+segment(kind)+"/"+segment(value), nil, nil)
}

// RemoveSubmitter takes a submitter id away.
func (m *Management) RemoveSubmitter(ctx context.Context, org, kind, value string) error {
	_, err := m.send(ctx, http.MethodDelete,
		"/v1/organizations/"+segment(org)+"/submitters/"+segment(kind)+"/"+segment(value), nil, nil)
	return err
}
