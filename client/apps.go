package client

import (
	"context"
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
)

// CreateApp adds an app, without a secret yet.
func (m *Management) CreateApp(ctx context.Context, in api.NewApp) (api.App, error) {
	return call[api.App](ctx, m, http.MethodPost, "/v1/apps", nil, in)
}

// Apps lists the apps of an organization, or of all for "", by id.
func (m *Management) Apps(ctx context.Context, org string, page api.Page) (api.List[api.App], error) {
	q := pageQuery(page)
	put(q, "org", org)
	return call[api.List[api.App]](ctx, m, http.MethodGet, "/v1/apps", q, nil)
}

// App returns an app.
func (m *Management) App(ctx context.Context, app string) (api.App, error) {
	return call[api.App](ctx, m, http.MethodGet, "/v1/apps/"+segment(app), nil, nil)
}

// UpdateApp changes an app. Disabling one stops its tokens and calls.
func (m *Management) UpdateApp(ctx context.Context, app string, in api.AppPatch) (api.App, error) {
	return call[api.App](ctx, m, http.MethodPatch, "/v1/apps/"+segment(app), nil, in)
}

// DeleteApp deletes an app with its credentials; its tokens die with it.
func (m *Management) DeleteApp(ctx context.Context, app string) error {
	_, err := m.send(ctx, http.MethodDelete, "/v1/apps/"+segment(app), nil, nil)
	return err
}

// CreateCredential makes a client secret, and the answer is the only one that
// shows it; or adds a key, the URL of a key set, a certificate or a certified name
// that the app authenticates by.
func (m *Management) CreateCredential(ctx context.Context, app string, in api.NewCredential) (api.CreatedCredential, error) {
	return call[api.CreatedCredential](ctx, m, http.MethodPost, "/v1/apps/"+segment(app)+"/credentials", nil, in)
}

// Credentials lists an app's credentials, oldest first.
func (m *Management) Credentials(ctx context.Context, app string) (api.List[api.Credential], error) {
	return call[api.List[api.Credential]](ctx, m, http.MethodGet, "/v1/apps/"+segment(app)+"/credentials", nil, nil)
}

// Credential returns a credential, without its secret.
func (m *Management) Credential(ctx context.Context, credential string) (api.Credential, error) {
	return call[api.Credential](ctx, m, http.MethodGet, "/v1/credentials/"+segment(credential), nil, nil)
}

// ExpireCredential moves the moment at which a credential stops to authenticate.
// Tokens that it got until then live on.
func (m *Management) ExpireCredential(ctx context.Context, credential string, at api.Expiry) (api.Credential, error) {
	return call[api.Credential](ctx, m, http.MethodPatch, "/v1/credentials/"+segment(credential), nil, api.CredentialPatch{Expires: &at})
}

// RevokeCredential ends a credential, and the tokens that it got.
func (m *Management) RevokeCredential(ctx context.Context, credential string) (api.Credential, error) {
	return call[api.Credential](ctx, m, http.MethodPost, "/v1/credentials/"+segment(credential)+"/revoke", nil, nil)
}
