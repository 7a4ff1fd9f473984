package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/cache"
	"pifs/cli/home"
	"pifs/fsnode"
	memory "pifs/fsnode/session"
	"pifs/swarm"
)

// stack is what the volumes of a home stand on, from the disks up:
// stores → swarm → block cache. A volume adds its tree (fsnode) and a mount
// the kernel (mount). This file is the only one that decides the order.
type stack struct {
	home     *home.Home
	log      *slog.Logger
	stores   []*swarm.Local
	node     *node                               // its place in a swarm; nil if it has none
	remote   map[swarm.MemberID]blockstore.Store // nodes that were spoken to
	receipts *receipts
	leaving  atomic.Bool // it brings everything home
	swarm    *swarm.Swarm
	blocks   *cache.Blocks
	space    *space

	regrouping sync.Mutex // guards remote, once the swarm is in use
}

func openStack(h *home.Home, n *node, log *slog.Logger, repair bool) (st *stack, err error) {
	st = &stack{home: h, node: n, log: log, remote: map[swarm.MemberID]blockstore.Store{}}
	st.leaving.Store(isLeaving(h))
	st.receipts = &receipts{path: filepath.Join(h.SwarmDir(), "receipts")}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	if err := st.openStores(); err != nil {
		return st, err
	}
	ladder, err := blockstore.ParseLadder(h.Config.Ladder)
	if err != nil {
		return st, fmt.Errorf("read configuration: %w: %w", home.ErrDamaged, err)
	}
	if st.swarm, err = swarm.New(st.members(), ladder, log); err != nil {
		return st, err
	}
	if n == nil { // nodes may be away for long: what is not in the cache fails, and what is written waits
		if err := st.enoughStores(); err != nil {
			return st, err
		}
	}
	var paths []string
	for _, c := range h.Config.Stores {
		paths = append(paths, c.Path)
	}
	st.space = newSpace(paths, []string{h.Dir, h.Path("cache"), h.Path("volumes")}, st.swarm.Class())
	return st, st.openBlocks(repair)
}

// openStores opens the stores of the home. Each gets its identity once, right
// after the home was created: from then on a folder without it is a disk that
// is away and not an empty store.
func (st *stack) openStores() error {
	fresh := false
	for i := range st.home.Config.Stores {
		c := &st.home.Config.Stores[i]
		if c.ID == "" {
			id, err := createStore(c.Path)
			if err != nil {
				return err
			}
			c.ID, fresh = string(id), true
		}
	}
	if fresh {
		failpoint.Hit(failpoint.HomeStoresMade)
		if err := st.home.SaveConfig(); err != nil {
			return err
		}
	}
	for _, c := range st.home.Config.Stores {
		id, err := swarm.ParseMemberID(c.ID)
		if err != nil {
			return fmt.Errorf("read configuration: %w: %w", home.ErrDamaged, err)
		}
		local := swarm.OpenLocal(c.Path, id, st.log)
		patient, cancel := context.WithTimeout(context.Background(), swarm.PatienceWithin(0).Hedge)
		awaitStore(patient, local)
		cancel()
		st.stores = append(st.stores, local)
	}
	return nil
}

// createStore makes a store, on a disk that may not answer.
func createStore(dir string) (swarm.MemberID, error) {
	type result struct {
		id  swarm.MemberID
		err error
	}
	made := make(chan result, 1)
	go func() {
		id, err := swarm.CreateLocal(dir)
		made <- result{id, err}
	}()
	limit := swarm.PatienceWithin(0).Limit
	select {
	case r := <-made:
		return r.id, r.err
	case <-time.After(limit):
		return "", fail(errStores, fmt.Sprintf("create store %s: its disk does not answer for %v", dir, limit), nil)
	}
}

// awaitStore waits a little for the disk of a store. One that is late comes
// into use when it answers.
func awaitStore(ctx context.Context, s *swarm.Local) {
	select {
	case <-s.Opened():
	case <-ctx.Done():
	}
}

// enoughStores refuses to start with so few stores that nothing could be
// read: better one clear line than an I/O error for every file. Disks may take
// their time only as long as they are too few.
func (st *stack) enoughStores() error {
	ctx, class := context.Background(), st.swarm.Class()
	n, away := st.swarm.Answering(ctx)
	if n < int(class.K) {
		patient, cancel := context.WithTimeout(ctx, st.swarm.Patience().Limit)
		for _, s := range st.stores {
			awaitStore(patient, s)
		}
		cancel()
		n, away = st.swarm.Answering(ctx)
	}
	if n >= int(class.K) {
		return nil
	}
	return fail(errStores, fmt.Sprintf("only %d of %d stores can be reached, and class %s needs %d: %s",
		n, len(st.stores), class, class.K, oneLine(away)), away)
}

// volumeOptions are what a mount decides about its volume.
type volumeOptions struct {
	ReadOnly   bool
	FsyncSwarm bool
	Session    *memory.Memory // of a daemon that is gone
}

// openVolume opens the files of v.
func (st *stack) openVolume(ctx context.Context, v *openVolume, keys *home.VolumeKeys, local [32]byte, o volumeOptions) (err error) {
	dir := st.home.VolumeDir(v.name)
	if v.heads, err = openHeads(filepath.Join(dir, "heads"), keys); err != nil {
		return err
	}
	v.fs, err = fsnode.Open(ctx, fsnode.Options{
		Dir: dir, Name: v.name, Blocks: st.blocks, Heads: v.heads, Stripes: stripes{st}, Space: st.space,
		Keys:     fsnode.VolumeKeys{ID: keys.ID, Read: keys.Read, Local: local, Scope: keys.Secret},
		ReadOnly: o.ReadOnly, FsyncSwarm: o.FsyncSwarm, Session: o.Session, Changed: v.changed.note, Renamed: v.changed.noteName, Log: st.log.With("volume", v.name),
	})
	if err != nil {
		return errors.Join(err, v.heads.Close())
	}
	return nil
}

// close closes everything from the top down.
func (st *stack) close() error {
	err := error(nil)
	if st.blocks != nil {
		err = st.blocks.Close()
	}
	err = errors.Join(err, st.receipts.close())
	if st.swarm != nil {
		return errors.Join(err, st.swarm.Close())
	}
	for _, s := range st.stores {
		err = errors.Join(err, s.Close())
	}
	return err
}
