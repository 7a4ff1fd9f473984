package fsnode

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxChanged bounds how many names ChangedSince returns.
const maxChanged = 1000

// ChangedSince reads what can still be read of the database of the volume in
// dir, damaged as it may be, and returns the paths of what was changed after
// t, sorted; whole reports that every row could be read.
func ChangedSince(ctx context.Context, dir string, key [32]byte, t time.Time) (paths []string, whole bool) {
	db, err := openMeta(filepath.Join(dir, metaFile), key)
	if err != nil {
		return nil, false
	}
	defer db.close()
	whole = true
	records := map[Ino]*record{}
	err = db.scan(ctx, "SELECT ino, 0, v FROM inode", func(ino, _ uint64, v []byte) error {
		r := new(record)
		if db.open('i', ino, 0, v, r) != nil {
			whole = false
			return nil
		}
		r.Inline, r.Xattrs = nil, nil
		records[ino] = r
		return nil
	})
	since := TimeOf(t)
	for _, r := range records {
		if r.isDir() || !r.Ctime.After(since) || len(paths) == maxChanged {
			continue
		}
		for _, l := range r.Links {
			paths = append(paths, pathIn(records, l))
		}
	}
	slices.Sort(paths)
	return paths, whole && err == nil
}

func pathIn(records map[Ino]*record, l link) string {
	var parts []string
	for range 4096 {
		parts = append(parts, l.Name)
		up := records[l.Parent]
		if up == nil || len(up.Links) == 0 {
			break
		}
		l = up.Links[0]
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}
