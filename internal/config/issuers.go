package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/jose"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Issuer is an issuer beside our own.
type Issuer struct {
	Name         string   `yaml:"name" doc:"What manifests call it: lower-case letters, digits and -. The name own is taken."`
	Issuer       string   `yaml:"issuer" doc:"The iss of its tokens, an https URL, letter by letter, with its trailing slash if it has one."`
	JWKSURI      string   `yaml:"jwks_uri" doc:"The https URL of its keys. Default: as its metadata say (OpenID Connect Discovery, RFC 8414)."`
	Audiences    []string `yaml:"audiences" doc:"Which aud is taken, at least one. One that is the URL of an environment or of an API there is for that alone."`
	Algorithms   []string `yaml:"algorithms" doc:"Which alg is taken; never a symmetric one. Default: RS256, ES256, EdDSA, PS256."`
	Types        []string `yaml:"types" doc:"Which typ is taken; tokens without one count as JWT. Default: at+jwt (RFC 9068) and JWT. If all its access tokens are at+jwt, say so: its ID tokens are then never taken for them."`
	Environments []string `yaml:"environments" doc:"Where its tokens are taken. Default: in all."`
	Leeway       Duration `yaml:"leeway" doc:"How far its clock and ours may differ, at most 5m. Default: 30s."`
	MaxLifetime  Duration `yaml:"max_lifetime" doc:"The longest life, from iat to exp, that a token of it may have. Default: 24h."`

	Client            string            `yaml:"client" doc:"All its tokens are of the app with this client_id."`
	ClientClaim       string            `yaml:"client_claim" doc:"The claim that names the app by its client_id, or by clients. What begins with / is a JSON pointer into the claims. Default: client_id, unless client or organization_claim is given."`
	Clients           map[string]string `yaml:"clients" doc:"Which value of client_claim means which client_id here. Default: the value is one."`
	OrganizationClaim string            `yaml:"organization_claim" doc:"The claim that names an organization by its id, which then calls by itself and not by one of its apps."`
	Organizations     []string          `yaml:"organizations" doc:"The ids of the organizations that its tokens may speak for. Default: all."`
	ProductsClaim     string            `yaml:"products_claim" doc:"The claim with the products that the token opens, an array, or a text with spaces between; never more than are subscribed to. Default: none, a token opens what is subscribed to."`
	UserClaim         string            `yaml:"user_claim" doc:"The claim that names the user, which upstreams are told. One that is the same as client_claim says that there is none. Default: sub."`

	Allow []string `yaml:"allow" doc:"Networks that are not public and that its metadata and keys may be fetched from, beside key_sets.allow."`
	CA    string   `yaml:"ca" doc:"PEM file with authorities to trust for it, beside the system's and key_sets.ca."`
	Stale Duration `yaml:"stale" doc:"How long its keys are gone by past their end while they cannot be fetched; at most 24h. Default: key_sets.stale."`
}

// Bounds and defaults of an issuer.
const (
	defaultIssuerLeeway   = 30 * time.Second
	longestIssuerLeeway   = 5 * time.Minute
	defaultIssuerLifetime = 24 * time.Hour
)

func (i *Issuer) complete(c *Config) {
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256}
	}
	if len(i.Types) == 0 {
		i.Types = []string{"at+jwt", "JWT"}
	}
	if len(i.Environments) == 0 {
		for _, name := range slices.Sorted(maps.Keys(c.Environments)) {
			i.Environments = append(i.Environments, string(name))
		}
	}
	i.Leeway = Duration(i.Leeway.Or(defaultIssuerLeeway))
	i.MaxLifetime = Duration(i.MaxLifetime.Or(defaultIssuerLifetime))
	i.Stale = Duration(i.Stale.Or(c.KeySets.StaleLimit()))
	if i.Client == "" && i.OrganizationClaim == "" {
		setDefault(&i.ClientClaim, "client_id")
	}
	setDefault(&i.UserClaim, "sub")
}

// IssuerNames returns what manifests may call the other issuers.
func (c *Config) IssuerNames() []string {
	names := make([]string, len(c.Issuers))
	for i := range c.Issuers {
		names[i] = c.Issuers[i].Name
	}
	return names
}

// SameIssuer reports whether two URLs of issuers are so alike that a person would
// take them for one.
func SameIssuer(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

func (c *Config) checkIssuers(bad func(where, format string, args ...any)) {
	names, urls := map[string]bool{}, map[[2]string]bool{}
	for n := range c.Issuers {
		i, where := &c.Issuers[n], fmt.Sprintf("issuers[%d]", n)
		switch {
		case !environmentName.MatchString(i.Name):
			bad(where+".name", "%q must be lower-case letters, digits and -, a letter first", i.Name)
		case i.Name == manifest.OwnIssuer:
			bad(where+".name", "%q is our own token service", i.Name)
		case names[i.Name]:
			bad(where+".name", "%q is another's too", i.Name)
		}
		names[i.Name] = true
		for _, env := range i.Environments {
			if c.Environments[market.Environment(env)] == nil {
				bad(where+".environments", "there is no environment %q", env)
			}
			key := [2]string{env, strings.ToLower(strings.TrimRight(i.Issuer, "/"))}
			if urls[key] {
				bad(where+".issuer", "is that of another in %s too, or differs from it in case or a trailing slash alone", env)
			}
			urls[key] = true
		}
		for name, e := range c.Environments {
			if SameIssuer(i.Issuer, e.Issuer) || SameIssuer(i.Issuer, e.URL) {
				bad(where+".issuer", "is our own, of %s; our own tokens are taken without being listed here", name)
			}
		}
		i.check(bad, where)
	}
}

func (i *Issuer) check(bad func(where, format string, args ...any), where string) {
	if !secure(i.Issuer) || strings.ContainsAny(i.Issuer, "?#") {
		bad(where+".issuer", "must be an https URL without query and fragment (OpenID Connect Discovery 1.0 §3)")
	}
	if i.JWKSURI != "" && !secure(i.JWKSURI) {
		bad(where+".jwks_uri", "must be an https URL")
	}
	if len(i.Audiences) == 0 || slices.Contains(i.Audiences, "") {
		bad(where+".audiences", "name at least one: what is meant for others must not be taken (RFC 8725 §3.9)")
	}
	for _, alg := range i.Algorithms {
		if !slices.Contains(jose.Algorithms(), alg) {
			bad(where+".algorithms", "%q is not taken; there are: %s", alg, strings.Join(jose.Algorithms(), ", "))
		}
	}
	for _, typ := range i.Types {
		if typ == "" || strings.Contains(typ, "/") {
			bad(where+".types", "%q is not a typ; write it without application/", typ)
		}
	}
	if i.Leeway > Duration(longestIssuerLeeway) {
		bad(where+".leeway", "must be at most 5m")
	}
	if i.Stale > Duration(longestStale) {
		bad(where+".stale", "must be at most 24h: a key that its owner took out is taken for so much longer")
	}
	i.checkMapping(bad, where)
	for n, text := range i.Allow {
		if p, err := netip.ParsePrefix(text); err != nil || p != p.Masked() {
			bad(fmt.Sprintf("%s.allow[%d]", where, n), "%q is not a network, such as 10.0.0.0/8", text)
		}
	}
}

func (i *Issuer) checkMapping(bad func(where, format string, args ...any), where string) {
	ways := 0
	for _, way := range []string{i.Client, i.ClientClaim, i.OrganizationClaim} {
		if way != "" {
			ways++
		}
	}
	if ways > 1 {
		bad(where, "give one of client, client_claim and organization_claim: each says who calls")
	}
	if i.Clients != nil && i.ClientClaim == "" {
		bad(where+".clients", "says what the values of client_claim mean, and there is none")
	}
	for value, clientID := range i.Clients {
		if value == "" || clientID == "" {
			bad(where+".clients", "%q leads to %q; both must be something", value, clientID)
		}
	}
}

// secure reports whether text is an https URL of a host, of nobody in particular.
func secure(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}
