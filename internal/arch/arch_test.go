package arch_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sallyport-dev/sallyport/"

// layers lists our packages from the ground up. A package may import only
// packages of lower layers, so packages of one layer do not know each other.
var layers = [][]string{
	{"api", "catalog", "internal/acme", "internal/clock", "internal/id", "internal/latency", "internal/localca", "internal/loglines", "internal/oauth", "internal/phc", "internal/openapi/strictyaml", "internal/problem", "internal/secret", "internal/strictjson", "test/bench"},
	{"client", "internal/clock/clocktest", "internal/foreign", "internal/jose", "internal/limit", "internal/openapi", "internal/tracing"},
	{"internal/dpop", "internal/market"},
	{"internal/keyring", "internal/keyset", "internal/mock", "internal/usage"},
	{"internal/manifest", "internal/pkcs11", "internal/snapshot", "internal/token"},
	{"internal/issuer", "internal/policy", "internal/httpx", "internal/metrics", "internal/relay", "internal/store", "internal/upstream"},
	{"internal/pkcs11/softhsm", "internal/store/storetest"},
	{"internal/adminapi", "internal/authserver", "internal/gateway", "internal/portal"},
	{"internal/config"},
	{"internal/server"},
	{"internal/demo"},
	{"internal/cli"},
	{"cmd/sallyport"},
}

// only names the packages that alone may import a path or anything under it.
var only = map[string][]string{
	"database/sql":                     {"internal/store"},
	"modernc.org/sqlite":               {"internal/store"},
	"github.com/jackc/pgx":             {"internal/store", "internal/store/storetest"},
	"github.com/sony/gobreaker":        {"internal/upstream"},
	"github.com/pressly/goose":         {"internal/store"},
	"github.com/go-jose/go-jose":       {"internal/jose", "internal/keyring", "internal/strictjson"},
	"github.com/prometheus":            {"internal/metrics"},
	"github.com/spf13/cobra":           {"internal/cli"},
	"github.com/caddyserver/certmagic": {"internal/acme"},
	"go.uber.org/zap":                  {"internal/acme"},
	"github.com/getkin/kin-openapi":    {"internal/openapi"},
	"html/template":                    {"internal/portal"},
	"testing":                          {"internal/pkcs11/softhsm", "internal/store/storetest"},
	"crypto/rsa":                       {"client", "internal/jose", "internal/keyring", "internal/pkcs11", "test/bench"},
	"github.com/miekg/pkcs11":          {"internal/pkcs11"},
	module + "internal/config":         {"internal/server", "internal/cli", "internal/demo"},
	module + "internal/store":          {"internal/server", "internal/cli", "internal/store/storetest"},
	module + "internal/demo":           {"internal/cli"},
	"net/http": {
		"client", "internal/httpx", "internal/server", "internal/cli", "internal/demo", "internal/mock",
		"internal/metrics", // answers Prometheus
		"internal/tracing", // sends to a collector
		"internal/keyset",  // fetches from clients, with a dialer of its own
		"internal/adminapi", "internal/authserver", "internal/gateway", "internal/portal", "test/bench",
	},
}

// reveals names the packages that may take a secret out of its wrapping. Each
// is a place where it has to be in the clear: hashed, sealed, sent or compared.
var reveals = []string{
	"api",                 // encodes a new one, once
	"client",              // sends it
	"internal/adminapi",   // shows a new one, once
	"internal/authserver", // hashes it; answers a token
	"internal/cli",        // shows a new one, once
	"internal/config",     // measures a key
	"internal/demo",       // prints the demo's own
	"internal/gateway",    // sends an identity JWT
	"internal/keyring",    // derives the sealing key
	"internal/market",     // hashes it
	"internal/pkcs11",     // logs in to a token
	"internal/secret",     // compares it
	"internal/server",     // asks the gateway about a token, sends a collector its headers
	"internal/store",      // opens PostgreSQL
}

// modules are the modules that we depend on directly; each has its reason in
// docs/adr/0011-dependencies.md.
var modules = []string{
	"github.com/caddyserver/certmagic",
	"github.com/getkin/kin-openapi",
	"github.com/go-jose/go-jose/v4",
	"github.com/google/go-cmp",
	"github.com/jackc/pgx/v5",
	"github.com/maypok86/otter/v2",
	"github.com/miekg/pkcs11",
	"github.com/pressly/goose/v3",
	"github.com/prometheus/client_golang",
	"github.com/prometheus/common",
	"github.com/santhosh-tekuri/jsonschema/v6",
	"github.com/sony/gobreaker/v2",
	"github.com/spf13/cobra",
	"github.com/yuin/goldmark",
	"go.uber.org/zap",
	"go.yaml.in/yaml/v3",
	"golang.org/x/crypto",
	"golang.org/x/oauth2",
	"golang.org/x/sync",
	"modernc.org/sqlite",
	"pgregory.net/rapid",
}

func TestImportDirection(t *testing.T) {
	layerOf := map[string]int{}
	for i, layer := range layers {
		for _, pkg := range layer {
			layerOf[pkg] = i
		}
	}
	for name, f := range sources(t, parser.ImportsOnly) {
		pkg := path.Dir(name)
		if strings.HasSuffix(name, "_test.go") || pkg == "internal/arch" {
			continue
		}
		from, ok := layerOf[pkg]
		if !ok {
			t.Errorf("%s is in no layer: place it in layers", pkg)
			continue
		}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			dep, ours := strings.CutPrefix(imp, module)
			if at, known := layerOf[dep]; ours && (!known || at >= from) {
				t.Errorf("%s: imports %s, which is not below %s", name, dep, pkg)
			}
			for p, who := range only {
				if (imp == p || strings.HasPrefix(imp, p+"/")) && !slices.Contains(who, pkg) && dep != pkg {
					t.Errorf("%s: imports %s, which only %v may", name, imp, who)
				}
			}
		}
	}
}

func TestEveryLayeredPackageExists(t *testing.T) {
	there := map[string]bool{}
	for name := range sources(t, parser.PackageClauseOnly) {
		there[path.Dir(name)] = true
	}
	for _, layer := range layers {
		for _, pkg := range layer {
			if !there[pkg] {
				t.Errorf("%s is in a layer and not in the tree", pkg)
			}
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	docs := map[string][]string{}
	for name, f := range sources(t, parser.ImportsOnly|parser.ParseComments) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		dir := path.Dir(name)
		if docs[dir] == nil {
			docs[dir] = []string{}
		}
		if f.Doc != nil {
			docs[dir] = append(docs[dir], name)
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("%s: want a package comment in exactly one file, have %v", dir, files)
		}
	}
}

func TestOnlyAFewMayRevealSecrets(t *testing.T) {
	for name, f := range sources(t, 0) {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(reveals, path.Dir(name)) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "Reveal" {
				t.Errorf("%s calls Reveal: add its package to reveals, with the reason, if it must", name)
			}
			return true
		})
	}
}

func TestFilesFitInOneSitting(t *testing.T) {
	root := os.DirFS("../..")
	for name := range sources(t, parser.PackageClauseOnly) {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		limit := 500
		if strings.HasSuffix(name, "_test.go") {
			limit = 900
		}
		if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines: split it by what it holds (limit %d)", name, n, limit)
		}
	}
}

func TestDirectDependenciesAreThoseWithAReason(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	adr, err := os.ReadFile("../../docs/adr/0011-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") && line[0] == '\t' {
			direct[fields[0]] = true
		}
	}
	if got := slices.Sorted(maps.Keys(direct)); !slices.Equal(got, modules) {
		t.Errorf("direct modules are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(modules, "\n"))
	}
	for _, m := range modules {
		if !bytes.Contains(adr, []byte(m)) {
			t.Errorf("docs/adr/0011-dependencies.md gives no reason for %s", m)
		}
	}
}

// sources parses every Go file of the module, by path. It reads the files
// itself because a test that runs "go list" is answered from the test cache
// after an import changes.
func sources(t *testing.T, mode parser.Mode) map[string]*ast.File {
	t.Helper()
	root := os.DirFS("../..")
	files := map[string]*ast.File{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(name, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		files[name], err = parser.ParseFile(token.NewFileSet(), name, src, mode)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// skipped leaves out other modules, what is fetched, and what tests only read.
func skipped(name, base string) bool {
	return base == "testdata" || base == "node_modules" || name == "tools" || strings.HasPrefix(base, ".") && name != "."
}
