package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// defaultMaxBody bounds a body that has to be read, where the manifest does not.
const defaultMaxBody = 1 << 20

// What of a body is held to the document is bounded in values too, one for each
// bytesPerValue of how large it may be: a list of half a million that all do not match
// would make a gigabyte of complaints, of which one is told.
const (
	bytesPerValue = 16
	leastValues   = 4 << 10
	smallBody     = 16 << 10 // is checked at once; others as many at a time as there are processors
)

// body is a request body that was read.
type body struct {
	raw      []byte
	document any // decoded, if it is JSON
}

// read reads the body, if it has to be looked at: to be checked against the
// document, to be searched for a TIN or a submitter id, or because mock data
// may be chosen by it. Any other body streams past, unseen.
func (g *Gateway) read(c *call) error {
	if err := g.parameters(c); err != nil {
		return err
	}
	if !g.looksInto(c) {
		return nil
	}
	raw, err := httpx.ReadBody(c.w, c.r, c.maxBody())
	switch {
	case errors.Is(err, httpx.ErrTooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: codeTooLarge, detail: "The body is larger than this API takes"}
	case err != nil:
		return badBody("The body broke off before its end")
	}
	c.body = &body{raw: raw}
	c.r.Body = io.NopCloser(bytes.NewReader(raw))
	c.r.ContentLength = int64(len(raw))
	c.r.TransferEncoding = nil
	return g.check(c)
}

// maxBody is how large a body may be that is read.
func (c *call) maxBody() int64 {
	if c.api.Request.MaxBody == 0 {
		return defaultMaxBody
	}
	return c.api.Request.MaxBody
}

// looksInto reports whether the body has to be read. In the sandbox a call that
// turns out to be answered with mock data always has its body read.
func (g *Gateway) looksInto(c *call) bool {
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return c.checked()
	}
	return c.checked() || c.reported() || searched(c.api.Request) || g.mayMock(c)
}

// mayMock reports whether mock data may answer, before that is decided.
func (g *Gateway) mayMock(c *call) bool {
	if g.Environment != market.Sandbox {
		return false
	}
	if _, live := c.api.Upstreams[g.Environment]; !live || c.public || len(c.r.Header["Environment"]) > 0 {
		return true
	}
	if rule := c.api.Request.TIN; rule != nil && c.r.Header.Get(rule.Header) == "" {
		return true // no TIN, no live data
	}
	return c.client.Org.Subscription(c.product) != market.SubSubscribed
}

// checked reports whether the operation's body is held to the document.
func (c *call) checked() bool {
	return c.api.Request.Validate == manifest.ValidateEnforce && c.operation.Body != nil && c.operation.Body.JSON != nil
}

// reported reports whether it is told if the body does not match the document. A
// body of unknown or too great a length streams past: it must not be held for that.
func (c *call) reported() bool {
	return c.api.Request.Validate == manifest.ValidateReport && c.operation.Body != nil && c.operation.Body.JSON != nil &&
		c.r.ContentLength > 0 && c.r.ContentLength <= c.maxBody()
}

// check decodes a JSON body strictly, and holds it to the document where the
// manifest says so.
func (g *Gateway) check(c *call) error {
	types := c.r.Header["Content-Type"]
	if len(types) > 1 {
		return badBody("Send one Content-Type").about("Content-Type")
	}
	isJSON := len(types) == 1 && httpx.IsJSON(types[0])
	inspected := c.checked() || searched(c.api.Request)
	switch {
	case len(c.body.raw) == 0:
		if c.checked() && c.operation.Body.Required {
			return badBody("The body is missing; see the API's reference for what it holds")
		}
		return nil
	case inspected && encoded(c.r.Header["Content-Encoding"]):
		return mediaType("Send the body as it is, without a Content-Encoding").about("Content-Encoding")
	case inspected && !isJSON:
		return mediaType("Send the body as application/json").about("Content-Type")
	case !isJSON:
		return nil
	}
	held, err := g.holds(c)
	if err != nil {
		return err
	}
	if held {
		leave, ok := g.turn(c, len(c.body.raw), c.operation.Body.JSON)
		if !ok {
			return badBody("The call ended before its body was looked at")
		}
		defer leave()
	}
	if err := strictjson.Unmarshal(c.body.raw, &c.body.document); err != nil {
		ref := badBody(notJSON(err))
		if inspected || c.api.Request.Validate != manifest.ValidateReport {
			return ref
		}
		return g.mismatch(c, ref)
	}
	if !held {
		return nil
	}
	if v := c.operation.Body.JSON.Check(c.body.document); v != nil {
		ref := badBody("The body does not match the API: " + v.String())
		ref.field, ref.faults = v.Field, faultsOf(v, inBody)
		return g.mismatch(c, ref)
	}
	return nil
}

// holds reports whether a JSON body is held to the document. One with more values than
// can be is refused, or, where it would only be told, not looked at.
func (g *Gateway) holds(c *call) (bool, error) {
	if !c.checked() && !c.reported() {
		return false, nil
	}
	most := max(leastValues, int(c.maxBody()/bytesPerValue))
	switch {
	case strictjson.Values(c.body.raw, most) <= most:
		return true, nil
	case c.checked():
		return false, &refusal{
			status: http.StatusRequestEntityTooLarge, code: codeTooLarge,
			detail: "The body holds more than " + strconv.Itoa(most) + " values, as many as this API takes. Send them in several calls",
			next:   "send fewer values at a time; the operator can raise the API's max_body, and with it how many there may be",
		}
	}
	return false, nil
}

// turn waits until a body of that size may be held to a schema: what that takes is many
// times the body, and must not be taken for all calls at once. It reports false if the
// caller has gone before.
func (g *Gateway) turn(c *call, size int, schema *openapi.Schema) (leave func(), ok bool) {
	if size <= smallBody && !schema.Recursive() {
		return func() {}, true
	}
	select {
	case g.large <- struct{}{}:
		return func() { <-g.large }, true
	case <-c.r.Context().Done():
		return nil, false
	}
}

// notJSON says why a body is no JSON, and where. Nothing of the body is quoted.
func notJSON(err error) string {
	if err == strictjson.ErrMalformed { //nolint:errorlint // it is a repeated member, if no place is told
		return "The body is not one JSON value in UTF-8 with each member once"
	}
	return "The body is " + err.Error()
}

// encoded reports whether a body is compressed, or whatever else it may be: what
// cannot be read here would be read by the upstream alone.
func encoded(encodings []string) bool {
	return len(encodings) > 1 || len(encodings) == 1 && !strings.EqualFold(strings.TrimSpace(encodings[0]), "identity")
}

func mediaType(detail string) *refusal {
	return &refusal{status: http.StatusUnsupportedMediaType, code: codeMediaType, detail: detail}
}

func badBody(detail string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: codeInvalidRequest, detail: detail}
}
