package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// Keys lists the signing keys of an environment, or of all for "".
func (m *Management) Keys(ctx context.Context, environment string) (api.List[api.Key], error) {
	q := url.Values{}
	put(q, "environment", environment)
	return call[api.List[api.Key]](ctx, m, http.MethodGet, "/v1/keys", q, nil)
}

// RotateKey makes a new signing key.
func (m *Management) RotateKey(ctx context.Context, in api.KeyRotation) (api.Key, error) {
	return call[api.Key](ctx, m, http.MethodPost, "/v1/keys/rotate", nil, in)
}

// RevokeKey revokes a signing key, and with it every token that it signed.
func (m *Management) RevokeKey(ctx context.Context, kid string) (api.Key, error) {
	return call[api.Key](ctx, m, http.MethodPost, "/v1/keys/"+segment(kid)+"/revoke", nil, nil)
}

// Nodes lists the nodes of the installation.
func (m *Management) Nodes(ctx context.Context) (api.List[api.Node], error) {
	return call[api.List[api.Node]](ctx, m, http.MethodGet, "/v1/nodes", nil, nil)
}

// RemoveNode forgets a node that has ended without saying so.
func (m *Management) RemoveNode(ctx context.Context, node string) error {
	_, err := m.send(ctx, http.MethodDelete, "/v1/nodes/"+segment(node), nil, nil)
	return err
}

// NotBefores lists the not-before of the platform and of every environment.
func (m *Management) NotBefores(ctx context.Context) (api.List[api.NotBefore], error) {
	return call[api.List[api.NotBefore]](ctx, m, http.MethodGet, "/v1/not-before", nil, nil)
}

// NotBefore returns the not-before of a level: "platform", or an environment.
func (m *Management) NotBefore(ctx context.Context, level string) (api.NotBefore, error) {
	return call[api.NotBefore](ctx, m, http.MethodGet, "/v1/not-before/"+segment(level), nil, nil)
}

// SetNotBefore revokes every token of a level that was issued before second,
// or until [api.Now].
func (m *Management) SetNotBefore(ctx context.Context, level string, second api.EpochSecond) (api.NotBefore, error) {
	return call[api.NotBefore](ctx, m, http.MethodPut, "/v1/not-before/"+segment(level), nil, api.NotBeforePut{NotBefore: &second})
}

// RevokeToken ends one access token, by its jti.
func (m *Management) RevokeToken(ctx context.Context, in api.TokenRevocation) error {
	_, err := m.send(ctx, http.MethodPost, "/v1/tokens/revoke", nil, in)
	return err
}

// CreateOperatorToken makes an operator token; the answer is the only one that
// shows it.
func (m *Management) CreateOperatorToken(ctx context.Context, in api.NewOperatorToken) (api.CreatedOperatorToken, error) {
	return call[api.CreatedOperatorToken](ctx, m, http.MethodPost, "/v1/operator-tokens", nil, in)
}

// OperatorTokens lists the operator tokens.
func (m *Management) OperatorTokens(ctx context.Context) (api.List[api.OperatorToken], error) {
	return call[api.List[api.OperatorToken]](ctx, m, http.MethodGet, "/v1/operator-tokens", nil, nil)
}

// OperatorToken returns an operator token, without the token.
func (m *Management) OperatorToken(ctx context.Context, token string) (api.OperatorToken, error) {
	return call[api.OperatorToken](ctx, m, http.MethodGet, "/v1/operator-tokens/"+segment(token), nil, nil)
}

// RevokeOperatorToken ends an operator token.
func (m *Management) RevokeOperatorToken(ctx context.Context, token string) (api.OperatorToken, error) {
	return call[api.OperatorToken](ctx, m, http.MethodPost, "/v1/operator-tokens/"+segment(token)+"/revoke", nil, nil)
}

// Audit lists who did what, newest first.
func (m *Management) Audit(ctx context.Context, filter api.AuditFilter) (api.List[api.AuditRecord], error) {
	q := pageQuery(filter.Page)
	put(q, "org", filter.Org)
	put(q, "kind", filter.Kind)
	put(q, "id", filter.ID)
	return call[api.List[api.AuditRecord]](ctx, m, http.MethodGet, "/v1/audit", q, nil)
}

// Usage counts calls and tokens, by hour.
func (m *Management) Usage(ctx context.Context, filter api.UsageFilter) (api.List[api.UsageRow], error) {
	q := url.Values{}
	put(q, "org", filter.Org)
	put(q, "app", filter.App)
	put(q, "environment", filter.Environment)
	put(q, "from", rfc3339(filter.From))
	put(q, "to", rfc3339(filter.To))
	put(q, "by", filter.By)
	return call[api.List[api.UsageRow]](ctx, m, http.MethodGet, "/v1/usage", q, nil)
}

// TokenUsage tells how apps use their tokens, those that fetch far too many first.
func (m *Management) TokenUsage(ctx context.Context, filter api.TokenUsageFilter) (api.List[api.TokenUsage], error) {
	q := pageQuery(filter.Page)
	put(q, "org", filter.Org)
	put(q, "app", filter.App)
	put(q, "environment", filter.Environment)
	put(q, "from", rfc3339(filter.From))
	put(q, "to", rfc3339(filter.To))
	return call[api.List[api.TokenUsage]](ctx, m, http.MethodGet, "/v1/token-usage", q, nil)
}

// Refusals lists what was refused, newest first.
func (m *Management) Refusals(ctx context.Context, filter api.RefusalFilter) (api.List[api.Refusal], error) {
	q := pageQuery(filter.Page)
	put(q, "org", filter.Org)
	put(q, "app", filter.App)
	put(q, "credential", filter.Credential)
	put(q, "environment", filter.Environment)
	put(q, "surface", filter.Surface)
	put(q, "code", filter.Code)
	put(q, "trace", filter.Trace)
	put(q, "from", rfc3339(filter.From))
	put(q, "to", rfc3339(filter.To))
	return call[api.List[api.Refusal]](ctx, m, http.MethodGet, "/v1/refusals", q, nil)
}

// Refusal explains the refusal with that trace id.
func (m *Management) Refusal(ctx context.Context, trace string) (api.Refusal, error) {
	return call[api.Refusal](ctx, m, http.MethodGet, "/v1/refusals/"+segment(trace), nil, nil)
}

// Explain says what would become of a call, and why. It is not made. Who calls, c.Token
// says, or c.App or c.ClientID: then no token is needed, and none is made.
func (m *Management) Explain(ctx context.Context, c api.Call) (api.Explanation, error) {
	return call[api.Explanation](ctx, m, http.MethodPost, "/v1/explain", nil, c)
}

// Status returns how the node that answers is.
func (m *Management) Status(ctx context.Context) (api.Status, error) {
	return call[api.Status](ctx, m, http.MethodGet, "/v1/status", nil, nil)
}

// Health returns an error unless the node answers. It needs no token.
func (m *Management) Health(ctx context.Context) (api.Health, error) {
	return call[api.Health](ctx, m, http.MethodGet, "/healthz", nil, nil)
}

// OpenAPI returns the server's OpenAPI document, in YAML. It needs no token.
func (m *Management) OpenAPI(ctx context.Context) (string, error) {
	data, err := m.send(ctx, http.MethodGet, "/v1/openapi.yaml", nil, nil)
	return string(data), err
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Metrics returns what the node tells Prometheus, in its text format.
func (m *Management) Metrics(ctx context.Context) (string, error) {
	data, err := m.send(ctx, http.MethodGet, "/metrics", nil, nil)
	return string(data), err
}
