package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const killWriters = 3 // besides a child that syncs, snapshots and drops caches

// campaign kills the daemon of one drive over and over, under load, and
// judges after each death what is left.
type campaign struct {
	*drive
	state string // what is known about the writers, outside of the drive
	seed  uint64
	round int

	kept  []keptFile
	owing bool // stripes are not full: check would say so

	writers             int
	steps, acked, found int // of all writers, in all rounds
}

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := &campaign{drive: mounted(t), state: t.TempDir(), seed: rand.Uint64(), writers: killWriters}
	if text := os.Getenv("PIFS_KILL_SEED"); text != "" {
		c.seed = uint64(number(text))
	}
	t.Logf("PIFS_KILL_SEED=%d", int64(c.seed))
	for n := range c.writers {
		c.sh(`mkdir "$D/` + folderName(n) + `"`)
		if err := saveWorld(worldPath(c.state, n), newWorld()); err != nil {
			t.Fatal(err)
		}
	}
	c.pifs("sync", c.dir)
	return c
}

// begin starts a round without writers yet.
func (c *campaign) begin() {
	c.t.Helper()
	c.round++
	for n := range c.writers {
		c.forget(diaryPath(c.state, n))
	}
	c.forget(syncDiary(c.state))
}

func (c *campaign) forget(path string) {
	c.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		c.t.Fatal(err)
	}
}

// load is the children of a round.
type load struct {
	t    *testing.T
	cmds []*exec.Cmd
	errs []*strings.Builder
}

// load starts the writers, and the syncer with them unless each writer is to
// end after most steps.
func (c *campaign) load(ctx context.Context, most int) *load {
	c.t.Helper()
	l := &load{t: c.t}
	for n := range c.writers {
		l.start(ctx, "killWriter", c.state, c.dir, strconv.Itoa(n), fmt.Sprint(int64(c.seed)), strconv.Itoa(c.round), strconv.Itoa(most), strconv.Itoa(c.pid()))
	}
	if most == 0 {
		l.start(ctx, "killSyncer", c.state, c.home, c.dir, strconv.Itoa(c.round), strconv.Itoa(c.pid()))
	}
	return l
}

func (l *load) start(ctx context.Context, job string, args ...string) {
	l.t.Helper()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), jobVariable+"="+job)
	errs := new(strings.Builder)
	cmd.Stderr = errs
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.cmds, l.errs = append(l.cmds, cmd), append(l.errs, errs)
}

// wait returns when all children have ended, which they do by themselves
// when the drive is gone.
func (l *load) wait() {
	l.t.Helper()
	for i, cmd := range l.cmds {
		if err := cmd.Wait(); err != nil {
			l.t.Errorf("%s: %v: %s", cmd.Args, err, l.errs[i])
		}
	}
	if l.t.Failed() {
		l.t.FailNow()
	}
}

// judge mounts what a crash left, and checks it.
func (c *campaign) judge() {
	c.t.Helper()
	c.mount()
	out := c.job(deadline, "killJudge", c.state, c.dir, strconv.Itoa(c.writers), fmt.Sprint(int64(c.seed)), strconv.Itoa(c.round))
	for line := range strings.Lines(out) {
		var steps, acked, found int
		if _, err := fmt.Sscan(line, &steps, &acked, &found); err != nil {
			c.t.Fatalf("judge says %q: %v", line, err)
		}
		c.steps, c.acked, c.found = c.steps+steps, c.acked+acked, c.found+found
	}
	for _, f := range c.kept {
		c.job(deadline, "verify", f[:]...)
	}
	if c.owing {
		c.pifs("sync")
		c.owing = false
	}
	if o := c.try("check"); o.status != 0 {
		c.t.Fatalf("check after the crash of round %d: status %d\n%s%s", c.round, o.status, o.stdout, o.stderr)
	}
}

// working returns once some writer has ended a step.
func (c *campaign) working() {
	c.t.Helper()
	eventually(c.t, "a writer works", func() bool {
		found, err := filepath.Glob(filepath.Join(c.state, "diary-[0-9]*"))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, path := range found {
			if fi, err := os.Stat(path); err == nil && fi.Size() > 60 {
				return true
			}
		}
		return false
	})
}

// killAtRandom lets a load run for a moment and kills the daemon.
func (c *campaign) killAtRandom() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	c.begin()
	l := c.load(ctx, 0)
	c.working()
	<-time.After(time.Duration(rand.IntN(400)) * time.Millisecond)
	c.kill()
	l.wait()
	c.judge()
}

// rounds returns how often a campaign goes round: PIFS_KILLS, or normal.
func rounds(normal int) int {
	if text := os.Getenv("PIFS_KILLS"); text != "" {
		return int(number(text))
	}
	return normal
}

// TestDiesAtRandom kills the daemon at random moments while several children
// write, sync and commit. Each time, what is left is a state that the volume
// had, with all that was acknowledged, and pifs check is clean.
func TestDiesAtRandom(t *testing.T) {
	c := newCampaign(t)
	n := rounds(60)
	for range n {
		c.killAtRandom()
	}
	t.Logf("%d kills; of %d steps %d were acknowledged and %d found again", n, c.steps, c.acked, c.found)
	if c.acked == 0 {
		t.Error("nothing was ever acknowledged: the test shows nothing")
	}
}
