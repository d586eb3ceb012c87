package main

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// codes finds every error code that the source of a package can give, each with
// where it stands: whatever is put into a member Code, given for a parameter or a
// variable of the name code, or is the first member of a Warning; and Amazon's own
// words, which lwa tells apart in refused.
func codes(t *testing.T, dir string) map[string]token.Position {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			f, err := parser.ParseFile(set, filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	c := collector{set: set, constants: map[string]string{}, takers: map[string]int{}, found: map[string]token.Position{}}
	for _, visit := range []func(ast.Node) bool{c.declarations, c.uses} { // all declarations first
		for _, f := range files {
			ast.Inspect(f, visit)
		}
	}
	return c.found
}

type collector struct {
	set       *token.FileSet
	constants map[string]string
	takers    map[string]int // functions with a parameter code, and which it is
	found     map[string]token.Position
}

func (c *collector) declarations(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if i < len(n.Values) {
				c.constants[name.Name] = text(n.Values[i])
			}
		}
	case *ast.FuncDecl:
		c.taker(n.Name.Name, n.Type)
	case *ast.AssignStmt:
		if f, is := n.Rhs[0].(*ast.FuncLit); is {
			c.taker(name(n.Lhs[0]), f.Type)
		}
	}
	return true
}

func (c *collector) taker(function string, f *ast.FuncType) {
	i := 0
	for _, field := range f.Params.List {
		for _, param := range field.Names {
			if param.Name == "code" && name(field.Type) == "string" {
				c.takers[function] = i
			}
			i++
		}
	}
}

func (c *collector) uses(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		if i, is := c.takers[name(n.Fun)]; is && i < len(n.Args) {
			c.take(n.Args[i])
		}
	case *ast.KeyValueExpr:
		if name(n.Key) == "Code" {
			c.take(n.Value)
		}
	case *ast.CompositeLit:
		if name(n.Type) == "Warning" && len(n.Elts) > 0 {
			c.take(n.Elts[0])
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if as := name(to); (as == "code" || as == "Code") && len(n.Lhs) == len(n.Rhs) {
				c.take(n.Rhs[i])
			}
		}
	case *ast.FuncDecl:
		if n.Name.Name == "refused" {
			ast.Inspect(n, c.words)
		}
	}
	return true
}

// words are Amazon's own.
func (c *collector) words(n ast.Node) bool {
	if n, is := n.(*ast.SwitchStmt); is && n.Tag != nil && name(n.Tag) == "word" {
		for _, clause := range n.Body.List {
			for _, word := range clause.(*ast.CaseClause).List {
				c.take(word)
			}
		}
	}
	return true
}

func (c *collector) take(e ast.Expr) {
	if code := cmp.Or(text(e), c.constants[name(e)]); code != "" {
		c.found[code] = c.set.Position(e.Pos())
	}
}

// text is a string literal's, else "".
func text(e ast.Expr) string {
	lit, is := e.(*ast.BasicLit)
	if !is || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value) // the parser has checked it
	return s
}

// name is an identifier's, or the last of a selector, else "".
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// sources are the packages whose codes people and programs get to see.
func sources(t *testing.T) (dirs []string) {
	t.Helper()
	for _, root := range []string{"../../lwa", "../../agent"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() && !slices.Contains([]string{"testdata", "lwatest"}, e.Name()) {
				dirs = append(dirs, path)
			}
			if err == nil && e.IsDir() && e.Name() == "lwatest" {
				return fs.SkipDir
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

// TestEveryErrorCodeOfTheSourceHasACure: a code that the table lacks is one that
// somebody looks for in vain, and one that no program can give any more misleads.
func TestEveryErrorCodeOfTheSourceHasACure(t *testing.T) {
	found := map[string]token.Position{}
	for _, dir := range sources(t) {
		maps.Copy(found, codes(t, dir))
	}
	if len(found) < 40 {
		t.Fatalf("only %d codes were found; the search has lost its way", len(found))
	}
	// No status and no answer has these: the agent goes on asking.
	for _, code := range []string{"authorization_pending", "slow_down", "crashed"} {
		if _, is := found[code]; !is {
			t.Errorf("%s is no code any more", code)
		}
		delete(found, code)
	}
	for _, p := range problems {
		if _, is := found[p.Code]; !is {
			t.Errorf("%s: no code of the source; take it out of errors.go", p.Code)
		}
		if p.Means == "" || p.Cure == "" {
			t.Errorf("%s says %q, cure %q", p.Code, p.Means, p.Cure)
		}
		delete(found, p.Code)
	}
	for _, code := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%s (%s) is not in errors.go: what does it mean, and what is to be done?", code, found[code])
	}
}

func TestTableOfErrorsIsTheFileThatPeopleRead(t *testing.T) {
	text, err := os.ReadFile("errors.md")
	if err != nil || string(text) != markdown() {
		t.Errorf("errors.md is not what errors.go says (%v); make it: go run ./cmd/lwa-man -errors > cmd/lwa-man/errors.md", err)
	}
	rows := regexp.MustCompile(`(?m)^\| .+ \|$`).FindAllString(markdown(), -1)
	for _, row := range rows {
		if n := strings.Count(strings.ReplaceAll(row, `\|`, ""), "|"); n != 4 {
			t.Errorf("%d columns in %s", n-1, row)
		}
	}
}
