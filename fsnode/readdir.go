package fsnode

import (
	"context"
	"sort"
)

// Readdir calls fn for the entries of a directory after cookie, in the order
// of their cookies, until it returns false. The order is stable: an entry that
// exists throughout is seen exactly once, whatever is created or removed
// meanwhile.
func (v *Volume) Readdir(ctx context.Context, ino Ino, cookie uint64, fn func(DirEntry) bool) error {
	return v.readdir(ctx, ino, cookie, v.listPage, fn)
}

// ReaddirPlus is Readdir for who is going to Hold what it lists: the inodes of
// many entries are read at once.
func (v *Volume) ReaddirPlus(ctx context.Context, ino Ino, cookie uint64, fn func(DirEntry) bool) error {
	return v.readdir(ctx, ino, cookie, v.listPlus, fn)
}

type lister func(ino Ino, cookie uint64) (entries []DirEntry, upTo uint64, more bool, err error)

func (v *Volume) readdir(ctx context.Context, ino Ino, cookie uint64, list lister, fn func(DirEntry) bool) error {
	if ino >= VirtualIno {
		return v.views.readdir(ctx, ino, cookie, fn)
	}
	if cookie == 0 {
		v.Accessed(ino)
	}
	for more := true; more; {
		var entries []DirEntry
		var err error
		v.lock()
		entries, cookie, more, err = list(ino, cookie)
		v.mu.Unlock()
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !fn(e) {
				return nil
			}
		}
	}
	return nil
}

const (
	pageRows  = 256 // entries read from the database at a time, as qList says
	pagesKept = 128 // pages kept of directories that are being listed, or will be
)

// page is a part of a directory, kept because the kernel asks for less than is
// read at a time: the entries with cookies in (from, upTo].
type page struct {
	dir        Ino
	from, upTo uint64
	more       bool // there may be entries after upTo
	entries    []DirEntry
}

// keepPage keeps p, and no more than pagesKept. v.mu is held.
func (v *Volume) keepPage(p *page) {
	for dir := range v.pages {
		if len(v.pages) < pagesKept {
			break
		}
		delete(v.pages, dir)
	}
	v.pages[p.dir] = p
}

// after returns the entries of p after cookie; false if p does not tell.
func (p *page) after(cookie uint64) ([]DirEntry, bool) {
	if p == nil || cookie < p.from || cookie >= p.upTo && p.more {
		return nil, false
	}
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].Next > cookie })
	return p.entries[i:], true
}

// listPage returns entries after cookie, the cookie they reach to, and whether
// there may be more. v.mu is held.
func (v *Volume) listPage(ino Ino, cookie uint64) ([]DirEntry, uint64, bool, error) {
	p := v.pages[ino]
	entries, ok := p.after(cookie)
	if !ok {
		dir, err := v.dir(ino)
		if err != nil {
			return nil, 0, false, err
		}
		rows, err := v.listRows(ino, cookie)
		if err != nil {
			return nil, 0, false, err
		}
		p = v.pageOf(dir, cookie, rows)
		v.keepPage(p)
		entries = p.entries
	}
	return entries, p.upTo, p.more, nil
}

// listPlus is listPage, and has memory hold the inodes. v.mu is held.
func (v *Volume) listPlus(ino Ino, cookie uint64) ([]DirEntry, uint64, bool, error) {
	entries, upTo, more, err := v.listPage(ino, cookie)
	if err != nil {
		return nil, 0, false, err
	}
	if cookie == 0 {
		v.visited(ino, entries)
	}
	inos := make([]Ino, 0, len(entries))
	for _, e := range entries {
		inos = append(inos, e.Ino)
	}
	return entries, upTo, more, v.loadInodes(inos)
}

// pageOf makes a page of what the database has after cookie, with what memory
// knows better laid over it. v.mu is held.
func (v *Volume) pageOf(dir *inode, cookie uint64, rows []*dent) *page {
	upTo, more := uint64(1<<63-1), len(rows) == pageRows
	if more {
		upTo = rows[len(rows)-1].key.h
	}
	var known []*dent
	v.pinned.AscendGreaterOrEqual(&dent{key: dentKey{dir.ino, cookie + 1}}, func(d *dent) bool {
		if d.key.parent != dir.ino || d.key.h > upTo {
			return false
		}
		if len(known) == pageRows {
			upTo, more = known[pageRows-1].key.h, true
			return false
		}
		known = append(known, d)
		return true
	})
	if cookie == 0 && !more {
		dir.complete = true // all rows became entries in memory
	}
	return &page{dir: dir.ino, from: cookie, upTo: upTo, more: more, entries: merge(rows, known, upTo)}
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

// listRows reads at most pageRows entries of a directory from the database.
func (v *Volume) listRows(dir Ino, cookie uint64) ([]*dent, error) {
	var rows []*dent
	err := v.db.each(qList, func(h int64, sealed []byte) error {
		d, err := v.loadDent(dentKey{dir, uint64(h)}, sealed)
		rows = append(rows, d)
		return err
	}, int64(dir), int64(cookie))
	return rows, err
}
