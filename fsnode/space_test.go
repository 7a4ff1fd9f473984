package fsnode

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
)

// tight is a Space that admits so many bytes and no more.
type tight struct {
	boundless
	left  int64
	err   error
	freed int
}

func (s *tight) Admit(n int64) error {
	if n > s.left {
		return s.err
	}
	s.left -= n
	return nil
}

func (s *tight) Freed() { s.freed++ }

// A write for which there is no room changes nothing; reading, removing and
// truncating go on.
func TestNoRoomIsToldByTheWrite(t *testing.T) {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		s := &tight{left: 200 << 10, err: full}
		r := newRig(t, func(o *Options) { o.Space = s })
		ino := r.create(RootIno, "f", noise(1, 150<<10))
		if _, err := r.v.Write(bg, ino, 150<<10, noise(2, 100<<10), true); !errors.Is(err, full) {
			t.Errorf("write without room: %v, want %v", err, full)
		}
		s.left = 0
		if _, err := r.v.Create(bg, RootIno, "g", 0o644, root); !errors.Is(err, full) {
			t.Errorf("create without room: %v, want %v", err, full)
		}
		if !bytes.Equal(r.read(ino), noise(1, 150<<10)) {
			t.Error("a refused write changed the file")
		}
		if err := r.v.Fsync(bg, ino); err != nil {
			t.Errorf("fsync of what was admitted: %v", err)
		}
		less := uint64(10 << 10)
		if _, err := r.v.Setattr(bg, ino, SetAttr{Size: &less}, true); err != nil || s.freed == 0 {
			t.Errorf("truncate: %v, told %d times", err, s.freed)
		}
		if err := r.v.Unlink(bg, RootIno, "f", root); err != nil {
			t.Errorf("unlink: %v", err)
		}
		r.checkClean()
	}
}

// What a flush could not store is told to the close and the fsync, stays
// readable, and is stored by the fsync once there is room.
func TestFailedFlushIsToldAndTriedAgain(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "f", noise(1, 100<<10))
	if err := r.v.Open(bg, ino, true); err != nil {
		t.Fatal(err)
	}
	r.v.mu.Lock()
	in := r.v.inodes[ino]
	in.content.failed = syscall.ENOSPC // as the flusher leaves it
	r.v.mu.Unlock()
	if err := r.v.Flush(bg, ino); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close of a file that could not be stored: %v", err)
	}
	if !bytes.Equal(r.read(ino), noise(1, 100<<10)) {
		t.Error("it cannot be read")
	}
	if err := r.v.Fsync(bg, ino); err != nil {
		t.Error(err)
	}
	if err := r.v.Flush(bg, ino); err != nil || r.backend.puts == 0 {
		t.Errorf("fsync did not store it: %v", err)
	}
	r.v.Release(bg, ino, true)
	r.checkClean()
}
