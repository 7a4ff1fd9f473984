package fsnode

import "context"

// Getattr returns what stat shows of ino.
func (v *Volume) Getattr(ctx context.Context, ino Ino) (Attr, error) {
	if ino >= VirtualIno {
		return v.views.getattr(ctx, ino)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return Attr{}, err
	}
	return v.attr(in), nil
}

// Setattr changes attributes. A truncation may have to wait for memory; with
// wait false it then returns ErrWouldBlock, having done nothing.
func (v *Volume) Setattr(ctx context.Context, ino Ino, s SetAttr, wait bool) (Attr, error) {
	if err := v.writable(ino); err != nil {
		return Attr{}, err
	}
	v.lock()
	defer v.unlock()
	if err := v.begin(ctx, 0, logMargin, wait); err != nil {
		return Attr{}, err
	}
	in, err := v.inode(ino)
	if err != nil {
		return Attr{}, err
	}
	t := v.now()
	if s.Size != nil {
		if v.failure != nil && v.log.replay == nil && !(noSpace(v.failure) && *s.Size < in.rec.Size) {
			return Attr{}, v.failure // a full disk does not keep from freeing some
		}
		if err := v.truncate(in, *s.Size); err != nil {
			return Attr{}, err
		}
		in.rec.Mtime = t
		killCapability(&in.rec)
	}
	setOwner(&in.rec, s)
	setTimes(&in.rec, s, t)
	in.rec.Ctime = t
	v.touchInode(in)
	v.logged(ctx, op{Kind: opSetattr, At: t, Ino: ino, Set: &s}, nil)
	return v.attr(in), nil
}

// setOwner changes mode, owner and group. A change of owner clears setuid and
// setgid of what is executable, as chown(2) does for whoever calls it.
func setOwner(r *record, s SetAttr) {
	if s.KillPriv && !r.isDir() {
		killPriv(r)
	}
	if s.UID != nil {
		r.UID = *s.UID
	}
	if s.GID != nil {
		r.GID = *s.GID
	}
	if (s.UID != nil || s.GID != nil) && !r.isDir() {
		killPriv(r)
	}
	if s.Mode != nil {
		r.Mode = r.Mode&modeType | *s.Mode&permBits
	}
}

func setTimes(r *record, s SetAttr, t Time) {
	switch {
	case s.AtimeNow:
		r.Atime = t
	case s.Atime != nil:
		r.Atime = *s.Atime
	}
	switch {
	case s.MtimeNow:
		r.Mtime = t
	case s.Mtime != nil:
		r.Mtime = *s.Mtime
	}
}

// Fsync returns when everything done to ino before it is durable: on this
// machine, and in full stripes if the volume was opened with FsyncSwarm.
func (v *Volume) Fsync(ctx context.Context, ino Ino) error {
	if ino >= VirtualIno || v.o.ReadOnly {
		return nil
	}
	v.lock()
	in, err := v.inode(ino)
	big := err == nil && in.content != nil && (in.content.streams(streamBytes/4) || in.content.failed != nil)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if big || v.o.FsyncSwarm {
		if err := v.flush(ctx, ino, flushAll); err != nil {
			return err
		}
	}
	if err := v.save(ctx); err != nil {
		return err
	}
	if !v.o.FsyncSwarm {
		return nil
	}
	return v.o.Blocks.Drain(ctx, nil)
}

// Statfs tells how much room is left for file data after erasure overhead.
func (v *Volume) Statfs(ctx context.Context) (FsInfo, error) {
	free, err := v.o.Space.Room()
	if err != nil {
		return FsInfo{}, err
	}
	v.lock()
	defer v.mu.Unlock()
	const most = 1 << 40 // inodes: there is no table to fill
	return FsInfo{Total: v.count.Bytes + free, Free: free, Files: most, FilesFree: most - v.count.Inodes}, nil
}
