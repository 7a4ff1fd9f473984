package mount

import (
	"sync/atomic"

	"bazil.org/fuse"
)

// Stats counts what a server did.
type Stats struct {
	Requests map[string]uint64 // by kind; kinds that did not occur are left out
	Total    uint64
	Stuck    uint64 // requests that outlived the deadline
}

// kind is a kind of request.
type kind uint8

const (
	kindOther kind = iota
	kindLookup
	kindForget
	kindGetattr
	kindSetattr
	kindCreate
	kindMkdir
	kindMknod
	kindSymlink
	kindReadlink
	kindLink
	kindRemove
	kindRename
	kindOpen
	kindRelease
	kindRead
	kindReaddir
	kindWrite
	kindFlush
	kindFsync
	kindFallocate
	kindXattr
	kindStatfs
	kindLock
	kindInterrupt
	kinds
)

var kindNames = [kinds]string{
	"other", "lookup", "forget", "getattr", "setattr", "create", "mkdir", "mknod", "symlink", "readlink", "link",
	"remove", "rename", "open", "release", "read", "readdir", "write", "flush", "fsync", "fallocate", "xattr",
	"statfs", "lock", "interrupt",
}

func (k kind) String() string { return kindNames[k] }

type counters struct {
	byKind [kinds]atomic.Uint64
	stuck  atomic.Uint64
}

func (c *counters) add(k kind) { c.byKind[k].Add(1) }

// Stats returns what was served so far.
func (s *Server) Stats() Stats {
	out := Stats{Requests: make(map[string]uint64), Stuck: s.counts.stuck.Load()}
	for k := range kinds {
		if n := s.counts.byKind[k].Load(); n > 0 {
			out.Requests[k.String()] = n
			out.Total += n
		}
	}
	return out
}

func kindOf(req fuse.Request) kind {
	switch r := req.(type) {
	case *fuse.LookupRequest:
		return kindLookup
	case *fuse.ForgetRequest, *fuse.BatchForgetRequest:
		return kindForget
	case *fuse.GetattrRequest:
		return kindGetattr
	case *fuse.SetattrRequest:
		return kindSetattr
	case *fuse.CreateRequest:
		return kindCreate
	case *fuse.MkdirRequest:
		return kindMkdir
	case *fuse.MknodRequest:
		return kindMknod
	case *fuse.SymlinkRequest:
		return kindSymlink
	case *fuse.ReadlinkRequest:
		return kindReadlink
	case *fuse.LinkRequest:
		return kindLink
	case *fuse.RemoveRequest:
		return kindRemove
	case *fuse.RenameRequest:
		return kindRename
	case *fuse.OpenRequest:
		return kindOpen
	case *fuse.ReleaseRequest:
		return kindRelease
	case *fuse.ReadRequest:
		if r.Dir {
			return kindReaddir
		}
		return kindRead
	default:
		return rareKindOf(req)
	}
}

func rareKindOf(req fuse.Request) kind {
	switch r := req.(type) {
	case *fuse.UnrecognizedRequest:
		if r.Opcode == opReaddirplus {
			return kindReaddir
		}
	case *fuse.WriteRequest:
		return kindWrite
	case *fuse.FlushRequest:
		return kindFlush
	case *fuse.FsyncRequest:
		return kindFsync
	case *fuse.FAllocateRequest:
		return kindFallocate
	case *fuse.GetxattrRequest, *fuse.SetxattrRequest, *fuse.ListxattrRequest, *fuse.RemovexattrRequest:
		return kindXattr
	case *fuse.StatfsRequest:
		return kindStatfs
	case *fuse.LockRequest, *fuse.LockWaitRequest, *fuse.UnlockRequest, *fuse.QueryLockRequest:
		return kindLock
	case *fuse.InterruptRequest:
		return kindInterrupt
	}
	return kindOther
}
