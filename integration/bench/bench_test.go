package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
	"pifs/mount"
)

// TestMain lets the test binary be what the program starts.
func TestMain(m *testing.M) {
	if os.Getenv(target.NullVariable)+os.Getenv(job.Variable) != "" {
		if err := start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tiny is enough to see that each workload works.
func tiny() sizes {
	return sizes{
		stream: 9 << 20, creates: 40, synced: 4, blocks: 64, appends: 50, folder: 300, small: 100, large: 400, huge: 1000,
		source: "src/unicode", building: "utf8",
	}
}

// newBench returns a bench with few runs of tiny workloads.
func newBench(t *testing.T, only string, runs int) *bench {
	t.Helper()
	work, err := choose(workloads(tiny()), regexp.MustCompile(only))
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	return &bench{
		in: &inputs{base: base, sizes: tiny()}, sizes: tiny(), work: work, runs: runs,
		base: base, kept: base, program: filepath.Join(base, "pifs.bin"), log: t.Logf,
	}
}

// TestWorkloads does all of them, on all targets that there are.
func TestWorkloads(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	b := newBench(t, "", 1)
	if err := run(ctx, nil, "go", "build", "-buildvcs=false", "-o", b.program, "pifs/cli/pifs"); err != nil {
		t.Fatal(err)
	}
	all, _, err := b.all(ctx, target.All())
	if err != nil {
		t.Fatal(err)
	}
	r := report.New(reported(b.work), all, chosenGoals(b.sizes, b.work), []report.Curve{commitCurve(b.sizes)})
	for _, w := range b.work {
		sums := r.Summaries[w.Name]
		if len(sums) == 0 {
			t.Errorf("%s was not measured", w.Name)
		}
		for name, s := range sums {
			if s.Runs != 1 || s.Median <= 0 || s.Amount <= 0 {
				t.Errorf("%s on %s: %+v", w.Name, name, s)
			}
		}
	}
	if s := r.Summaries["create-4k-p1"][target.Pifs]; s.Requests < 4 || s.Transactions == 0 || s.Peak == 0 {
		t.Errorf("what the daemon did is not seen: %+v", s)
	}
	findKept(t, ctx, *b)
	testReport(t, r, len(b.work))
}

// findKept measures once more what b measured on volumes, and none is filled
// again, nor one taken that has another number of files.
func findKept(t *testing.T, ctx context.Context, b bench) {
	t.Helper()
	var err error
	if b.work, err = choose(workloads(b.sizes), regexp.MustCompile("^walk$")); err != nil {
		t.Fatal(err)
	}
	b.targets, b.log = nil, func(format string, args ...any) {
		if strings.HasPrefix(format, "volume") {
			t.Errorf("once more: "+format, args...)
		}
	}
	if all, _, err := b.all(ctx, nil); err != nil || len(all) != 2 {
		t.Errorf("volumes that were kept: %d samples, %v", len(all), err)
	}
	b.targets, b.sizes.huge = nil, b.sizes.huge+1
	if _, _, err := b.all(ctx, nil); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a volume of another size: %v", err)
	}
}

// TestRuns: what is made once is there in later runs, and the order changes.
func TestRuns(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	b := newBench(t, "folder|append", 2)
	all, notes, err := b.all(ctx, []string{target.Null, target.Disk})
	if err != nil {
		t.Fatal(err, notes)
	}
	first := make(map[string]string) // by run and workload
	for _, s := range all {
		if key := fmt.Sprint(s.Run, " ", s.Workload); first[key] == "" {
			first[key] = s.Target
		}
	}
	if len(first) != 2*len(b.work)-2 || len(all) != 2*len(first) {
		t.Errorf("%d samples of %v", len(all), first)
	}
	if first["0 append-100"] == first["1 append-100"] {
		t.Errorf("%s was first twice", first["0 append-100"])
	}
}

func testReport(t *testing.T, r *report.Report, workloads int) {
	var table bytes.Buffer
	if err := r.Print(&table); err != nil || strings.Count(table.String(), "\n") < workloads {
		t.Errorf("table: %v\n%s", err, &table)
	}
	for _, v := range r.Verdicts {
		if v.Value == nil && !strings.Contains(v.About, target.Gocryptfs) {
			t.Errorf("goal not measured: %s", v.About)
		}
	}
	out := t.TempDir()
	if err := r.Save(out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bench.json", "bench.svg", "commit.svg"} {
		if st, err := os.Stat(filepath.Join(out, name)); err != nil || st.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNullNames checks that the null file system keeps names, types, modes and
// sizes: all that the tools of the workloads look at.
func TestNullNames(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := target.Open(ctx, t.TempDir(), "", target.Null)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	script := `set -e
cd "$1"; mkdir -p a/b; echo x > a/b/f; ln a/b/f a/g; ln -s g a/s; mkfifo a/p; chmod 751 a/b; truncate -s 5000 a/b/f
mkdir c; mv a/b c/d; rm a/g; touch a/h; mv a/h c/d/f; rmdir a/none 2>/dev/null && exit 1
find . -printf '%P %y %m %s %n\n' | sed 's/^\(c\|c.d\|a\|\) d \([0-9]*\) [0-9]* /\1 d \2 - /' | sort`
	var outs []string
	for _, dir := range []string{n.Dir(), t.TempDir()} {
		out, err := exec.CommandContext(ctx, "sh", "-c", "umask 022; chmod 755 $1;"+script, "sh", dir).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		outs = append(outs, string(out))
	}
	if outs[0] != outs[1] {
		t.Errorf("null:\n%s\ndisk:\n%s", outs[0], outs[1])
	}
	if left := mount.Busy(n.Dir()); len(left) != 0 {
		t.Errorf("still used by %+v", left)
	}
}

// TestBudget: the pipeline does what it is measured for.
func TestBudget(t *testing.T) {
	if speed, err := budget(8 << 20); err != nil || speed < 1e6 || speed > 1e11 {
		t.Errorf("budget %v bytes a second: %v", speed, err)
	}
}
