package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

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

// DeleteApp deletes an app with its credentials; its tokens die with it. One with
// a credential in use needs force.
func (m *Management) DeleteApp(ctx context.Context, app string, force bool) error {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	_, err := m.send(ctx, http.MethodDelete, "/v1/apps/"+segment(app), q, nil)
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

// CredentialsBy lists the credentials that filter chooses, of all apps, by id.
func (m *Management) CredentialsBy(ctx context.Context, filter api.CredentialFilter, page api.Page) (api.List[api.Credential], error) {
	q := pageQuery(page)
	put(q, "org", filter.Org)
	put(q, "app", filter.App)
	if filter.Expiring != 0 {
		q.Set("expiring", strconv.Itoa(filter.Expiring))
	}
	return call[api.List[api.Credential]](ctx, m, http.MethodGet, "/v1/credentials", q, nil)
}

// ExpireCredential moves the moment at which a credential stops to authenticate.
// Tokens that it got until then live on.
func (m *Management) ExpireCredential(ctx context.Context, credential string, in api.CredentialPatch) (api.Credential, error) {
	return call[api.Credential](ctx, m, http.MethodPatch, "/v1/credentials/"+segment(credential), nil, in)
}

// RotateCredential makes a secret in the place of another, which goes on working
// for a while; the answer is the only one that shows it.
func (m *Management) RotateCredential(ctx context.Context, credential string, in api.CredentialRotation) (api.RotatedCredential, error) {
	return call[api.RotatedCredential](ctx, m, http.MethodPost, "/v1/credentials/"+segment(credential)+"/rotate", nil, in)
}

// RevokeCredential ends a credential, and the tokens that it got. One that was used
// in the last 24 hours is a conflict whose Field is "force", unless in says it.
func (m *Management) RevokeCredential(ctx context.Context, credential string, in api.CredentialRevocation) (api.Credential, error) {
	return call[api.Credential](ctx, m, http.MethodPost, "/v1/credentials/"+segment(credential)+"/revoke", nil, in)
}
