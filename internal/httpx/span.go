package httpx

import (
	"context"
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/tracing"
)

// Span returns the span of the request that ctx belongs to, nil if it is not
// recorded.
func Span(ctx context.Context) *tracing.Span {
	if e := from(ctx); e != nil {
		return e.span
	}
	return nil
}

// told are the facts of the access record that a span has too, by what they are
// called there. Paths, addresses and errors of upstreams are not among them.
var told = map[string]string{
	"org_id": "sallyport.org_id", "app_id": "sallyport.app_id", "api": "sallyport.api", "operation": "sallyport.operation",
	"source": "sallyport.source", "error": "error.type", "problem": "error.type",
}

// finish ends the span of a request, by what the access record says of it.
func (e *entry) finish(method, surface string, status int) {
	if !knownMethod(method) {
		method = "_OTHER" // as the semantic conventions have it
	}
	name := method + " " + surface
	e.span.Text("http.request.method", method)
	e.span.Number("http.response.status_code", int64(status))
	e.span.Text("sallyport.surface", surface)
	for _, a := range e.attrs {
		if key := told[a.Key]; key != "" {
			e.span.Text(key, a.Value.String())
		}
		if a.Key == "operation" {
			name = method + " " + a.Value.String()
		}
	}
	if status >= http.StatusInternalServerError {
		e.span.Fail()
	}
	e.span.Finish(name)
}

func knownMethod(method string) bool {
	return slices.Contains([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}, method)
}
