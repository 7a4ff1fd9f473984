package fsnode

import (
	"context"
	"errors"
	"syscall"
	"time"

	"pifs/cache"
)

// Space decides whether the disks below have room for what is written, so that
// write(2) says ENOSPC and not a flush, later. All volumes of a home share one.
type Space interface {
	// Admit reserves room for n more bytes, which count as fresh from then on.
	// ErrWouldBlock means that there may be room once what is fresh is stored,
	// or garbage collected; any other error, that there is none.
	Admit(n int64) error
	// Wait returns when an attempt to make room has ended, or soon if there is
	// nothing to hope for.
	Wait(ctx context.Context)
	// Freed tells that something may have become garbage.
	Freed()
	// Room returns how many bytes of file data fit beside what is fresh.
	Room() (uint64, error)
	// Fresh counts the fresh bytes of all volumes.
	Fresh() *cache.Budget
}

// boundless is the Space of volumes that are not told of any.
type boundless struct{ fresh cache.Budget }

var _ Space = (*boundless)(nil)

func (*boundless) Admit(int64) error      { return nil }
func (*boundless) Wait(context.Context)   {}
func (*boundless) Freed()                 {}
func (*boundless) Room() (uint64, error)  { return 1 << 40, nil }
func (b *boundless) Fresh() *cache.Budget { return &b.fresh }

// makingRoom is how long a writer waits for others to make room.
const makingRoom = 10 * time.Second

// rowCost is about what a new name costs in the databases, in bytes.
const rowCost = 4 << 10

// noSpace reports whether err says that a disk is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// admit waits until the disks have room for n more bytes, storing what is
// fresh meanwhile: a byte that is fresh may need room twice, in the journal and
// in the stores. It also waits, for a while, for garbage to be collected. With
// wait false it does not wait. v.mu is held, but for waits.
func (v *Volume) admit(ctx context.Context, n int64, wait bool) error {
	if v.log.replay != nil {
		return nil // it was admitted then
	}
	err := v.o.Space.Admit(n)
	if err != ErrWouldBlock || !wait {
		return err
	}
	stop := context.AfterFunc(ctx, v.broadcast)
	defer stop()
	patience, cancel := context.WithTimeout(ctx, makingRoom)
	defer cancel()
	for err == ErrWouldBlock {
		if v.budget.Used() > 0 || v.flushes > 0 {
			v.enqueueFresh(flushAll)
			v.wake.Wait()
		} else {
			v.mu.Unlock()
			v.o.Space.Wait(patience)
			v.mu.Lock()
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case v.failure != nil:
			return v.failure
		}
		if err = v.o.Space.Admit(n); err == ErrWouldBlock && patience.Err() != nil {
			return syscall.ENOSPC
		}
	}
	return err
}

// Flush says at a close whether something of what was written to a file could
// not be stored, or saved, so far. It stays fresh, and is tried again.
func (v *Volume) Flush(_ context.Context, ino Ino) error {
	if ino >= VirtualIno || v.o.ReadOnly {
		return nil
	}
	v.lock()
	defer v.mu.Unlock()
	in := v.inodes[ino]
	if in == nil || in.content == nil || in.content.fresh.Empty() {
		return nil
	}
	if o := v.opens[ino]; o == nil || o.writers == 0 {
		return nil
	}
	if in.content.failed != nil {
		return in.content.failed
	}
	return v.failure
}
