package mount

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"syscall"

	"pifs/fsnode"
)

func (m *memFS) Getattr(_ context.Context, ino fsnode.Ino) (fsnode.Attr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	return n.attr, nil
}

func (m *memFS) Setattr(ctx context.Context, ino fsnode.Ino, s fsnode.SetAttr, wait bool) (fsnode.Attr, error) {
	if s.Size != nil {
		if err := m.hook(ctx, "truncate", ino, wait); err != nil {
			return fsnode.Attr{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	now := memNow()
	if s.Size != nil {
		n.resize(int(*s.Size))
		n.attr.Mtime = now
		n.killPriv()
	}
	if s.UID != nil {
		n.attr.UID = *s.UID
	}
	if s.GID != nil {
		n.attr.GID = *s.GID
	}
	if s.KillPriv || s.UID != nil || s.GID != nil {
		n.killPriv()
	}
	if s.Mode != nil {
		n.attr.Mode = n.attr.Mode&syscall.S_IFMT | *s.Mode
	}
	setMemTime(&n.attr.Atime, s.Atime, s.AtimeNow, now)
	setMemTime(&n.attr.Mtime, s.Mtime, s.MtimeNow, now)
	n.attr.Ctime = now
	return n.attr, nil
}

func setMemTime(t *fsnode.Time, to *fsnode.Time, isNow bool, now fsnode.Time) {
	if isNow {
		*t = now
	} else if to != nil {
		*t = *to
	}
}

func (n *memNode) killPriv() {
	if n.entries != nil {
		return
	}
	n.attr.Mode &^= syscall.S_ISUID
	if n.attr.Mode&0o010 != 0 {
		n.attr.Mode &^= syscall.S_ISGID
	}
}

func (n *memNode) resize(size int) {
	if size <= len(n.data) {
		n.data = n.data[:size]
	} else {
		n.data = append(n.data, make([]byte, size-len(n.data))...)
	}
	n.attr.Size = uint64(size)
	n.attr.Blocks = uint64(size+511) / 512
}

func (m *memFS) Open(_ context.Context, ino fsnode.Ino, write bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return err
	}
	n.opens++
	if write {
		n.writers++
	}
	return nil
}

func (m *memFS) Release(_ context.Context, ino fsnode.Ino, write bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[ino]
	if n == nil || n.opens == 0 || write && n.writers == 0 {
		panic("release of what is not open")
	}
	n.opens--
	if write {
		n.writers--
	}
	m.reap(n)
}

// hook runs the test's hook for ino.
func (m *memFS) hook(ctx context.Context, op string, ino fsnode.Ino, wait bool) error {
	m.mu.Lock()
	before, n := m.before, m.nodes[ino]
	m.mu.Unlock()
	if before == nil || n == nil {
		return nil
	}
	return before(ctx, op, n.name, wait)
}

func (m *memFS) Read(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error) {
	if err := m.hook(ctx, "read", ino, wait); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil || off >= int64(len(n.data)) {
		return 0, err
	}
	return copy(p, n.data[off:]), nil
}

func (m *memFS) Write(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error) {
	if err := m.hook(ctx, "write", ino, wait); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return 0, err
	}
	if end := int(off) + len(p); end > len(n.data) {
		n.resize(end)
	}
	copy(n.data[off:], p)
	n.killPriv()
	n.attr.Mtime = memNow()
	n.attr.Ctime = n.attr.Mtime
	return len(p), nil
}

func (m *memFS) Fallocate(_ context.Context, ino fsnode.Ino, mode uint32, off, length uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return err
	}
	end := int(off + length)
	if mode&(fsnode.FallocPunchHole|fsnode.FallocZeroRange) != 0 && int(off) < len(n.data) {
		clear(n.data[off:min(end, len(n.data))])
	}
	if mode&fsnode.FallocKeepSize == 0 && end > len(n.data) {
		n.resize(end)
	}
	return nil
}

func (m *memFS) Fsync(ctx context.Context, ino fsnode.Ino) error {
	return m.hook(ctx, "fsync", ino, true)
}

func (m *memFS) Getxattr(_ context.Context, ino fsnode.Ino, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, computed) {
		return []byte("computed"), nil
	}
	value, ok := n.xattrs[name]
	if !ok {
		return nil, syscall.ENODATA
	}
	return value, nil
}

func (m *memFS) Setxattr(_ context.Context, ino fsnode.Ino, name string, value []byte, flags uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return err
	}
	_, exists := n.xattrs[name]
	switch {
	case flags&fsnode.XattrCreate != 0 && exists:
		return syscall.EEXIST
	case flags&fsnode.XattrReplace != 0 && !exists:
		return syscall.ENODATA
	case n.xattrs == nil:
		n.xattrs = make(map[string][]byte)
	}
	n.xattrs[name] = bytes.Clone(value)
	return nil
}

func (m *memFS) Listxattr(_ context.Context, ino fsnode.Ino) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(n.xattrs)), nil
}

func (m *memFS) Removexattr(_ context.Context, ino fsnode.Ino, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return err
	}
	if _, ok := n.xattrs[name]; !ok {
		return syscall.ENODATA
	}
	delete(n.xattrs, name)
	return nil
}

func (m *memFS) Flush(context.Context, fsnode.Ino) error { return nil }

func (m *memFS) Statfs(context.Context) (fsnode.FsInfo, error) {
	return fsnode.FsInfo{Total: 1 << 40, Free: 1 << 39, Files: 1 << 30, FilesFree: 1 << 29}, nil
}
