package fsnode

// walk is what is known of somebody who lists a directory after the one above
// it, as ls -R, find, cp, rsync, tar and git do: the directories that they are
// going to list are read beside them. All is guarded by Volume.mu.
type walk struct {
	next   []Ino         // directories that were seen and may be listed, the last one soonest
	credit int           // how many of them may be read before another one is listed
	kick   chan struct{} // there is something to do
}

const (
	walkAhead   = 64   // directories that may be read for nobody
	walkPerStep = 8    // how many more each directory allows that is listed
	walkNext    = 1024 // directories that are remembered
)

// visited notes that somebody lists directory ino from its beginning, and what
// is in it. v.mu is held.
func (v *Volume) visited(ino Ino, entries []DirEntry) {
	in := v.inodes[ino]
	if in == nil {
		return
	}
	first := !in.listed
	in.listed = true
	if len(in.rec.Links) == 0 {
		return
	}
	above := v.inodes[in.rec.Links[0].Parent]
	if above == nil || !above.listed || !first {
		return
	}
	w := &v.ahead
	if w.credit == 0 && len(w.next) == 0 { // it begins here
		if p := v.pages[above.ino]; p != nil {
			w.see(p.entries)
		}
	}
	w.see(entries)
	w.next = w.next[max(0, len(w.next)-walkNext):]
	w.credit = min(w.credit+walkPerStep, walkAhead)
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// see remembers the directories among entries.
func (w *walk) see(entries []DirEntry) {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Mode == modeDir {
			w.next = append(w.next, entries[i].Ino)
		}
	}
}

// walkAhead reads directories before they are listed.
func (v *Volume) walkAhead() {
	for {
		select {
		case <-v.ctx.Done():
			return
		case <-v.ahead.kick:
		}
		for v.ctx.Err() == nil && v.readAheadOne() {
		}
	}
}

// readAheadOne reads a directory that may be listed next, without v.mu; false
// if there is none, or enough was read.
func (v *Volume) readAheadOne() bool {
	v.lock()
	w := &v.ahead
	if w.credit == 0 || len(w.next) == 0 || v.weight > int(v.o.CacheBytes/4*3) {
		v.mu.Unlock()
		return false
	}
	dir := v.inodes[w.next[len(w.next)-1]]
	w.next = w.next[:len(w.next)-1]
	saved := v.saved
	if dir == nil || dir.dead || dir.listed || dir.complete || dir.rec.Size > foreseenMost {
		v.mu.Unlock()
		return true
	}
	w.credit--
	v.mu.Unlock()

	rows, inodes, err := v.db.directory(dir.ino)
	v.lock()
	defer v.mu.Unlock()
	if err != nil || v.inodes[dir.ino] != dir || dir.listed {
		return true // whoever lists it reads it
	}
	// What changes is in memory until it was saved, so rows are not older than
	// what memory forgot unless something was saved meanwhile.
	if v.saved != saved {
		w.credit++
		w.next = append(w.next, dir.ino)
		return true
	}
	for i, d := range rows {
		rows[i] = v.adoptDent(d)
	}
	for _, in := range inodes {
		v.adoptInode(in)
	}
	v.keepPage(v.pageOf(dir, 0, rows))
	return true
}

// directory reads the first page of a directory, and its inodes.
func (m *reader) directory(dir Ino) (rows []*dent, inodes []*inode, err error) {
	var inos []Ino
	err = m.each(qList, func(h int64, sealed []byte) error {
		d, err := m.dent(dentKey{dir, uint64(h)}, sealed)
		if err == nil {
			rows, inos = append(rows, d), append(inos, d.ino)
		}
		return err
	}, int64(dir), 0)
	if err == nil {
		err = m.inodes(inos, func(in *inode) { inodes = append(inodes, in) })
	}
	return rows, inodes, err
}
