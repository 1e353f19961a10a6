package metrics

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/latency"
)

// Reading is what the program knows of itself at one moment. Whatever becomes a label
// comes from the configuration, the catalogue or a fixed list, never from a caller,
// and names no organization, app or path.
type Reading struct {
	Version  string
	Engine   string // of the store
	Started  time.Time
	Now      time.Time
	Requests []Requests
	Calls    []Calls
	Tokens   []Tokens
	Signing  Signing
	Verified []Verified
	Snapshot Snapshot
	Store    Store
	Metering Metering
	Keys     []Key
	Upstream []Upstream
	// Connections are those to upstreams.
	Connections []Connections
	// Nodes counts the nodes by state; empty while the store is away.
	Nodes        map[string]int
	Certificates []Certificate
	Traces       Traces
	// ClientCertificates are those that upstreams are shown.
	ClientCertificates []ClientCertificate
	ACME               []ACME
	Issuers            []Issuer
	Targets            []Target
	Seals              []Seals
}

// Spread is how many there were, and how long they took.
type Spread struct {
	Took  latency.Histogram
	Total time.Duration
}

// Requests are those that a surface has answered with one class of status.
type Requests struct {
	Surface string
	Class   string // "2xx"
	Spread
}

// Calls are calls of an API, or, for an empty API, token requests, with one outcome.
type Calls struct {
	Environment string
	API         string
	Outcome     string
	Source      string
	Spread
}

// Tokens are token requests with one outcome.
type Tokens struct {
	Environment string
	Dialect     string
	Method      string // by which the client authenticated, or tried to
	Outcome     string
	Count       int64
}

// Signing is the line before the signatures.
type Signing struct {
	Waiting   int           // now
	Turns     int64         // that were given
	Waits     int64         // of these, after waiting
	Waited    time.Duration // by these together
	Refused   int64         // at once, since the wait would have been too long
	GivenUp   int64         // that waited in vain
	Signature time.Duration // what one costs, lately
}

// Verified is the memory of verified tokens.
type Verified struct {
	Environment  string
	Hits, Misses int64
}

// Snapshot is the read model.
type Snapshot struct {
	Age      time.Duration
	Sequence int64
	Entries  map[string]int // by kind
}

// Store is the database, as it was when it was asked.
type Store struct {
	Up       bool
	Sequence int64 // of the newest change
}

// Metering is what was counted and is not in the store yet.
type Metering struct {
	Pending  int // rows of usage
	Failures int64
	Refusals int   // reasons that wait to be written
	Omitted  int64 // reasons that were too many to write
}

// Key is the signing keys of one use.
type Key struct {
	Environment string
	Use         string
	Signs       time.Time // since when the one that signs does; zero: none does
	Next        time.Time // when another one is to; zero: none signs
	Pending     int       // published, and not signing yet
	Awaited     int       // nodes that pending ones wait for
}

// Upstream is an API's own server.
type Upstream struct {
	Environment string
	API         string
	Answered    Spread
	Errors      map[string]int64 // by what went wrong
	UnderWay    int64
}

// Connections are those to one upstream.
type Connections struct {
	Environment  string
	Upstream     string // host and port, as the catalogue has them
	Open, Opened int64
}

// Certificate is what a listener shows.
type Certificate struct {
	Listener string
	Expires  time.Time
}

// ClientCertificate is what upstreams are shown by one of upstream_tls.
type ClientCertificate struct {
	TLS     string // its name in the configuration
	Expires time.Time
}

// ACME is what became of the tries to get a listener's certificate.
type ACME struct {
	Listener    string
	Got, Failed int64
}

// Issuer is another issuer, by its name in the configuration.
type Issuer struct {
	Name              string
	Keys              int       // that its tokens are verified by now
	Read              time.Time // when they were read last; zero: never
	Fetches, Failures int64
}

// Target is one server of an upstream of which anything is known.
type Target struct {
	Environment string
	API         string
	Place       int // in the manifest, from 1
	Healthy     bool
	Breaker     string // its state; empty: it has none
	Passed      int64  // how often it began to be passed over
}

// Seals counts an environment's signing keys by what they are sealed under.
type Seals struct {
	Environment           string
	Present, Old, Unknown int
}

// Traces is what became of recorded requests.
type Traces struct {
	Sent, Dropped, Failed int64
}
