package faultfs

import (
	"bytes"
	"context"
	"syscall"

	"pifs/fsnode"
)

// Getattr implements mount.FS.
func (fs *FS) Getattr(_ context.Context, ino fsnode.Ino) (fsnode.Attr, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.node(ino); err != nil {
		return fsnode.Attr{}, err
	}
	return fs.attr(ino), nil
}

// Setattr implements mount.FS. Owners and times are nothing that the program
// under test relies on.
func (fs *FS) Setattr(_ context.Context, ino fsnode.Ino, s fsnode.SetAttr, _ bool) (fsnode.Attr, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.node(ino)
	if err == nil && s.Mode != nil {
		_, err = fs.do(Op{Kind: Chmod, Ino: ino, Mode: n.mode&syscall.S_IFMT | *s.Mode})
	}
	if err == nil && s.Size != nil {
		if n.file == nil {
			return fsnode.Attr{}, syscall.EISDIR
		}
		_, err = fs.do(Op{Kind: Truncate, Ino: ino, Size: int64(*s.Size)})
	}
	if err != nil {
		return fsnode.Attr{}, err
	}
	return fs.attr(ino), nil
}

// Open implements mount.FS.
func (fs *FS) Open(_ context.Context, ino fsnode.Ino, _ bool) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	_, err := fs.node(ino)
	return err
}

// Release implements mount.FS.
func (fs *FS) Release(context.Context, fsnode.Ino, bool) {}

// Flush implements mount.FS.
func (fs *FS) Flush(context.Context, fsnode.Ino) error { return nil }

func (fs *FS) file(ino fsnode.Ino) (*file, error) {
	n, err := fs.node(ino)
	if err != nil {
		return nil, err
	}
	if n.file == nil {
		return nil, syscall.EINVAL
	}
	return n.file, nil
}

// Read implements mount.FS.
func (fs *FS) Read(_ context.Context, ino fsnode.Ino, off int64, p []byte, _ bool) (int, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, err := fs.file(ino)
	if err != nil {
		return 0, err
	}
	return f.readAt(p, off), nil
}

// Write implements mount.FS.
func (fs *FS) Write(_ context.Context, ino fsnode.Ino, off int64, p []byte, _ bool) (int, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.file(ino); err != nil {
		return 0, err
	}
	return fs.do(Op{Kind: Write, Ino: ino, Off: off, Data: bytes.Clone(p)})
}

// Fallocate implements mount.FS.
func (fs *FS) Fallocate(_ context.Context, ino fsnode.Ino, mode uint32, off, length uint64) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.file(ino); err != nil {
		return err
	}
	op := Op{Kind: Allocate, Ino: ino, Off: int64(off), Size: int64(off + length)}
	switch mode {
	case 0:
	case fsnode.FallocKeepSize:
		return nil
	case fsnode.FallocKeepSize | fsnode.FallocPunchHole:
		op.Kind = Punch
	default:
		return syscall.EOPNOTSUPP
	}
	_, err := fs.do(op)
	return err
}

// Fsync implements mount.FS.
func (fs *FS) Fsync(_ context.Context, ino fsnode.Ino) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.node(ino); err != nil {
		return err
	}
	_, err := fs.do(Op{Kind: Sync, Ino: ino})
	return err
}

// Getxattr implements mount.FS.
func (fs *FS) Getxattr(context.Context, fsnode.Ino, string) ([]byte, error) {
	return nil, syscall.ENODATA
}

// Setxattr implements mount.FS: it makes marks.
func (fs *FS) Setxattr(_ context.Context, ino fsnode.Ino, name string, value []byte, _ uint32) error {
	if ino != rootIno || name != markXattr {
		return syscall.EOPNOTSUPP
	}
	fs.mu.Lock()
	fs.record(Op{Kind: Mark, Name: string(value)})
	fs.mu.Unlock()
	if fs.onMark != nil {
		fs.onMark(string(value))
	}
	return nil
}

// SetMark makes a mark from any process: dir is where the file system is
// mounted.
func SetMark(dir, text string) error {
	return syscall.Setxattr(dir, markXattr, []byte(text), 0)
}

// Listxattr implements mount.FS.
func (fs *FS) Listxattr(context.Context, fsnode.Ino) ([]string, error) { return nil, nil }

// Removexattr implements mount.FS.
func (fs *FS) Removexattr(context.Context, fsnode.Ino, string) error { return syscall.ENODATA }

// Statfs implements mount.FS.
func (fs *FS) Statfs(context.Context) (fsnode.FsInfo, error) {
	return fsnode.FsInfo{Total: 1 << 40, Free: 1 << 40, Files: 1 << 30, FilesFree: 1 << 30}, nil
}
