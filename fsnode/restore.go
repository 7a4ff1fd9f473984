package fsnode

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Restore makes the tree at path in a head, or all of it if path is empty,
// stand at to, or where it was if to is empty, and returns how many files,
// directories and others were made or changed. No data moves: files get the
// same blocks. What stands there and was not in the head is removed when a
// directory is restored over it. Attributes are restored, but for ctime.
func (v *Volume) Restore(ctx context.Context, from HeadInfo, what, to string) (int, error) {
	what, to = cleanPath(what), cleanPath(to)
	if to == "" {
		to = what
	}
	release, err := v.useHistory(from)
	if err != nil {
		return 0, fmt.Errorf("restore %q: %w", what, err)
	}
	defer release()
	it, err := v.itemAt(ctx, &from, what)
	if err != nil {
		return 0, fmt.Errorf("restore %q of head %d: %w", what, from.Seq, err)
	}
	r := restorer{v: v}
	if to == "" {
		err = r.fill(ctx, RootIno, &it)
	} else {
		err = r.at(ctx, to, &it)
	}
	if err != nil {
		return r.done, fmt.Errorf("restore to %q: %w", to, err)
	}
	return r.done, nil
}

func cleanPath(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// walk returns the inode at a path of the live tree. v.mu is held.
func (v *Volume) walk(p string) (*inode, error) {
	in, err := v.inode(RootIno)
	for name := range strings.SplitSeq(p, "/") {
		if err != nil {
			return nil, err
		}
		if name != "" {
			in, err = v.child(in.ino, name)
		}
	}
	return in, err
}

type restorer struct {
	v    *Volume
	done int
}

func (r *restorer) at(ctx context.Context, to string, it *headItem) error {
	dir, name := path.Split(to)
	r.v.lock()
	in, err := r.v.walk(strings.TrimSuffix(dir, "/"))
	r.v.mu.Unlock()
	if err != nil {
		return err
	}
	return r.entry(ctx, in.ino, name, it)
}

// entry makes name in parent be what it is in the head. What is there already
// is changed where it differs.
func (r *restorer) entry(ctx context.Context, parent Ino, name string, it *headItem) error {
	v := r.v
	v.lock()
	in, err := v.child(parent, name)
	var have record
	if err == nil {
		have = in.rec
	}
	v.mu.Unlock()
	switch {
	case err == nil && changeable(&have, it):
		return r.change(ctx, in.ino, &have, it)
	case err == nil:
		err = v.removeAll(ctx, parent, name)
	case err == syscall.ENOENT:
		err = nil
	}
	if err != nil {
		return err
	}
	n, err := v.graft(ctx, it, parent, name, nil)
	r.done += int(n)
	return err
}

// changeable reports whether what is there can become it without being
// replaced.
func changeable(have *record, it *headItem) bool {
	return have.Mode&modeType == it.Mode&modeType && (it.isDir() || it.isFile() && have.Nlink == 1)
}

// change makes inode ino, which is as have says, what it is in the head.
func (r *restorer) change(ctx context.Context, ino Ino, have *record, it *headItem) error {
	if it.isDir() {
		r.done++
		return r.fill(ctx, ino, it)
	}
	now := entryOf(have)
	now.File, now.Dir = have.File, nil
	if differs(now, it.entry) == "" {
		return nil
	}
	r.done++
	return r.content(ctx, ino, it)
}

// removeAll removes a name and all below it.
func (v *Volume) removeAll(ctx context.Context, parent Ino, name string) error {
	v.lock()
	in, err := v.child(parent, name)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if in.rec.isDir() {
		if err := v.empty(ctx, in.ino); err != nil {
			return err
		}
	}
	if err := v.remove(ctx, parent, name, in.rec.isDir()); err != nil {
		return err
	}
	v.renamed(parent, name)
	return nil
}

// empty removes everything in a directory.
func (v *Volume) empty(ctx context.Context, dir Ino) error {
	names, err := v.names(ctx, dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.removeAll(ctx, dir, n); err != nil {
			return err
		}
	}
	return nil
}

func (v *Volume) renamed(parent Ino, name string) {
	if v.o.Renamed != nil {
		v.o.Renamed(parent, name)
	}
}

func (v *Volume) names(ctx context.Context, dir Ino) ([]string, error) {
	var names []string
	err := v.Readdir(ctx, dir, 0, func(e DirEntry) bool {
		names = append(names, e.Name)
		return true
	})
	return names, err
}

// fill makes directory ino have the entries and attributes of it.
func (r *restorer) fill(ctx context.Context, ino Ino, it *headItem) error {
	names, err := r.v.names(ctx, ino)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	err = r.v.eachItem(ctx, it, func(name string, child *headItem) error {
		wanted[name] = true
		return r.entry(ctx, ino, name, child)
	})
	if err != nil {
		return err
	}
	for _, n := range names {
		if wanted[n] {
			continue
		}
		if err := r.v.removeAll(ctx, ino, n); err != nil {
			return err
		}
		r.done++
	}
	return r.attributes(ino, &it.entry)
}

// content gives file ino the blocks of it.
func (r *restorer) content(ctx context.Context, ino Ino, it *headItem) error {
	exts, err := it.extents(ctx, r.v)
	if err != nil {
		return err
	}
	v := r.v
	v.lock()
	in, err := v.inode(ino)
	if err == nil {
		err = v.replace(in, &it.entry, exts)
	}
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return r.attributes(ino, &it.entry)
}

// replace makes a file's content that of e, whose extents are exts. v.mu is
// held.
func (v *Volume) replace(in *inode, e *entry, exts []extent) error {
	for in.content != nil && in.content.flushing {
		v.wake.Wait()
	}
	if err := v.truncate(in, 0); err != nil {
		return err
	}
	if e.Size <= InlineMax {
		in.rec.Inlined, in.rec.Inline = true, slices.Clone(e.Inline)
		v.setSize(in, e.Size)
		return nil
	}
	c, err := v.outOfLine(in)
	if err != nil {
		return err
	}
	c.base = exts
	c.edit(0, maxFile)
	in.bytesChanged()
	v.setSize(in, e.Size)
	in.rec.BaseSize, in.rec.File = e.Size, e.File
	return nil
}

// attributes gives an inode the attributes of e.
func (r *restorer) attributes(ino Ino, e *entry) error {
	v := r.v
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return err
	}
	in.rec.Mode, in.rec.UID, in.rec.GID = e.Mode, e.UID, e.GID
	in.rec.Mtime, in.rec.Xattrs = e.Mtime, slices.Clone(e.Xattrs)
	in.rec.Ctime = now()
	v.touchInode(in)
	if v.o.Changed != nil {
		v.o.Changed(ino)
	}
	return nil
}
