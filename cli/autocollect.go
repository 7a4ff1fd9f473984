package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"pifs/fsnode"
)

// lookEvery is how often the disks are looked at when nobody asks for room.
const lookEvery = 2 * time.Second

// watchSpace makes room whenever a disk has too little left. What a round
// could not free, the next cannot either, unless something changed since.
func (e *engine) watchSpace(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	s := e.stack.space
	s.watch(true)
	defer s.watch(false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.failed:
		case <-tick.C:
		}
		changes, worth := s.attempt()
		switch {
		case !worth:
			continue
		case !s.low():
			s.attempted(changes - 1)
			continue
		}
		if err := e.makeRoom(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("make room", "err", err)
		}
		s.attempted(changes)
	}
}

// makeRoom frees what nothing needs, then drops the cache on disk, and then
// forgets heads, the oldest half of those without a name at a time, until no
// disk is low or the newest of every volume is all that is left.
func (e *engine) makeRoom(ctx context.Context) error {
	e.commitAll(ctx)
	if _, err := e.stack.blocks.Drop(ctx); err != nil {
		return err
	}
	for {
		g, err := e.collect(ctx, nil, false)
		if err != nil {
			return err
		}
		e.log.Info("made room", "blocks", g.Blocks, "bytes", g.Bytes)
		if !e.stack.space.low() {
			return nil
		}
		n, err := e.forgetOldest(ctx)
		if err != nil || n == 0 {
			return err
		}
		e.log.Info("heads forgotten to make room", "heads", n)
	}
}

// commitAll makes heads that no longer hold what was removed. One that cannot
// be made, since the disks are full, is made later.
func (e *engine) commitAll(ctx context.Context) {
	e.mu.Lock()
	var open []*openVolume
	for _, v := range e.volumes {
		if v.uses > 0 && !v.readOnly {
			v.uses++
			open = append(open, v)
		}
	}
	e.mu.Unlock()
	for _, v := range open {
		if _, err := v.fs.Commit(ctx, "", nil); err != nil {
			e.log.Info("commit to make room", "volume", v.name, "err", err)
		}
		if err := e.giveBack(ctx, v); err != nil {
			e.log.Warn("make room", "err", err)
		}
	}
}

// oldHead is a head that may be forgotten.
type oldHead struct {
	volume string
	seq    uint64
	time   int64
}

// oldest returns the older half of the heads that may be forgotten, at least
// one if there is any.
func oldest(heads []oldHead) []oldHead {
	slices.SortFunc(heads, func(a, b oldHead) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.volume, b.volume), cmp.Compare(a.seq, b.seq))
	})
	return heads[:(len(heads)+1)/2]
}

// forgetOldest forgets the oldest heads of all volumes, open or not.
func (e *engine) forgetOldest(ctx context.Context) (n int, err error) {
	if err := e.lockSettled(ctx); err != nil {
		return 0, err
	}
	defer e.mu.Unlock()
	logs := map[string]*headLog{}
	var all []oldHead
	for _, name := range e.keys.Volumes() {
		log, done, err := e.headsOf(name)
		if err != nil {
			return 0, fmt.Errorf("forget heads of volume %s: %w", name, err)
		}
		defer done()
		logs[name] = log
		entries, err := log.Entries()
		if err != nil {
			return 0, fmt.Errorf("forget heads of volume %s: %w", name, err)
		}
		all = append(all, expendable(name, entries)...)
	}
	seqs := map[string][]uint64{}
	for _, h := range oldest(all) {
		seqs[h.volume] = append(seqs[h.volume], h.seq)
		n++
	}
	for name, s := range seqs {
		if v := e.volumes[name]; v != nil {
			err = v.fs.ForgetHeads(s)
		} else {
			err = logs[name].Forget(s)
		}
		if err != nil {
			return 0, fmt.Errorf("forget heads of volume %s: %w", name, err)
		}
	}
	return n, nil
}

// expendable returns the heads of a volume that are kept, have no name and are
// not the newest.
func expendable(volume string, entries []fsnode.HeadEntry) (out []oldHead) {
	for i, h := range entries {
		if !h.Forgotten && len(h.Label) == 0 && i < len(entries)-1 {
			out = append(out, oldHead{volume, h.Seq, h.Time})
		}
	}
	return out
}

// headsOf returns the heads of a volume, open or not. e.mu is held until done
// is called.
func (e *engine) headsOf(name string) (log *headLog, done func(), err error) {
	if v := e.volumes[name]; v != nil {
		return v.heads, func() {}, nil
	}
	keys, err := e.keys.Volume(name)
	if err != nil {
		return nil, nil, err
	}
	if log, err = openHeads(filepath.Join(e.home.VolumeDir(name), "heads"), keys); err != nil {
		return nil, nil, err
	}
	return log, func() { _ = log.Close() }, nil // every change was durable before
}
