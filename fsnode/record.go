package fsnode

import (
	"slices"
	"strings"
	"syscall"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

const (
	// InlineMax is the largest file, in bytes, that lives inside its
	// directory's tree node instead of in blocks of its own.
	InlineMax = 8 << 10

	maxName    = 255
	maxTarget  = 4095
	maxLinks   = 65000
	maxXattr   = 64 << 10
	maxXattrs  = 128 << 10 // names and values of one inode together
	maxFile    = 1<<63 - 1
	permBits   = 0o7777
	rootModeDf = 0o755
)

// Xattr is one extended attribute.
type Xattr struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Name    string
	Value   []byte
}

// trees are the Merkle trees of a directory.
type trees struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Dir     mst.Root // names and what they stand for
	Side    mst.Root // the companion
}

// set returns v, or nil if it is the zero value: what is absent takes one byte.
func set[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// get returns what p points to, or the zero value.
func get[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// link is one name of an inode.
type link struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Parent  Ino
	Name    string
}

// record is what is kept of an inode between mounts.
type record struct {
	_struct             bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Mode                uint32
	Nlink               uint32
	UID, GID            uint32
	Rdev                uint32
	Size                uint64 // bytes; of a directory, its number of entries
	Atime, Mtime, Ctime Time
	Target              string  // of a symlink
	Xattrs              []Xattr // sorted by name; replaced, never changed
	Links               []link  // every name it has; replaced, never changed
	Inlined             bool    // the content is Inline, else extents
	Inline              []byte
	BaseSize            uint64    // the extents are canonical for a file of this size
	File                *FileRoot // nil: to be made; replaced, never changed
	Trees               *trees    // of a directory at the last commit; nil: none; replaced, never changed
}

func (r *record) isDir() bool  { return r.Mode&syscall.S_IFMT == syscall.S_IFDIR }
func (r *record) isFile() bool { return r.Mode&syscall.S_IFMT == syscall.S_IFREG }

func (r *record) xattr(name string) ([]byte, bool) {
	i, ok := searchXattr(r.Xattrs, name)
	if !ok {
		return nil, false
	}
	return r.Xattrs[i].Value, true
}

// searchXattr returns where name is, or belongs, and whether it is there.
func searchXattr(xs []Xattr, name string) (int, bool) {
	return slices.BinarySearchFunc(xs, name, func(x Xattr, n string) int { return strings.Compare(x.Name, n) })
}

// footprint estimates the memory that the record holds, in bytes.
func (r *record) footprint() int {
	n := 400 + len(r.Target) + len(r.Inline)
	for _, x := range r.Xattrs {
		n += 40 + len(x.Name) + len(x.Value)
	}
	return n + 60*len(r.Links) // with short names; there may be 65,000, and this is asked at every change
}

// dirent is what is kept of a directory entry.
type dirent struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Name    string
	Ino     Ino
	Type    uint32 // type bits of the mode
}

// extent is a run of a file's bytes that one block holds. What no extent
// covers below the file's size is a hole.
type extent struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Off     int64
	Len     int64 // ≤ Ref.Size; less after a truncation, until the next flush
	Ref     blockstore.Ref
	Stale   bool // its cut may no longer be canonical
}

func (e extent) end() int64  { return e.Off + e.Len }
func (e extent) stale() bool { return e.Stale || e.Len < int64(e.Ref.Size) }
