package fsnode

import (
	"context"
	"fmt"
	"math"

	"pifs/blockstore"
	"pifs/fsnode/session"
)

const (
	// logMargin is the room, in bytes, that operations on names leave in the
	// session log, and dataMargin what writes leave to them.
	logMargin  = 256 << 10
	dataMargin = 8 << 20
)

// oplog is the volume's side of the session: it puts what is acknowledged into
// memory that outlives the daemon. All fields are guarded by Volume.mu.
//
// Everything that changes the tree calls begin, changes, and calls logged,
// without giving up v.mu in between. What changes without that is noticed by
// touch and makes a barrier, behind which a killed daemon is not resumed.
type oplog struct {
	mem     *session.Memory // nil: a crash is a crash
	applied uint64          // the position of the newest operation that memory has
	open    bool            // an operation is under way that will be logged
	gone    []Ino           // inodes that it destroyed

	replay *op    // the operation that is being done again
	after  uint64 // the position after it

	// Inodes below unsure may have uses by the kernel that another daemon
	// counted: only the kernel's word that it forgot one ends them.
	unsure Ino
}

// sessionMark is what the database knows of the session.
type sessionMark struct {
	_struct bool   `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      uint64 // of the memory
	Pos     uint64 // what it has up to here is in the database
}

const markKey = "session"

// opKind is what an operation does.
type opKind uint8

const (
	opMake opKind = iota + 1
	opLink
	opUnlink
	opRmdir
	opRename
	opSetattr
	opWrite
	opFallocate
	opSetxattr
	opRemovexattr
	opAtime
	opDestroy
	opTmpfile
	opCopy
)

// op is an operation as the log has it; which fields count depends on the kind.
type op struct {
	_struct     bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Kind        opKind
	Request     uint64 // of the kernel, or 0
	Slot        int
	At          Time
	Ino         Ino // what it made, or changed
	Parent, To  Ino
	Name, Other string // Other: the new name, of a rename
	Mode, Rdev  uint32 // Mode: the flags too, of a rename or a write
	UID, GID    uint32
	Off, Len    uint64
	Set         *SetAttr
}

// begin announces an operation that adds n bytes to the log. With wait false it
// returns ErrWouldBlock where there is no room before a save. v.mu is held, and
// is given up while it waits.
func (v *Volume) begin(ctx context.Context, n, margin int, wait bool) error {
	if v.log.mem != nil && v.log.replay == nil {
		if err := v.logRoom(ctx, n+margin, wait); err != nil {
			return err
		}
	}
	v.log.open = true
	return nil
}

func (v *Volume) logRoom(ctx context.Context, n int, wait bool) error {
	if v.log.mem.Room() >= n {
		return nil
	}
	if !wait {
		return ErrWouldBlock
	}
	stop := context.AfterFunc(ctx, v.broadcast)
	defer stop()
	for v.log.mem.Room() < n {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case v.failure != nil:
			return v.failure
		case v.stopping:
			return blockstore.ErrClosed
		}
		v.kickKeeper()
		v.wake.Wait()
	}
	return nil
}

// unlock ends an operation, whether it was logged or refused.
func (v *Volume) unlock() {
	if p := recover(); p != nil {
		panic(p) // as mutex.Unlock does
	}
	v.log.open = false
	v.mu.Unlock()
}

// now is the time of the operation under way. v.mu is held.
func (v *Volume) now() Time {
	if v.log.replay != nil {
		return v.log.replay.At
	}
	return now()
}

// logged puts an operation that was applied into the log: from here on it
// outlives the daemon. data is what it wrote. v.mu is held.
func (v *Volume) logged(ctx context.Context, o op, data []byte) {
	if v.log.mem == nil {
		return
	}
	if v.log.replay != nil {
		v.log.applied = v.log.after
		v.log.mem.Applied(session.Request{ID: v.log.replay.Request, Slot: v.log.replay.Slot}, v.log.replay.Ino)
		return
	}
	r := session.RequestOf(ctx)
	o.Request, o.Slot = r.ID, r.Slot
	if err := v.appendOp(&o, data); err != nil {
		v.o.Log.Warn("session log", "err", err)
		v.barrier()
		return
	}
	v.log.mem.Applied(r, o.Ino)
	for _, ino := range v.log.gone {
		v.logDestroyed(ino)
	}
	v.log.gone = v.log.gone[:0]
	if v.logHalf() {
		v.kickKeeper()
	}
}

func (v *Volume) appendOp(o *op, data []byte) error {
	meta, err := blockstore.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode operation: %w", err)
	}
	pos, err := v.log.mem.Append(meta, data)
	if err != nil {
		return err
	}
	v.log.applied = pos
	return nil
}

// logHalf reports whether a save should make room in the log. v.mu is held.
func (v *Volume) logHalf() bool {
	return v.log.mem != nil && v.log.mem.Room() < v.log.mem.Size()/2
}

// destroyed notes that an inode is gone, after the operation under way if there
// is one. v.mu is held.
func (v *Volume) destroyed(ino Ino) {
	switch {
	case v.log.mem == nil || v.log.replay != nil:
	case v.log.open:
		v.log.gone = append(v.log.gone, ino)
	default:
		v.logDestroyed(ino)
	}
}

// logDestroyed logs that an inode is gone. A log without room for it would
// only make the inode live until the next mount.
func (v *Volume) logDestroyed(ino Ino) {
	if err := v.appendOp(&op{Kind: opDestroy, Ino: ino}, nil); err != nil {
		v.o.Log.Debug("session log", "err", err)
	}
}

// unlogged is told of every change of the tree: one that no operation announced
// can not be replayed. v.mu is held.
func (v *Volume) unlogged() {
	if v.log.mem != nil && !v.log.open {
		v.barrier()
	}
}

func (v *Volume) barrier() { v.log.applied = v.log.mem.Barrier() }

// allUnsure is unsure while operations are replayed.
const allUnsure = math.MaxUint64
