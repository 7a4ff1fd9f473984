package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pifs/mount"
)

// TestMain lets the test binary serve null file systems as the program does.
func TestMain(m *testing.M) {
	if dir := os.Getenv(nullEnv); dir != "" {
		if err := serveNull(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

// TestRatios: ratios pair what was measured in the same run, so that a machine
// that was slow for a while does not count.
func TestRatios(t *testing.T) {
	var all []sample
	for run, slow := range []float64{1, 10, 1} {
		all = append(all,
			sample{Workload: "w", Target: "pifs", Run: run, Seconds: 4 * slow, CPU: 1, Peak: int64(run)},
			sample{Workload: "w", Target: "null", Run: run, Seconds: slow},
			sample{Workload: "other", Target: "null", Run: run, Seconds: 77})
	}
	if got := ratios(all, "w", "pifs", "null"); got != 0.25 {
		t.Errorf("ratio %v, want 0.25", got)
	}
	got := summarise(all)["w"]["pifs"]
	if want := (summary{Median: 4, Low: 4, High: 40, CPU: 1, Peak: 2}); got != want {
		t.Errorf("summary %+v, want %+v", got, want)
	}
}

// TestVerdict: a reach is told of what was measured only.
func TestVerdict(t *testing.T) {
	first := workload{name: "first", amount: 100}
	second := workload{name: "second", amount: 50, reach: []reach{{0.5, "null"}, {1, "gocryptfs"}, {1.3, "first"}}}
	for _, c := range []struct {
		null float64
		want string
	}{
		{1, "0.50 null: NO, 1.30 first: NO"},
		{3, "0.50 null: yes, 1.30 first: NO"},
	} {
		r := newReport([]workload{first, second}, []sample{
			{Workload: "first", Target: "pifs", Seconds: 10},
			{Workload: "second", Target: "pifs", Seconds: 4},
			{Workload: "second", Target: "null", Seconds: c.null},
		}, 1e9)
		if got := r.verdict(second); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	all := (&inputs{}).workloads()
	for _, c := range []struct{ only, want string }{
		{"read-cold", "write-settled read-cold"},
		{"rm-r,write", "write untar rm-r"},
		{"git-status,append-100", "append-100 git-clone git-status"},
	} {
		var only []string
		if c.only != "" {
			only = strings.Split(c.only, ",")
		}
		chosen, err := choose(all, only)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, w := range chosen {
			names = append(names, w.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%q: %s, want %s", c.only, got, c.want)
		}
	}
	if _, err := choose(all, []string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a workload that does not exist: %v", err)
	}
}

// TestBudget: the pipeline does what it is measured for.
func TestBudget(t *testing.T) {
	in := &inputs{big: make([]byte, 8<<20)}
	if err := in.redraw(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	first := slices.Clone(in.big[:64])
	speed, err := budget(in.big)
	if err != nil || speed < 1e6 || speed > 1e11 {
		t.Errorf("budget %v bytes a second: %v", speed, err)
	}
	if err := in.redraw(context.Background(), nil); err != nil || bytes.Equal(first, in.big[:64]) {
		t.Errorf("the same bytes twice: %v", err)
	}
}

// TestNull runs every workload on the null file system and on the disk.
func TestNull(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	base := t.TempDir()
	tree := filepath.Join(base, "tree")
	for i := range 40 {
		dir := filepath.Join(tree, fmt.Sprint("dir", i%7))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), bytes.Repeat([]byte{1}, i*100), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := &inputs{big: make([]byte, 2<<20), text: make([]byte, 1<<20), tree: tree, tar: filepath.Join(base, "tree.tar"),
		repo: filepath.Join(base, "repo"), files: 48, small: 100, ops: 200}
	if err := run(ctx, "tar", "-cf", in.tar, "-C", tree, "."); err != nil {
		t.Fatal(err)
	}
	if err := in.makeRepo(ctx); err != nil {
		t.Fatal(err)
	}
	b := &bench{in: in, work: in.workloads(), runs: 2, log: t.Logf}
	for _, open := range []func(context.Context, string) (target, error){openNull, openDisk} {
		target, err := open(ctx, base)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := target.close(ctx); err != nil {
				t.Error(err)
			}
		}()
		b.targets = append(b.targets, target)
	}
	all, err := b.measure(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, w := range b.work {
		if want += 2; !w.real {
			want += 2
		}
	}
	if len(all) != want {
		t.Errorf("%d samples, want %d", len(all), want)
	}
	r := newReport(b.work, all, 1e9)
	var table bytes.Buffer
	if err := r.print(&table); err != nil || strings.Count(table.String(), "\n") != len(b.work)+3 {
		t.Errorf("table: %v\n%s", err, &table)
	}
	if err := r.save(filepath.Join(base, "out")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"bench.json", "bench.svg"} {
		if st, err := os.Stat(filepath.Join(base, "out", name)); err != nil || st.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNullNames checks with diff that the null file system keeps names, types,
// modes and sizes: all that the tools of the workloads look at.
func TestNullNames(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	base := t.TempDir()
	n, err := openNull(ctx, base)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.close(ctx); err != nil {
			t.Error(err)
		}
	}()
	script := `set -e
cd "$1"; mkdir -p a/b; echo x > a/b/f; ln a/b/f a/g; ln -s g a/s; mkfifo a/p; chmod 751 a/b; truncate -s 5000 a/b/f
mkdir c; mv a/b c/d; rm a/g; touch a/h; mv a/h c/d/f; rmdir a/none 2>/dev/null && exit 1
find . -printf '%P %y %m %s %n\n' | sed 's/^\(c\|c.d\|a\|\) d \([0-9]*\) [0-9]* /\1 d \2 - /' | sort`
	var outs []string
	for _, dir := range []string{n.dir(), t.TempDir()} {
		out, err := exec.CommandContext(ctx, "sh", "-c", "umask 022; chmod 755 $1;"+script, "sh", dir).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		outs = append(outs, string(out))
	}
	if outs[0] != outs[1] {
		t.Errorf("null:\n%s\ndisk:\n%s", outs[0], outs[1])
	}
	if left := mount.Busy(n.dir()); len(left) != 0 {
		t.Errorf("still used by %+v", left)
	}
}
