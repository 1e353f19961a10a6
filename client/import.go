package client

import (
	"context"
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
)

// Import takes over clients of another server, all of them or none. What is wrong
// with them is told all at once, in the Errors of the problem.
func (m *Management) Import(ctx context.Context, in api.Import) (api.ImportResult, error) {
	return call[api.ImportResult](ctx, m, http.MethodPost, "/v1/import", nil, in)
}
