package fsnode

import "context"

// Readdir calls fn for the entries of a directory after cookie, in the order
// of their cookies, until it returns false. The order is stable: an entry that
// exists throughout is seen exactly once, whatever is created or removed
// meanwhile.
func (v *Volume) Readdir(ctx context.Context, ino Ino, cookie uint64, fn func(DirEntry) bool) error {
	if ino >= VirtualIno {
		return v.views.readdir(ctx, ino, cookie, fn)
	}
	if cookie == 0 {
		v.Accessed(ino)
	}
	for more := true; more; {
		var page []DirEntry
		var err error
		v.lock()
		page, cookie, more, err = v.listPage(ino, cookie)
		v.mu.Unlock()
		if err != nil {
			return err
		}
		for _, e := range page {
			if !fn(e) {
				return nil
			}
		}
	}
	return nil
}

const listPage = 128 // entries read from the database at a time

// listPage returns entries after cookie: those of the database with what
// memory knows better laid over them, the cookie they reach to, and whether
// there may be more. v.mu is held.
func (v *Volume) listPage(ino Ino, cookie uint64) ([]DirEntry, uint64, bool, error) {
	dir, err := v.dir(ino)
	if err != nil {
		return nil, 0, false, err
	}
	rows, err := v.listRows(dir, cookie)
	if err != nil {
		return nil, 0, false, err
	}
	upTo, more := uint64(1<<63-1), len(rows) == listPage
	if more {
		upTo = rows[len(rows)-1].key.h
	}
	var known []*dent
	v.pinned.AscendGreaterOrEqual(&dent{key: dentKey{ino, cookie + 1}}, func(d *dent) bool {
		if d.key.parent != ino || d.key.h > upTo {
			return false
		}
		if len(known) == listPage {
			upTo, more = known[listPage-1].key.h, true
			return false
		}
		known = append(known, d)
		return true
	})
	return merge(rows, known, upTo), upTo, more, nil
}

// merge returns the entries of both sorted lists up to cookie upTo; where both
// have one, that of known counts.
func merge(rows, known []*dent, upTo uint64) []DirEntry {
	out := make([]DirEntry, 0, len(rows)+len(known))
	add := func(d *dent) {
		if d.ino != 0 {
			out = append(out, DirEntry{Name: d.name, Ino: d.ino, Mode: d.typ, Next: d.key.h})
		}
	}
	for _, d := range known {
		for len(rows) > 0 && rows[0].key.h < d.key.h {
			add(rows[0])
			rows = rows[1:]
		}
		if len(rows) > 0 && rows[0].key.h == d.key.h {
			rows = rows[1:]
		}
		add(d)
	}
	for ; len(rows) > 0 && rows[0].key.h <= upTo; rows = rows[1:] {
		add(rows[0])
	}
	return out
}

// listRows reads a page of a directory from the database, unless the database
// has nothing of it.
func (v *Volume) listRows(dir *inode, cookie uint64) ([]*dent, error) {
	var rows []*dent
	err := v.db.each(qList, func(h int64, sealed []byte) error {
		d, err := v.loadDent(dentKey{dir.ino, uint64(h)}, sealed)
		rows = append(rows, d)
		return err
	}, int64(dir.ino), int64(cookie), listPage)
	return rows, err
}
