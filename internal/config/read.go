package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Load reads the file and completes it. Relative paths in it are relative to
// its folder.
func Load(file string) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close() // only read
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
		var when *time.ParseError
		switch {
		case errors.As(err, &types):
			return nil, errors.New(unknownField.ReplaceAllString(strings.Join(types.Errors, "; "), "there is no setting $1 here (see docs/config.md)"))
		case errors.As(err, &when): // the decoder does not say where
			return nil, fmt.Errorf("line %d: %q is not a time such as 2027-01-31T00:00:00Z", lineOf(text, when.Value), when.Value)
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	return c, nil
}

// lineOf finds the first value that reads so.
func lineOf(text []byte, value string) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.Contains(line, []byte(value)) {
			return i + 1
		}
	}
	return 1
}

// resolve makes relative paths relative to folder.
func (c *Config) resolve(folder string) {
	paths := []*string{
		&c.Data, &c.Database.SQLite, &c.Database.Postgres.File, &c.Keys.Sealing.File, &c.Keys.Hashing.File, &c.Log.File,
		&c.Metrics.TLS.Certificate, &c.Metrics.TLS.Key, &c.Tracing.CA,
		&c.Management.TLS.Certificate, &c.Management.TLS.Key, &c.Portal.TLS.Certificate, &c.Portal.TLS.Key,
	}
	paths = append(paths, &c.Keys.PKCS11.Module, &c.Keys.PKCS11.PIN.File, &c.ACME.CA)
	for i := range c.Keys.SealingOld {
		paths = append(paths, &c.Keys.SealingOld[i].File)
	}
	for _, e := range c.Environments {
		if e != nil {
			paths = append(paths, &e.TLS.Certificate, &e.TLS.Key, &e.MutualTLS.TLS.Certificate, &e.MutualTLS.TLS.Key)
			for i := range e.MutualTLS.ClientCA {
				paths = append(paths, &e.MutualTLS.ClientCA[i])
			}
		}
	}
	for name, from := range c.Tracing.Headers {
		if from.File != "" && !filepath.IsAbs(from.File) {
			from.File = filepath.Join(folder, from.File)
			c.Tracing.Headers[name] = from
		}
	}
	for i := range c.Issuers {
		paths = append(paths, &c.Issuers[i].CA)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
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

// unknownField is how the decoder says that a name is unknown: by Go's types,
// which are nobody's business.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
