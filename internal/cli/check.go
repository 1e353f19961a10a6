package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// finding is one thing that a check found. Line 0: none is known.
type finding struct {
	File   string `json:"file"` // as it is found from here
	Line   int    `json:"line,omitempty"`
	Detail string `json:"detail"`
}

// catalogCheck is what the check of a catalogue answers. No server has a hand in it.
type catalogCheck struct {
	Good       bool      `json:"good"`
	APIs       int       `json:"apis"` // of a good one
	Operations int       `json:"operations"`
	Products   int       `json:"products"`
	Faults     []finding `json:"faults"`
	Notes      []finding `json:"notes"` // what only the configuration of a server can tell
}

func (p *Program) catalogCheck() *cobra.Command {
	var vars []string
	var file string
	cmd := p.verb("check DIR", "Check a catalogue without a server, as a pipeline does before it is applied",
		`  sallyport catalog check ./catalog
  sallyport catalog check ./catalog --var BILLING_URL=https://billing.example.com
  sallyport catalog check ./catalog --config /etc/sallyport/sallyport.yaml -o json`,
		func(_ *cobra.Command, args []string) error {
			check, missing, err := p.checkCatalog(args[0], file, vars)
			if err != nil {
				return err
			}
			var t table
			for _, f := range check.Faults {
				t.add(f.String())
			}
			if err := p.answer(check, t); err != nil {
				return err
			}
			if p.flags.output == "table" {
				for _, n := range check.Notes {
					p.note("note: %s", printable(n.String()))
				}
			}
			if check.Good {
				p.note("the catalogue is good: %d APIs with %d operations, %d products", check.APIs, check.Operations, check.Products)
				return nil
			}
			err = has("the catalogue", len(check.Faults))
			if missing {
				err = hint(err, "values of variables: --var NAME=VALUE, the environment, or --config FILE")
			}
			return err
		})
	cmd.ValidArgsFunction = folders
	cmd.Long = `Check a catalogue without a server, as a pipeline does before it is applied.

It is read and compiled as "catalog apply" does. Every fault is told, by file and
line, and the exit code is 1 if there is one. A variable ${NAME} of an upstream's URL
has its value from --var, or else from the environment, or else from the configuration
of --config. Without --config, names of upstream_tls and of issuers are only told as
notes: whether they are there, the configuration of the server says.`
	cmd.Flags().StringArrayVar(&vars, "var", nil, "a value for a variable, as `NAME=VALUE`; may repeat")
	cmd.Flags().StringVar(&file, "config", "", "`FILE` with the configuration of the server that it is for")
	return cmd
}

// has says that what was checked has faults.
func has(what string, faults int) error {
	if faults == 1 {
		return errors.New(what + " has a fault")
	}
	return fmt.Errorf("%s has %d faults", what, faults)
}

// String is the finding as compilers write it, which editors and pipelines know.
func (f finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Detail
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Detail)
}

// inManifests finds the variables that manifests name.
var inManifests = regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]*)\}`)

// checkCatalog checks the catalogue in dir. missing: variables without a value are
// among the faults. An error is what kept it from being checked.
func (p *Program) checkCatalog(dir, configuration string, vars []string) (check catalogCheck, missing bool, err error) {
	check = catalogCheck{Faults: []finding{}, Notes: []finding{}}
	at := func(f *manifest.Problem) finding {
		return finding{File: filepath.Join(dir, filepath.FromSlash(f.File)), Line: f.Line, Detail: f.Text}
	}
	o := manifest.Options{Vars: map[string]string{}, Unsure: func(f manifest.Problem) { check.Notes = append(check.Notes, at(&f)) }}
	if configuration != "" {
		c, err := config.Load(configuration)
		if err != nil {
			return check, false, err
		}
		o = c.CatalogOptions()
	}
	files, err := readFolder(dir)
	if err != nil {
		for _, f := range problemsIn(err) {
			check.Faults = append(check.Faults, at(f))
		}
		if len(check.Faults) == 0 {
			return check, false, err
		}
		return check, false, nil
	}
	if o.Vars, err = p.variables(o.Vars, files, vars); err != nil {
		return check, false, err
	}
	tree, err := manifest.Tree(files)
	if err != nil {
		return check, false, fmt.Errorf("%s: %w", dir, err)
	}
	c, err := manifest.Load(tree, o)
	if err != nil {
		for _, f := range problemsIn(err) {
			check.Faults = append(check.Faults, at(f))
			missing = missing || strings.Contains(f.Text, " has no value; ")
		}
		return check, missing, nil
	}
	check.Good, check.APIs, check.Products = true, len(c.APIs), len(c.Products)
	for _, a := range c.APIs {
		check.Operations += len(a.Document.Operations)
	}
	return check, false, nil
}

// variables returns the values of variables: of the configuration, over that those of
// the environment that the manifests name, over all what the command line says.
func (p *Program) variables(configured, files map[string]string, given []string) (map[string]string, error) {
	values := map[string]string{}
	for name, value := range configured {
		values[name] = value
	}
	for file, text := range files {
		if filepath.Base(file) != "manifest.yaml" {
			continue
		}
		for _, found := range inManifests.FindAllStringSubmatch(text, -1) {
			if value := p.Env(found[1]); value != "" {
				values[found[1]] = value
			}
		}
	}
	for _, one := range given {
		name, value, ok := strings.Cut(one, "=")
		if !ok || name == "" {
			return nil, usagef("--var takes NAME=VALUE, such as BILLING_URL=https://billing.example.com")
		}
		values[name] = value
	}
	return values, nil
}

// problemsIn lists the problems of catalogues that an error joins.
func problemsIn(err error) []*manifest.Problem {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out []*manifest.Problem
		for _, e := range joined.Unwrap() {
			out = append(out, problemsIn(e)...)
		}
		return out
	}
	var one *manifest.Problem
	if errors.As(err, &one) {
		return []*manifest.Problem{one}
	}
	return nil
}

// configCheck is what the check of a configuration answers.
type configCheck struct {
	Good   bool      `json:"good"`
	Faults []finding `json:"faults"`
	Notes  []finding `json:"notes"`
}

// checkConfig says whether a server would run by the configuration in file.
func (p *Program) checkConfig(file string) error {
	check := configCheck{Faults: []finding{}, Notes: []finding{}}
	c, err := config.Load(file)
	if err != nil && c == nil {
		return err // it cannot be read at all
	}
	faults, notes := server.Check(server.Options{Config: c, Getenv: p.Env, Logger: slog.New(slog.DiscardHandler), Now: clock, Version: p.Version})
	var values interface{ Unwrap() []error }
	if errors.As(err, &values) {
		faults = append(values.Unwrap(), faults...)
	}
	for _, fault := range faults {
		check.Faults = append(check.Faults, finding{File: file, Detail: strings.ReplaceAll(fault.Error(), "\n", "; ")})
	}
	for _, note := range notes {
		check.Notes = append(check.Notes, finding{File: file, Detail: note.Error()})
	}
	check.Good = len(check.Faults) == 0
	var t table
	for _, f := range check.Faults {
		t.add(f.String())
	}
	if err := p.answer(check, t); err != nil {
		return err
	}
	if p.flags.output == "table" {
		for _, n := range check.Notes {
			p.note("note: %s", printable(n.Detail))
		}
	}
	if check.Good {
		p.note("the configuration is good")
		return nil
	}
	return has("the configuration", len(check.Faults))
}
