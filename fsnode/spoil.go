package fsnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"pifs/blockstore"
)

// A spoiled file has fresh bytes, or lies beside stored ones, that cannot be
// read any more. Reading it there is EIO. It stays out of commits, so that the
// rest of the volume goes on, until it is written anew, removed, or put back
// by `pifs check --repair`.

// spoils reports whether err says that bytes are lost for good. A stripe whose
// stores are away may come back.
func spoils(err error) bool {
	return errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrLost)
}

// spoil notes that a file's content cannot be stored.
func (v *Volume) spoil(in *inode, cause error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if in.content == nil {
		return
	}
	v.spoiled[in.ino] = in.content.version
	v.o.Log.Error("a file has lost bytes and stays out of commits; see pifs check --repair",
		"path", v.pathOf(&in.rec), "inode", in.ino, "err", cause)
}

// isSpoiled reports whether a file is as it was when it was found spoiled.
// v.mu is held.
func (v *Volume) isSpoiled(in *inode) bool {
	version, ok := v.spoiled[in.ino]
	return ok && in.content != nil && in.content.version == version
}

// pathOf names an inode for people, from the newest of its links. v.mu is held.
func (v *Volume) pathOf(r *record) string {
	var parts []string
	for len(r.Links) > 0 && len(parts) < 4096 {
		parts = append(parts, r.Links[0].Name)
		in, err := v.inode(r.Links[0].Parent)
		if err != nil {
			break
		}
		r = &in.rec
	}
	slices.Reverse(parts)
	return "/" + path.Join(parts...)
}

// spoiledFiles reports the files that have lost bytes, and with Repair puts
// them back to what the newest head that has them says.
func (c *checker) spoiledFiles(ctx context.Context) error {
	v := c.v
	v.mu.Lock()
	inos := slices.Sorted(maps.Keys(v.spoiled))
	v.mu.Unlock()
	for _, ino := range inos {
		v.mu.Lock()
		in := v.inodes[ino]
		if in == nil || in.dead || !v.isSpoiled(in) {
			delete(v.spoiled, ino)
			v.mu.Unlock()
			continue
		}
		where := v.pathOf(&in.rec)
		v.mu.Unlock()
		p := Problem{Path: where, What: "bytes written since the last head cannot be read"}
		if c.o.Repair {
			what, err := v.putBack(ctx, ino, where)
			if err != nil {
				return fmt.Errorf("put back %s: %w", where, err)
			}
			p.What, p.Fixed = p.What+": "+what, true
		}
		c.problem(p)
	}
	return nil
}

// putBack makes a file what it is in the newest head that has it, and says
// which; a file that no head has is removed.
func (v *Volume) putBack(ctx context.Context, ino Ino, where string) (string, error) {
	heads, err := v.Heads()
	if err != nil {
		return "", err
	}
	for _, h := range slices.Backward(heads) {
		it, err := v.itemAt(ctx, &h, cleanPath(where))
		if err != nil || it.side.Ino != ino || it.isDir() {
			continue
		}
		r := restorer{v: v}
		if err := r.content(ctx, ino, &it); err != nil {
			return "", err
		}
		v.wellAgain(ino)
		return fmt.Sprintf("it is as in head %d of %s", h.Seq, h.Time.UTC().Format("2006-01-02 15:04:05")), nil
	}
	v.mu.Lock()
	var links []link
	if in := v.inodes[ino]; in != nil {
		links = slices.Clone(in.rec.Links)
	}
	v.mu.Unlock()
	for _, l := range links {
		if err := v.Unlink(ctx, l.Parent, l.Name, Cred{}); err != nil {
			return "", err
		}
		v.renamed(l.Parent, l.Name)
	}
	v.wellAgain(ino)
	return "no head had it, it is removed", nil
}

func (v *Volume) wellAgain(ino Ino) {
	v.mu.Lock()
	delete(v.spoiled, ino)
	v.mu.Unlock()
	if v.o.Changed != nil {
		v.o.Changed(ino)
	}
}
