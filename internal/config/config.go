// Package config is the configuration file: one YAML document, read strictly.
// Every field has a usable zero value; what is unknown, misspelt or of the wrong
// type is an error with its line. Secrets are never in the file, only the names
// of the files or environment variables that hold them.
//
// It does not open, listen to or make anything.
package config

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Config is the whole file. The doc tags make docs/config.md.
type Config struct {
	Data         string                              `yaml:"data" doc:"Folder for what Sallyport keeps on disk: the SQLite file and the local CA. Default: sallyport-data in the working directory."`
	Database     Database                            `yaml:"database" doc:"Where organizations, apps, products and keys are kept."`
	Keys         Keys                                `yaml:"keys" doc:"The two secrets of the installation. Losing them loses the signing keys and every client secret: keep copies apart from the database."`
	Environments map[market.Environment]*Environment `yaml:"environments" doc:"The worlds, by name. sandbox and production are always there; each has a listener, an issuer and keys of its own."`
	Management   Listener                            `yaml:"management" doc:"The management API."`
	Portal       Listener                            `yaml:"portal" doc:"The developer portal."`
	Metrics      Listener                            `yaml:"metrics" doc:"A listener for Prometheus, which asks for no token: GET /metrics. Default: none; the management API answers the same to operators."`
	Tracing      Tracing                             `yaml:"tracing" doc:"Sending traces to an OpenTelemetry collector."`
	Catalog      Catalog                             `yaml:"catalog" doc:"The catalogue of APIs."`
	ACME         ACME                                `yaml:"acme" doc:"Getting certificates from an authority by ACME (RFC 8555), for listeners that say so."`
	UpstreamTLS  map[string]*UpstreamTLS             `yaml:"upstream_tls" doc:"TLS settings for upstreams, by the name that manifests refer to them by: small letters, digits and -. A catalogue that names others is not taken up. Default: none; upstreams are trusted by the system's authorities."`
	KeySets      KeySets                             `yaml:"key_sets" doc:"Fetching the keys that clients publish (jwks_uri)."`
	Issuers      []Issuer                            `yaml:"issuers" doc:"Other OpenID Connect issuers, whose access tokens the APIs take that name them in their manifest (request.issuers). Default: none."`
	Headers      Headers                             `yaml:"headers" doc:"Names of the headers between callers, gateway and upstreams."`
	Audience     string                              `yaml:"audience" doc:"The aud of every access token. Default: apiPlatform."`
	MaxStale     Duration                            `yaml:"max_stale" doc:"How long nodes go on without the store, by what they know, before they refuse. Default: 15m."`
	Shutdown     Shutdown                            `yaml:"shutdown" doc:"How a node stops when it is told to (SIGTERM)."`
	Log          Log                                 `yaml:"log" doc:"The log."`
	Name         string                              `yaml:"name" doc:"What the portal calls itself. Default: API Marketplace."`
}

// Tracing says which requests are recorded, and where they are sent.
type Tracing struct {
	OTLP    string            `yaml:"otlp" doc:"URL of the collector that takes OTLP over HTTP, in JSON, such as http://127.0.0.1:4318; without a path, /v1/traces. Default: none, and nothing is recorded."`
	Sample  *float64          `yaml:"sample" doc:"The part of requests that is recorded, from 0 to 1, by chance. Default: 0.01."`
	Follow  bool              `yaml:"follow" doc:"Record a request that comes with a traceparent if, and only if, that says that it is sampled. Only where callers are your own: others could have all of theirs recorded. Default: false."`
	Headers map[string]Secret `yaml:"headers" doc:"Headers that the collector asks for, such as Authorization: where to read their values."`
	CA      string            `yaml:"ca" doc:"PEM file with authorities to trust for the collector beside the system's."`
}

// On reports whether anything is recorded.
func (t Tracing) On() bool { return t.OTLP != "" }

// Database says where the data is. One of its fields, or none for SQLite in the
// data folder.
type Database struct {
	SQLite   string `yaml:"sqlite" doc:"SQLite file. Default: sallyport.db in the data folder."`
	Postgres Secret `yaml:"postgres" doc:"Where to read the PostgreSQL URL, which holds a password."`
}

// Keys are the secrets of the installation.
type Keys struct {
	Sealing    Secret   `yaml:"sealing" doc:"Seals signing keys at rest: at least 32 random bytes, in hex or base64."`
	SealingOld []Secret `yaml:"sealing_old" doc:"Sealing keys that were replaced: they still open what they sealed, until everything is sealed anew."`
	PKCS11     PKCS11   `yaml:"pkcs11" doc:"A security module to make signing keys in; those that are there stay where they are until they rotate. Default: none, they are sealed in the database."`
	Hashing    Secret   `yaml:"hashing" doc:"Keys the hashes of client secrets: at least 32 random bytes, in hex or base64."`
}

// PKCS11 names a token of a security module.
type PKCS11 struct {
	Module  string `yaml:"module" doc:"Path of the PKCS #11 module, a shared library. The program has to be built with cgo."`
	Token   string `yaml:"token" doc:"Label of the token."`
	PIN     Secret `yaml:"pin" doc:"The PIN of the token's user."`
	Leaving bool   `yaml:"leaving" doc:"Make no more keys in it, but use those that are there until they have rotated away. Default: false."`
}

// IsZero reports whether none is named.
func (p PKCS11) IsZero() bool { return p == PKCS11{} }

// Listener is an address to listen at, and the certificate to do it with.
type Listener struct {
	Listen string   `yaml:"listen" doc:"Address and port; port 0 takes a free one. Default: 127.0.0.1 and 8443 for sandbox, 8444 for production, 8445 for the management API, 8446 for the portal; further environments and listeners for mutual TLS and metrics have none."`
	Hosts  []string `yaml:"hosts" doc:"Names and addresses by which it is reached, without port: the certificate of the local CA is for all of them, and the first makes the URL. Default: 127.0.0.1, localhost and ::1."`
	URL    string   `yaml:"url" doc:"Its https URL from outside, when a proxy before it has another one. Default: of the first host and the port."`
	TLS    TLS      `yaml:"tls" doc:"Its certificate. Default: one by the local CA."`
	Plain  bool     `yaml:"plain" doc:"Serve HTTP without TLS; only at a loopback address."`

	TrustedProxies []string `yaml:"trusted_proxies" doc:"Addresses and networks (10.0.1.0/24) of the proxies before it that are believed about who called them, by X-Forwarded-For, read from its end. Default: none; the address of the connection is the caller's, and the header is nobody's word."`
}

// On reports whether there is such a listener, where there need not be one.
func (l Listener) On() bool { return l.Listen != "" }

// TLS names a certificate's files.
type TLS struct {
	Certificate string `yaml:"certificate" doc:"PEM file with the certificate and its chain."`
	Key         string `yaml:"key" doc:"PEM file with its private key."`
	ACME        bool   `yaml:"acme" doc:"Get it by ACME, for the names in hosts, and renew it by itself. The authority has to reach this listener at port 443 of those names."`
}

// ACME says from whom certificates are got.
type ACME struct {
	Directory string `yaml:"directory" doc:"URL of the authority's directory. Default: that of Let's Encrypt."`
	Email     string `yaml:"email" doc:"Whom the authority writes to. Default: nobody."`
	Agree     bool   `yaml:"agree" doc:"You agree to the authority's terms of service; without that there are no certificates. Default: false."`
	CA        string `yaml:"ca" doc:"PEM file with the authorities by which the directory's own certificate is judged. Default: the system's."`
}

// UpstreamTLS is how upstreams are spoken to by TLS, 1.2 or later. Its files are
// watched, as those of listeners are.
type UpstreamTLS struct {
	CA          string `yaml:"ca" doc:"PEM file with the authorities to trust instead of the system's."`
	Certificate string `yaml:"certificate" doc:"PEM file with the certificate, and its chain, to show to the upstream. Default: none."`
	Key         string `yaml:"key" doc:"PEM file with its private key."`
	ServerName  string `yaml:"server_name" doc:"The name that the upstream's certificate has to be for. Default: the host of its URL."`
}

// Environment is one world.
type Environment struct {
	Listener          `yaml:",inline"`
	Aliases           []string   `yaml:"aliases" doc:"Further https URLs by which it is reached from outside, such as those of an old name: what is named by them is named as well as by its URL (RFC 8707, RFC 9728). The hosts need not be repeated."`
	Issuer            string     `yaml:"issuer" doc:"The iss of its tokens: an https URL, at which /.well-known has to lead here. Endpoints are told below url, not below it. Default: its URL."`
	Algorithm         string     `yaml:"algorithm" doc:"RS256, ES256 or EdDSA. Default: RS256, which deployed clients expect."`
	SecretPrefix      string     `yaml:"secret_prefix" doc:"Begins every client secret: 2 to 16 lower-case letters and digits, different in each environment. Default: spsbx, spprd, or sp and the name."`
	Contracted        *bool      `yaml:"contracted" doc:"Credentials need a subscription with a contract. Default: true, but in sandbox."`
	MinTokenLifetime  Duration   `yaml:"min_token_lifetime" doc:"The shortest lifetime an app may set. Default: 1h, which deployed clients hard-code."`
	MaxTokenLifetime  Duration   `yaml:"max_token_lifetime" doc:"The longest lifetime an app may set, at most 48h; signing keys are kept for that long after they were superseded. Default: 24h."`
	ReuseWindow       *Duration  `yaml:"reuse_window" doc:"A client that asks again within it gets the same token, in v1 to v3; at most 30s. Default: 20s."`
	RotationOff       bool       `yaml:"rotation_off" doc:"Clients may not look at and rotate their own secrets, at /oauth2/credentials."`
	SecretLifetime    Duration   `yaml:"secret_lifetime" doc:"The longest that a secret lives which a client makes by rotating its own. Operators may give others longer. Default: none, but that no such secret lives longer than the one that it replaces was made for."`
	TokenRequests     int        `yaml:"token_requests_per_second" doc:"How many tokens one client may ask for, a second; twice as many at once. As many revocations, counted apart. Default: 0, no limit."`
	Introspections    int        `yaml:"introspection_requests_per_second" doc:"How many tokens one client may introspect, a second; twice as many at once. Default: 0, no limit."`
	KeyPeriod         Duration   `yaml:"key_period" doc:"How long a signing key signs; longer than key_lead. Default: 2160h, 90 days."`
	KeyLead           Duration   `yaml:"key_lead" doc:"How long a key is published before it signs, at the least; twice the 5 minutes for which others may keep the JWKS, or more. It signs later if a node does not hold it yet. Default: 1h."`
	TokenEndpoints    []Endpoint `yaml:"token_endpoints" doc:"The token endpoints. Default: the five of the wire contract."`
	V1                V1         `yaml:"v1" doc:"The v1 dialect, which exists for migration only."`
	MissingTokenIs400 bool       `yaml:"missing_token_is_400" doc:"Answer 400 instead of 401 to a call without a token."`
	TokenURLAudience  bool       `yaml:"token_url_as_audience" doc:"Take client assertions (private_key_jwt) whose aud is the URL of a token endpoint, as older clients make them, beside those whose aud is the issuer. Another server whose URL such a client is tricked into can use its assertions here."`
	InvalidProduct401 bool       `yaml:"invalid_product_is_401" doc:"Answer 401 instead of 403 to a call whose token does not open the API."`
	MutualTLS         MutualTLS  `yaml:"mtls" doc:"A further listener, which asks clients for a certificate (RFC 8705) and serves all that the environment's own does. Default: none."`
	DPoP              DPoP       `yaml:"dpop" doc:"Proofs of possession (RFC 9449)."`
}

// MutualTLS is the listener at which clients show their certificates. Whoever ends
// TLS before it takes them away: it has to be reached directly.
type MutualTLS struct {
	Listener `yaml:",inline"`
	ClientCA []string `yaml:"client_ca" doc:"PEM files with the authorities whose certificates are believed to name a client (tls_client_auth). Default: none; clients then use certificates that they registered."`
}

// DPoP is about proofs of possession.
type DPoP struct {
	TokenNonceOptional   bool `yaml:"token_nonce_optional" doc:"Token endpoints take a proof without a nonce of ours. Default: false."`
	GatewayNonceOptional bool `yaml:"gateway_nonce_optional" doc:"The gateway takes a proof without a nonce of ours. Default: false."`
}

// Endpoint is a token endpoint.
type Endpoint struct {
	Path    string  `yaml:"path" doc:"Begins with / and ends in /token; its health check is beside it."`
	Dialect string  `yaml:"dialect" doc:"v1, v2, v3 or rfc."`
	JSON    bool    `yaml:"json" doc:"Takes JSON beside forms. Default: false."`
	Profile Profile `yaml:"profile" doc:"Departures from the RFCs, for clients that were written against an older endpoint. All false by default."`
}

// Profile is how a token endpoint departs from the RFCs.
type Profile struct {
	BadCredentialsAre400 bool `yaml:"bad_credentials_are_400" doc:"Answer 400 instead of 401 to bad credentials in the body; those in the Authorization header get 401, as RFC 6749 has it."`
	FailureReason        bool `yaml:"failure_reason" doc:"Refusals are status, failureReason and Errors instead of error and error_description; a scope, a resource or a client that may not have a token is 403."`
	GrantTypeOptional    bool `yaml:"grant_type_optional" doc:"JSON without grant_type is taken for client_credentials; only with json."`
}

// V1 is about the v1 dialect.
type V1 struct {
	Off        bool      `yaml:"off" doc:"Do not serve v1."`
	Alias      bool      `yaml:"alias" doc:"v2 answers carry accessToken too."`
	Deprecated time.Time `yaml:"deprecated" doc:"Since when, for the Deprecation header. Default: 2019-08-01T00:00:00Z."`
	Sunset     time.Time `yaml:"sunset" doc:"When it ends, for the Sunset header. Default: 2027-12-31T00:00:00Z."`
	Page       string    `yaml:"page" doc:"URL of the migration page. Default: the portal's."`
}

// Catalog is about the catalogue.
type Catalog struct {
	Vars map[string]string `yaml:"vars" doc:"Values for ${NAME} in the manifests' upstream URLs."`
}

// KeySets is about fetching the keys of others.
type KeySets struct {
	Allow []string `yaml:"allow" doc:"Networks, such as 10.0.0.0/8, that key sets may be fetched from although they are not public. Default: none: who may name a URL could else have us look around in our own network."`
	CA    string   `yaml:"ca" doc:"PEM file with authorities to trust for it beside the system's."`
	Stale Duration `yaml:"stale" doc:"How long a key set is gone by past its end while it cannot be fetched; at most 24h. Default: 1h."`
}

// Headers names headers.
type Headers struct {
	TraceAccept  []string `yaml:"trace_accept" doc:"Request headers that may bring a trace id, in order; traceparent is always read after them. Default: none."`
	Trace        string   `yaml:"trace" doc:"Answer header, and header to upstreams, with the trace id. Default: X-Trace-Id."`
	Source       string   `yaml:"source" doc:"Answer header that says mock or live. Default: X-Sallyport-Source."`
	Identity     string   `yaml:"identity" doc:"Header to upstreams with the signed identity JWT. Default: X-Sallyport-Identity."`
	Organization string   `yaml:"organization" doc:"Header to upstreams with the organization's id. Default: X-Sallyport-Organization."`
	Application  string   `yaml:"application" doc:"Header to upstreams with the app's name. Default: X-Sallyport-Application."`
	ClientID     string   `yaml:"client_id" doc:"Header to upstreams with the client_id. Default: X-Sallyport-Client-Id."`
	User         string   `yaml:"user" doc:"Header to upstreams with the user of a token of another issuer; what is not visible ASCII, and %, is percent-encoded. Default: X-Sallyport-User."`
	Environment  string   `yaml:"environment" doc:"Header to upstreams with the environment. Default: X-Sallyport-Environment."`
	Strip        []string `yaml:"strip" doc:"Further headers of callers that are not passed on, because upstreams take them for the gateway's word."`
}

// Shutdown is how a node stops.
type Shutdown struct {
	Announce Duration `yaml:"announce" doc:"How long the node goes on serving while GET /healthz of the management listener says 503: as long as a load balancer takes to notice. Default: 0s."`
	Finish   Duration `yaml:"finish" doc:"How long requests under way may take once the listeners are closed. Default: 10s."`
}

// FinishLimit is Finish, or its default.
func (s Shutdown) FinishLimit() time.Duration { return s.Finish.Or(defaultFinish) }

// Log says where the log goes.
type Log struct {
	File  string `yaml:"file" doc:"File to append to, as JSON lines. Default: standard error."`
	Level string `yaml:"level" doc:"debug, info, warn or error. Default: info."`
	Paths bool   `yaml:"paths" doc:"Write paths as they were sent, with what they are about: member ids, tax numbers, names. For debugging, as long as it takes; who reads the log then reads health data. Default: false; the operation's template alone."`
}

// Duration is a time.Duration that is written as 90s, 20m, 1h30m.
type Duration time.Duration
