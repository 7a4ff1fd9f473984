package faultfs

// Kind says what an Op does.
type Kind uint8

// The kinds of ops.
const (
	Mark     Kind = iota // Name is the note
	Create               // Name in Dir becomes a new inode of Mode
	Symlink              // likewise, to Target
	Link                 // Name in Dir becomes another name of Ino
	Unlink               // Name goes from Dir; rmdir too
	Rename               // Name in Dir becomes NewName in NewDir
	Write                // Data at Off of Ino
	Truncate             // Ino to Size
	Allocate             // Ino grows to Size at least
	Punch                // [Off, Size) of Ino becomes a hole
	Chmod                // Ino gets Mode
	Sync                 // of Ino
	LostSync             // a Sync of Ino that failed
)

// String returns the name of k.
func (k Kind) String() string {
	return [...]string{
		"mark", "create", "symlink", "link", "unlink", "rename", "write", "truncate", "allocate", "punch", "chmod",
		"fsync", "lost fsync",
	}[k]
}

// Op is a call that changes the disk.
type Op struct {
	Kind      Kind
	Ino       uint64
	Dir       uint64
	Name      string
	NewDir    uint64
	NewName   string
	Target    string
	Mode      uint32
	Off, Size int64
	Data      []byte
}

// takesRoom reports whether a full disk may refuse ops of this kind.
func (k Kind) takesRoom() bool {
	switch k {
	case Create, Symlink, Link, Rename, Write, Allocate, Sync:
		return true
	}
	return false
}
