package mount

import (
	"syscall"

	"bazil.org/fuse"

	"pifs/fsnode"
)

// handle serves a call. It returns nil once the call was answered or needs no
// answer, fsnode.ErrWouldBlock if nothing was done because the call may not
// wait, and else the error to answer with.
func (s *Server) handle(c *call) error {
	switch r := c.req.(type) {
	case *fuse.LookupRequest:
		return s.lookup(c, r)
	case *fuse.ForgetRequest:
		s.fs.Forget(c.node(), r.N)
		return nil
	case *fuse.BatchForgetRequest:
		return s.batchForget(r)
	case *fuse.GetattrRequest:
		return s.getattr(c)
	case *fuse.SetattrRequest:
		return s.setattr(c, r)
	case *fuse.CreateRequest:
		return s.create(c, r)
	case *fuse.MkdirRequest:
		return s.mkdir(c, r)
	case *fuse.MknodRequest:
		return s.mknod(c, r)
	case *fuse.SymlinkRequest:
		return s.symlink(c, r)
	case *fuse.ReadlinkRequest:
		return s.readlink(c)
	case *fuse.LinkRequest:
		return s.link(c, r)
	case *fuse.RemoveRequest:
		return s.remove(c, r)
	case *fuse.RenameRequest:
		return s.rename(c, r)
	default:
		return s.handleOpen(c)
	}
}

// handleOpen serves the calls about open files.
func (s *Server) handleOpen(c *call) error {
	switch r := c.req.(type) {
	case *fuse.OpenRequest:
		return s.open(c, r)
	case *fuse.ReleaseRequest:
		return s.release(c, r)
	case *fuse.ReadRequest:
		if r.Dir {
			return s.readdir(c, r)
		}
		return s.readFile(c, r)
	case *fuse.WriteRequest:
		return s.write(c, r)
	case *fuse.FlushRequest:
		return s.flush(c, r)
	case *fuse.FsyncRequest:
		return s.answer(c, s.fs.Fsync(c.ctx, c.node()))
	case *fuse.FAllocateRequest:
		return s.answer(c, s.fs.Fallocate(c.ctx, c.node(), uint32(r.Mode), r.Offset, r.Length))
	case *fuse.LockRequest:
		return s.lock(c, r, false)
	case *fuse.LockWaitRequest:
		return s.lock(c, (*fuse.LockRequest)(r), true)
	case *fuse.UnlockRequest:
		return s.unlock(c, (*fuse.LockRequest)(r))
	case *fuse.QueryLockRequest:
		return s.queryLock(c, r)
	default:
		return s.handleRest(c)
	}
}

func (s *Server) handleRest(c *call) error {
	switch r := c.req.(type) {
	case *fuse.GetxattrRequest:
		return s.getxattr(c, r)
	case *fuse.SetxattrRequest:
		return s.setxattr(c, r)
	case *fuse.ListxattrRequest:
		return s.listxattr(c, r)
	case *fuse.RemovexattrRequest:
		return s.removexattr(c, r)
	case *fuse.StatfsRequest:
		return s.statfs(c)
	case *fuse.InterruptRequest:
		s.interrupted(r)
		return nil
	case *fuse.NotifyReply:
		return nil
	case *fuse.DestroyRequest:
		return c.done()
	case *fuse.UnrecognizedRequest:
		return s.unrecognized(c, r)
	default:
		// ACCESS, which default_permissions makes needless, and POLL: the kernel
		// remembers, does what it can without us, and does not ask again.
		return syscall.ENOSYS
	}
}

// answer ends a call that has no result but err.
func (s *Server) answer(c *call, err error) error {
	if err != nil {
		return err
	}
	return c.done()
}

func (s *Server) batchForget(r *fuse.BatchForgetRequest) error {
	for _, f := range r.Forget {
		s.fs.Forget(fsnode.Ino(f.NodeID), f.N)
	}
	return nil
}
