package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// entitle decides by which product the call may be made.
func (g *Gateway) entitle(c *call) error {
	if c.public {
		return nil
	}
	product, no := policy.Product(c.api, c.principal, c.client, g.Model.Active)
	if no != nil {
		return no
	}
	c.product = product
	return nil
}

// submitter holds the submitter ids of the request to the organization's.
func (g *Gateway) submitter(c *call) error {
	rule := c.api.Request.Submitter
	if rule == nil || c.public || c.operation.Method == http.MethodGet {
		return nil
	}
	ids := policy.SubmitterIDs{}
	var err error
	if ids.Own, err = c.one("submitter ID", c.r.Header[canonicalHeader(rule.Header)], c.pair(rule.Pointer, rule.Header)); err != nil {
		return err
	}
	if ids.Host, err = c.one("host submitter ID", c.r.Header[canonicalHeader(rule.HostHeader)], c.pair(rule.Pointer, rule.HostHeader)); err != nil {
		return err
	}
	if no := policy.Submitter(rule, ids, c.client.Org); no != nil {
		return no
	}
	return nil
}

// choose decides between mock data and the live upstream.
func (g *Gateway) choose(c *call) error {
	if c.public {
		_, live := c.api.Upstreams[g.Environment]
		c.source = policy.Source{Live: live, Reason: "health"}
		return nil
	}
	q := policy.Question{
		Environment: g.Environment, API: c.api, Org: c.client.Org, Product: c.product,
		ForceMock: slices.ContainsFunc(c.r.Header["Environment"], func(v string) bool {
			return strings.EqualFold(strings.TrimSpace(v), "sandbox")
		}),
	}
	if rule := c.api.Request.TIN; rule != nil && takesTIN(c) {
		tin, err := c.one("provider TIN", c.r.Header[canonicalHeader(rule.Header)], c.text(rule.Pointer))
		if err != nil {
			return err
		}
		q.TIN = tin
	} else if rule != nil {
		withoutTIN := *c.api
		withoutTIN.Request.TIN = nil
		q.API = &withoutTIN
	}
	source, no := policy.Choose(q)
	if no != nil {
		return no
	}
	c.source = source
	return nil
}

// takesTIN leaves health checks out: they are about no provider.
func takesTIN(c *call) bool { return c.operation.Template != "/healthcheck" }

// one returns the one value that headers and body agree on, "" if there is none.
func (c *call) one(what string, headers, inBody []string) (string, error) {
	value := ""
	for _, v := range append(headers[:len(headers):len(headers)], inBody...) {
		if v == "" {
			continue
		}
		if value != "" && v != value {
			return "", &refusal{
				status: http.StatusBadRequest, code: codeInvalidRequest,
				detail: "The " + what + " is sent more than once, with different values",
			}
		}
		value = v
	}
	return value, nil
}

// text returns what pointer names in the body, if that is a text.
func (c *call) text(pointer string) []string {
	if pointer == "" || c.body == nil || c.body.document == nil {
		return nil
	}
	value, _ := strictjson.At(c.body.document, pointer)
	if text, ok := value.(string); ok {
		return []string{text}
	}
	return nil
}

// pair returns the values of the {name, value} pairs called name in the array
// that pointer names (S003: the body's headers).
func (c *call) pair(pointer, name string) []string {
	if pointer == "" || c.body == nil || c.body.document == nil {
		return nil
	}
	list, _ := strictjson.At(c.body.document, pointer)
	pairs, _ := list.([]any)
	var out []string
	for _, p := range pairs {
		member, _ := p.(map[string]any)
		called, _ := member["name"].(string)
		if value, ok := member["value"].(string); ok && strings.EqualFold(called, name) {
			out = append(out, value)
		}
	}
	return out
}

// searched reports whether the API's rules look into the body.
func searched(rules manifest.RequestRules) bool {
	return rules.TIN != nil && rules.TIN.Pointer != "" || rules.Submitter != nil && rules.Submitter.Pointer != ""
}
