package server

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/keyset"
)

// checking is a check of a configuration under way.
type checking struct {
	Options
	faults, notes []error
}

// Check reads every file and variable that the configuration names, and returns all
// that would keep a server from running, or its clients from believing it. notes are
// for who reads them. Nothing is written, listened at or connected to.
func Check(o Options) (faults, notes []error) {
	c := &checking{Options: o}
	c.data()
	c.keys()
	for _, l := range c.listeners() {
		c.certificate(l.name+".tls", l.TLS)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Config.Environments)) {
		where := "environments." + string(name) + ".mtls.client_ca"
		for _, file := range o.Config.Environments[name].MutualTLS.ClientCA {
			c.authority(where, file)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Config.UpstreamTLS)) {
		if t := o.Config.UpstreamTLS[name]; t != nil { // else it was told
			c.certificate("upstream_tls."+name, config.TLS{Certificate: t.Certificate, Key: t.Key})
			c.authority("upstream_tls."+name+".ca", t.CA)
		}
	}
	c.authority("acme.ca", o.Config.ACME.CA)
	c.authority("tracing.ca", o.Config.Tracing.CA)
	c.trust("key_sets", o.Config.KeySets)
	for n, i := range o.Config.Issuers {
		c.trust(fmt.Sprintf("issuers[%d]", n), config.KeySets{Allow: i.Allow, CA: i.CA})
	}
	c.variables()
	return c.faults, c.notes
}

func (c *checking) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// place is a listener and where it stands in the configuration.
type place struct {
	name string
	config.Listener
}

func (c *checking) listeners() []place {
	all := []place{{"management", c.Config.Management}, {"portal", c.Config.Portal}, {"metrics", c.Config.Metrics}}
	for _, name := range slices.Sorted(maps.Keys(c.Config.Environments)) {
		e := c.Config.Environments[name]
		all = append(all, place{"environments." + string(name), e.Listener}, place{"environments." + string(name) + ".mtls", e.MutualTLS.Listener})
	}
	return all
}

// data sees that the folders are there, or can be made.
func (c *checking) data() {
	info, err := os.Stat(c.Config.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.notes = append(c.notes, fmt.Errorf("data: there is no folder %s yet; the first start makes it", c.Config.Data))
	case err != nil:
		c.fault("data: %w", ExplainFolder(c.Config.Data, err))
	case !info.IsDir():
		c.fault("data: %w", ExplainFolder(c.Config.Data, fs.ErrExist))
	}
	if file := c.Config.Log.File; file != "" {
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			c.fault("log.file: there is no folder %s: make it", filepath.Dir(file))
		}
	}
}

// keys reads every secret.
func (c *checking) keys() {
	before := len(c.faults)
	read := func(where string, from config.Secret, as func(config.Secret) error) {
		if err := as(from); err != nil {
			c.fault("%s: %w", where, err)
			return
		}
		if from.Exposed() {
			c.notes = append(c.notes, fmt.Errorf("%s: the file %s can be read by everybody on this machine: chmod 400 it", where, from.File))
		}
	}
	key := func(from config.Secret) error { _, err := from.ReadKey(c.Getenv); return err }
	text := func(from config.Secret) error { _, err := from.Read(c.Getenv); return err }
	k := c.Config.Keys
	read("keys.sealing", k.Sealing, key)
	for i, old := range k.SealingOld {
		read(fmt.Sprintf("keys.sealing_old[%d]", i), old, key)
	}
	if len(c.faults) == before {
		if _, err := (&Server{Options: c.Options}).sealer(); err != nil {
			c.faults = append(c.faults, err)
		}
	}
	read("keys.hashing", k.Hashing, key)
	if dsn := c.Config.Database.Postgres; !dsn.IsZero() {
		read("database.postgres", dsn, text)
	}
	if !k.PKCS11.IsZero() {
		read("keys.pkcs11.pin", k.PKCS11.PIN, text)
		if _, err := os.Stat(k.PKCS11.Module); err != nil {
			c.fault("keys.pkcs11.module: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Config.Tracing.Headers)) {
		read("tracing.headers."+name, c.Config.Tracing.Headers[name], text)
	}
}

// certificate reads a certificate and its key, if files are named.
func (c *checking) certificate(where string, files config.TLS) {
	if files.Certificate == "" || files.Key == "" { // one alone was told
		return
	}
	s, err := newShown(files, nil, nil, c.Now)
	if err != nil {
		c.fault("%s: %w", where, err)
		return
	}
	leaf := s.current.Load().Leaf
	switch now := c.Now(); {
	case now.After(leaf.NotAfter):
		c.fault("%s: the certificate %s has expired, on %s", where, files.Certificate, leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		c.fault("%s: the certificate %s holds only from %s", where, files.Certificate, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
}

// authority reads a file of authorities, if it is named.
func (c *checking) authority(where, file string) {
	if file == "" {
		return
	}
	if _, err := newTrusted([]string{file}); err != nil {
		c.fault("%s: %w", where, err)
	}
}

// trust reads what key sets are fetched by.
func (c *checking) trust(where string, k config.KeySets) {
	if err := addKeySets(&keyset.Config{}, where, k); err != nil {
		c.faults = append(c.faults, err)
	}
}

// variableName is how manifests can name a variable.
var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// variables sees that the variables of catalogues can be named, and have values.
func (c *checking) variables() {
	for _, name := range slices.Sorted(maps.Keys(c.Config.Catalog.Vars)) {
		switch {
		case !variableName.MatchString(name):
			c.fault("catalog.vars: no manifest can name %q; allowed are capital letters, digits and _, as in BILLING_URL", name)
		case c.Config.Catalog.Vars[name] == "":
			c.fault("catalog.vars.%s: is empty", name)
		}
	}
}
