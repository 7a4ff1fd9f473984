package fsnode

import (
	"fmt"
	"syscall"
)

const (
	// firstCookie is the smallest cookie of an entry: 0 is the beginning, and
	// the rest below is left for "." and "..".
	firstCookie = 16
	// slots is how many names of one directory may share a hash.
	slots = 8
)

// dentKey is the place of a directory entry: its directory and a slot, which
// is the hash of its name or one of the next seven numbers.
type dentKey struct {
	parent Ino
	h      uint64
}

// dent is a directory entry in memory. With ino 0 it says that name does not
// exist and that its slot is free. All fields are guarded by Volume.mu.
type dent struct {
	key  dentKey
	name string
	ino  Ino
	typ  uint32
	gen  uint64 // of its last change; pinned in memory while > Volume.saved
}

func dentLess(a, b *dent) bool {
	return a.key.parent < b.key.parent || a.key.parent == b.key.parent && a.key.h < b.key.h
}

const dentWeight = 160

// find returns the entry name of directory dir. If there is none, its ino is 0
// and its key is the slot that the name would take. v.mu is held.
func (v *Volume) find(dir *inode, name string) (*dent, error) {
	if len(name) > maxName {
		return nil, syscall.ENAMETOOLONG
	}
	h := v.db.nameHash(name)
	if d := v.dents[dentKey{dir.ino, h}]; d != nil && d.name == name {
		return d, nil
	}
	if !dir.complete {
		if err := v.loadNear(dir, h); err != nil {
			return nil, err
		}
	}
	free := dentKey{dir.ino, 0}
	for s := h; s < h+slots; s++ {
		d := v.dents[dentKey{dir.ino, s}]
		if d != nil && d.name == name && d.ino != 0 {
			return d, nil
		}
		if free.h == 0 && (d == nil || d.ino == 0) {
			free.h = s
		}
	}
	if free.h == 0 {
		return nil, fmt.Errorf("place %q: %d names share a hash: %w", name, slots, syscall.ENOSPC)
	}
	if d := v.dents[free]; d != nil {
		if d.gen <= v.saved {
			d.name = name
		}
		return &dent{key: free, name: name, gen: d.gen}, nil
	}
	d := &dent{key: free, name: name}
	v.addDent(d)
	return d, nil
}

// loadSlots reads the slots of one hash that memory does not have.
func (v *Volume) loadSlots(parent Ino, h uint64) error {
	return v.db.each(qSlots, func(k int64, sealed []byte) error {
		_, err := v.loadDent(dentKey{parent, uint64(k)}, sealed)
		return err
	}, int64(parent), int64(h), int64(h+slots))
}

// loadDent returns the entry at key, from memory if it is there, else from its
// row.
func (v *Volume) loadDent(key dentKey, sealed []byte) (*dent, error) {
	if d := v.dents[key]; d != nil && (d.ino != 0 || d.gen > v.saved) {
		return d, nil
	}
	d, err := v.db.dent(key, sealed)
	if err != nil {
		return nil, err
	}
	return v.adoptDent(d), nil
}

// adoptDent has memory hold an entry that was read, and returns it, or what
// memory knows better.
func (v *Volume) adoptDent(d *dent) *dent {
	if old := v.dents[d.key]; old != nil {
		if old.ino != 0 || old.gen > v.saved {
			return old
		}
		v.dropDent(old)
	}
	v.addDent(d)
	return d
}

// dent opens the row of an entry.
func (m *reader) dent(key dentKey, sealed []byte) (*dent, error) {
	var row dirent
	if err := m.open('d', key.parent, key.h, sealed, &row); err != nil {
		return nil, err
	}
	return &dent{key: key, name: row.Name, ino: row.Ino, typ: row.Type}, nil
}

func (v *Volume) addDent(d *dent) {
	v.dents[d.key] = d
	v.weight += dentWeight
}

// dropDent forgets a clean entry; its directory is no longer all in memory.
func (v *Volume) dropDent(d *dent) {
	delete(v.dents, d.key)
	v.weight -= dentWeight
	if d.ino == 0 {
		return
	}
	if dir := v.inodes[d.key.parent]; dir != nil {
		dir.complete = false
	}
}

// setDent makes the entry found as d name ino; ino 0 removes it. The entry is
// marked for saving and for the next commit. v.mu is held.
func (v *Volume) setDent(d *dent, ino Ino, typ uint32) {
	v.placeDent(d, ino, typ)
	v.touch(d.key.parent, d.name, ino)
}

// placeDent is setDent for a change that the directory's trees have already.
func (v *Volume) placeDent(d *dent, ino Ino, typ uint32) {
	delete(v.pages, d.key.parent)
	cur := v.dents[d.key]
	if cur == nil {
		cur = &dent{key: d.key}
		v.addDent(cur)
	}
	cur.name, cur.ino, cur.typ = d.name, ino, typ
	if cur.gen != v.gen {
		cur.gen = v.gen
		v.pending.dents = append(v.pending.dents, cur)
		v.pinned.ReplaceOrInsert(cur)
	}
}

// touchSet is the names of a directory whose entries in the Merkle tree are
// out of date.
type touchSet struct {
	all bool // unknown: compare every entry
	// names with the inode that each stood for when it was touched last, or 0:
	// the entry may have left memory, and the inode not be saved yet.
	names map[string]Ino
}

// touch notes that the entry in the Merkle tree of a name, which stands for
// ino now, is out of date.
func (v *Volume) touch(dir Ino, name string, ino Ino) {
	v.unlogged()
	t := v.touched[dir]
	if t == nil {
		t = &touchSet{names: map[string]Ino{}}
		v.touched[dir] = t
		v.pending.behind[dir] = true
	}
	if _, ok := t.names[name]; !ok && !t.all {
		v.touches++
	}
	if !t.all {
		t.names[name] = ino
	}
	if v.changed.IsZero() {
		v.changed = now().Go()
	}
}

// touchInode notes that an inode's entries are out of date under all names. A
// name that comes later is touched when it comes.
func (v *Volume) touchInode(in *inode) {
	v.change(in)
	if in.touched == v.cuts {
		return
	}
	in.touched = v.cuts
	if in.ino == RootIno {
		v.touch(0, "", RootIno)
	}
	for _, l := range in.rec.Links {
		v.touch(l.Parent, l.Name, in.ino)
	}
}
