package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pifs/blockstore/failpoint"
)

// way leads a process to a failpoint. It finds the drive dead or unmounted and
// every command armed.
type way func(c *campaign)

// route is how a failpoint is reached, and at which passes the process dies
// there, in one round each.
type route struct {
	way    way
	passes []int
	infant bool // in a home of its own that does not exist yet
}

// routes has one for every failpoint.
func routes() map[failpoint.Point]route {
	return map[failpoint.Point]route{
		failpoint.PackCreated:         {firstFile, []int{1, 4}, true},
		failpoint.PackHeaderWritten:   {underLoad, []int{1}, false},
		failpoint.PackAppended:        {underLoad, []int{1, 8}, false},
		failpoint.PackSynced:          {underLoad, []int{2}, false},
		failpoint.PackIndexWriting:    {unmounting, []int{1}, false},
		failpoint.PackIndexCommitted:  {unmounting, []int{1}, false},
		failpoint.PackEvacuated:       {littleInOutbox, []int{1}, false},
		failpoint.PackRemoved:         {littleInOutbox, []int{1}, false},
		failpoint.HeadsForgotten:      {pruning, []int{1}, false},
		failpoint.CollectDoomed:       {pruning, []int{1}, false},
		failpoint.PackBuried:          {pruning, []int{1, 7}, false},
		failpoint.CollectDeleted:      {pruning, []int{1}, false},
		failpoint.BlockIndexWriting:   {underLoad, []int{1, 2}, false},
		failpoint.BlockIndexCommitted: {underLoad, []int{1}, false},
		failpoint.BlockIndexRemoved:   {withoutBlockIndex, []int{1}, false},
		failpoint.BlockIndexAdopted:   {withoutBlockIndex, []int{1}, false},
		failpoint.OutboxPinned:        {muchInOutbox, []int{1}, false},
		failpoint.OutboxReset:         {muchInOutbox, []int{1}, false},
		failpoint.JournalStarted:      {underLoad, []int{1}, false},
		failpoint.JournalAppended:     {underLoad, []int{1, 5}, false},
		failpoint.JournalSynced:       {underLoad, []int{1, 2}, false},
		failpoint.JournalTrimmed:      {underLoad, []int{1}, false},
		failpoint.OperationHalf:       {underLoad, []int{1}, false},
		failpoint.FlushStored:         {underLoad, []int{1, 3}, false},
		failpoint.SaveBytesDurable:    {underLoad, []int{1, 6}, false},
		failpoint.MetaWriting:         {underLoad, []int{1, 6}, false},
		failpoint.MetaCommitted:       {underLoad, []int{1, 6}, false},
		failpoint.RecoverQueued:       {recovering, []int{1}, false},
		failpoint.ReloadSaved:         {withoutMetadata, []int{1, 2}, false},
		failpoint.ReloadWalked:        {withoutMetadata, []int{1}, false},
		failpoint.CommitFilesBuilt:    {underLoad, []int{1}, false},
		failpoint.CommitTreesBuilt:    {underLoad, []int{1}, false},
		failpoint.CommitManifest:      {underLoad, []int{1, 2}, false},
		failpoint.CommitDurable:       {underLoad, []int{1}, false},
		failpoint.CommitHeadKept:      {underLoad, []int{1, 2}, false},
		failpoint.CommitInstalled:     {underLoad, []int{1, 2}, false},
		failpoint.VolumeClosing:       {unmounting, []int{1}, false},
		failpoint.FileLinked:          {mounting, []int{1, 3, 6}, true},
		failpoint.HeadWritten:         {underLoad, []int{1}, false},
		failpoint.HeadSynced:          {underLoad, []int{1}, false},
		failpoint.ChainTornKept:       {withTornChain, []int{1}, false},
		failpoint.StoreReopened:       {littleInOutbox, []int{1}, false},
		failpoint.FileReplacing:       {mounting, []int{1, 2, 3, 4}, true},
		failpoint.FileReplaced:        {mounting, []int{1, 2, 3, 4}, true},
		failpoint.HomeKeysMade:        {mounting, []int{1}, true},
		failpoint.HomeStoresMade:      {mounting, []int{1}, true},
		failpoint.DaemonListening:     {mounting, []int{1}, false},
		failpoint.MountOpened:         {mounting, []int{1}, false},
		failpoint.MountAttached:       {mounting, []int{1}, false},
		failpoint.UmountCommitted:     {unmounting, []int{1}, false},
		failpoint.UmountDetached:      {unmounting, []int{1}, false},
		failpoint.DaemonEnding:        {unmounting, []int{1}, false},
	}
}

// mounting only mounts.
func mounting(c *campaign) { c.try("mount", c.dir) }

// underLoad mounts and lets all children work until the daemon dies.
func underLoad(c *campaign) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if c.try("mount", c.dir); c.died() {
		return
	}
	l := c.load(ctx, 0)
	c.dies()
	l.wait()
}

// unmounting works a little and unmounts.
func unmounting(c *campaign) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if c.try("mount", c.dir); c.died() {
		return
	}
	c.load(ctx, 60).wait()
	c.try("umount", c.dir)
}

// recovering mounts what died with synced bytes in its journal. It tries again
// when the bytes were stored before the daemon was killed.
func recovering(c *campaign) {
	for range 10 {
		c.disarmed(func() {
			c.mount()
			c.keep(100 << 10)
			c.kill()
		})
		if c.try("mount", c.dir); c.died() {
			return
		}
		c.kill()
	}
}

// firstFile commits something in a home that is new.
func firstFile(c *campaign) {
	if c.try("mount", c.dir); c.died() {
		return
	}
	c.keep(3 << 20)
	c.try("sync", c.dir)
}

// muchInOutbox writes while two stores are away, so that blocks are pinned,
// and brings the stores back: the outbox is then emptied as a whole.
func muchInOutbox(c *campaign) { c.withoutStores(3 << 20) }

// littleInOutbox does the same with so little that the outbox is compacted.
func littleInOutbox(c *campaign) { c.withoutStores(300 << 10) }

func (c *campaign) withoutStores(size int64) {
	c.disarmed(func() { c.settle() })
	away := c.t.TempDir()
	for _, n := range []string{"1", "3"} {
		rename(c.t, c.home+"/stores/"+n, away+"/"+n)
	}
	c.mount()
	c.keep(size)
	c.try("sync", c.dir)
	for _, n := range []string{"1", "3"} {
		rename(c.t, away+"/"+n, c.home+"/stores/"+n)
	}
	c.owing = true
	if !c.died() {
		c.try("check")
		c.try("sync", c.dir)
	}
}

// pruning makes garbage and collects it.
func pruning(c *campaign) {
	c.disarmed(func() { c.settle() })
	if c.try("mount", c.dir); c.died() {
		return
	}
	junk := filepath.Join(c.dir, fmt.Sprintf("junk-%d", c.round))
	for _, script := range []string{"head -c 3000000 /dev/urandom >" + junk, "rm " + junk} {
		child(c.t, deadline, nil, "sh", "-c", script)
		c.try("sync", c.dir)
	}
	c.try("prune", "--keep", "0")
}

// withoutMetadata works a little, commits, loses the volume's database and
// mounts: there are several folders to load, and things in each.
func withoutMetadata(c *campaign) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	c.disarmed(func() {
		c.mount()
		c.load(ctx, 60).wait()
		c.umount()
	})
	c.lose("volumes/default/meta.db*")
	c.try("mount", c.dir)
}

// withoutBlockIndex loses the index of blocks and repairs.
func withoutBlockIndex(c *campaign) {
	c.disarmed(func() { c.settle() })
	c.lose("cache/blocks.db*")
	c.try("check", "--repair")
	c.disarmed(func() {
		if o := c.try("check", "--repair"); o.status != 0 && o.status != 9 {
			c.t.Fatalf("repair after a repair that died: status %d\n%s%s", o.status, o.stdout, o.stderr)
		}
	})
}

// withTornChain mounts with half a head at the end of the chain, as a crash of
// the machine leaves it.
func withTornChain(c *campaign) {
	path := c.home + "/volumes/default/heads"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 30)); err != nil {
		c.t.Fatal(err)
	}
	c.try("mount", c.dir)
}

// settle leaves everything committed and nothing mounted.
func (c *campaign) settle() {
	c.t.Helper()
	c.mount()
	c.umount()
}

// lose removes files of the home.
func (c *campaign) lose(pattern string) {
	c.t.Helper()
	found, err := filepath.Glob(filepath.Join(c.home, pattern))
	if err != nil || len(found) == 0 {
		c.t.Fatalf("no %s to lose: %v", pattern, err)
	}
	for _, path := range found {
		if err := os.Remove(path); err != nil {
			c.t.Fatal(err)
		}
	}
}

// keep writes a file that no writer knows, and syncs it. If that succeeds the
// file must be there for good.
func (c *campaign) keep(size int64) {
	c.t.Helper()
	f := keptFile{filepath.Join(c.dir, fmt.Sprintf("kept-%d", c.round)), fmt.Sprint(c.round), fmt.Sprint(size)}
	o := child(c.t, deadline, []string{jobVariable + "=keep"}, "/proc/self/exe", f[:]...)
	switch {
	case o.status == 0:
		c.kept = append(c.kept, f)
	case !c.died():
		c.t.Fatalf("keep %q: %s", f, o.stderr)
	}
}

// keptFile is its path, seed and size, as jobs want them.
type keptFile [3]string

// disarmed runs fn with commands that do not die.
func (c *campaign) disarmed(fn func()) {
	armed := c.env
	c.env = nil
	fn()
	c.env = armed
}

// died reports whether a process came to the end that was set to it.
func (c *campaign) died() bool {
	_, err := os.Stat(c.mark())
	return err == nil
}

func (c *campaign) mark() string { return filepath.Join(c.state, "mark") }

// dies waits for it.
func (c *campaign) dies() {
	c.t.Helper()
	eventually(c.t, "the failpoint is reached", c.died)
}

// rest kills the daemon that a command started instead of the dead one, if it
// did.
func (c *campaign) rest() {
	c.t.Helper()
	eventually(c.t, "all daemons are dead", func() bool {
		pid := c.pid()
		if alive(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended just now
		}
		return !alive(pid)
	})
}

// dieAt is one round: at the n-th pass of point.
func (c *campaign) dieAt(point failpoint.Point, n int, r route) {
	c.t.Helper()
	c.begin()
	c.forget(c.mark())
	c.env = []string{fmt.Sprintf("PIFS_FAILPOINT=%s:%d", point, n), "PIFS_FAILPOINT_MARK=" + c.mark()}
	r.way(c)
	c.dies()
	c.env = nil
	c.rest()
	c.judge()
	c.kill()
}

// failpointBuild returns a drive's program that can die on demand.
func failpointBuild(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.TempDir(), "failpoint", "pifs")
	if err := build(path, "-tags", "failpoint"); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDiesAtEveryFailpoint kills the daemon, or the command that does its
// work, at every moment that the product names as delicate. What is left is
// judged as in TestDiesAtRandom.
func TestDiesAtEveryFailpoint(t *testing.T) {
	program, all := failpointBuild(t), routes()
	if len(all) != len(failpoint.All()) {
		t.Errorf("%d routes to %d failpoints", len(all), len(failpoint.All()))
	}
	c := newCampaign(t)
	c.program = program
	c.kill()
	kills := 0
	for _, point := range failpoint.All() {
		r := all[point]
		if r.way == nil {
			t.Errorf("there is no route to the failpoint %s", point)
			continue
		}
		ok := t.Run(string(point), func(t *testing.T) {
			for _, n := range r.passes {
				one := c
				if r.infant {
					one = &campaign{drive: newDrive(t), state: t.TempDir()}
					one.program = program
				}
				one.t = t
				one.dieAt(point, n, r)
				kills++
			}
		})
		if c.t = t; !ok {
			return // the drive is in a state that nobody knows
		}
	}
	t.Logf("%d kills; of %d steps %d were acknowledged and %d found again", kills, c.steps, c.acked, c.found)
}
