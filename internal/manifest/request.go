package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// maxBody is the largest max_body that a manifest may ask for: a body that is
// checked is held in memory.
const maxBody = 64 << 20

// maxBodyTimeout is the longest body_timeout.
const maxBodyTimeout = 7 * 24 * time.Hour

var (
	headerName  = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	pointerText = regexp.MustCompile(`^(/([^~/]|~[01])*)+$`)
	sizeText    = regexp.MustCompile(`^([1-9][0-9]{0,7})(KiB|MiB)$`)
)

// request reads what the gateway checks of a request.
func (r *apiReader) request(n *strictyaml.Node) {
	rules := &r.api.Request
	r.Map(n, "request", strictyaml.Fields{
		"validate":      r.validation(&rules.Validate),
		"max_body":      r.maxBody,
		"body_timeout":  r.Duration("body_timeout", minTimeout, maxBodyTimeout, &rules.BodyTimeout),
		"tin":           r.tin,
		"submitter":     r.submitter,
		"rate":          r.rate,
		"concurrency":   r.concurrency,
		"public_health": r.Bool("public_health", &rules.PublicHealth),
		"public":        r.public,
		"unlisted":      r.unlisted,
		"issuers":       r.issuers,
		"ima_token":     r.Bool("ima_token", &rules.IMAToken),
	})
}

// public reads which operations need no token.
func (r *apiReader) public(n *strictyaml.Node) {
	r.Texts("public", &r.api.Request.Public)(n)
	slices.Sort(r.api.Request.Public)
	r.publicNode = n
}

// issuers reads whose tokens the API takes.
func (r *apiReader) issuers(n *strictyaml.Node) {
	var names []string
	r.Texts("issuers", &names)(n)
	for _, item := range n.Items {
		if item.Kind == strictyaml.Text && !slices.Contains(r.l.issuers, item.Scalar) &&
			!r.unsure(item, "issuers names %q: the configuration of the server has to have an issuer of that name", item.Scalar) {
			r.Problem(item, "there is no issuer %q in the configuration; there are: %s", item.Scalar, joined(r.l.issuers))
		}
	}
	switch {
	case n.Kind == strictyaml.List && len(n.Items) == 0:
		r.Problem(n, "issuers is empty; name those whose tokens the API takes, or leave it out for %q alone", OwnIssuer)
	case !slices.Equal(names, []string{OwnIssuer}):
		slices.Sort(names)
		r.api.Request.Issuers = names
	}
}

// publicOperations holds the names of public operations to the document: one that
// is misspelt would go on asking for a token, and nobody would know why.
func (r *apiReader) publicOperations() {
	for _, name := range r.api.Request.Public {
		known := slices.ContainsFunc(r.api.Document.Operations, func(op *openapi.Operation) bool { return op.ID == name })
		switch {
		case known, name == OtherOperation && r.api.Request.Unlisted == PassUnlisted:
		case name == OtherOperation:
			r.Problem(r.publicNode, "public names %q, the calls that the document does not list, and those are refused; say unlisted: pass, or take it out", name)
		default:
			ids := make([]string, 0, len(r.api.Document.Operations))
			for _, op := range r.api.Document.Operations {
				ids = append(ids, op.ID)
			}
			r.Problem(r.publicNode, "public names %q, and there is no operation of that operationId; there are: %s", name, joined(ids))
		}
	}
}

func (r *apiReader) unlisted(n *strictyaml.Node) {
	switch v := Unlisted(n.Scalar); {
	case n.Kind == strictyaml.Text && (v == RefuseUnlisted || v == PassUnlisted):
		r.api.Request.Unlisted = v
	default:
		r.Problem(n, "unlisted is %q; it must be %q or %q", n.Scalar, RefuseUnlisted, PassUnlisted)
	}
}

// answer reads what is checked of an answer.
func (r *apiReader) answer(n *strictyaml.Node) {
	r.Map(n, "answer", strictyaml.Fields{"validate": r.validation(&r.api.Answers)})
}

func (r *apiReader) validation(to *Validation) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		switch v := Validation(n.Scalar); {
		case n.Kind == strictyaml.Text && (v == ValidateOff || v == ValidateReport || v == ValidateEnforce):
			*to = v
		default:
			r.Problem(n, "validate is %q; it must be %q, %q or %q", n.Scalar, ValidateEnforce, ValidateReport, ValidateOff)
		}
	}
}

// maxBody reads a number of bytes, or a text such as 256KiB.
func (r *apiReader) maxBody(n *strictyaml.Node) {
	m := sizeText.FindStringSubmatch(n.Scalar)
	if n.Kind != strictyaml.Text || m == nil {
		if n.Kind == strictyaml.Text {
			r.Problem(n, "max_body is %q; write it as 256KiB, 4MiB or a number of bytes", n.Scalar)
			return
		}
		r.Int("max_body", 1, maxBody, &r.api.Request.MaxBody)(n)
		return
	}
	size, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		r.Problem(n, "max_body is %q; write it as 256KiB, 4MiB or a number of bytes", n.Scalar)
		return
	}
	shift := 10
	if m[2] == "MiB" {
		shift = 20
	}
	if size > maxBody>>shift {
		r.Problem(n, "max_body is %s; at most %d MiB are allowed", n.Scalar, maxBody>>20)
		return
	}
	r.api.Request.MaxBody = size << shift
}

func (r *apiReader) tin(n *strictyaml.Node) {
	rule := &TINRule{}
	r.Map(n, "tin", strictyaml.Fields{
		"header":   r.header("header", &rule.Header),
		"pointer":  r.pointerToEach(&rule.Pointer),
		"required": r.Bool("required", &rule.Required),
	})
	if n.Kind == strictyaml.Map && n.Get("header") == nil && n.Get("pointer") == nil {
		r.Problem(n, "tin does not say where the TIN travels; give header, pointer or both")
	}
	r.api.Request.TIN = rule
}

func (r *apiReader) submitter(n *strictyaml.Node) {
	rule := &SubmitterRule{}
	r.Map(n, "submitter", strictyaml.Fields{
		"header":      r.header("header", &rule.Header),
		"host_header": r.header("host_header", &rule.HostHeader),
		"pointer":     r.pointer(&rule.Pointer),
	})
	if n.Kind == strictyaml.Map && n.Get("header") == nil {
		r.Problem(n, "submitter has no header; give the name under which the id travels, in a header or in the body's pairs")
	}
	r.api.Request.Submitter = rule
}

// highestRate is a rate that nobody means.
const highestRate = 1_000_000

func (r *apiReader) rate(n *strictyaml.Node) {
	rule := &RateRule{}
	r.Map(n, "rate", strictyaml.Fields{
		"per_second": r.Int("per_second", 1, highestRate, &rule.PerSecond),
		"burst":      r.Int("burst", 1, highestRate, &rule.Burst),
	})
	if n.Kind == strictyaml.Map && n.Get("per_second") == nil {
		r.Problem(n, "rate has no per_second; give how many calls a second one app may make")
	}
	if rule.Burst == 0 {
		rule.Burst = rule.PerSecond
	}
	r.api.Request.Rate = rule
}

func (r *apiReader) concurrency(n *strictyaml.Node) {
	c := &r.api.Request.Concurrency
	r.Map(n, "concurrency", strictyaml.Fields{
		"api": r.Int("api", 1, highestRate, &c.API),
		"app": r.Int("app", 1, highestRate, &c.App),
	})
	if n.Kind == strictyaml.Map && c.API == 0 && c.App == 0 {
		r.Problem(n, "concurrency says nothing; give how many calls may be under way, of all callers (api) or of one app (app)")
	}
}

// reserved lists headers that mean something to the gateway itself.
func reserved() []string {
	return []string{"authorization", "cookie", "host", "content-length", "content-type", "connection", "transfer-encoding", "ima-token"}
}

func (r *apiReader) header(what string, to *string) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		var name string
		if r.Text(what, &name)(n); name == "" {
			return
		}
		switch {
		case !headerName.MatchString(name):
			r.Problem(n, "%q is not a header's name; allowed are letters, digits and \"-\", at most 64", name)
		case slices.Contains(reserved(), strings.ToLower(name)):
			r.Problem(n, "the header %s has a meaning of its own; choose one that has not", name)
		default:
			*to = name
		}
	}
}

// pointer reads a pointer to one value.
func (r *apiReader) pointer(to *string) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		if n.Kind == strictyaml.Text && slices.Contains(strings.Split(n.Scalar, "/"), EachItem) {
			r.Problem(n, "%q stands for several values; only the pointer of a TIN may have the segment *", n.Scalar)
			return
		}
		r.pointerToEach(to)(n)
	}
}

// pointerToEach reads a pointer in which a segment may be * for every item of an
// array. A * within a segment stands for itself, and would be a mistake.
func (r *apiReader) pointerToEach(to *string) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		var text string
		if r.Text("pointer", &text)(n); text == "" {
			return
		}
		if !pointerText.MatchString(text) {
			r.Problem(n, "%q is not a JSON pointer (RFC 6901); write it as /provider/taxId", text)
			return
		}
		for segment := range strings.SplitSeq(text, "/") {
			if strings.Contains(segment, EachItem) && segment != EachItem {
				r.Problem(n, "%q has a * within a segment; write /providers/*/taxId, with a segment of its own for every item of an array", text)
				return
			}
		}
		*to = text
	}
}

func isText(data []byte) bool { return utf8.Valid(data) }
