package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pifs/integration/posix"
)

// posixLimit is how long the cases may take on one file system.
const posixLimit = 5 * time.Minute

// runPosix is the child of a test: it runs cases in a directory and prints
// their traces.
func runPosix(dir, prefix string) error {
	traces, err := posix.Run(dir, prefix)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(traces)
}

// posixTraces runs cases in a new directory at path.
func (d *drive) posixTraces(path, prefix string) map[string][]string {
	d.t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		d.t.Fatal(err)
	}
	var traces map[string][]string
	decode(d.t, d.job(posixLimit, "posix", path, prefix), &traces)
	return traces
}

// TestPosixAgainstExt4 runs every case of package posix on a mount and on the
// disk, and compares what came of each call.
func TestPosixAgainstExt4(t *testing.T) {
	d := mounted(t, "--allow-other")
	prefix := os.Getenv("PIFS_POSIX_CASES") // to look at some only
	want := d.posixTraces(filepath.Join(filepath.Dir(d.dir), "reference"), prefix)
	have := d.posixTraces(filepath.Join(d.dir, "cases"), prefix)
	if prefix == "" && len(want) != len(posix.Cases()) {
		t.Errorf("%d cases ran, want %d", len(want), len(posix.Cases()))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		t.Run(name, func(t *testing.T) {
			if diff := differences(want[name], have[name]); diff != "" {
				t.Errorf("− ext4, + πFS\n%s", diff)
			}
		})
	}
}

// differences shows where two traces part, with a line before.
func differences(want, have []string) string {
	var out strings.Builder
	for i := range max(len(want), len(have)) {
		w, h := at(want, i), at(have, i)
		if w == h {
			continue
		}
		fmt.Fprintf(&out, "%d − %s\n%d + %s\n", i, w, i, h)
	}
	return out.String()
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}
