package fsnode

import (
	"fmt"
	"syscall"
	"time"
)

const (
	modeType = syscall.S_IFMT
	modeDir  = syscall.S_IFDIR
	modeFile = syscall.S_IFREG
	modeLink = syscall.S_IFLNK
)

// inode is an inode in memory. All fields are guarded by Volume.mu.
type inode struct {
	ino      Ino
	rec      record
	gen      uint64   // of its last change; pinned in memory while > Volume.saved
	content  *content // of a regular file that is not inlined; loaded on use
	complete bool     // of a directory: memory holds every entry there is
	misses   uint64   // of a directory: how often a name was not in memory
	listed   bool     // of a directory: somebody listed it
	dead     bool     // destroyed; its rows go with the next save
	weight   int      // bytes accounted in Volume.weight
	touched  uint64   // the Volume.cuts at which all of its names were touched
}

// inode returns an inode, reading it if memory does not have it. v.mu is held.
func (v *Volume) inode(ino Ino) (*inode, error) {
	if in := v.inodes[ino]; in != nil {
		if in.dead {
			return nil, syscall.ENOENT
		}
		return in, nil
	}
	rec, err := v.db.inode(ino)
	if err != nil {
		return nil, fmt.Errorf("read inode %d: %w", ino, err)
	}
	if rec == nil {
		return nil, syscall.ENOENT
	}
	in := &inode{ino: ino, rec: *rec}
	v.inodes[ino] = in
	v.weigh(in)
	return in, nil
}

// dir returns an inode that must be a directory.
func (v *Volume) dir(ino Ino) (*inode, error) {
	in, err := v.inode(ino)
	if err != nil {
		return nil, err
	}
	if !in.rec.isDir() {
		return nil, syscall.ENOTDIR
	}
	return in, nil
}

// change notes that in's record changed, to be saved. v.mu is held.
func (v *Volume) change(in *inode) {
	if in.gen != v.gen {
		in.gen = v.gen
		v.pending.inodes[in.ino] = in
	}
	v.weigh(in)
}

// weigh brings the memory account of in up to date.
func (v *Volume) weigh(in *inode) {
	w := in.rec.footprint()
	if in.content != nil {
		w += 100 * len(in.content.base)
	}
	v.weight += w - in.weight
	in.weight = w
}

// lock begins an operation: it takes v.mu and makes room in memory if needed.
// Nothing is evicted while v.mu is held after that, so an operation may keep
// what it found.
func (v *Volume) lock() {
	v.mu.Lock()
	v.log.open = false
	if v.weight > v.evictAt {
		v.evict()
	}
}

// evict drops clean entries, at random, until an eighth of the room is free.
// If too much is pinned for that, it is not tried again before a save unpins
// some or memory grew by another eighth.
func (v *Volume) evict() {
	goal := int(v.o.CacheBytes - v.o.CacheBytes/8)
	defer func() { v.evictAt = max(int(v.o.CacheBytes), v.weight+int(v.o.CacheBytes/8)) }()
	for ino, in := range v.inodes {
		if v.weight <= goal {
			return
		}
		if v.evictable(in) {
			v.weight -= in.weight
			delete(v.inodes, ino)
		}
	}
	for _, d := range v.dents {
		if v.weight <= goal {
			return
		}
		if d.gen <= v.saved {
			v.dropDent(d)
		}
	}
}

func (v *Volume) evictable(in *inode) bool {
	if in.gen > v.saved || in.ino == RootIno || in.rec.Nlink == 0 {
		return false
	}
	c := in.content
	return c == nil || c.fresh.Empty() && !c.flushing && c.users == 0
}

// attr returns what stat shows. v.mu is held.
func (v *Volume) attr(in *inode) Attr {
	r := &in.rec
	a := Attr{
		Ino: in.ino, Mode: r.Mode, Nlink: r.Nlink, UID: r.UID, GID: r.GID, Rdev: r.Rdev,
		Size: r.Size, Atime: r.Atime, Mtime: r.Mtime, Ctime: r.Ctime,
	}
	switch {
	case r.isDir():
		a.Size = 4096
		a.Blocks = 8
	case r.isFile():
		a.Blocks = (v.allocated(in) + 511) / 512
	}
	return a
}

func now() Time { return TimeOf(time.Now()) }

// ref returns the lookups of ino, which has an entry then. v.mu is held.
func (v *Volume) ref(ino Ino) refs {
	r, ok := v.refs[ino]
	if !ok {
		if ino < v.log.unsure {
			r = unsure
		}
		v.refs[ino] = r
	}
	return r
}

// unref drops empty counts and destroys an inode that nobody can reach any
// more. v.mu is held.
func (v *Volume) unref(ino Ino) {
	r := v.ref(ino)
	if r.lookups() > 0 || v.opens[ino] != nil {
		return
	}
	delete(v.refs, ino)
	if r&unsure != 0 {
		return
	}
	if in := v.inodes[ino]; in != nil && !in.dead && in.rec.Nlink == 0 {
		v.destroy(in)
	}
}

// destroy removes an inode that has no name and no use. v.mu is held.
func (v *Volume) destroy(in *inode) {
	if c := in.content; c != nil {
		c.fresh.Release()
		c.base = nil
	}
	delete(v.fresh, in.ino)
	if in.rec.isDir() {
		delete(v.touched, in.ino)
		v.pending.behind[in.ino] = false
	}
	in.dead = true
	v.o.Space.Freed()
	v.destroyed(in.ino)
	v.count.Inodes--
	v.pending.orphans[in.ino] = false
	v.change(in)
	v.wake.Broadcast()
}

// Forget gives back n references that Lookup and its like took.
func (v *Volume) Forget(ino Ino, n uint64) {
	if ino >= VirtualIno {
		v.views.forget(ino, n)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.log.open = false
	if _, ok := v.refs[ino]; !ok && ino >= v.log.unsure {
		return
	}
	r := v.ref(ino)
	if n < r.lookups() {
		r -= refs(n)
	} else {
		r = 0 // and nothing is unsure any more
	}
	v.refs[ino] = r
	v.unref(ino)
}

// linked takes a kernel reference and returns the attributes. v.mu is held.
func (v *Volume) linked(in *inode) Attr {
	v.refs[in.ino] = v.ref(in.ino) + 1
	return v.attr(in)
}
