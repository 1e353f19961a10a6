package gateway

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// parameters holds path, query and headers to the document. Headers that the
// gateway reads are judged by whoever reads them.
func (g *Gateway) parameters(c *call) error {
	if c.api.Request.Validate == manifest.ValidateOff || len(c.operation.Parameters) == 0 {
		return nil
	}
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badPath("The query of the URL cannot be read")
	}
	v := c.operation.CheckParameters(openapi.Values{
		Path: c.params, Query: query, Header: c.r.Header.Values, Known: func(name string) bool { return g.reads(c, name) },
	})
	if v == nil {
		return nil
	}
	ref := badBody("The request does not match the API: " + v.String())
	ref.field = v.Field
	return g.mismatch(c, ref)
}

// reads reports whether a header means something to the gateway itself.
func (g *Gateway) reads(c *call, name string) bool {
	if strings.EqualFold(name, "Environment") || strings.EqualFold(name, "Authorization") ||
		strings.EqualFold(name, "Accept") || strings.EqualFold(name, "Content-Type") || // OpenAPI 3.1 §4.8.12.1: not by parameters
		slices.ContainsFunc(g.Headers.TraceAccept, func(trace string) bool { return strings.EqualFold(trace, name) }) {
		return true
	}
	rules := c.api.Request
	return rules.TIN != nil && strings.EqualFold(name, rules.TIN.Header) ||
		rules.Submitter != nil && (strings.EqualFold(name, rules.Submitter.Header) || strings.EqualFold(name, rules.Submitter.HostHeader))
}

// mismatch refuses a request that does not match the document, or, where the
// manifest says so, lets it pass and tells that it would have been refused: in
// the access record, in the usage, and among the refusals, of its own surface.
func (g *Gateway) mismatch(c *call, ref *refusal) error {
	if c.api.Request.Validate != manifest.ValidateReport {
		return ref
	}
	if c.asked || c.told {
		return nil
	}
	c.told = true
	httpx.Note(c.r.Context(), slog.String("would_refuse", ref.detail))
	key := usage.Key{Environment: g.Environment, API: c.api.Name, Operation: c.operation.ID, Product: c.product, Outcome: ref.code, Source: "report"}
	if c.client.App != nil {
		key.Org, key.App = c.client.Org.ID, c.client.App.ID
	}
	g.Meter.Count(key, g.Now(), 0)
	g.keep(c, ref, httpx.Trace(c.r.Context()))
	return nil
}
