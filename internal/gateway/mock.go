package gateway

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
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
	span := c.span.Child("mock", tracing.Internal)
	defer span.End()
	res, err := g.mockData(c)
	if err != nil {
		return err
	}
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

// mockData finds the answer.
func (g *Gateway) mockData(c *call) (mock.Response, error) {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return mock.Response{}, badPath("The query of the URL cannot be read").about("the query")
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
	res := c.api.Mock.Answer(c.api.Document, c.operation, req)
	if res.Rule == mock.None {
		return mock.Response{}, noMockData(c)
	}
	return res, nil
}

// noMockData is the refusal of a call that mock data is to answer where there is
// none. It says how to get live data, which is mostly what the caller is after.
func noMockData(c *call) *refusal {
	why, live := "This API has no live server here", "the API needs an upstream here"
	switch c.source.Reason {
	case "header":
		why, live = "The header environment asks for mock data", "leave the header out"
	case "not-subscribed":
		why, live = "Your organization has no contract for this API yet, so mock data is to answer", "have the operator approve the subscription"
	case "no-tin":
		why, live = "The request names no provider TIN, so mock data is to answer", "send one that is associated with your organization"
	}
	said := "this operation has none"
	if c.operation.ID == manifest.OtherOperation {
		said = "there is none for calls that no OpenAPI document lists"
	}
	add := "the operator adds a response example for a 2xx status to the OpenAPI document, or a rule to mock.yaml"
	ref := &refusal{
		status: http.StatusNotImplemented, code: codeNoMock,
		detail: why + ", and " + said + ". For live data, " + live + "; for mock data, " + add,
		reason: "there is no mock data for " + c.operation.ID + "; it was to answer because " + sourceReasons[c.source.Reason],
		next:   "for live data, " + live + "; for mock data, add a response example for a 2xx status to the document, or a rule to mock.yaml",
	}
	if c.source.Reason == "not-subscribed" {
		ref.next = "for live data, sallyport subscription approve " + c.product + " --org ORG --contract REFERENCE; for mock data, add a response example for a 2xx status to the document, or a rule to mock.yaml"
	}
	return ref
}
