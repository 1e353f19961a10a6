package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
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
	ref.faults = faultsOf(v, func(f *fault, field string) { f.Parameter = field })
	return g.mismatch(c, ref)
}

// faultsOf lists violations; place says where one is.
func faultsOf(v *openapi.Violation, place func(f *fault, field string)) []fault {
	out := make([]fault, 0, 1+len(v.Others))
	for _, one := range append([]openapi.Violation{*v}, v.Others...) {
		f := fault{Detail: one.Text}
		place(&f, one.Field)
		out = append(out, f)
	}
	return out
}

// inBody places a fault in the body.
func inBody(f *fault, pointer string) {
	f.Pointer = "#" + (&url.URL{Fragment: pointer}).EscapedFragment()
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

// answerError is what is wrong with an answer that does not match the document.
type answerError struct{ text string }

// Error implements error.
func (e *answerError) Error() string {
	return "the answer does not match the API's document: " + e.text
}

// checkAnswer holds a live answer to the document, where the manifest says so. A JSON
// body is read for that, and passed on as it came. One that is larger than max_body
// cannot be checked: it is told, or, where answers are enforced, refused.
func (g *Gateway) checkAnswer(c *call, res *http.Response) error {
	if c.api.Answers == manifest.ValidateOff || res.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	text, err := g.answerViolation(c, res)
	switch {
	case err != nil:
		return err
	case text == "":
		return nil
	case c.api.Answers == manifest.ValidateEnforce:
		_ = res.Body.Close() // it is not passed on
		return &answerError{text}
	}
	g.report(c, &refusal{status: http.StatusBadGateway, code: codeBadGateway, detail: (&answerError{text}).Error()})
	return nil
}

// answerViolation says what is wrong with an answer, "" if nothing is.
func (g *Gateway) answerViolation(c *call, res *http.Response) (string, error) {
	types := res.Header["Content-Type"]
	mediaType := ""
	if len(types) > 0 {
		mediaType = types[0]
	}
	schema, listed := c.operation.Answer(res.StatusCode, mediaType)
	switch {
	case !listed && len(c.operation.ID) > 0 && c.operation.ID != manifest.OtherOperation && res.StatusCode < http.StatusInternalServerError:
		return "it has no answer of status " + strconv.Itoa(res.StatusCode), nil
	case schema == nil, c.r.Method == http.MethodHead, !httpx.IsJSON(mediaType):
		return "", nil
	case encoded(res.Header["Content-Encoding"]):
		return "its body is encoded, and cannot be looked at", nil
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, c.maxBody()+1))
	if err != nil {
		return "", err
	}
	whole := res.Body
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(raw), whole), whole}
	if int64(len(raw)) > c.maxBody() {
		return "its body is larger than max_body, and cannot be looked at", nil
	}
	leave, ok := g.turn(c, len(raw), schema)
	if !ok {
		return "", c.r.Context().Err()
	}
	defer leave()
	var document any
	if strictjson.Unmarshal(raw, &document) != nil {
		return "its body is not one JSON value in UTF-8 with each member once", nil
	}
	if v := schema.Check(document); v != nil {
		return v.String(), nil
	}
	return "", nil
}

// mismatch refuses a request that does not match the document, or, where the
// manifest says so, lets it pass and tells that it would have been refused: in
// the access record, in the usage, and among the refusals, of its own surface.
func (g *Gateway) mismatch(c *call, ref *refusal) error {
	if c.api.Request.Validate != manifest.ValidateReport {
		return ref
	}
	if !c.asked {
		g.report(c, ref)
	}
	return nil
}

// report tells of what passes although it does not match the document.
func (g *Gateway) report(c *call, ref *refusal) {
	if c.told {
		return
	}
	c.told = true
	httpx.Note(c.r.Context(), slog.String("would_refuse", ref.detail))
	key := usage.Key{Environment: g.Environment, API: c.api.Name, Operation: c.operation.ID, Product: c.product, Outcome: ref.code, Source: "report"}
	if c.client.App != nil {
		key.Org, key.App = c.client.Org.ID, c.client.App.ID
	}
	g.Meter.Count(key, g.Now(), 0)
	g.keep(c, ref, httpx.Trace(c.r.Context()))
}
