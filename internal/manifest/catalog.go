// Package manifest reads a catalogue: the folder of files that says which APIs
// there are, under which products, where they are answered and how
// (ADR 0010).
//
//	products.yaml             the products
//	eligibility-v3/           an API, by its name
//	    manifest.yaml         base path, products, upstreams, checks
//	    openapi.yaml          its OpenAPI document, if it has one
//	    mock.yaml             rules of its mock, if it has any
//	    overview.md …         its pages
//
// [Load] reads and checks all of it in one go and either returns a [Catalog]
// that hangs together or tells everything that is wrong, one [Problem] for each,
// as "file:line: what is wrong; what is allowed". [Bundle] packs the folder into
// bytes that are the same for the same files, to be stored and handed to other
// nodes; [Open] unpacks such bytes, which it does not trust. [Diff] says what
// would change.
//
// Nothing outside the folder is read. The one thing that a catalogue may leave
// open is ${NAME} in the URL of an upstream; the caller of Load gives the values.
//
// What it does not do: store or apply catalogues, or open connections.
package manifest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/mock"
	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// Catalog is a catalogue as it was read and checked: everything that the
// gateway routes, the portal shows and a token may carry. It is never changed
// after Load.
type Catalog struct {
	APIs     []*API           // by base path
	Products []market.Product // by name
}

// API is one API of the catalogue.
type API struct {
	Name      string // the folder's name, e.g. "eligibility-v3"
	Title     string
	Version   string
	Summary   string
	BasePath  string // begins with "/", no trailing slash
	Products  []string
	Document  *openapi.Document // without an operation if there is no OpenAPI document
	Upstreams map[market.Environment]Upstream
	Request   RequestRules
	Answers   Validation // what happens to a live answer that does not match the document; ValidateOff unless the manifest says otherwise
	Mock      *mock.Rules
	Pages     map[string]string // Markdown by name: "overview", "changelog", "faq"
	Source    json.RawMessage   // the OpenAPI document as JSON, to be downloaded; nil: there is none

	sums map[string][32]byte // SHA-256 of mock rules and pages, for Diff
}

// Upstream is where an API is answered live: by one server, or by several that do
// the same.
type Upstream struct {
	URL          string           // http or https, no trailing slash; a path is put before the API's own. Empty: see Targets
	Targets      []UpstreamTarget // instead of URL
	Connect      time.Duration    // until there is a connection, and until TLS is agreed on; 0: 5 s
	Timeout      time.Duration    // until the answer's header has come; 0: 30 s
	Idle         time.Duration    // within the answer's body; 0: 5 min
	Retries      *Retries         // nil: what is safe, at another target
	Health       *Health          // nil: by what becomes of calls, if there are several targets
	Breaker      *Breaker         // nil: none
	TLS          string           // the name of the settings for https; empty: what the system trusts
	HTTP         HTTPVersion      // empty: HTTP11
	ForwardToken bool             // pass Authorization on; else it is removed
	KeepPrefix   bool             // pass the base path on too; default true
	WebSocket    bool             // let connections be upgraded to WebSocket; else, and to all else, refused
	Lenient      bool             // take answers whose lines or framing break the rules of HTTP in ways that can be guessed; dearer
}

// All returns the targets, of which there is at least one.
func (u Upstream) All() []UpstreamTarget {
	if len(u.Targets) == 0 {
		return []UpstreamTarget{{URL: u.URL, Weight: 1}}
	}
	return u.Targets
}

// UpstreamTarget is one server of an upstream.
type UpstreamTarget struct {
	URL    string // as that of an Upstream
	Weight int64  // how many calls it gets beside the others; 0: none
}

// Retries says what is asked once more when a target fails.
type Retries struct {
	Attempts int64    // in all; 1: nothing is
	Budget   int64    // percent of the calls; beside one a second
	Methods  []string // beside GET, HEAD and OPTIONS, after the request was sent: PUT, DELETE
	Statuses []int    // of 502, 503 and 504: those that are asked again
}

// Health says how it is found out which targets do well.
type Health struct {
	Path      string        // that probes ask for, below each URL; empty: no probes
	Interval  time.Duration // between two probes
	Timeout   time.Duration // of one
	Status    int64         // of a probe that succeeds; 0: any of 200 to 299
	Unhealthy int64         // failures in a row, of calls or of probes, until a target is passed over
	Healthy   int64         // successful probes in a row until it is not any more
	Eject     time.Duration // for how long it is passed over after failures of calls; doubled each time
}

// Breaker says when calls to a target are refused unasked.
type Breaker struct {
	Failures int64         // in a row
	Ratio    int64         // percent of the calls of the last ten seconds, of twenty at least
	OpenFor  time.Duration // then one call finds out
}

// HTTPVersion is what is spoken to an upstream.
type HTTPVersion string

// The versions.
const (
	HTTP11   HTTPVersion = "1.1"
	HTTP2    HTTPVersion = "2"    // over TLS
	HTTP2C   HTTPVersion = "h2c"  // in the clear, by prior knowledge (RFC 9113 §3.3)
	HTTPAuto HTTPVersion = "auto" // what the server chooses as TLS begins (ALPN)
)

// RequestRules is what the gateway checks of a request beyond its token.
type RequestRules struct {
	Validate     Validation     // of parameters and JSON bodies against the document; ValidateEnforce unless the manifest says otherwise
	MaxBody      int64          // bytes of a body that has to be read: checked, or searched; 0: 1 MiB
	BodyTimeout  time.Duration  // how long a body that streams may keep waiting in all; 0: an hour
	TIN          *TINRule       // nil: the API knows no TIN
	Submitter    *SubmitterRule // nil: the API knows no submitter
	Rate         *RateRule      // of calls by one app; nil: no limit
	Concurrency  Concurrency    // of calls under way
	PublicHealth bool           // GET <base>/healthcheck needs no token (CONTRACT 4.8)
	Public       []string       // operationIds that need no token, sorted
	Unlisted     Unlisted       // of calls that the document does not list
	Issuers      []string       // whose tokens it takes, sorted: issuers' names, and OwnIssuer; nil: our own alone (CONTRACT 4.3)
	IMAToken     bool           // the token may come in the header IMA-Token (CONTRACT 4.4)
}

// OwnIssuer is how a manifest names our own token service among the issuers.
const OwnIssuer = "own"

// TakesTokensOf reports whether the API takes tokens of the issuer with that name.
func (r *RequestRules) TakesTokensOf(issuer string) bool {
	if r.Issuers == nil {
		return issuer == OwnIssuer
	}
	return slices.Contains(r.Issuers, issuer)
}

// Unlisted says what happens to a call below the base path that the document
// does not list.
type Unlisted string

// The answers to unlisted calls.
const (
	RefuseUnlisted Unlisted = "refuse" // 404, or 405 with the methods that there are
	PassUnlisted   Unlisted = "pass"   // answered like any other, unchecked
)

// OtherOperation is the id under which unlisted calls are counted, and by which a
// manifest makes them public.
const OtherOperation = "other"

// IsPublic reports whether an operation needs no token.
func (a *API) IsPublic(op *openapi.Operation) bool {
	_, named := slices.BinarySearch(a.Request.Public, op.ID)
	return named || a.Request.PublicHealth && op.Method == "GET" && op.Template == "/healthcheck"
}

// Validation says what happens to a request that does not match the document.
type Validation string

// The kinds of validation.
const (
	ValidateOff     Validation = "off"
	ValidateReport  Validation = "report" // it passes, and that it would not have is counted
	ValidateEnforce Validation = "enforce"
)

// RateRule bounds how often one app may call (CONTRACT 4.2).
type RateRule struct {
	PerSecond int64
	Burst     int64 // at once, after a pause
}

// Concurrency bounds how many calls may be under way at once, at each node. What
// is zero is not bounded.
type Concurrency struct {
	API int64 // of all callers together
	App int64 // of one app
}

// TINRule says where the provider's TIN travels (CONTRACT 5.2). Both places may
// be given; when both carry one they must agree. A pointer with a segment * names
// one in every item of an array; those may differ, and each is checked.
type TINRule struct {
	Header   string // e.g. "providerTaxId"; empty: not there
	Pointer  string // JSON pointer into the body, e.g. "/provider/taxId" or "/providers/*/taxId"; empty: not there
	Required bool   // a request without one is refused
}

// Many reports whether a body may hold several TINs.
func (t *TINRule) Many() bool { return slices.Contains(strings.Split(t.Pointer, "/"), EachItem) }

// EachItem is the segment of a TIN's pointer that stands for every item of an
// array.
const EachItem = "*"

// SubmitterRule says where submitter ids travel (CONTRACT 4.6).
type SubmitterRule struct {
	Header     string // "submitterID"; never empty
	HostHeader string // "hostSubmitterID"; empty: the API knows no host
	Pointer    string // JSON pointer to an array of {name, value} in the body; empty: not there
}
