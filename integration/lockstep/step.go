package lockstep

import "fmt"

// Slots is how many files an actor may have open at once.
const Slots = 3

// Op is a call that a step makes.
type Op string

// The calls, by the names of their manual pages.
const (
	Open        Op = "open"
	Close       Op = "close"
	Dup         Op = "dup"
	Pread       Op = "pread"
	Pwrite      Op = "pwrite"
	Read        Op = "read"
	Write       Op = "write"
	Lseek       Op = "lseek"
	Ftruncate   Op = "ftruncate"
	Truncate    Op = "truncate"
	Fallocate   Op = "fallocate"
	Fsync       Op = "fsync"
	Fdatasync   Op = "fdatasync"
	Fadvise     Op = "fadvise"
	Mkdir       Op = "mkdir"
	Rmdir       Op = "rmdir"
	Unlink      Op = "unlink"
	Rename      Op = "rename"
	Link        Op = "link"
	Symlink     Op = "symlink"
	Readlink    Op = "readlink"
	Mknod       Op = "mknod"
	Chmod       Op = "chmod"
	Fchmod      Op = "fchmod"
	Chown       Op = "chown"
	Fchown      Op = "fchown"
	Utimens     Op = "utimens"
	Setxattr    Op = "setxattr"
	Getxattr    Op = "getxattr"
	Listxattr   Op = "listxattr"
	Removexattr Op = "removexattr"
	Access      Op = "access"
	Stat        Op = "stat"
	Fstat       Op = "fstat"
	Readdir     Op = "readdir"
	MmapWrite   Op = "mmap write"
	MmapRead    Op = "mmap read"
	Flock       Op = "flock"
	Setlk       Op = "setlk"
	Getlk       Op = "getlk"
	Umask       Op = "umask"

	// Path and Path2 of these are for one side each, absolute.

	Begin  Op = "begin"  // close all, and work there from now on; empty: nowhere
	Tree   Op = "tree"   // describe what is there
	Remove Op = "remove" // remove what is there
)

// NoLinks has Tree leave out how many names a file has, and which: snapshots
// show every name as a file of its own.
const NoLinks = 1

// Step is one call of one actor. Which fields count depends on Op. Paths are
// bytes, for names need not be text.
type Step struct {
	Actor int
	Op    Op
	Slot  int
	Slot2 int    // of Dup
	Base  int    // slot of the directory that paths begin at; -1: the side's own
	Path  []byte // of Path, the new name in Path2
	Path2 []byte
	Flags int
	Mode  uint32
	Off   int64
	Len   int64
	ID    int    // user and group of Chown, -1: leave
	Name  string // of an extended attribute
}

// String shows what a test that failed did.
func (s Step) String() string {
	out := fmt.Sprintf("actor %d: %s", s.Actor, s.Op)
	add := func(format string, args ...any) { out += " " + fmt.Sprintf(format, args...) }
	switch s.Op {
	case Open, Mkdir, Rmdir, Unlink, Rename, Link, Symlink, Readlink, Mknod, Chmod, Chown, Utimens, Truncate,
		Setxattr, Getxattr, Listxattr, Removexattr, Access, Stat, Readdir:
		add("%q", s.Path)
		if s.Base >= 0 {
			add("at slot %d", s.Base)
		}
	}
	if len(s.Path2) > 0 {
		add("→ %q", s.Path2)
	}
	if s.Name != "" {
		add("%s", s.Name)
	}
	add("slot=%d flags=%#x mode=%#o off=%d len=%d id=%d", s.Slot, s.Flags, s.Mode, s.Off, s.Len, s.ID)
	if s.Op == Dup {
		add("to=%d", s.Slot2)
	}
	return out
}

// names returns the paths that a step goes to.
func (s *Step) names() []string {
	switch s.Op {
	case Begin, Tree, Remove:
		return nil
	case Rename, Link:
		return []string{string(s.Path), string(s.Path2)}
	}
	if len(s.Path) == 0 {
		return nil
	}
	return []string{string(s.Path)}
}

// Outcome is what a step did on one side.
type Outcome struct {
	Ret   int64
	Errno string   // empty: none
	Data  string   // read bytes, or their hash, or lines of text
	Seen  []string // how the files it names look now, and which times moved
}

// Both are the outcomes of one step on the two sides.
type Both [2]Outcome
