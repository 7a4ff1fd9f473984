package mount

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"unsafe"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"

	"pifs/fsnode"
)

// Handover is what a server that goes on with a mount must know of it. It
// means nothing to whoever keeps it meanwhile.
type Handover struct {
	Major, Minor uint32 // of the protocol that was agreed upon
	Flags        uint32
}

const (
	notifyResend = 7       // FUSE_NOTIFY_RESEND
	resentBit    = 1 << 63 // in the number of a request that is sent again
)

// CanHandOver reports whether the kernel sends requests again that a server
// took and did not answer: Linux 6.9 and later.
func CanHandOver() bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	return resends(unix.ByteSliceToString(u.Release[:]))
}

func resends(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 6 || major == 6 && minor >= 9
}

// Handover returns the mount's device, a descriptor that the caller closes,
// and what Resume needs besides.
func (s *Server) Handover() (*os.File, Handover, error) {
	fd, err := s.dev.dup()
	if err != nil {
		return nil, Handover{}, err
	}
	p := s.conn.Protocol()
	return os.NewFile(uintptr(fd), "/dev/fuse"), Handover{Major: p.Major, Minor: p.Minor, Flags: uint32(s.conn.Features())}, nil
}

// Resume goes on with a mount whose server is gone, through the device that
// somebody kept open, which it takes over. fs is the file system as that
// server left it, opts are the same as for Mount, and their session the one of
// that server. What was asked and not answered is asked again.
func Resume(ctx context.Context, dir string, dev *os.File, h Handover, fs FS, opts Options) (*Server, error) {
	if opts.Session == nil {
		dev.Close()
		return nil, fmt.Errorf("resume %s: there is no session", dir)
	}
	conn, err := connOf(dev, h)
	err = errors.Join(err, makePresent())
	if err != nil {
		dev.Close()
		return nil, fmt.Errorf("resume %s: %w", dir, err)
	}
	s, err := newServer(ctx, dir, conn, fs, opts)
	if err == nil {
		s.applied = opts.Session.Results()
		s.locks.table, err = decodeLocks(opts.Session.Table())
		s.locks.used.Store(!s.locks.table.empty())
	}
	if err == nil {
		err = s.resend()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("resume %s: %w", dir, err), conn.Close())
	}
	return s, nil
}

// resend has the kernel queue again what it waits for answers to.
func (s *Server) resend() error {
	var m [headSize]byte
	binary.NativeEndian.PutUint32(m[0:], headSize)
	binary.NativeEndian.PutUint32(m[4:], notifyResend)
	if err := s.dev.write(m[:], nil); err != nil {
		return fmt.Errorf("ask for requests again: %w", err)
	}
	return nil
}

// connOf makes a connection over a device that is initialised already, which
// the library has no function for. Its version is pinned; one that looks
// different is refused.
func connOf(dev *os.File, h Handover) (*fuse.Conn, error) {
	conn := new(fuse.Conn)
	v := reflect.ValueOf(conn).Elem()
	set := func(name string, value any) error {
		f := v.FieldByName(name)
		if !f.IsValid() || f.Type() != reflect.TypeOf(value) {
			return fmt.Errorf("make a connection: the library keeps %s elsewhere", name)
		}
		reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Set(reflect.ValueOf(value))
		return nil
	}
	err := errors.Join(
		set("dev", dev),
		set("proto", fuse.Protocol{Major: h.Major, Minor: h.Minor}),
		set("flags", fuse.InitFlags(h.Flags)))
	return conn, err
}

// answerAgain answers a request that was applied before its server was gone,
// and reports whether this is one.
func (s *Server) answerAgain(c *call) (bool, error) {
	id := uint64(c.req.Hdr().ID)
	if id&resentBit == 0 || s.applied == nil {
		return false, nil
	}
	ino, ok := s.applied[id&^resentBit]
	if !ok {
		return false, nil
	}
	return true, s.answerApplied(c, ino)
}

// madeBefore is created for a file that the last server made.
func (s *Server) madeBefore(c *call, ino fsnode.Ino, write bool) error {
	a, err := s.fs.Getattr(c.ctx, ino)
	if err != nil {
		return err
	}
	return s.created(c, a, write)
}

// answerExtended is answerApplied for what the library does not know.
func (s *Server) answerExtended(c *call, r *fuse.UnrecognizedRequest, ino fsnode.Ino) error {
	body, ok := bodyOf(&r.Header)
	switch {
	case ok && r.Opcode == opTmpfile && len(body) >= 4:
		return s.madeBefore(c, ino, binary.NativeEndian.Uint32(body)&unix.O_ACCMODE != unix.O_RDONLY)
	case r.Opcode == opCopyRange || r.Opcode == opCopyRange64:
		a, err := s.fs.Getattr(c.ctx, ino)
		if err != nil {
			return err
		}
		return c.copied(a.Size, r.Opcode == opCopyRange64) // it was the whole file
	}
	return c.done()
}

// answerApplied answers with what a request that made, or changed, ino came to.
func (s *Server) answerApplied(c *call, ino fsnode.Ino) error {
	switch r := c.req.(type) {
	case *fuse.CreateRequest:
		return s.madeBefore(c, ino, writes(r.Flags))
	case *fuse.UnrecognizedRequest:
		return s.answerExtended(c, r, ino)
	case *fuse.MkdirRequest, *fuse.MknodRequest, *fuse.SymlinkRequest, *fuse.LinkRequest:
		return c.entry(s.fs.Getattr(c.ctx, ino))
	case *fuse.SetattrRequest:
		return s.getattr(c)
	case *fuse.WriteRequest:
		return c.written(len(r.Data))
	default:
		return c.done()
	}
}
