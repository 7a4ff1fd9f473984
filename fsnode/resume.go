package fsnode

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"pifs/blockstore"
	"pifs/fsnode/session"
)

// resume does again what a daemon that is gone had acknowledged and not saved.
// The log holds nothing back: the state is then the one that the applications
// and the kernel's caches saw last.
func (v *Volume) resume(ctx context.Context) error {
	var mark sessionMark
	if _, err := v.db.value(markKey, &mark); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	from := uint64(0)
	if mark.ID == v.log.mem.ID() {
		from = mark.Pos
	}
	v.mu.Lock()
	v.log.applied, v.log.unsure = from, allUnsure
	v.mu.Unlock()
	n := 0
	err := v.log.mem.Replay(from, func(after uint64, meta, data []byte) error {
		var o op
		if err := blockstore.Unmarshal(meta, &o); err != nil {
			return fmt.Errorf("decode operation %d: %w", n, err)
		}
		n++
		return v.again(ctx, &o, after, data)
	})
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	v.mu.Lock()
	v.refs, v.opens = map[Ino]refs{}, map[Ino]*opens{}
	v.log.unsure = v.nextIno
	v.mu.Unlock()
	v.o.Log.Info("session resumed", "operations", n)
	return nil
}

// again does one operation of the log.
func (v *Volume) again(ctx context.Context, o *op, after uint64, data []byte) error {
	v.mu.Lock()
	v.log.replay, v.log.after = o, after
	v.mu.Unlock()
	err := v.redo(ctx, o, data)
	v.mu.Lock()
	v.log.replay = nil
	v.mu.Unlock()
	if err != nil {
		return fmt.Errorf("do operation %d on inode %d again: %w: %w", o.Kind, o.Ino, session.ErrUnsound, err)
	}
	return nil
}

func (v *Volume) redo(ctx context.Context, o *op, data []byte) error {
	switch o.Kind {
	case opMake:
		rec := record{Mode: o.Mode, Rdev: o.Rdev, Target: string(data), Size: uint64(len(data))}
		rec.Inlined = rec.isFile()
		_, err := v.make(ctx, o.Parent, o.Name, rec, Cred{UID: o.UID, GID: o.GID})
		return err
	case opTmpfile:
		_, err := v.Tmpfile(ctx, o.Parent, o.Mode, Cred{UID: o.UID, GID: o.GID})
		return err
	case opLink:
		_, err := v.Link(ctx, o.Ino, o.Parent, o.Name)
		return err
	case opUnlink, opRmdir:
		return v.remove(ctx, o.Parent, o.Name, o.Kind == opRmdir)
	case opRename:
		return v.RenameFlags(ctx, o.Parent, o.Name, o.To, o.Other, o.Mode, Cred{UID: o.UID, GID: o.GID})
	case opSetattr:
		if o.Set == nil {
			return session.ErrUnsound
		}
		_, err := v.Setattr(ctx, o.Ino, *o.Set, true)
		return err
	case opWrite:
		_, err := v.writeAs(ctx, o.Ino, int64(o.Off), data, true, o.Mode)
		return err
	case opCopy:
		_, err := v.CopyRange(ctx, o.Parent, 0, o.Ino, 0, o.Len, true)
		return err
	case opFallocate:
		return v.Fallocate(ctx, o.Ino, o.Mode, o.Off, o.Len)
	case opSetxattr:
		return v.Setxattr(ctx, o.Ino, o.Name, data, 0)
	case opRemovexattr:
		return v.Removexattr(ctx, o.Ino, o.Name)
	case opAtime, opDestroy:
		return v.redoQuiet(o)
	}
	return fmt.Errorf("operation %d is unknown: %w", o.Kind, session.ErrUnsound)
}

// redoQuiet does again what no request of its own asked for.
func (v *Volume) redoQuiet(o *op) error {
	v.lock()
	defer v.unlock()
	v.log.applied = v.log.after
	in, err := v.inode(o.Ino)
	switch {
	case errors.Is(err, syscall.ENOENT): // it is gone already
		return nil
	case err != nil:
		return err
	case o.Kind == opAtime:
		in.rec.Atime = o.At
		v.change(in)
	case in.rec.Nlink == 0:
		v.destroy(in)
	}
	return nil
}
