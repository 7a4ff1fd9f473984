package fsnode

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"pifs/fsnode/mst"
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
	e, err := v.entryAt(ctx, &from, what)
	if err != nil {
		return 0, fmt.Errorf("restore %q of head %d: %w", what, from.Seq, err)
	}
	r := restorer{v: v}
	if to == "" {
		err = r.fill(ctx, RootIno, &e)
	} else {
		err = r.at(ctx, to, &e)
	}
	if err != nil {
		return r.done, fmt.Errorf("restore to %q: %w", to, err)
	}
	return r.done, nil
}

func cleanPath(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// entryAt finds a path in a head.
func (v *Volume) entryAt(ctx context.Context, h *HeadInfo, p string) (entry, error) {
	e := h.tree.Root
	for name := range strings.SplitSeq(p, "/") {
		if name == "" {
			continue
		}
		if !e.isDir() {
			return e, syscall.ENOTDIR
		}
		raw, ok, err := mst.Get(ctx, treeBlocks{v}, get(e.Dir), []byte(name))
		if err != nil {
			return e, err
		}
		if !ok {
			return e, syscall.ENOENT
		}
		if e, err = decodeEntry(raw); err != nil {
			return e, err
		}
	}
	return e, nil
}

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

func (r *restorer) at(ctx context.Context, to string, e *entry) error {
	dir, name := path.Split(to)
	r.v.lock()
	in, err := r.v.walk(strings.TrimSuffix(dir, "/"))
	r.v.mu.Unlock()
	if err != nil {
		return err
	}
	return r.entry(ctx, in.ino, name, e)
}

// entry makes name in parent be e.
func (r *restorer) entry(ctx context.Context, parent Ino, name string, e *entry) error {
	ino, same, err := r.prepare(ctx, parent, name, e)
	if err != nil || same {
		return err
	}
	r.done++
	switch {
	case e.isDir():
		return r.fill(ctx, ino, e)
	case e.isFile():
		return r.content(ctx, ino, e)
	}
	return r.attributes(ino, e)
}

// prepare returns the inode that name is, making it, and removing what has
// another type. same says that nothing is left to do.
func (r *restorer) prepare(ctx context.Context, parent Ino, name string, e *entry) (Ino, bool, error) {
	v := r.v
	v.lock()
	in, err := v.child(parent, name)
	var have record
	if err == nil {
		have = in.rec
	}
	v.mu.Unlock()
	keep := err == nil && have.Mode&modeType == e.Mode&modeType && (e.isDir() || e.isFile() && have.Nlink == 1)
	if keep {
		now := entryOf(&have)
		now.File, now.Dir = have.File, nil
		return in.ino, e.isFile() && len(differs(now, *e)) == 0, nil
	}
	if err == nil {
		if err := r.removeAll(ctx, parent, name); err != nil {
			return 0, false, err
		}
	} else if err != syscall.ENOENT {
		return 0, false, err
	}
	rec := record{Mode: e.Mode, Rdev: e.Rdev, Target: e.Target, Inlined: e.isFile()}
	if e.Mode&modeType == modeLink {
		rec.Size = e.Size
	}
	a, err := v.make(parent, name, rec, Cred{UID: e.UID, GID: e.GID})
	if err == nil {
		v.renamed(parent, name)
		v.Forget(a.Ino, 1)
	}
	return a.Ino, false, err
}

// removeAll removes a name and all below it.
func (r *restorer) removeAll(ctx context.Context, parent Ino, name string) error {
	v := r.v
	v.lock()
	in, err := v.child(parent, name)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if in.rec.isDir() {
		names, err := r.names(ctx, in.ino)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := r.removeAll(ctx, in.ino, n); err != nil {
				return err
			}
		}
	}
	if err := v.remove(parent, name, in.rec.isDir()); err != nil {
		return err
	}
	v.renamed(parent, name)
	return nil
}

func (v *Volume) renamed(parent Ino, name string) {
	if v.o.Renamed != nil {
		v.o.Renamed(parent, name)
	}
}

func (r *restorer) names(ctx context.Context, dir Ino) ([]string, error) {
	var names []string
	err := r.v.Readdir(ctx, dir, 0, func(e DirEntry) bool {
		names = append(names, e.Name)
		return true
	})
	return names, err
}

// fill makes directory ino have the entries and attributes of e.
func (r *restorer) fill(ctx context.Context, ino Ino, e *entry) error {
	names, err := r.names(ctx, ino)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	err = mst.Range(ctx, treeBlocks{r.v}, get(e.Dir), nil, func(key, value []byte) error {
		child, err := decodeEntry(value)
		if err != nil {
			return err
		}
		wanted[string(key)] = true
		return r.entry(ctx, ino, string(key), &child)
	})
	if err != nil {
		return err
	}
	for _, n := range names {
		if wanted[n] {
			continue
		}
		if err := r.removeAll(ctx, ino, n); err != nil {
			return err
		}
		r.done++
	}
	return r.attributes(ino, e)
}

// content gives file ino the blocks of e.
func (r *restorer) content(ctx context.Context, ino Ino, e *entry) error {
	exts, err := readFile(ctx, treeBlocks{r.v}, get(e.File), int64(e.Size))
	if err != nil {
		return err
	}
	v := r.v
	v.lock()
	in, err := v.inode(ino)
	if err == nil {
		err = v.replace(in, e, exts)
	}
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return r.attributes(ino, e)
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
