package gateway

import (
	"log/slog"
	"net/url"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/mock"
	"github.com/sallyport-dev/sallyport/internal/tracing"
)

// answer has the call answered, and says by what (CONTRACT 5.4).
func (g *Gateway) answer(c *call) error {
	if name := g.Headers.Source; name != "" {
		c.w.Header()[name] = []string{c.source.String()}
	}
	if c.source.Live {
		return g.proxy.serve(c)
	}
	return g.mock(c)
}

// mock answers from the API's document and rules.
func (g *Gateway) mock(c *call) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badPath("The query of the URL cannot be read").about("the query")
	}
	req := mock.Request{
		Operation: c.operation.ID, Method: c.r.Method, Path: c.path, Params: c.params, Header: c.r.Header,
		Query: query, Trace: httpx.Trace(c.r.Context()),
	}
	if c.client.App != nil {
		req.App = c.client.App.Name
	}
	if c.body != nil {
		req.Body = c.body.document
	}
	span := c.span.Child("mock", tracing.Internal)
	defer span.End()
	res := c.api.Mock.Answer(c.api.Document, c.operation, req)
	if res.Delay > 0 {
		timer := time.NewTimer(res.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.r.Context().Done():
			return nil // nobody is there to answer
		}
	}
	h := c.w.Header()
	for name, values := range res.Header {
		h[name] = values
	}
	mediaType := res.Header.Get("Content-Type")
	if mediaType == "" {
		mediaType = "application/json"
	}
	c.status = res.Status
	httpx.Note(c.r.Context(), slog.String("mock_rule", res.Rule))
	httpx.WriteBody(c.w, res.Status, mediaType, res.Body)
	return nil
}
