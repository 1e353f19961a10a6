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
// its folder. If it could be read, and has faults, it is returned beside them.
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
		return c, fmt.Errorf("%s: %w", file, err)
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
			return nil, errors.New(plainly(strings.Join(types.Errors, "; ")))
		case errors.As(err, &when): // the decoder does not say where
			return nil, fmt.Errorf("line %d: %q is not a time such as 2027-01-31T00:00:00Z", lineOf(text, when.Value), when.Value)
		}
		return nil, errors.New(plainly(strings.TrimPrefix(err.Error(), "yaml: ")))
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
	paths = append(paths, &c.Keys.PKCS11.Module, &c.Keys.PKCS11.PIN.File, &c.ACME.CA, &c.KeySets.CA)
	for _, t := range c.UpstreamTLS {
		if t != nil {
			paths = append(paths, &t.Certificate, &t.Key, &t.CA)
		}
	}
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

// How the decoder says that a name is unknown, that a value is of another kind, and
// that lines do not fit together: by Go's types, or by its own states, which are
// nobody's business.
var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongKind    = regexp.MustCompile("cannot unmarshal !!(\\w+)(?: `[^`]*`)? into (\\S+)")
	misplaced    = regexp.MustCompile(`did not find expected (?:key|node content|'-' indicator)`)
)

// plainly says what the decoder says to people. The values that it quotes are left
// out: one may be a secret, written where the name of its file belongs.
func plainly(text string) string {
	text = unknownField.ReplaceAllString(text, "there is no setting $1 here (see docs/config.md)")
	text = misplaced.ReplaceAllString(text, "this does not fit what is before it: see how the lines are indented, and whether quotes and brackets are closed")
	return wrongKind.ReplaceAllStringFunc(text, func(found string) string {
		parts := wrongKind.FindStringSubmatch(found)
		return "here has to be " + wantedKind(parts[2]) + ", and not " + foundKind(parts[1])
	})
}

// wantedKind says which YAML is read into a Go type.
func wantedKind(goType string) string {
	switch {
	case goType == "config.Secret":
		return "the place of a secret, {file: NAME} or {env: NAME}"
	case strings.HasPrefix(goType, "[]string"):
		return "a list, such as [one, two]"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "string":
		return "a text"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"), strings.HasPrefix(goType, "float"):
		return "a number"
	}
	return "a section, with settings of its own"
}

func foundKind(tag string) string {
	switch tag {
	case "seq":
		return "a list"
	case "map":
		return "a section"
	case "null":
		return "nothing"
	case "bool":
		return "true or false"
	case "int", "float":
		return "a number"
	}
	return "a text"
}
