package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClaims checks that every test that the README names exists.
func TestClaims(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("\\[`(Test[A-Za-z0-9_]+)(?:/([a-z_]+))?`\\]").FindAllStringSubmatch(string(readme), -1)
	if len(named) < 20 {
		t.Fatalf("the README names %d tests", len(named))
	}
	have := testNames(t)
	for _, m := range named {
		if !have[m[1]] {
			t.Errorf("the README names %s, which does not exist", m[1])
		}
		if m[2] == "" {
			continue
		}
		if _, err := os.Stat("testdata/script/" + m[2] + ".txtar"); err != nil {
			t.Errorf("the README names %s/%s: %v", m[1], m[2], err)
		}
	}
}

// TestExitStatusesAreDocumented compares the README with the program.
func TestExitStatusesAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(newDrive(t).pifs("help", "exit")) {
		status, meaning, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if rows++; !ok || !strings.Contains(string(readme), "| "+status+" | "+strings.TrimSpace(meaning)+" |") {
			t.Errorf("the README does not have: %s", line)
		}
	}
	if rows < 10 {
		t.Errorf("pifs help exit prints %d rows", rows)
	}
}

// testNames returns the names of all test functions of the project.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				have[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}
