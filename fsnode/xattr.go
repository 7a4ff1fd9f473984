package fsnode

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

const (
	capabilityXattr = "security.capability"
	ownXattrs       = "user.pifs." // answered by πFS, not stored
	rootXattr       = ownXattrs + "root"
	durableXattr    = ownXattrs + "durability"
)

// Getxattr returns the value of an extended attribute. user.pifs.root and
// user.pifs.durability are computed and may have to store and commit first.
func (v *Volume) Getxattr(ctx context.Context, ino Ino, name string) ([]byte, error) {
	if strings.HasPrefix(name, ownXattrs) {
		return v.ownXattr(ctx, ino, name)
	}
	if ino >= VirtualIno {
		return v.views.getxattr(ctx, ino, name)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return nil, err
	}
	if val, ok := in.rec.xattr(name); ok {
		return val, nil
	}
	if !namespaced(name) {
		return nil, syscall.EOPNOTSUPP
	}
	return nil, syscall.ENODATA
}

func (v *Volume) ownXattr(ctx context.Context, ino Ino, name string) ([]byte, error) {
	switch name {
	case rootXattr:
		root, err := v.rootOf(ctx, ino)
		if err != nil {
			return nil, err
		}
		return []byte(root.String()), nil
	case durableXattr:
		d, err := v.durability(ctx, ino)
		if err != nil {
			return nil, err
		}
		return []byte(d), nil
	}
	return nil, syscall.ENODATA
}

// Setxattr sets an extended attribute; flags are XattrCreate or XattrReplace.
func (v *Volume) Setxattr(ctx context.Context, ino Ino, name string, value []byte, flags uint32) error {
	if err := v.writable(ino); err != nil {
		return err
	}
	if err := storable(name, value); err != nil {
		return err
	}
	v.lock()
	defer v.unlock()
	if err := v.begin(ctx, len(value), logMargin, true); err != nil {
		return err
	}
	in, err := v.inode(ino)
	if err != nil {
		return err
	}
	xs := in.rec.Xattrs
	i, exists := searchXattr(xs, name)
	switch {
	case flags&XattrCreate != 0 && exists:
		return syscall.EEXIST
	case flags&XattrReplace != 0 && !exists:
		return syscall.ENODATA
	case exists && bytes.Equal(xs[i].Value, value):
		return nil // nothing changes, not even the ctime
	}
	total := len(name) + len(value)
	for _, x := range xs {
		if x.Name != name {
			total += len(x.Name) + len(x.Value)
		}
	}
	if total > maxXattrs {
		return syscall.ENOSPC
	}
	if exists {
		xs = slices.Clone(xs)
	} else {
		xs = slices.Insert(slices.Clip(xs), i, Xattr{Name: name})
	}
	xs[i].Value = slices.Clone(value)
	in.rec.Xattrs = xs
	in.rec.Ctime = v.now()
	v.touchInode(in)
	v.logged(ctx, op{Kind: opSetxattr, At: in.rec.Ctime, Ino: ino, Name: name}, value)
	return nil
}

// storable refuses names that nobody would enforce and values that are too
// large.
func storable(name string, value []byte) error {
	switch {
	case strings.HasPrefix(name, ownXattrs):
		return syscall.EPERM
	case !namespaced(name):
		return syscall.EOPNOTSUPP
	case name == "user." || name == "trusted." || name == "security.":
		return syscall.EINVAL
	case len(name) > maxName:
		return syscall.ERANGE
	case len(value) > maxXattr:
		return syscall.E2BIG
	}
	return nil
}

// namespaced reports whether name is in a namespace that the kernel guards for
// us. Nobody guards the others: system. is for file systems' own, such as access
// control lists, which would be stored and not enforced.
func namespaced(name string) bool {
	return strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "trusted.") || strings.HasPrefix(name, "security.")
}

// withoutXattr returns a new slice of xs without name.
func withoutXattr(xs []Xattr, name string) []Xattr {
	out := make([]Xattr, 0, len(xs)+1)
	for _, x := range xs {
		if x.Name != name {
			out = append(out, x)
		}
	}
	return out
}

// Listxattr returns the names of ino's extended attributes. Those that are
// computed are not listed, so that copies do not try to carry them.
func (v *Volume) Listxattr(ctx context.Context, ino Ino) ([]string, error) {
	if ino >= VirtualIno {
		return v.views.listxattr(ctx, ino)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return nil, err
	}
	return xattrNames(in.rec.Xattrs), nil
}

func xattrNames(xs []Xattr) []string {
	names := make([]string, len(xs))
	for i, x := range xs {
		names[i] = x.Name
	}
	return names
}

// Removexattr removes an extended attribute.
func (v *Volume) Removexattr(ctx context.Context, ino Ino, name string) error {
	if err := v.writable(ino); err != nil {
		return err
	}
	v.lock()
	defer v.unlock()
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return err
	}
	in, err := v.inode(ino)
	if err != nil {
		return err
	}
	if _, ok := in.rec.xattr(name); !ok {
		if !namespaced(name) {
			return syscall.EOPNOTSUPP
		}
		return fmt.Errorf("remove %s: %w", name, syscall.ENODATA)
	}
	in.rec.Xattrs = withoutXattr(in.rec.Xattrs, name)
	in.rec.Ctime = v.now()
	v.touchInode(in)
	v.logged(ctx, op{Kind: opRemovexattr, At: in.rec.Ctime, Ino: ino, Name: name}, nil)
	return nil
}
