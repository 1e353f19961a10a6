package arch_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// A refusal of the domain or of the management API is a literal with a code, with a text
// in one of these members, and with what to do next in one of those. What a value has to be is
// itself the next step, so [market.Invalid] needs no other; a [market.Missing] is told by
// the management API where to look.
var (
	refusalCode = []string{"Code", "code"}
	refusalText = []string{"Public", "detail"}
	refusalHint = []string{"Hint", "hint"}
	exempt      = []string{"Invalid", "Missing"}
)

func TestEveryRefusalSaysWhatToDoNext(t *testing.T) {
	found := 0
	for name, file := range sources(t, 0) {
		folder, test := strings.HasPrefix(name, "internal/market/") || strings.HasPrefix(name, "internal/store/") ||
			strings.HasPrefix(name, "internal/keyring/") || strings.HasPrefix(name, "internal/adminapi/"), strings.HasSuffix(name, "_test.go")
		if !folder || test {
			continue
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && slices.Contains(exempt, f.Name.Name) {
				continue
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				members := membersOf(literal)
				has := func(one []string) bool {
					return slices.ContainsFunc(one, func(m string) bool { return members[m] != nil })
				}
				if !has(refusalCode) || !has(refusalText) {
					return true
				}
				found++
				if !has(refusalHint) {
					t.Errorf("%s: the refusal %s does not say what to do next", name, textOf(members))
				}
				return true
			})
		}
	}
	if found < 30 {
		t.Errorf("there are %d refusals: the form has changed", found)
	}
}

// membersOf returns the values of a literal that names its members.
func membersOf(literal *ast.CompositeLit) map[string]ast.Expr {
	members := map[string]ast.Expr{}
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if name, ok := pair.Key.(*ast.Ident); ok {
				members[name.Name] = pair.Value
			}
		}
	}
	return members
}

// textOf is the first constant text of a refusal, to find it by.
func textOf(members map[string]ast.Expr) (text string) {
	for _, member := range refusalText {
		if members[member] != nil {
			ast.Inspect(members[member], func(n ast.Node) bool {
				if basic, ok := n.(*ast.BasicLit); ok && text == "" {
					text = basic.Value
				}
				return true
			})
		}
	}
	return text
}
