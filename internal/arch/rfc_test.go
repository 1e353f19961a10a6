package arch_test

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A test in docs/rfc.md is `package TestName` or `package TestName/a part of a
// subtest's name`, the package as a folder of the module.
var (
	namedTest = regexp.MustCompile("`([a-z0-9/_-]+) ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]*)(?:/([^`]+))?`")
	// A row without a test says why.
	honest = regexp.MustCompile(`\*\*(not yet|no test|cannot apply|by choice)\*\*`)
)

func TestEveryTestThatDocsRFCNamesExists(t *testing.T) {
	files := sources(t, 0)
	text, err := os.ReadFile("../../docs/rfc.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for i, line := range strings.Split(string(text), "\n") {
		found := namedTest.FindAllStringSubmatch(line, -1)
		named += len(found)
		for _, m := range found {
			if why := missing(files, m[1], m[2], m[3]); why != "" {
				t.Errorf("docs/rfc.md:%d: %s", i+1, why)
			}
		}
		row := strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|--") && !strings.HasPrefix(line, "| clause")
		if row && len(found) == 0 && !honest.MatchString(line) {
			t.Errorf("docs/rfc.md:%d: the row names no test, and does not say why", i+1)
		}
	}
	if named < 100 {
		t.Errorf("docs/rfc.md names %d tests: this is not the whole table, or the form has changed", named)
	}
}

// missing says what is not there: the test in the package, or the subtest's
// name, in the file of the test.
func missing(files map[string]*ast.File, pkg, test, subtest string) string {
	for name, file := range files {
		if path.Dir(name) != pkg || !strings.HasSuffix(name, "_test.go") || !declares(file, test) {
			continue
		}
		if subtest != "" && !says(file, subtest) {
			return name + " has no subtest whose name holds " + strconv.Quote(subtest)
		}
		return ""
	}
	return "there is no " + test + " in " + pkg
}

func declares(file *ast.File, name string) bool {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name {
			return true
		}
	}
	return false
}

func says(file *ast.File, text string) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			found = found || strings.Contains(value, text)
		}
		return !found
	})
	return found
}

// A step of a walk in ARCHITECTURE.md is `file.go:func`, the file below internal
// unless it begins with another folder of ours.
var step = regexp.MustCompile("`([a-z0-9/_]+\\.go):([A-Za-z0-9_]+)`")

func TestEveryStepInArchitectureExists(t *testing.T) {
	files := sources(t, 0)
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) > 321 {
		t.Errorf("ARCHITECTURE.md has %d lines; 320 are enough", len(lines)-1)
	}
	steps := 0
	for i, line := range lines {
		for _, m := range step.FindAllStringSubmatch(line, -1) {
			steps++
			file := files["internal/"+m[1]]
			if file == nil {
				file = files[m[1]]
			}
			if file == nil || !declares(file, m[2]) {
				t.Errorf("ARCHITECTURE.md:%d: there is no %s in %s", i+1, m[2], m[1])
			}
		}
	}
	if steps < 30 {
		t.Errorf("ARCHITECTURE.md names %d steps: the form has changed", steps)
	}
}
