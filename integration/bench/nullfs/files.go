package nullfs

import (
	"context"
	"syscall"
	"time"

	"pifs/fsnode"
)

// pattern is what files read as.
const pattern = 0xa5

func (f *FS) Getattr(_ context.Context, ino fsnode.Ino) (fsnode.Attr, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n, err := f.find(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	return n.stat(), nil
}

func (f *FS) Setattr(_ context.Context, ino fsnode.Ino, s fsnode.SetAttr, _ bool) (fsnode.Attr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	if s.Mode != nil {
		n.attr.Mode = n.attr.Mode&syscall.S_IFMT | *s.Mode
	}
	if s.UID != nil {
		n.attr.UID = *s.UID
	}
	if s.GID != nil {
		n.attr.GID = *s.GID
	}
	if s.Size != nil {
		n.size.Store(*s.Size)
	}
	if s.Atime != nil {
		n.attr.Atime = *s.Atime
	}
	switch {
	case s.Mtime != nil:
		n.mtime.Store(s.Mtime.Go().UnixNano())
	case s.MtimeNow, s.Size != nil:
		n.mtime.Store(time.Now().UnixNano())
	}
	return n.stat(), nil
}

func (f *FS) Open(_ context.Context, ino fsnode.Ino, _ bool) error {
	n, err := f.get(ino)
	if err == nil {
		n.refs.Add(1)
	}
	return err
}

func (f *FS) Release(_ context.Context, ino fsnode.Ino, _ bool) {
	if n, err := f.get(ino); err == nil {
		f.unref(n, 1)
	}
}

// Read leaves in p what the last read of the same buffer put there: only its
// beginning tells whether that was the pattern.
func (f *FS) Read(_ context.Context, ino fsnode.Ino, off int64, p []byte, _ bool) (int, error) {
	n, err := f.get(ino)
	if err != nil {
		return 0, err
	}
	left := int64(n.size.Load()) - off
	if left <= 0 {
		return 0, nil
	}
	p = p[:min(int64(len(p)), left)]
	if p[0] != pattern || p[len(p)-1] != pattern {
		for i := range p {
			p[i] = pattern
		}
	}
	return len(p), nil
}

func (f *FS) Write(_ context.Context, ino fsnode.Ino, off int64, p []byte, _ bool) (int, error) {
	n, err := f.get(ino)
	if err != nil {
		return 0, err
	}
	end := uint64(off) + uint64(len(p))
	for {
		size := n.size.Load()
		if size >= end || n.size.CompareAndSwap(size, end) {
			break
		}
	}
	n.mtime.Store(time.Now().UnixNano())
	return len(p), nil
}

func (f *FS) Fallocate(_ context.Context, ino fsnode.Ino, mode uint32, off, length uint64) error {
	n, err := f.get(ino)
	if err == nil && mode&fsnode.FallocKeepSize == 0 {
		n.size.Store(max(n.size.Load(), off+length))
	}
	return err
}

func (f *FS) Flush(context.Context, fsnode.Ino) error { return nil }
func (f *FS) Fsync(context.Context, fsnode.Ino) error { return nil }

// page is how many entries are listed at a time.
const page = 256

// Readdir calls fn without f.mu, so that fn may call Hold.
func (f *FS) Readdir(_ context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	at := 0
	if cookie >= firstCookie {
		at = int(cookie-firstCookie) + 1
	}
	var buf [page]fsnode.DirEntry
	for {
		list, next, err := f.list(ino, at, buf[:0])
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if !fn(e) {
				return nil
			}
		}
		at = next
	}
}

// list appends to out, as far as it holds them, the entries of a directory
// from place at on, and returns the place after them.
func (f *FS) list(ino fsnode.Ino, at int, out []fsnode.DirEntry) ([]fsnode.DirEntry, int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d, err := f.dir(ino)
	if err != nil {
		return nil, 0, err
	}
	for ; at < len(d.list) && len(out) < cap(out); at++ {
		if e := d.list[at]; e.node != nil {
			out = append(out, fsnode.DirEntry{
				Name: e.name, Ino: e.node.attr.Ino, Mode: e.node.attr.Mode, Next: uint64(at) + firstCookie,
			})
		}
	}
	return out, at, nil
}

// ReaddirPlus is Readdir: everything is in memory.
func (f *FS) ReaddirPlus(ctx context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	return f.Readdir(ctx, ino, cookie, fn)
}

func (f *FS) Hold(ino fsnode.Ino) (fsnode.Attr, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n, err := f.find(ino)
	if err != nil {
		return fsnode.Attr{}, false
	}
	n.refs.Add(1)
	return n.stat(), true
}

func (f *FS) Parent(_ context.Context, ino fsnode.Ino) (fsnode.Ino, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n, err := f.find(ino)
	if err != nil {
		return 0, err
	}
	return n.parent, nil
}

func (f *FS) Getxattr(context.Context, fsnode.Ino, string) ([]byte, error) {
	return nil, syscall.ENODATA
}

func (f *FS) Setxattr(context.Context, fsnode.Ino, string, []byte, uint32) error {
	return syscall.EOPNOTSUPP
}

func (f *FS) Listxattr(context.Context, fsnode.Ino) ([]string, error) { return nil, nil }

func (f *FS) Removexattr(context.Context, fsnode.Ino, string) error { return syscall.ENODATA }

func (f *FS) Statfs(context.Context) (fsnode.FsInfo, error) {
	return fsnode.FsInfo{Total: 1 << 50, Free: 1 << 50, Files: 1 << 40, FilesFree: 1 << 40}, nil
}
