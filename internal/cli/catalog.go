package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/manifest"
)

func (p *Program) catalogCommand() *cobra.Command {
	return p.noun("catalog", "The catalogue: APIs, products, mock data and pages, from files",
		`  sallyport catalog check ./catalog
  sallyport catalog apply ./catalog --dry-run
  sallyport catalog apply ./catalog`,
		p.catalogCheck(), p.catalogApply(), p.catalogShow(), p.catalogHistory())
}

// confirmRemovals asks before a catalogue takes something away.
func (p *Program) confirmRemovals(cmd *cobra.Command, m *client.Management, files map[string]string) error {
	plan, err := m.ApplyCatalog(cmd.Context(), api.CatalogPut{Files: files, DryRun: true})
	if err != nil {
		return err
	}
	removed := slices.DeleteFunc(slices.Clone(plan.Diff), func(line string) bool { return !strings.Contains(line, " removed") })
	if len(removed) == 0 {
		return nil
	}
	for _, line := range removed {
		p.note("%s", line)
	}
	return p.confirm(cmd, "The catalogue takes that away. Apply it?")
}

func (p *Program) catalogApply() *cobra.Command {
	var dry, public bool
	cmd := p.verb("apply DIR", "Check a catalogue, say what it changes, and put it in force: all or nothing",
		`  sallyport catalog apply ./catalog --dry-run
  sallyport catalog apply ./catalog`,
		func(cmd *cobra.Command, args []string) error {
			files, err := readFolder(args[0])
			if err != nil {
				return err
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			if !dry {
				if err := p.confirmRemovals(cmd, m, files); err != nil {
					return err
				}
			}
			result, err := m.ApplyCatalog(cmd.Context(), api.CatalogPut{Files: files, DryRun: dry, AllowPublic: public})
			if err != nil {
				return err
			}
			var t table
			for _, line := range result.Diff {
				t.add(line)
			}
			if err := p.answer(result, t); err != nil {
				return err
			}
			for _, line := range result.Opens {
				p.note("needs no token any more: %s", printable(line))
			}
			switch {
			case result.Applied:
				p.note("version %d is in force", result.Version)
			case dry:
				p.note("dry run: nothing was changed; %d changes would be", len(result.Diff))
			default:
				p.note("version %d is the same: nothing was changed", result.Version)
			}
			return nil
		})
	cmd.ValidArgsFunction = folders
	cmd.Long = `Check a catalogue, say what it changes, and put it in force: all or nothing.

The folder replaces the whole catalogue that is in force: what it no longer names
is removed, and its products are retired. If that is so, it is asked about first.
Operations that become callable without a token have to be meant: --allow-public.`
	yesFlag(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check and compare only")
	cmd.Flags().BoolVar(&public, "allow-public", false, "operations that become callable without a token are meant to")
	return cmd
}

// folders lets a shell complete a folder.
func folders(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// readFolder reads a catalogue's files. Those whose name begins with a dot are
// not part of it. The error joins a [*manifest.Problem] for each file that cannot be.
func readFolder(dir string) (map[string]string, error) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return nil, &usageError{dir + " is not a folder", []string{"name the folder that holds products.yaml and a folder for each API"}}
	}
	root := os.DirFS(dir)
	if err := elsewhere(root, dir); err != nil {
		return nil, err
	}
	files := map[string]string{}
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, &manifest.Problem{File: name, Text: fmt.Sprintf(format, args...)})
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		hidden := err == nil && name != "." && strings.HasPrefix(entry.Name(), ".")
		switch {
		case err != nil:
			fault(name, "cannot be read; check that it may be")
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden, entry.IsDir():
		case !entry.Type().IsRegular():
			fault(name, "is not a plain file")
		default:
			files[name] = readText(root, name, fault)
		}
		return nil
	})
	if err = errors.Join(append(faults, err)...); err != nil {
		return nil, fmt.Errorf("read the catalogue in %s: %w", dir, err)
	}
	return files, nil
}

// readText reads a file of a catalogue, or says what is wrong with it.
func readText(root fs.FS, name string, fault func(name, format string, args ...any)) string {
	if info, err := fs.Stat(root, name); err == nil && info.Size() > manifest.MaxFile {
		fault(name, "is larger than %d MiB", manifest.MaxFile>>20)
		return ""
	}
	data, err := fs.ReadFile(root, name)
	switch {
	case err != nil:
		fault(name, "cannot be read; check that it may be")
	case !utf8.Valid(data):
		fault(name, "is not text")
	}
	return string(data)
}

// elsewhere says where the catalogue is, if the folder is one of its APIs', or the one
// that the catalogue's folder is in.
func elsewhere(root fs.FS, dir string) error {
	there := func(pattern string) string {
		found, err := fs.Glob(root, pattern)
		if err != nil || len(found) == 0 {
			return ""
		}
		return found[0]
	}
	if there("products.yaml") != "" {
		return nil
	}
	if there("manifest.yaml") != "" {
		return &usageError{dir + " is the folder of one API, not of a catalogue", []string{"name the folder that it is in, with products.yaml: " + filepath.Join(dir, "..")}}
	}
	if inner := there("*/products.yaml"); inner != "" {
		return &usageError{dir + " is not the folder of a catalogue: it has no products.yaml", []string{"is this the one? " + filepath.Join(dir, filepath.Dir(inner))}}
	}
	return nil
}

func (p *Program) catalogShow() *cobra.Command {
	return p.manage("show", "Show the catalogue in force", `  sallyport catalog show`,
		func(cmd *cobra.Command, m *client.Management, _ []string) error {
			c, err := m.Catalog(cmd.Context())
			if err != nil {
				return err
			}
			t := table{header: []string{"API", "VERSION", "BASE PATH", "OPERATIONS", "LIVE IN", "PRODUCTS"}}
			for _, a := range c.APIs {
				t.add(a.Name, a.Version, a.BasePath, number(a.Operations), words(a.Live), words(a.Products))
			}
			if err := p.answer(c, t); err != nil {
				return err
			}
			if p.flags.output == "table" {
				p.note("version %d, applied %s by %s", c.Version, when(c.Applied), printable(c.By))
			}
			return nil
		})
}

func (p *Program) catalogHistory() *cobra.Command {
	var limit int
	cmd := p.manage("history", "List the catalogues applied so far", `  sallyport catalog history`,
		func(cmd *cobra.Command, m *client.Management, _ []string) error {
			all, err := m.CatalogHistory(cmd.Context(), limit)
			if err != nil {
				return err
			}
			t := table{header: []string{"VERSION", "APPLIED", "BY", "CHANGES", "SHA-256"}}
			for _, c := range all.Items {
				t.add(number(c.Version), when(c.Applied), c.By, number(len(c.Summary)), c.SHA256)
			}
			return p.answer(all, t)
		})
	cmd.Flags().IntVar(&limit, "limit", 20, "at most `N`, newest first")
	return cmd
}
