package fsnode

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"

	"pifs/blockstore"
)

// Clone makes dst what src is, files and whole trees, and returns the path of
// the clone and how many names it has. No data moves: files get the same
// blocks, after fresh bytes were stored. src may lie in a snapshot, under
// .pifs/snapshots. If dst is a directory the clone goes into it, under the
// name of src; else it must not exist: EEXIST. All attributes but ctime are
// kept, hard links inside the tree too. dst appears at one moment, as src was
// at one moment, or, on an error or a crash, not at all.
func (v *Volume) Clone(ctx context.Context, src, dst string, progress func(done, total int64)) (string, int64, error) {
	src, dst = cleanPath(src), cleanPath(dst)
	parent, dst, err := v.target(src, dst)
	if err != nil {
		return dst, 0, fmt.Errorf("clone to %q: %w", dst, err)
	}
	n, err := v.cloneTo(ctx, src, parent, path.Base(dst), progress)
	if err != nil {
		return dst, 0, fmt.Errorf("clone %q to %q: %w", src, dst, err)
	}
	return dst, n, nil
}

// target returns where a clone of src goes: the directory and the free path.
func (v *Volume) target(src, dst string) (Ino, string, error) {
	if dst == viewsName || strings.HasPrefix(dst, viewsName+"/") {
		return 0, dst, syscall.EROFS
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.walk(dst)
	switch {
	case err == syscall.ENOENT:
		in, err = v.walk(cleanPath(path.Dir(dst)))
	case err == nil && in.rec.isDir() && src != "":
		dst = path.Join(dst, path.Base(src))
	case err == nil:
		return 0, dst, syscall.EEXIST
	}
	if err == nil {
		_, _, err = v.vacant(in.ino, path.Base(dst))
	}
	if err != nil {
		return 0, dst, err
	}
	return in.ino, dst, nil
}

func (v *Volume) cloneTo(ctx context.Context, src string, parent Ino, name string, progress func(done, total int64)) (int64, error) {
	if err := v.writable(parent); err != nil {
		return 0, err
	}
	v.history.RLock() // no head is forgotten, nor what is built aside collected
	defer v.history.RUnlock()
	it, err := v.snapshotItem(ctx, src)
	if errors.Is(err, errLive) {
		if ok, err := v.cloneFile(ctx, src, parent, name); ok || err != nil {
			return 1, err
		}
		var h HeadInfo
		if h, err = v.Commit(ctx, "", nil); err == nil {
			it, err = v.itemAt(ctx, &h, src)
		}
	}
	if err != nil {
		return 0, err
	}
	return v.graft(ctx, &it, parent, name, progress)
}

// errLive says that a path is not in a snapshot; it does not leave this file.
var errLive = errors.New("not in a snapshot")

// snapshotItem finds a path that lies in a snapshot.
func (v *Volume) snapshotItem(ctx context.Context, src string) (headItem, error) {
	rest, ok := strings.CutPrefix(src, viewsName+"/snapshots/")
	if !ok {
		return headItem{}, errLive
	}
	name, p, _ := strings.Cut(rest, "/")
	h, err := v.FindHead(name)
	if errors.Is(err, blockstore.ErrNotFound) {
		return headItem{}, syscall.ENOENT
	}
	if err != nil {
		return headItem{}, err
	}
	return v.itemAt(ctx, &h, p)
}

// cloneFile clones what is not a directory without a commit. It does nothing
// if src is one, or a file that somebody keeps writing to.
func (v *Volume) cloneFile(ctx context.Context, src string, parent Ino, name string) (bool, error) {
	for range 3 {
		v.lock()
		in, err := v.walk(src)
		v.mu.Unlock()
		if err != nil || in.rec.isDir() {
			return false, err
		}
		if err := v.flush(ctx, in.ino, flushAll); err != nil {
			return false, err
		}
		if ok, err := v.shareFile(src, parent, name); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// shareFile makes name in parent a copy of what src is, unless some of its
// bytes are fresh.
func (v *Volume) shareFile(src string, parent Ino, name string) (bool, error) {
	v.lock()
	defer v.mu.Unlock()
	if v.pace(); v.failure != nil {
		return false, v.failure
	}
	in, err := v.walk(src)
	if err != nil || in.rec.isDir() {
		return false, err
	}
	var exts []extent
	if in.rec.isFile() && !in.rec.Inlined {
		c, err := v.contentOf(in)
		if err != nil || !c.fresh.Empty() {
			return false, err
		}
		exts = c.base
	}
	dir, d, err := v.vacant(parent, name)
	if err != nil {
		return false, err
	}
	rec := in.rec
	rec.Ctime = now()
	v.nextIno++
	clone := v.spawn(v.nextIno-1, rec, exts)
	clone.rec.Nlink = 1
	v.plant(clone, dir, d)
	return true, nil
}
