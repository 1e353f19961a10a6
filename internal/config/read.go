package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Secret names where a secret is; it never holds one.
type Secret struct {
	File string `yaml:"file" doc:"File that holds it; the end of the line does not count."`
	Env  string `yaml:"env" doc:"Environment variable that holds it."`
}

// IsZero reports whether no place is named.
func (s Secret) IsZero() bool { return s == Secret{} }

// Read returns the secret. getenv is the process's environment.
func (s Secret) Read(getenv func(string) string) (secret.String, error) {
	switch {
	case s.File != "" && s.Env != "":
		return secret.String{}, errors.New("give file or env, not both")
	case s.File != "":
		text, err := os.ReadFile(s.File)
		if err != nil {
			return secret.String{}, err
		}
		return secret.New(strings.TrimRight(string(text), "\r\n")), nil
	case s.Env != "":
		text := getenv(s.Env)
		if text == "" {
			return secret.String{}, fmt.Errorf("the environment variable %s is empty or not set", s.Env)
		}
		return secret.New(text), nil
	}
	return secret.String{}, errors.New("name the file or env that holds it")
}

const minKeyBytes = 32

// ReadKey returns a secret that is at least 32 bytes in hex or base64.
func (s Secret) ReadKey(getenv func(string) string) (secret.String, error) {
	text, err := s.Read(getenv)
	if err != nil {
		return text, err
	}
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if raw, err := decode(text.Reveal()); err == nil && len(raw) >= minKeyBytes {
			return text, nil
		}
	}
	return text, fmt.Errorf("must be at least %d random bytes in hex or base64, as `openssl rand -hex 32` prints them", minKeyBytes)
}

// UnmarshalYAML reads 90s, 20m, 1h30m.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil || parsed < 0 {
		return fmt.Errorf("line %d: %q is not a duration such as 90s, 20m or 1h30m", node.Line, node.Value)
	}
	*d = Duration(parsed)
	return nil
}

// Or returns d, or otherwise if it is zero.
func (d Duration) Or(otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return time.Duration(d)
}

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Load reads the file and completes it. Relative paths in it are relative to
// its folder.
func Load(file string) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s: is larger than a configuration can be", file)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c.resolve(filepath.Dir(file))
	if err := c.Complete(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// Parse reads a configuration without completing it.
func Parse(text []byte) (*Config, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	c := &Config{}
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		var types *yaml.TypeError
		if errors.As(err, &types) {
			return nil, errors.New(strings.Join(types.Errors, "; "))
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	return c, nil
}

// resolve makes relative paths relative to folder.
func (c *Config) resolve(folder string) {
	paths := []*string{
		&c.Data, &c.Database.SQLite, &c.Database.Postgres.File, &c.Keys.Sealing.File, &c.Keys.Hashing.File, &c.Log.File,
		&c.Management.TLS.Certificate, &c.Management.TLS.Key, &c.Portal.TLS.Certificate, &c.Portal.TLS.Key,
	}
	for _, e := range c.Environments {
		if e != nil {
			paths = append(paths, &e.TLS.Certificate, &e.TLS.Key)
		}
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}

// Complete fills in what was left out, and refuses what cannot be.
func (c *Config) Complete() error {
	setDefault(&c.Data, "sallyport-data")
	setDefault(&c.Audience, "apiPlatform")
	setDefault(&c.Name, "API Marketplace")
	setDefault(&c.Log.Level, "info")
	if c.Database.SQLite == "" && c.Database.Postgres.IsZero() {
		c.Database.SQLite = filepath.Join(c.Data, "sallyport.db")
	}
	c.Headers.complete()
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
	return c.check()
}

func (h *Headers) complete() {
	setDefault(&h.Trace, "X-Trace-Id")
	setDefault(&h.Source, "X-Sallyport-Source")
	setDefault(&h.Identity, "X-Sallyport-Identity")
	setDefault(&h.Organization, "X-Sallyport-Organization")
	setDefault(&h.Application, "X-Sallyport-Application")
	setDefault(&h.ClientID, "X-Sallyport-Client-Id")
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
)

func (e *Environment) complete(name market.Environment) {
	setDefault(&e.Algorithm, "RS256")
	prefix := "sp" + string(name)
	switch name {
	case market.Sandbox:
		prefix = "spsbx"
	case market.Production:
		prefix = "spprd"
	}
	setDefault(&e.SecretPrefix, prefix)
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
	for i := range e.TokenEndpoints {
		e.TokenEndpoints[i].Path = strings.TrimSuffix(e.TokenEndpoints[i].Path, "/")
	}
}

// StaleLimit is MaxStale, or its default.
func (c *Config) StaleLimit() time.Duration { return c.MaxStale.Or(defaultMaxStale) }

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
	if _, err := c.Log.SlogLevel(); err != nil {
		bad("log.level", "%v", err)
	}
	for name, value := range c.Headers.all() {
		if !headerName.MatchString(value) {
			bad("headers."+name, "%q is not a header's name", value)
		}
	}
	checkListener(bad, "management", c.Management)
	checkListener(bad, "portal", c.Portal)
	prefixes := map[string]market.Environment{}
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
	}
	return errors.Join(wrong...)
}

func (e *Environment) check(bad func(where, format string, args ...any), where string) {
	checkListener(bad, where, e.Listener)
	if e.Issuer != "" {
		checkURL(bad, where+".issuer", e.Issuer)
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
	}
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
	if l.URL != "" {
		checkURL(bad, where+".url", l.URL)
	}
	for _, host := range l.Hosts {
		if host == "" || strings.ContainsAny(host, "/:@ ") && net.ParseIP(host) == nil {
			bad(where+".hosts", "%q is not a host name or an address; leave the port out", host)
		}
	}
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
		"application": h.Application, "client_id": h.ClientID, "environment": h.Environment,
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

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
