package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"pifs/blockstore"
	"pifs/cli/home"
	"pifs/swarm/member"
)

// leavingFile, in the home's folder of its swarm, says that the home brings its
// data back, to leave. What interrupts that, it is gone on with.
const leavingFile = "leaving"

func isLeaving(h *home.Home) bool {
	_, err := os.Stat(filepath.Join(h.SwarmDir(), leavingFile))
	return err == nil
}

// setLeaving has new stripes go to the home's own stores, or to the nodes again.
func (st *stack) setLeaving(on bool) error {
	path := filepath.Join(st.home.SwarmDir(), leavingFile)
	var err error
	if on {
		err = home.WriteFile(path, nil)
	} else if err = os.Remove(path); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("note that the home leaves: %w", err)
	}
	st.leaving.Store(on)
	st.regroup()
	st.blocks.AwaitPuts()
	st.blocks.Retry()
	return nil
}

type leaveArgs struct {
	Cancel bool // stay after all
}

// swarmLeave brings everything that the home stored back to its own stores, while
// it is used, and then takes it out of its swarm.
func (e *engine) swarmLeave(ctx context.Context, a leaveArgs, emit emitter) (r leaveResult, err error) {
	if err := e.mayLeave(); err != nil {
		return r, err
	}
	st := e.stack
	if a.Cancel {
		return leaveResult{Swarm: e.node.book.Genesis().Name}, st.setLeaving(false)
	}
	if e.node.isFounder() {
		return r, founderStays()
	}
	if err := e.comeHome(ctx, emit); err != nil {
		return r, err
	}
	if r, err = e.node.leave(ctx, false); err == nil {
		st.regroup()
	}
	return r, err
}

// swarmForget is swarmLeave without looking at what is stored.
func (e *engine) swarmForget(ctx context.Context, _ none, _ emitter) (r leaveResult, err error) {
	if err := e.mayLeave(); err != nil {
		return r, err
	}
	if n := e.mounts(); n > 0 {
		return r, fail(errBusy, fmt.Sprintf("%d volumes of the home are mounted; umount them first", n), nil)
	}
	return e.node.leave(ctx, true)
}

func (e *engine) mayLeave() error {
	if !e.inSwarm() {
		return noSwarm(e.home)
	}
	if n := e.mounts(); n > 0 && e.stays {
		return fail(errBusy, fmt.Sprintf("%d volumes are mounted by pifs node run, which ends with this; umount them first", n), nil)
	}
	return nil
}

// comeHome moves everything to the home's own stores, where new stripes go from
// now on, and returns when nothing depends on a node any more.
func (e *engine) comeHome(ctx context.Context, emit emitter) error {
	st, was := e.stack, e.stack.leaving.Load()
	if err := st.setLeaving(true); err != nil {
		return err
	}
	if err := e.roomAtHome(ctx); err != nil {
		if !was {
			err = errors.Join(err, st.setLeaving(false))
		}
		return err
	}
	if _, err := e.moveHere(ctx, emit); err != nil {
		return err
	}
	return st.keptHere(ctx)
}

// roomAtHome reports that the disks lack room for what is to come home.
func (e *engine) roomAtHome(ctx context.Context) error {
	_, left, err := e.unsettled(ctx)
	if err != nil {
		return err
	}
	disks, err := e.stack.space.measure()
	if err != nil {
		return err
	}
	if have := room(disks, e.stack.swarm.Class(), len(e.stack.stores)); uint64(left.Bytes) > have {
		return fail(syscall.ENOSPC, fmt.Sprintf("%s of this home lies on the nodes, and its own stores have room for %s: make room, or leave with --force and lose it",
			size(left.Bytes), size(int64(have))), nil)
	}
	return nil
}

// keptHere reports a block of which the home's own stores do not have enough
// shards to read it.
func (st *stack) keptHere(ctx context.Context) error {
	return st.blocks.Each(ctx, func(d blockstore.Descriptor) error {
		held := 0
		for _, id := range d.Shards {
			for _, s := range st.stores {
				has, err := s.Has(ctx, id)
				if err != nil {
					return err
				}
				if has {
					held++
					break
				}
			}
		}
		if held >= d.Class.Quorum() {
			return nil
		}
		return fail(errBusy, "some of what this home stored lies on the nodes of the swarm only; try again, or leave with --force and lose it", nil)
	})
}

// isFounder reports whether the node is the one that decides who belongs.
func (n *node) isFounder() bool { return n.book.Current().Header.Founder == n.identity.ID }

func founderStays() error {
	return fail(member.ErrRefused, "the founder's node cannot leave: without it nobody could join or leave any more", nil)
}
