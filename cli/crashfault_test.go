package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pifs/integration/faultfs"
)

// PIFS_FAULT names a single fault: its number in faults and the call.
const faultVariable = "PIFS_FAULT"

// recoverLimit is how long a daemon may take to be itself again after the disk
// is in order.
const recoverLimit = time.Minute

// faults are the ways in which a call may fail; N is filled in.
func faults() []faultfs.Fault {
	return []faultfs.Fault{
		{Errno: syscall.EIO},
		{Errno: syscall.EIO, Applied: true},
		{Errno: syscall.EIO, On: true},
		{Errno: syscall.ENOSPC},
		{Errno: syscall.ENOSPC, On: true},
		{Errno: syscall.ENOSPC, Short: true, On: true},
		{Errno: syscall.EIO, Short: true},
	}
}

// TestFaultPoints makes the n-th change of the disk fail under the running
// engine, for an even sample of all n or for every n: applied and not, once and
// for good, EIO, ENOSPC, short writes. An operation succeeds or returns an
// error; what was acknowledged survives a loss of power at once; when the disk
// is in order again so is the volume, and it holds what succeeded and nothing
// else.
func TestFaultPoints(t *testing.T) {
	fs := faultfs.New()
	total := 0
	runFault(t, fs, faultfs.Fault{N: 1 << 30}, &total)
	if total < 100 {
		t.Fatalf("the workload changes the disk %d times", total)
	}
	if text := os.Getenv(faultVariable); text != "" {
		var kind, n int
		if _, err := fmt.Sscanf(text, "%d:%d", &kind, &n); err != nil {
			t.Fatalf("%s=%q: %v", faultVariable, text, err)
		}
		testFaultPoint(t, kind, n)
		return
	}
	points := 0
	p := newProgress(t, total*len(faults()))
	for kind := range faults() {
		chosen := choose(t, total, 4)
		for n := range total {
			// Kinds begin in different places, to see more of the workload.
			if chosen((n + kind*total/(4*len(faults()))) % total) {
				points++
				p.at(kind*total + n)
				if !testFaultPoint(t, kind, n) {
					p.failures++
				}
			}
		}
	}
	t.Logf("%d faults, of %d in each of %d calls", points, len(faults()), total)
}

// TestFsyncThatFailed makes one fsync of each kind of file fail as Linux does:
// the bytes are dropped, and the next fsync of the same file reports success.
func TestFsyncThatFailed(t *testing.T) {
	for _, file := range []string{"/heads", "/journal/", "/meta.db-wal", "/blocks.db-wal", "/index.db-wal", "/pack-"} {
		f := faultfs.Fault{N: 1, Errno: syscall.EIO, SyncOf: file}
		if hits, _ := testFault(t, f, ""); hits != 1 {
			t.Errorf("%d fsyncs of %s failed", hits, file)
		}
	}
}

// testFault runs the workload with f and returns how many calls failed, and
// whether all was well.
func testFault(t *testing.T, f faultfs.Fault, again string) (hits int, ok bool) {
	t.Helper()
	fs := faultfs.New()
	hits, out, err := runFault(t, fs, f, new(int))
	if os.Getenv(faultVariable) != "" {
		t.Logf("%d calls failed\n%s", hits, out)
	}
	if err == nil {
		err = checkFault(t, fs.Log())
	}
	if err != nil {
		t.Errorf("%+v, %d calls failed: %v\n%s\n%s", f, hits, err, out, again)
	}
	return hits, err == nil
}

func testFaultPoint(t *testing.T, kind, n int) bool {
	t.Helper()
	f := faults()[kind]
	f.N = n
	_, ok := testFault(t, f, fmt.Sprintf("again: %s=%d:%d go test ./cli -run 'TestFaultPoints$'", faultVariable, kind, n))
	return ok
}

// runFault runs the workload while f happens, and counts the calls.
func runFault(t *testing.T, fs *faultfs.FS, f faultfs.Fault, total *int) (hits int, out string, err error) {
	t.Helper()
	var healed atomic.Int64
	fs.OnMark(func(text string) {
		switch text {
		case "arm":
			fs.Arm(f)
		case "heal":
			*total = fs.Count()
			healed.Store(int64(fs.Heal()))
		}
	})
	out, err = serve(t, fs, "fault")
	return int(healed.Load()), out, err
}

// checkFault lets the power fail when the fault ends and after the end.
func checkFault(t *testing.T, log []faultfs.Op) error {
	steps := workload()
	failed := map[int]bool{}
	for _, op := range log {
		if text, ok := strings.CutPrefix(op.Name, "failed "); ok && op.Kind == faultfs.Mark {
			i, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			failed[i] = true
		}
	}
	r := &replay{t: t, worn: true, disk: faultfs.NewDisk(), trees: history(steps, func(i int) bool { return !failed[i] })}
	for n := range log {
		r.apply(&log[n])
		if log[n].Kind != faultfs.Mark || log[n].Name != "heal" && log[n].Name != "closed" {
			continue
		}
		for _, crash := range []faultfs.Crash{faultfs.Dropped, faultfs.Mixed, faultfs.Killed} {
			if err := r.recover(crash, uint64(n)); err != nil {
				return fmt.Errorf("%s at the mark %q, failed steps %v: %w", crash, log[n].Name, slices.Sorted(maps.Keys(failed)), err)
			}
		}
	}
	return nil
}

// faultJob does the workload while the disk fails, and then checks, on the
// disk in order, that the volume is what it says it is.
func faultJob(ctx context.Context, dir string) error {
	m := &marker{dir: dir}
	o, err := openHome(ctx, filepath.Join(dir, "home"))
	if err != nil {
		return err
	}
	m.mark("made")
	m.mark("arm")
	steps, failed := workload(), map[int]bool{}
	for i, s := range steps {
		if s.do == "reopen" {
			s = step{do: "sync"}
		}
		m.mark("begin %d", i)
		if err := o.do(ctx, s); err != nil {
			fmt.Printf("step %d, %s: %v\n", i, s, err)
			failed[i] = true
			m.mark("failed %d", i)
		} else {
			m.mark("ok %d", i)
		}
	}
	m.mark("heal")
	trees := history(steps, func(i int) bool { return !failed[i] })
	want := trees[len(trees)-1]
	if err := o.heals(ctx); err != nil {
		return err
	}
	if err := o.shows(ctx, want); err != nil {
		return err
	}
	if err := o.close(ctx); err != nil {
		return err
	}
	m.mark("closed")
	return m.err
}

// heals waits until a sync works again.
func (o *opened) heals(ctx context.Context) error {
	deadline := time.Now().Add(recoverLimit)
	for {
		err := o.do(ctx, step{do: "sync"})
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the disk is in order, and sync still fails: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shows checks that the volume is sound, and holds want.
func (o *opened) shows(ctx context.Context, want listing) error {
	have, err := o.tree(ctx)
	if err != nil {
		return err
	}
	if diff := have.minus(want); diff != "" {
		return fmt.Errorf("the volume is not what was acknowledged:\n  %s", diff)
	}
	for _, s := range []step{
		{do: "create", path: "after"}, {do: "write", path: "after", size: 50_000, seed: 77}, {do: "fsync", path: "after"},
		{do: "unlink", path: "after"}, {do: "sync"},
	} {
		if err := o.do(ctx, s); err != nil {
			return fmt.Errorf("after the fault, %s: %w", s, err)
		}
	}
	return o.check(ctx)
}
