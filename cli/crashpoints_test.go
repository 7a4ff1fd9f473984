package cli

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pifs/cli/home"
	"pifs/integration/faultfs"
)

const (
	// PIFS_CRASHPOINTS says how many points to look at: a number, "all", or
	// "2/8" for the second of eight shares of all, which other processes take.
	pointsVariable = "PIFS_CRASHPOINTS"
	// PIFS_CRASHPOINT names a single point, in the record that a failed test
	// left in the file PIFS_CRASHLOG.
	pointVariable = "PIFS_CRASHPOINT"
	logVariable   = "PIFS_CRASHLOG"

	recoveryLimit = 2 * time.Minute
	progressEvery = 15 * time.Second
)

// TestCrashPoints lets the machine stop after the n-th change of the disk, for
// an even sample of all n or for every n: with the whole home, SQLite included,
// on a file system that knows what was synced. What a crash leaves, in six
// ways from kill -9 to any mixture of what was not synced, is opened again:
// the tree must be what some prefix of the operations made that contains all
// that was acknowledged, and the check must be clean.
func TestCrashPoints(t *testing.T) {
	log := crashLog(t)
	r := &replay{t: t, disk: faultfs.NewDisk(), trees: history(workload(), func(int) bool { return true })}
	chosen := choose(t, len(log), 40)
	points, states, kept := 0, 0, ""
	p := newProgress(t, len(log))
	for n := range log {
		r.apply(&log[n])
		if !chosen(n) {
			continue
		}
		points++
		p.at(n)
		for crash := range faultfs.Crashes {
			states++
			err := r.recover(crash, uint64(n))
			if err == nil {
				continue
			}
			if kept == "" {
				kept = keep(t, log)
			}
			p.failures++
			t.Errorf("crash after call %d of %d (%s), %s, in step %d:\n%v\nagain: %s=%d %s=%s go test ./cli -run 'TestCrashPoints$'",
				n, len(log), log[n].Kind, crash, r.begun, err, pointVariable, n, logVariable, kept)
		}
	}
	t.Logf("%d of %d points, %d disks recovered", points, len(log), states)
}

// crashLog records the workload, or loads what a failure left.
func crashLog(t *testing.T) []faultfs.Op {
	t.Helper()
	if path := os.Getenv(logVariable); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var log []faultfs.Op
		if err := gob.NewDecoder(bytes.NewReader(raw)).Decode(&log); err != nil {
			t.Fatal(err)
		}
		return log
	}
	fs := faultfs.New()
	if out, err := serve(t, fs, "record"); err != nil {
		t.Fatalf("record the workload: %v\n%s", err, out)
	}
	return fs.Log()
}

// keep writes the record of a failed test where it can be found again.
func keep(t *testing.T, log []faultfs.Op) string {
	f, err := os.CreateTemp("", "pifs-crash-*.log")
	if err != nil {
		t.Error(err)
		return ""
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(log), f.Close()); err != nil {
		t.Error(err)
	}
	return f.Name()
}

// choose decides which of total points to look at: about usual of them, all in
// the same distance.
func choose(t *testing.T, total, usual int) func(int) bool {
	t.Helper()
	if text := os.Getenv(pointVariable); text != "" {
		one, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return func(n int) bool { return n == one }
	}
	switch text := os.Getenv(pointsVariable); text {
	case "":
	case "all":
		usual = total
	default:
		var share, of int
		if _, err := fmt.Sscanf(text, "%d/%d", &share, &of); err == nil && 0 < share && share <= of {
			return func(n int) bool { return n%of == share-1 }
		}
		var err error
		if usual, err = strconv.Atoi(text); err != nil || usual <= 0 {
			t.Fatalf("%s=%q is no number of points, and no share of them", pointsVariable, text)
		}
	}
	step := max(1, total/usual)
	return func(n int) bool { return n%step == step/2 }
}

// progress tells now and then how far a long enumeration is.
type progress struct {
	t               *testing.T
	total, failures int
	told            time.Time
}

func newProgress(t *testing.T, total int) *progress {
	return &progress{t: t, total: total, told: time.Now()}
}

func (p *progress) at(n int) {
	if time.Since(p.told) >= progressEvery {
		p.told = time.Now()
		p.t.Logf("at %d of %d, %d failures so far", n, p.total, p.failures)
	}
}

// replay is the disk after the calls up to now, and what had been acknowledged.
type replay struct {
	t     *testing.T
	disk  *faultfs.Disk
	trees []listing // after each prefix of the steps
	made  bool      // the home
	begun int       // steps begun
	acked int       // steps that must have survived
	worn  bool      // a disk failed too: shards may be missing, as long as all can be rebuilt
}

func (r *replay) apply(op *faultfs.Op) {
	r.disk.Apply(op)
	if op.Kind != faultfs.Mark {
		return
	}
	var i int
	if _, err := fmt.Sscanf(op.Name, "begin %d", &i); err == nil {
		r.begun = i + 1
	}
	if _, err := fmt.Sscanf(op.Name, "ok %d", &i); err == nil && workload()[i].acks() {
		r.acked = i + 1
	}
	r.made = r.made || op.Name == "made"
	if op.Name == "closed" {
		r.acked = r.begun
	}
}

// recover opens what crash leaves, and checks the promise.
func (r *replay) recover(crash faultfs.Crash, seed uint64) (err error) {
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "pifs-crash-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := r.disk.Materialise(dir, crash, seed); err != nil {
		return err
	}
	at := filepath.Join(dir, "home")
	if err := moveStores(at); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(at, "config.json")); r.made && err != nil {
		return fmt.Errorf("the home is lost: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), recoveryLimit)
	defer cancel()
	if err := r.look(ctx, at, (*opened).check); err != nil {
		return err
	}
	again := (*opened).tidy
	if r.worn {
		again = (*opened).check // a put that failed and was not repeated may have left a shard
	}
	if err := r.look(ctx, at, again); err != nil {
		return fmt.Errorf("after recovery and a commit: %w", err)
	}
	return nil
}

// moveStores lets the configuration, and its copy, name the stores where they
// are now. What a crash damaged stays as it is.
func moveStores(dir string) error {
	for _, name := range []string{"config.json", "config.json.copy"} {
		path := filepath.Join(dir, name)
		raw, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var c home.Config
		if json.Unmarshal(raw, &c) != nil || c.Sum == "" {
			continue
		}
		for i := range c.Stores {
			c.Stores[i].Path = filepath.Join(dir, "stores", filepath.Base(c.Stores[i].Path))
		}
		c.Sum = "" // as whoever edits it by hand is told to
		if raw, err = json.Marshal(&c); err != nil {
			return err
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// look opens the home, compares the tree, lets finish examine it, and closes,
// which commits.
func (r *replay) look(ctx context.Context, dir string, finish func(*opened, context.Context) error) error {
	o, err := openHome(ctx, dir)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	have, err := o.tree(ctx)
	if err == nil {
		err = r.promise(have)
	}
	if err == nil && r.worn {
		err = o.repair(ctx)
	}
	if err == nil {
		err = finish(o, ctx)
	}
	return errors.Join(err, o.close(ctx))
}

// promise checks that have is the tree after a prefix that holds all that was
// acknowledged.
func (r *replay) promise(have listing) error {
	for i := r.acked; i <= r.begun; i++ {
		if have.minus(r.trees[i]) == "" {
			return nil
		}
	}
	return fmt.Errorf("the tree is none of those after %d to %d steps; from the first it differs in\n  %s", r.acked, r.begun, have.minus(r.trees[r.acked]))
}
