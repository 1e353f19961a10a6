package config

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Complete fills in what was left out, and refuses what cannot be.
func (c *Config) Complete() error {
	setDefault(&c.Data, "sallyport-data")
	setDefault(&c.Audience, "apiPlatform")
	setDefault(&c.Name, "API Marketplace")
	setDefault(&c.Log.Level, "info")
	setDefault(&c.ACME.Directory, "https://acme-v02.api.letsencrypt.org/directory")
	if c.Database.SQLite == "" && c.Database.Postgres.IsZero() {
		c.Database.SQLite = filepath.Join(c.Data, "sallyport.db")
	}
	c.Headers.complete()
	c.Tracing.complete()
	setDefault(&c.Management.Listen, "127.0.0.1:8445")
	setDefault(&c.Portal.Listen, "127.0.0.1:8446")
	if c.Environments == nil {
		c.Environments = map[market.Environment]*Environment{}
	}
	for name, listen := range map[market.Environment]string{market.Sandbox: "127.0.0.1:8443", market.Production: "127.0.0.1:8444"} {
		if c.Environments[name] == nil {
			c.Environments[name] = &Environment{}
		}
		setDefault(&c.Environments[name].Listen, listen)
	}
	for name, e := range c.Environments {
		if e == nil {
			e = &Environment{}
			c.Environments[name] = e
		}
		e.complete(name)
	}
	for i := range c.Issuers {
		c.Issuers[i].complete(c)
	}
	return c.check()
}

func (t *Tracing) complete() {
	if !t.On() {
		return
	}
	if t.Sample == nil {
		sample := defaultSample
		t.Sample = &sample
	}
	if u, err := url.Parse(t.OTLP); err == nil && u.Host != "" && strings.Trim(u.Path, "/") == "" {
		t.OTLP = u.JoinPath("/v1/traces").String()
	}
}

// defaultSample is the part of requests that is recorded.
const defaultSample = 0.01

func (h *Headers) complete() {
	setDefault(&h.Trace, "X-Trace-Id")
	setDefault(&h.Source, "X-Sallyport-Source")
	setDefault(&h.Identity, "X-Sallyport-Identity")
	setDefault(&h.Organization, "X-Sallyport-Organization")
	setDefault(&h.Application, "X-Sallyport-Application")
	setDefault(&h.ClientID, "X-Sallyport-Client-Id")
	setDefault(&h.User, "X-Sallyport-User")
	setDefault(&h.Environment, "X-Sallyport-Environment")
}

// Lifetimes and windows where the file does not say.
const (
	defaultMinLifetime = time.Hour
	defaultMaxLifetime = 24 * time.Hour
	defaultReuse       = 20 * time.Second
	defaultKeyPeriod   = 90 * 24 * time.Hour
	defaultKeyLead     = time.Hour
	defaultMaxStale    = 15 * time.Minute
	defaultKeySetStale = time.Hour
	defaultFinish      = 10 * time.Second
)

func (e *Environment) complete(name market.Environment) {
	setDefault(&e.Algorithm, "RS256")
	setDefault(&e.SecretPrefix, defaultPrefix(name))
	if e.Contracted == nil {
		contracted := name != market.Sandbox
		e.Contracted = &contracted
	}
	if e.ReuseWindow == nil {
		window := Duration(defaultReuse)
		e.ReuseWindow = &window
	}
	e.MinTokenLifetime = Duration(e.MinTokenLifetime.Or(defaultMinLifetime))
	e.MaxTokenLifetime = Duration(e.MaxTokenLifetime.Or(defaultMaxLifetime))
	e.KeyPeriod = Duration(e.KeyPeriod.Or(defaultKeyPeriod))
	e.KeyLead = Duration(e.KeyLead.Or(defaultKeyLead))
	if e.V1.Deprecated.IsZero() {
		e.V1.Deprecated = time.Date(2019, 8, 1, 0, 0, 0, 0, time.UTC)
	}
	if e.V1.Sunset.IsZero() {
		e.V1.Sunset = time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	for i := range e.TokenEndpoints {
		e.TokenEndpoints[i].Path = strings.TrimSuffix(e.TokenEndpoints[i].Path, "/")
	}
}

// StaleLimit is MaxStale, or its default.
func (c *Config) StaleLimit() time.Duration { return c.MaxStale.Or(defaultMaxStale) }

// StaleLimit is Stale, or its default.
func (k KeySets) StaleLimit() time.Duration { return k.Stale.Or(defaultKeySetStale) }

// defaultPrefix begins the secrets of an environment that is given no prefix: sp
// and as much of its name as a prefix can hold.
func defaultPrefix(name market.Environment) string {
	switch name {
	case market.Sandbox:
		return "spsbx"
	case market.Production:
		return "spprd"
	}
	prefix := "sp" + strings.ReplaceAll(string(name), "-", "")
	return prefix[:min(len(prefix), maxPrefix)]
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
