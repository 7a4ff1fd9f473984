package mount

import (
	"context"
	"encoding/binary"
	"reflect"
	"syscall"
	"unsafe"

	"bazil.org/fuse"

	"pifs/fsnode"
)

const (
	opReaddirplus = 44
	entrySize     = 40 + 88 // struct fuse_entry_out
)

// Plus is an FS that can look up what it lists. fsnode.Volume is one.
type Plus interface {
	// ReaddirPlus is Readdir of what Hold is called for.
	ReaddirPlus(ctx context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error
	// Hold takes a reference on what a directory lists, as Lookup does, and
	// returns false if it is gone or cannot be held but by its name. It may be
	// called while FS lists.
	Hold(ino fsnode.Ino) (fsnode.Attr, bool)
}

var _ Plus = (*fsnode.Volume)(nil)

// readdirPlusOption has the kernel list a directory with the attributes of what
// is in it, if whoever lists it looks at them: one request for some 200 entries
// in place of one for each. The library does not know of it and keeps the flags
// to itself; if another version keeps them elsewhere nothing breaks, but listing
// is as slow as it was, and a test says so.
func readdirPlusOption() fuse.MountOption {
	t := reflect.TypeFor[fuse.MountOption]()
	set := func(args []reflect.Value) []reflect.Value {
		flags := args[0].Elem().FieldByName("initFlags")
		if flags.IsValid() && flags.Type() == reflect.TypeFor[fuse.InitFlags]() {
			*(*fuse.InitFlags)(unsafe.Pointer(flags.UnsafeAddr())) |= fuse.InitDoReaddirplus | fuse.InitReaddirplusAuto
		}
		return []reflect.Value{reflect.Zero(t.Out(0))}
	}
	return reflect.MakeFunc(t, set).Interface().(fuse.MountOption)
}

// readdirPlus serves FUSE_READDIRPLUS: struct fuse_read_in. Each entry with an
// inode is a reference that the kernel gives back.
func (s *Server) readdirPlus(c *call, body []byte) error {
	const size = 24 // of what matters of it
	if len(body) < size {
		return syscall.EIO
	}
	l := listing{s: s, plus: true}
	err := s.list(c, &l, int64(binary.NativeEndian.Uint64(body[8:])), int(binary.NativeEndian.Uint32(body[16:])))
	if err == nil {
		c.reply()
		if c.deliver(l.out) {
			return nil
		}
	}
	for _, ino := range l.held {
		s.fs.Forget(ino, 1)
	}
	return err
}

// listing is an answer to READDIR, or to READDIRPLUS, that is being made.
type listing struct {
	s    *Server
	plus bool
	out  wire
	room int
	held []fsnode.Ino
}

// add appends an entry unless there is no room for it.
func (l *listing) add(e fsnode.DirEntry) bool {
	size := direntLen(e.Name)
	if l.plus {
		size += entrySize
	}
	if len(l.out)+size > l.room {
		return false
	}
	if l.plus {
		l.addInode(e)
	}
	l.out.dirent(e.Ino, e.Next, e.Mode, e.Name)
	return true
}

// addInode appends what a lookup of e would answer, or an entry without an
// inode, which the kernel looks up when it is asked for it.
func (l *listing) addInode(e fsnode.DirEntry) {
	if fs, ok := l.s.fs.(Plus); ok && e.Next >= firstCookie {
		if a, ok := fs.Hold(e.Ino); ok {
			l.held = append(l.held, a.Ino)
			l.out.entry(&a, validity(a.Ino))
			return
		}
	}
	l.out.entry(nil, 0)
}
