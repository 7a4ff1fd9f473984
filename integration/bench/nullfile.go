package main

import (
	"context"
	"syscall"
	"time"

	"pifs/fsnode"
)

// pattern is what files read as.
const pattern = 0xa5

func (f *nullFS) Getattr(_ context.Context, ino fsnode.Ino) (fsnode.Attr, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n, err := f.node(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	return n.stat(), nil
}

func (f *nullFS) Setattr(_ context.Context, ino fsnode.Ino, s fsnode.SetAttr, _ bool) (fsnode.Attr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(ino)
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

func (f *nullFS) Open(_ context.Context, ino fsnode.Ino, _ bool) error {
	n, err := f.get(ino)
	if err == nil {
		n.refs.Add(1)
	}
	return err
}

func (f *nullFS) Release(_ context.Context, ino fsnode.Ino, _ bool) {
	if n, err := f.get(ino); err == nil {
		f.unref(n, 1)
	}
}

// Read leaves in p what the last read of the same buffer put there: only its
// beginning tells whether that was the pattern.
func (f *nullFS) Read(_ context.Context, ino fsnode.Ino, off int64, p []byte, _ bool) (int, error) {
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

func (f *nullFS) Write(_ context.Context, ino fsnode.Ino, off int64, p []byte, _ bool) (int, error) {
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

func (f *nullFS) Fallocate(_ context.Context, ino fsnode.Ino, mode uint32, off, length uint64) error {
	n, err := f.get(ino)
	if err == nil && mode&fsnode.FallocKeepSize == 0 {
		n.size.Store(max(n.size.Load(), off+length))
	}
	return err
}

func (f *nullFS) Flush(context.Context, fsnode.Ino) error { return nil }
func (f *nullFS) Fsync(context.Context, fsnode.Ino) error { return nil }

func (f *nullFS) Readdir(_ context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d, err := f.dir(ino)
	if err != nil {
		return err
	}
	at := 0
	if cookie >= firstCookie {
		at = int(cookie-firstCookie) + 1
	}
	for ; at < len(d.list); at++ {
		e := d.list[at]
		if e.node == nil {
			continue
		}
		next := uint64(at) + firstCookie
		if !fn(fsnode.DirEntry{Name: e.name, Ino: e.node.attr.Ino, Mode: e.node.attr.Mode, Next: next}) {
			return nil
		}
	}
	return nil
}

func (f *nullFS) Parent(_ context.Context, ino fsnode.Ino) (fsnode.Ino, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n, err := f.node(ino)
	if err != nil {
		return 0, err
	}
	return n.parent, nil
}

func (f *nullFS) Getxattr(context.Context, fsnode.Ino, string) ([]byte, error) {
	return nil, syscall.ENODATA
}

func (f *nullFS) Setxattr(context.Context, fsnode.Ino, string, []byte, uint32) error {
	return syscall.EOPNOTSUPP
}

func (f *nullFS) Listxattr(context.Context, fsnode.Ino) ([]string, error) { return nil, nil }

func (f *nullFS) Removexattr(context.Context, fsnode.Ino, string) error { return syscall.ENODATA }

func (f *nullFS) Statfs(context.Context) (fsnode.FsInfo, error) {
	return fsnode.FsInfo{Total: 1 << 50, Free: 1 << 50, Files: 1 << 40, FilesFree: 1 << 40}, nil
}
