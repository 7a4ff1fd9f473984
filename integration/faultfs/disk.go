package faultfs

import (
	"maps"
	"slices"
	"syscall"
)

const rootIno = 1

// Disk is the state of a disk and of the caches over it. It is not safe for
// concurrent use.
type Disk struct {
	inodes []*inode // by number; 0 is not used
	undone []change // of names, not durable yet; oldest first
	last   *Op      // that was applied
}

type inode struct {
	mode    uint32
	parent  uint64 // of a directory
	target  string // of a symbolic link
	links   int
	file    *file
	cached  map[string]entry  // of a directory
	durable map[string]uint64 // likewise
}

type entry struct {
	ino    uint64
	cookie uint64
}

// change is one Op on names: all of its edits become durable together.
type change []edit

type edit struct {
	dir  uint64
	name string
	ino  uint64 // 0: the name goes
}

// NewDisk returns a disk with an empty root directory.
func NewDisk() *Disk {
	d := &Disk{inodes: []*inode{nil}}
	d.add(syscall.S_IFDIR|0o755, rootIno)
	return d
}

func (d *Disk) add(mode uint32, parent uint64) uint64 {
	n := &inode{mode: mode, parent: parent}
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		n.cached, n.durable = map[string]entry{}, map[string]uint64{}
	case syscall.S_IFREG:
		n.file = newFile()
	}
	d.inodes = append(d.inodes, n)
	return uint64(len(d.inodes) - 1)
}

// Apply does op, which was found to be possible.
func (d *Disk) Apply(op *Op) {
	d.last = op
	switch op.Kind {
	case Create, Symlink:
		ino := d.add(op.Mode, op.Dir)
		d.inodes[ino].target = op.Target
		d.rename(change{{op.Dir, op.Name, ino}})
	case Link:
		d.rename(change{{op.Dir, op.Name, op.Ino}})
	case Unlink:
		d.rename(change{{op.Dir, op.Name, 0}})
	case Rename:
		ino := d.inodes[op.Dir].cached[op.Name].ino
		d.rename(change{{op.Dir, op.Name, 0}, {op.NewDir, op.NewName, ino}})
		d.inodes[ino].parent = op.NewDir
	case Chmod:
		d.inodes[op.Ino].mode = op.Mode
	case Sync:
		d.sync(op.Ino)
	default:
		if f := d.fileOf(op.Ino); f != nil {
			f.apply(op)
		}
	}
}

func (d *Disk) fileOf(ino uint64) *file {
	if ino == 0 {
		return nil
	}
	return d.inodes[ino].file
}

func (f *file) apply(op *Op) {
	switch op.Kind {
	case Write:
		f.writeAt(op.Data, op.Off)
	case Truncate:
		f.truncate(op.Size)
	case Allocate:
		f.size = max(f.size, op.Size)
	case Punch:
		f.zero(op.Off, op.Size)
	case LostSync:
		f.drop()
	}
}

// rename makes a change of names, which is not durable yet.
func (d *Disk) rename(c change) {
	for _, e := range c {
		dir := d.inodes[e.dir]
		if old, ok := dir.cached[e.name]; ok {
			d.inodes[old.ino].links--
		}
		if e.ino == 0 {
			delete(dir.cached, e.name)
			continue
		}
		d.inodes[e.ino].links++
		dir.cached[e.name] = entry{ino: e.ino, cookie: d.nextCookie(dir)}
	}
	d.undone = append(d.undone, c)
}

func (d *Disk) nextCookie(dir *inode) uint64 {
	last := uint64(firstCookie)
	for _, e := range dir.cached {
		last = max(last, e.cookie)
	}
	return last + 1
}

// sync makes a file's contents or a directory's names durable. The change of
// names that concerns two directories is with either.
func (d *Disk) sync(ino uint64) {
	if f := d.inodes[ino].file; f != nil {
		f.sync()
		return
	}
	d.undone = slices.DeleteFunc(d.undone, func(c change) bool {
		if !slices.ContainsFunc(c, func(e edit) bool { return e.dir == ino }) {
			return false
		}
		for _, e := range c {
			e.do(d.inodes[e.dir].durable)
		}
		return true
	})
}

func (e edit) do(names map[string]uint64) {
	if e.ino == 0 {
		delete(names, e.name)
	} else {
		names[e.name] = e.ino
	}
}

// names returns what a crash leaves of all directories.
func (d *Disk) names(c chance) map[uint64]map[string]uint64 {
	out := map[uint64]map[string]uint64{}
	for ino, n := range d.inodes {
		if n != nil && n.durable != nil {
			out[uint64(ino)] = maps.Clone(n.durable)
		}
	}
	for i, ch := range d.undone {
		if !c.change(i, len(d.undone)) {
			continue
		}
		for _, e := range ch {
			e.do(out[e.dir])
		}
	}
	return out
}
