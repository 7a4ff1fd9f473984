package fsnode

import "strconv"

const (
	// foreseen is how many rows may be read with one that is needed. A row
	// that is read in order costs a tenth of one that is looked for.
	foreseen = 16
	// foreseenMost bounds the directories that are read as a whole because of
	// lookups, and so how long one of these takes.
	foreseenMost = 1024
)

// loadNear has memory hold the slots of hash h in dir. Who looks up many names
// of a directory, as stat, git and go do, gets all of it, with its inodes: as
// soon as that costs no more than what was looked up so far. v.mu is held.
func (v *Volume) loadNear(dir *inode, h uint64) error {
	dir.misses++
	if size := dir.rec.Size; size > foreseenMost || size > dir.misses*foreseen {
		return v.loadSlots(dir.ino, h)
	}
	inos := make([]Ino, 0, dir.rec.Size)
	for cookie, more := uint64(0), true; more; {
		rows, err := v.listRows(dir.ino, cookie)
		if err != nil || len(inos) > 2*foreseenMost { // much was removed and not saved yet
			return v.loadSlots(dir.ino, h) // what is damaged may be another name
		}
		for _, d := range rows {
			inos = append(inos, d.ino)
			cookie = d.key.h
		}
		more = len(rows) == pageRows
	}
	dir.complete = true
	return v.loadInodes(inos)
}

// loadInodes has memory hold those inodes that there are, with one query for
// all that it has not. A row that is damaged is left to whoever needs it. v.mu
// is held.
func (v *Volume) loadInodes(inos []Ino) error {
	missing := inos[:0:0]
	for _, ino := range inos {
		if v.inodes[ino] == nil && ino != 0 {
			missing = append(missing, ino)
		}
	}
	return v.db.inodes(missing, v.adoptInode)
}

// adoptInode has memory hold an inode that was read, unless it does already.
func (v *Volume) adoptInode(in *inode) {
	if v.inodes[in.ino] == nil {
		v.inodes[in.ino] = in
		v.weigh(in)
	}
}

// inodes calls fn for those of inos that have a row that can be read.
func (m *reader) inodes(inos []Ino, fn func(*inode)) error {
	if len(inos) == 0 {
		return nil
	}
	list := []byte{'['}
	for i, ino := range inos {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, ino, 10)
	}
	return m.each(qInodes, func(n int64, sealed []byte) error {
		in := &inode{ino: Ino(n)}
		if m.open('i', in.ino, 0, sealed, &in.rec) == nil {
			fn(in)
		}
		return nil
	}, string(append(list, ']')))
}
