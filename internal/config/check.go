package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// maxPrefix is how long the prefix of a secret may be: what prefixForm takes.
const maxPrefix = 16

// longestLifetime bounds max_token_lifetime: nodes forget a secret 48 hours
// after its end, and its tokens must have ended by then.
const longestLifetime = 48 * time.Hour

// longestStale bounds key_sets.stale.
const longestStale = 24 * time.Hour

// shortestLead is twice as long as a verifier may keep the key set.
const shortestLead = 2 * keyring.MaxAge

var (
	environmentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	prefixForm      = regexp.MustCompile(`^[a-z][a-z0-9]{1,15}$`)
	headerName      = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^`|~-]+$") // no _: two spellings
)

// check collects everything that is wrong.
func (c *Config) check() error {
	var wrong []error
	bad := func(where, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
	}
	if c.Database.SQLite != "" && !c.Database.Postgres.IsZero() {
		bad("database", "give sqlite or postgres, not both")
	}
	if p := c.Keys.PKCS11; !p.IsZero() && (p.Module == "" || p.Token == "" || p.PIN.IsZero()) {
		bad("keys.pkcs11", "give module, token and pin, or none of them")
	}
	if _, err := c.Log.SlogLevel(); err != nil {
		bad("log.level", "%v", err)
	}
	for name, value := range c.Headers.all() {
		if !headerName.MatchString(value) {
			bad("headers."+name, "%q is not a header's name", value)
		}
	}
	for i, text := range c.KeySets.Allow {
		if p, err := netip.ParsePrefix(text); err != nil || p != p.Masked() {
			bad(fmt.Sprintf("key_sets.allow[%d]", i), "%q is not a network, such as 10.0.0.0/8", text)
		}
	}
	if c.KeySets.Stale > Duration(longestStale) {
		bad("key_sets.stale", "must be at most 24h: a key that its owner took out is taken for so much longer")
	}
	c.checkACME(bad)
	c.Tracing.check(bad)
	c.checkUpstreamTLS(bad)
	c.checkIssuers(bad)
	checkListener(bad, "management", c.Management)
	checkListener(bad, "portal", c.Portal)
	if c.Metrics.On() {
		checkListener(bad, "metrics", c.Metrics)
	} else if c.Metrics.set() {
		bad("metrics.listen", "is missing; there is no such listener without an address of its own")
	}
	prefixes, issuers := map[string]market.Environment{}, map[string]market.Environment{}
	for _, name := range slices.Sorted(maps.Keys(c.Environments)) {
		e, where := c.Environments[name], "environments."+string(name)
		if !environmentName.MatchString(string(name)) {
			bad(where, "the name must be lower-case letters, digits and -")
		}
		e.check(bad, where)
		if other, taken := prefixes[e.SecretPrefix]; taken {
			bad(where+".secret_prefix", "is that of %s too", other)
		}
		prefixes[e.SecretPrefix] = name
		if other, taken := issuers[e.Issuer]; taken && e.Issuer != "" {
			bad(where+".issuer", "is that of %s too; each environment has its own", other)
		}
		issuers[e.Issuer] = name
	}
	c.checkAddresses(bad)
	return errors.Join(wrong...)
}

// checkAddresses sees that no two listeners have one address. Port 0 is a free one
// for each.
func (c *Config) checkAddresses(bad func(where, format string, args ...any)) {
	listeners := [][2]string{{"management", c.Management.Listen}, {"portal", c.Portal.Listen}, {"metrics", c.Metrics.Listen}}
	for _, name := range slices.Sorted(maps.Keys(c.Environments)) {
		where := "environments." + string(name)
		listeners = append(listeners, [2]string{where, c.Environments[name].Listen}, [2]string{where + ".mtls", c.Environments[name].MutualTLS.Listen})
	}
	taken := map[string]string{}
	for _, l := range listeners {
		where, address := l[0], l[1]
		if _, port, err := net.SplitHostPort(address); err != nil || port == "0" {
			continue
		}
		if other := taken[address]; other != "" {
			bad(where+".listen", "%s is the address of %s too; each listener has its own", address, other)
		}
		taken[address] = where
	}
}

func (e *Environment) check(bad func(where, format string, args ...any), where string) {
	checkListener(bad, where, e.Listener)
	e.MutualTLS.check(bad, where+".mtls")
	if e.Issuer != "" {
		checkURL(bad, where+".issuer", e.Issuer)
	}
	for i, alias := range e.Aliases {
		checkURL(bad, fmt.Sprintf("%s.aliases[%d]", where, i), alias)
	}
	if !slices.Contains([]string{"RS256", "ES256", "EdDSA"}, e.Algorithm) {
		bad(where+".algorithm", "must be RS256, ES256 or EdDSA")
	}
	if !prefixForm.MatchString(e.SecretPrefix) {
		bad(where+".secret_prefix", "must be 2 to 16 lower-case letters and digits")
	}
	if e.MinTokenLifetime > e.MaxTokenLifetime {
		bad(where+".min_token_lifetime", "is longer than max_token_lifetime")
	}
	if e.MaxTokenLifetime > Duration(longestLifetime) {
		bad(where+".max_token_lifetime", "must be at most 48h, which is for how long an ended secret is remembered")
	}
	if e.TokenRequests < 0 {
		bad(where+".token_requests_per_second", "must not be negative; 0 is no limit")
	}
	if e.Introspections < 0 {
		bad(where+".introspection_requests_per_second", "must not be negative; 0 is no limit")
	}
	if e.SecretLifetime != 0 && e.SecretLifetime < Duration(time.Hour) {
		bad(where+".secret_lifetime", "must be at least 1h; 0 is none of its own")
	}
	if e.KeyLead < Duration(shortestLead) {
		bad(where+".key_lead", "must be at least %s: verifiers keep the key set for %s", shortestLead, keyring.MaxAge)
	}
	if e.KeyPeriod <= e.KeyLead {
		bad(where+".key_period", "must be longer than key_lead")
	}
	if *e.ReuseWindow > Duration(30*time.Second) {
		bad(where+".reuse_window", "must be at most 30s, which is the gateway's leeway")
	}
	paths := map[string]bool{}
	for i, p := range e.TokenEndpoints {
		at := fmt.Sprintf("%s.token_endpoints[%d]", where, i)
		if !strings.HasPrefix(p.Path, "/") || !strings.HasSuffix(p.Path, "/token") || paths[p.Path] {
			bad(at+".path", "must begin with /, end in /token, and be there once")
		}
		paths[p.Path] = true
		if !slices.Contains([]string{"v1", "v2", "v3", "rfc"}, p.Dialect) {
			bad(at+".dialect", "must be v1, v2, v3 or rfc")
		}
		if p.Profile.GrantTypeOptional && !p.JSON {
			bad(at+".profile.grant_type_optional", "is for JSON bodies: set json as well")
		}
	}
}

func (t Tracing) check(bad func(where, format string, args ...any)) {
	if !t.On() {
		if t.Sample != nil || t.Follow || len(t.Headers) > 0 || t.CA != "" {
			bad("tracing.otlp", "is missing; there is no collector to send traces to")
		}
		return
	}
	u, err := url.Parse(t.OTLP)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		bad("tracing.otlp", "must be an http or https URL without user, query or fragment; credentials go into headers")
	} else if u.Scheme == "http" && len(t.Headers) > 0 && !loopback(u.Hostname()) {
		bad("tracing.headers", "are secrets, and would be sent in the clear: use https")
	}
	if *t.Sample < 0 || *t.Sample > 1 || math.IsNaN(*t.Sample) {
		bad("tracing.sample", "must be from 0 to 1")
	}
	for name := range t.Headers {
		if !headerName.MatchString(name) {
			bad("tracing.headers", "%q is not a header's name", name)
		}
	}
}

func (m MutualTLS) check(bad func(where, format string, args ...any), where string) {
	switch {
	case m.On():
		checkListener(bad, where, m.Listener)
	case m.set() || len(m.ClientCA) > 0:
		bad(where+".listen", "is missing; there is no listener for mutual TLS without an address of its own")
	}
	if m.Plain {
		bad(where+".plain", "there are no client certificates without TLS")
	}
	if len(m.TrustedProxies) > 0 {
		bad(where+".trusted_proxies", "a proxy that says who called it has ended their TLS, and taken the certificates away")
	}
}

// set reports whether anything is said of a listener but its address.
func (l Listener) set() bool {
	return l.URL != "" || l.TLS != TLS{} || l.Plain || len(l.Hosts)+len(l.TrustedProxies) > 0
}

func checkListener(bad func(where, format string, args ...any), where string, l Listener) {
	if _, _, err := net.SplitHostPort(l.Listen); err != nil {
		bad(where+".listen", "%q is not an address and port, such as 127.0.0.1:8443", l.Listen)
	}
	if host, _, _ := net.SplitHostPort(l.Listen); l.Plain && !loopback(host) {
		bad(where+".plain", "plain HTTP is for loopback addresses only, and %q is none", l.Listen)
	}
	if (l.TLS.Certificate == "") != (l.TLS.Key == "") {
		bad(where+".tls", "give certificate and key, or neither")
	}
	if l.TLS.ACME {
		l.checkACME(bad, where)
	}
	if l.URL != "" {
		checkURL(bad, where+".url", l.URL)
	}
	for _, text := range l.TrustedProxies {
		if n, err := parseNetwork(text); err != nil {
			bad(where+".trusted_proxies", "%q is not an address or a network, such as 10.0.1.0/24", text)
		} else if n.Bits() == 0 {
			bad(where+".trusted_proxies", "%q is everybody, who could then call from any address they like", text)
		}
	}
	for _, host := range l.Hosts {
		if host == "" || strings.ContainsAny(host, "/:@ ") && net.ParseIP(host) == nil {
			bad(where+".hosts", "%q is not a host name or an address; leave the port out", host)
		}
	}
}

// checkACME sees that somebody has agreed to what the authority wants.
func (c *Config) checkACME(bad func(where, format string, args ...any)) {
	wanted := c.Management.TLS.ACME || c.Portal.TLS.ACME
	for _, e := range c.Environments {
		wanted = wanted || e.TLS.ACME || e.MutualTLS.TLS.ACME
	}
	if wanted && !c.ACME.Agree {
		bad("acme.agree", "is not true: read the authority's terms of service, and say that you agree to them")
	}
	checkURL(bad, "acme.directory", c.ACME.Directory)
}

func (l Listener) checkACME(bad func(where, format string, args ...any), where string) {
	switch {
	case l.TLS.Certificate != "":
		bad(where+".tls.acme", "a certificate is got by ACME or read from files, not both")
	case l.Plain:
		bad(where+".tls.acme", "a plain listener has no certificate")
	case len(l.Hosts) == 0:
		bad(where+".tls.acme", "needs the names that the certificate is for, in hosts")
	}
	for _, host := range l.Hosts {
		if net.ParseIP(host) != nil || !strings.Contains(host, ".") {
			bad(where+".hosts", "%q is not a name that an authority certifies by ACME; give host names such as api.example.com", host)
		}
	}
}

// Proxies returns the networks of the proxies that are believed.
func (l Listener) Proxies() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range l.TrustedProxies {
		if n, err := parseNetwork(text); err == nil { // check has refused others
			out = append(out, n)
		}
	}
	return out
}

// parseNetwork reads a network, or an address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	return n.Masked(), err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func checkURL(bad func(where, format string, args ...any), where, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(text, "/") {
		bad(where, "must be an https URL without query, fragment or trailing slash (RFC 8414 §2)")
	}
}

// all returns the headers' names by their place in the file.
func (h Headers) all() map[string]string {
	names := map[string]string{
		"trace": h.Trace, "source": h.Source, "identity": h.Identity, "organization": h.Organization,
		"application": h.Application, "user": h.User, "client_id": h.ClientID, "environment": h.Environment,
	}
	for i, name := range h.TraceAccept {
		names[fmt.Sprintf("trace_accept[%d]", i)] = name
	}
	for i, name := range h.Strip {
		names[fmt.Sprintf("strip[%d]", i)] = name
	}
	return names
}

// SlogLevel returns the level.
func (l Log) SlogLevel() (slog.Level, error) {
	var level slog.Level
	if l.Level == "" {
		return level, nil
	}
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return level, errors.New("must be debug, info, warn or error")
	}
	return level, nil
}
