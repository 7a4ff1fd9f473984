package fsnode

import "time"

// Ino is an inode number: unique in a volume, never reused, and the node id
// that the kernel sees.
type Ino = uint64

const (
	// RootIno is the inode number of a volume's root directory.
	RootIno Ino = 1
	// VirtualIno is the first inode number of the read-only views under .pifs.
	VirtualIno Ino = 1 << 62
)

// Time is a POSIX timestamp. Nsec is in [0, 1e9), also before 1970.
type Time struct {
	_struct bool  `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Sec     int64 // seconds since the epoch, rounded down
	Nsec    uint32
}

// TimeOf converts t.
func TimeOf(t time.Time) Time { return Time{Sec: t.Unix(), Nsec: uint32(t.Nanosecond())} }

// Go converts t to the standard library's type.
func (t Time) Go() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// After reports whether t is later than u.
func (t Time) After(u Time) bool { return t.Sec > u.Sec || t.Sec == u.Sec && t.Nsec > u.Nsec }

// Attr is what stat(2) shows of an inode.
type Attr struct {
	Ino                 Ino
	Mode                uint32 // type and permission bits as in st_mode
	Nlink               uint32
	UID, GID            uint32
	Rdev                uint32
	Size                uint64 // bytes
	Blocks              uint64 // 512-byte units that are not holes
	Atime, Mtime, Ctime Time
}

// Cred is on whose behalf a call is made.
type Cred struct {
	UID, GID uint32
}

// SetAttr names the attributes to change: nil leaves one as it is.
type SetAttr struct {
	Mode         *uint32 // permission bits only
	UID, GID     *uint32
	Size         *uint64
	Atime, Mtime *Time
	AtimeNow     bool
	MtimeNow     bool
	KillPriv     bool // clear setuid and setgid as a write or chown does
}

// DirEntry is one name in a directory.
type DirEntry struct {
	Name string
	Ino  Ino
	Mode uint32 // type bits only
	Next uint64 // cookie to continue after this entry
}

// FsInfo is what statvfs(3) shows. Sizes are in bytes.
type FsInfo struct {
	Total, Free      uint64 // room for file data after erasure overhead
	Files, FilesFree uint64
}

// Fallocate modes, as in fallocate(2).
const (
	FallocKeepSize  = 0x01
	FallocPunchHole = 0x02
	FallocZeroRange = 0x10
)

// Rename flags, as in renameat2(2).
const (
	RenameNoReplace = 1
	RenameExchange  = 2
	RenameWhiteout  = 4
)

// Setxattr flags, as in setxattr(2).
const (
	XattrCreate  = 1
	XattrReplace = 2
)
