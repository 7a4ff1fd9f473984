package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says which of our packages each may import in non-test code. What is
// not listed may import nothing of ours.
func layers() map[string][]string {
	return map[string][]string{
		"blockstore":           {"blockstore/failpoint"},
		"blockstore/failpoint": {},
		"blockstore/blocktest": {"blockstore"},
		"swarm":                {"blockstore", "blockstore/failpoint"},
		"swarm/member":         {"blockstore", "swarm"},
		"swarm/wire":           {"blockstore", "swarm"},
		"swarm/peer":           {"blockstore", "swarm", "swarm/wire"},
		"swarm/meet":           {"blockstore", "swarm", "swarm/member", "swarm/wire"},
		"swarm/swarmtest":      {"blockstore", "blockstore/blocktest", "swarm", "swarm/wire"},
		"swarm/decide":         {"blockstore", "swarm"},
		"swarm/node":           {"blockstore", "swarm", "swarm/decide", "swarm/wire"},
		"swarm/proof":          {"blockstore", "swarm", "swarm/wire"},
		"swarm/audit":          {"blockstore", "swarm", "swarm/decide", "swarm/member", "swarm/proof", "swarm/wire"},
		"swarm/repair":         {"blockstore", "swarm", "swarm/decide", "swarm/member", "swarm/node", "swarm/peer", "swarm/proof", "swarm/wire"},
		"cache":                {"blockstore", "blockstore/failpoint"},
		"fsnode/mst":           {"blockstore"},
		"fsnode/session":       {},
		"fsnode":               {"blockstore", "cache", "fsnode/mst", "fsnode/session", "blockstore/failpoint"},
		"mount":                {"blockstore", "fsnode", "fsnode/session"},
		"cli/home":             {"blockstore", "blockstore/failpoint"},
		"cli/control":          {},
		"cli/hold":             {},
		"cli":                  {"blockstore", "cache", "swarm", "swarm/audit", "swarm/decide", "swarm/meet", "swarm/member", "swarm/node", "swarm/peer", "swarm/proof", "swarm/repair", "swarm/wire", "fsnode", "fsnode/session", "mount", "cli/home", "cli/hold", "cli/control", "blockstore/failpoint"},
		"cli/pifs":             {"cli"},
		"integration/demo":     {},
		"integration/torture":  {},
		"integration/lockstep": {},
		"integration/simulate": {"blockstore", "swarm", "swarm/decide"},
		"integration/faultfs":  {"fsnode", "mount"},
		"integration/bench":    {"blockstore", "integration/bench/job", "integration/bench/report", "integration/bench/target"},

		"integration/bench/job":    {},
		"integration/bench/nullfs": {"fsnode", "mount"}, // the null file system stands behind our own loop
		"integration/bench/report": {"integration/bench/target"},
		"integration/bench/target": {"mount", "integration/bench/job", "integration/bench/nullfs"},

		"integration":       {},
		"integration/posix": {},
	}
}

// TestLayers parses the imports of every file: cli → mount → fsnode → cache →
// blockstore, swarm → blockstore, and nothing upwards or sideways.
func TestLayers(t *testing.T) {
	allowed := layers()
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (strings.HasPrefix(e.Name(), ".") && len(e.Name()) > 2 || e.Name() == "testdata") {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../"))
		seen[pkg] = true
		checkImports(t, path, pkg, allowed[pkg])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"blockstore", "swarm", "cache", "fsnode", "mount", "cli"} {
		if !seen[pkg] {
			t.Errorf("package %s was not looked at", pkg)
		}
	}
}

func checkImports(t *testing.T, path, pkg string, allowed []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		ours, ok := strings.CutPrefix(name, "pifs/")
		if ok && !slices.Contains(allowed, ours) {
			t.Errorf("%s: package %s must not import %s", path, pkg, ours)
		}
	}
}
