package mount

import (
	"context"

	"pifs/fsnode"
)

// FS is the file system behind a mount. fsnode.Volume is one.
//
// Methods are called by several goroutines at once. Names are 1 to 255 bytes
// and are never "." or "..". Errors are a syscall.Errno, perhaps wrapped,
// where POSIX names one, fsnode.ErrWouldBlock where wait is false, and else
// anything: errno.go says what becomes of it. When ctx is cancelled a method
// that waits returns soon, with ctx's error.
//
// Access was checked by the kernel against the attributes that FS returned.
//
// Each Attr returned by Lookup, Create, Mkdir, Mknod, Symlink and Link takes
// one kernel reference on Attr.Ino, which Forget gives back. An inode must be
// usable, with or without a name, while it has references or is open. What is
// not given back when Serve returns never will be.
type FS interface {
	// Lookup finds name in the directory parent; ENOENT if it is not there.
	Lookup(ctx context.Context, parent fsnode.Ino, name string) (fsnode.Attr, error)

	// Forget gives back n references.
	Forget(ino fsnode.Ino, n uint64)

	Getattr(ctx context.Context, ino fsnode.Ino) (fsnode.Attr, error)

	// Setattr changes what set names and returns the result. Changing the
	// owner clears setuid, setgid and file capabilities as chown(2) does.
	// With wait false it returns fsnode.ErrWouldBlock, having done nothing,
	// where a change of size has to wait.
	Setattr(ctx context.Context, ino fsnode.Ino, set fsnode.SetAttr, wait bool) (fsnode.Attr, error)

	// Create makes a regular file, with EEXIST if name is taken. It does not
	// open it. The umask is already applied to mode.
	Create(ctx context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error)

	Mkdir(ctx context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error)

	// Mknod makes a file of the type in mode; rdev is kept as it is.
	Mknod(ctx context.Context, parent fsnode.Ino, name string, mode, rdev uint32, cred fsnode.Cred) (fsnode.Attr, error)

	Symlink(ctx context.Context, parent fsnode.Ino, name, target string, cred fsnode.Cred) (fsnode.Attr, error)

	// Link gives ino, which is not a directory, another name.
	Link(ctx context.Context, ino, parent fsnode.Ino, name string) (fsnode.Attr, error)

	Readlink(ctx context.Context, ino fsnode.Ino) (string, error)

	Unlink(ctx context.Context, parent fsnode.Ino, name string, cred fsnode.Cred) error

	Rmdir(ctx context.Context, parent fsnode.Ino, name string, cred fsnode.Cred) error

	// Rename replaces what stands at the new name, as rename(2) says.
	Rename(ctx context.Context, oldParent fsnode.Ino, oldName string, newParent fsnode.Ino, newName string, cred fsnode.Cred) error

	// Open counts a use of a file or directory; Release ends one, with the
	// same write.
	Open(ctx context.Context, ino fsnode.Ino, write bool) error
	Release(ctx context.Context, ino fsnode.Ino, write bool)

	// Read fills p from offset off and returns how many bytes there were:
	// fewer than len(p) only at the end of the file. With wait false it
	// returns fsnode.ErrWouldBlock when memory does not have them all.
	Read(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error)

	// Write places p at off and clears setuid, setgid and file capabilities
	// as write(2) does. p is only valid during the call. With wait false it
	// returns fsnode.ErrWouldBlock, having done nothing, when memory for
	// fresh bytes is full.
	Write(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error)

	// Fallocate takes the modes fsnode.Falloc… and returns EOPNOTSUPP for
	// those that it does not know.
	Fallocate(ctx context.Context, ino fsnode.Ino, mode uint32, off, length uint64) error

	// Flush says at a close what could not be stored so far of what was
	// written to a file; it is tried again.
	Flush(ctx context.Context, ino fsnode.Ino) error
	// Fsync returns when all that was done to a file or directory before it
	// is durable.
	Fsync(ctx context.Context, ino fsnode.Ino) error

	// Readdir calls fn for the entries after cookie, in a stable order, until
	// fn returns false. "." and ".." are not among them. Cookies are in
	// [16, 1<<63); 0 means from the beginning.
	Readdir(ctx context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error

	// Parent returns the directory above a directory; the root is its own.
	Parent(ctx context.Context, ino fsnode.Ino) (fsnode.Ino, error)

	// Getxattr returns ENODATA if there is none of that name. Names that
	// begin with user.pifs. may take long to compute.
	Getxattr(ctx context.Context, ino fsnode.Ino, name string) ([]byte, error)

	// Setxattr obeys fsnode.XattrCreate and fsnode.XattrReplace. value is
	// only valid during the call.
	Setxattr(ctx context.Context, ino fsnode.Ino, name string, value []byte, flags uint32) error

	Listxattr(ctx context.Context, ino fsnode.Ino) ([]string, error)

	Removexattr(ctx context.Context, ino fsnode.Ino, name string) error

	Statfs(ctx context.Context) (fsnode.FsInfo, error)
}
