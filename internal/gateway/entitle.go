package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/policy"
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

// submitter holds the submitter ids of the request to the organization's. Every
// method is looked at: an upstream would read the header of a GET as well. But a
// GET need not have them.
func (g *Gateway) submitter(c *call) error {
	rule := c.api.Request.Submitter
	if rule == nil || c.public || c.healthCheck() {
		return nil
	}
	ids := policy.SubmitterIDs{}
	var err error
	if ids.Own, err = c.submitterID("submitter ID", rule.Header, rule.Pointer); err != nil {
		return err
	}
	if ids.Host, err = c.submitterID("host submitter ID", rule.HostHeader, rule.Pointer); err != nil {
		return err
	}
	must := c.r.Method != http.MethodGet && c.r.Method != http.MethodHead
	if no := policy.Submitter(rule, ids, must, c.client.Org); no != nil {
		return no
	}
	return nil
}

// submitterID returns the id that travels under name.
func (c *call) submitterID(what, name, pointer string) (string, error) {
	inBody, err := c.pairs(pointer, name)
	if err != nil {
		return "", err
	}
	return one(what, c.r.Header[canonicalHeader(name)], inBody)
}

// choose decides between mock data and the live upstream.
func (g *Gateway) choose(c *call) error {
	if c.public {
		_, live := c.api.Upstreams[g.Environment]
		c.source = policy.Source{Live: live || g.Environment != market.Sandbox, Reason: "public"} // CONTRACT 5.5
		return nil
	}
	q := policy.Question{
		Environment: g.Environment, API: c.api, Org: c.client.Org, Product: c.product,
		ForceMock: slices.ContainsFunc(c.r.Header["Environment"], func(v string) bool {
			return strings.EqualFold(strings.TrimSpace(v), "sandbox")
		}),
	}
	if rule := c.api.Request.TIN; rule != nil && !c.healthCheck() {
		tins, err := c.tins(rule)
		if err != nil {
			return err
		}
		q.TINs = tins
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

// healthCheck reports whether the call is about no provider and no submitter.
func (c *call) healthCheck() bool { return c.operation.Template == "/healthcheck" }

// tins returns every TIN that the request names. Where the rule is about one,
// header and body must agree on it.
func (c *call) tins(rule *manifest.TINRule) ([]string, error) {
	headers := c.r.Header[canonicalHeader(rule.Header)]
	inBody, err := c.texts(rule.Pointer)
	if err != nil {
		return nil, err
	}
	var many []string
	if rule.Many() {
		inBody, many = nil, inBody
	}
	tin, err := one("provider TIN", headers, inBody)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(append([]string{tin}, many...), func(tin string) bool { return tin == "" }), nil
}

// one returns the one value that headers and body agree on, "" if there is none.
func one(what string, headers, inBody []string) (string, error) {
	value := ""
	for _, v := range append(headers[:len(headers):len(headers)], inBody...) {
		if v == "" {
			continue
		}
		if value != "" && v != value {
			return "", &refusal{
				status: http.StatusBadRequest, code: codeInvalidRequest,
				parameter: what,
				detail:    "The " + what + " is sent more than once, with different values. Send the same one in the header and in the body",
			}
		}
		value = v
	}
	return value, nil
}

// searched reports whether the API's rules look into the body.
func searched(rules manifest.RequestRules) bool {
	return rules.TIN != nil && rules.TIN.Pointer != "" || rules.Submitter != nil && rules.Submitter.Pointer != ""
}
