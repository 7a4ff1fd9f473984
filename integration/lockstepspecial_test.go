package integration

import (
	"fmt"
	"path/filepath"

	"pgregory.net/rapid"

	"pifs/integration/lockstep"
)

// What happens to the mount between steps, and changes nothing that can be
// seen there.
const (
	opNothing  lockstep.Op = "nothing"
	opSync     lockstep.Op = "pifs sync"
	opDrop     lockstep.Op = "pifs cache drop"
	opRemount  lockstep.Op = "pifs umount, pifs mount"
	opSnapshot lockstep.Op = "pifs snapshot"
	opTree     lockstep.Op = "compare the trees"
)

// special returns what carries out an operation that is not an actor's, or
// nil.
func (l *lockstepRun) special(op lockstep.Op) func(rapid.TB) {
	switch op {
	case opSync:
		return func(r rapid.TB) { l.pifs(r, "sync", l.d.dir) }
	case opDrop:
		return func(r rapid.TB) { l.pifs(r, "cache", "drop") }
	case opRemount:
		return l.remount
	case opSnapshot:
		return l.snapshot
	case opTree:
		return l.tree
	}
	return nil
}

func (l *lockstepRun) pifs(r rapid.TB, args ...string) {
	if o := l.d.try(args...); o.status != 0 {
		r.Fatalf("pifs %q: status %d: %s", args, o.status, o.stderr)
	}
}

// remount closes everything, on both sides, and mounts anew.
func (l *lockstepRun) remount(r rapid.TB) {
	l.begin(r, false)
	l.pifs(r, "umount", l.d.dir)
	l.pifs(r, "mount", "--allow-other", l.d.dir)
	l.begin(r, true)
	l.tree(r)
}

func (l *lockstepRun) snapshot(r rapid.TB) {
	name := fmt.Sprintf("s%d-%d", l.attempts, len(l.snapshots))
	step := lockstep.Step{Actor: observer, Op: lockstep.Tree, Flags: lockstep.NoLinks}
	_, step.Path2 = l.sides()
	l.snapshots[name] = l.do(r, step)[1].Data
	l.pifs(r, "snapshot", "--volume", "default", name)
}

// verifySnapshots compares all snapshots of this attempt with what the disk
// looked like when they were made.
func (l *lockstepRun) verifySnapshots(r rapid.TB) {
	mount, _ := l.sides()
	for name, want := range l.snapshots {
		step := lockstep.Step{Actor: observer, Op: lockstep.Tree, Flags: lockstep.NoLinks}
		step.Path = []byte(filepath.Join(l.d.dir, ".pifs", "snapshots", name, filepath.Base(string(mount))))
		both := l.do(r, step)
		both[1].Data = want
		if diff := both.Difference(); diff != "" {
			r.Fatalf("snapshot %s: snapshot | disk as it was\n%s", name, diff)
		}
	}
}
