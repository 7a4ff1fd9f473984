package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"pifs/cache"
	"pifs/fsnode"
)

// seqSet are heads of a volume.
type seqSet map[uint64]bool

// mostlyDead is the part of a pack that must be garbage before it is rewritten
// to free what holes in it did not.
const mostlyDead = 0.9

// collect frees the blocks that no volume of the home needs: neither its live
// tree nor a head that is kept. Heads in without count as forgotten. dry only
// measures. A volume that cannot be read keeps everything from being collected.
func (e *engine) collect(ctx context.Context, without map[string]seqSet, dry bool) (g cache.Garbage, err error) {
	e.collecting.Lock()
	defer e.collecting.Unlock()
	c, needs, back, err := e.beginCollection(ctx)
	if err != nil {
		return g, fmt.Errorf("collect garbage: %w", err)
	}
	defer c.End()
	err = e.walkNeeds(ctx, c, needs, without)
	for _, n := range needs {
		n.live.End()
	}
	err = errors.Join(err, back(ctx))
	if err != nil {
		return g, fmt.Errorf("collect garbage: %w", err)
	}
	if dry {
		return c.Measure(ctx)
	}
	if g, err = c.Sweep(ctx); err != nil {
		return g, err
	}
	if _, err := e.stack.swarm.Compact(ctx, mostlyDead); err != nil {
		e.log.Warn("compact stores", "err", err) // holes have freed most
	}
	return g, nil
}

// need is what one volume needs.
type need struct {
	volume string
	live   *fsnode.Live
}

func (e *engine) walkNeeds(ctx context.Context, c *cache.Collection, needs []need, without map[string]seqSet) error {
	for _, n := range needs {
		skip := without[n.volume]
		err := n.live.Walk(ctx, func(h fsnode.HeadEntry) bool { return skip[h.Seq] }, c.Keep)
		if err != nil {
			return fmt.Errorf("read what volume %s needs: %w", n.volume, err)
		}
	}
	return nil
}

// beginCollection begins a collection and then looks at every volume of the
// home: what is put after the collection began is safe, what was put before
// is seen. back gives the volumes back.
func (e *engine) beginCollection(ctx context.Context) (c *cache.Collection, needs []need, back func(context.Context) error, err error) {
	c, open, needs, err := e.lookAtClosed(ctx)
	back = func(ctx context.Context) (err error) {
		for _, v := range open {
			err = errors.Join(err, e.giveBack(ctx, v))
		}
		return err
	}
	for i := 0; i < len(open) && err == nil; i++ {
		var l *fsnode.Live
		if l, err = open[i].fs.Live(ctx); err == nil {
			needs = append(needs, need{open[i].name, l})
		}
	}
	if err == nil {
		return c, needs, back, nil
	}
	for _, n := range needs {
		n.live.End()
	}
	if c != nil {
		c.End()
	}
	return nil, nil, nil, errors.Join(err, back(ctx))
}

// lookAtClosed begins a collection while no volume is being opened, looks at
// those that are closed, and returns those that are open, in use.
func (e *engine) lookAtClosed(ctx context.Context) (c *cache.Collection, open []*openVolume, needs []need, err error) {
	if err := e.lockSettled(ctx); err != nil {
		return nil, nil, nil, err
	}
	defer e.mu.Unlock()
	if err := e.knowsAll(); err != nil {
		return nil, nil, nil, err
	}
	if c, err = e.stack.blocks.Collect(); err != nil {
		return nil, nil, nil, err
	}
	for _, name := range e.keys.Volumes() {
		if v := e.volumes[name]; v != nil {
			v.uses++
			open = append(open, v)
			continue
		}
		l, err := e.lookAt(ctx, name)
		if err != nil {
			return c, open, needs, fmt.Errorf("look at volume %s: %w", name, err)
		}
		needs = append(needs, need{name, l})
	}
	return c, open, needs, nil
}

// lockSettled locks e.mu at a moment when no volume is being closed.
func (e *engine) lockSettled(ctx context.Context) error {
	for {
		e.mu.Lock()
		var wait <-chan struct{}
		for _, v := range e.volumes {
			if v.uses == 0 {
				wait = v.closed
			}
		}
		if wait == nil {
			return nil
		}
		e.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lookAt looks at a volume that is not open. e.mu is held.
func (e *engine) lookAt(ctx context.Context, name string) (*fsnode.Live, error) {
	keys, err := e.keys.Volume(name)
	if err != nil {
		return nil, err
	}
	dir := e.home.VolumeDir(name)
	var entries []fsnode.HeadEntry
	if _, err := os.Stat(dir); err == nil { // else it was never used
		heads, err := openHeads(filepath.Join(dir, "heads"), keys)
		if err != nil {
			return nil, err
		}
		entries, err = heads.Entries()
		if err := errors.Join(err, heads.Close()); err != nil {
			return nil, err
		}
	}
	return fsnode.LiveClosed(ctx, dir, fsnode.VolumeKeys{ID: keys.ID, Read: keys.Read, Local: e.keys.LocalKey(keys.ID), Scope: keys.Secret}, e.stack.blocks, entries)
}

// knowsAll refuses to collect when there is a volume whose keys are missing:
// what it needs cannot be told. e.mu is held.
func (e *engine) knowsAll() error {
	dirs, err := os.ReadDir(e.home.Path("volumes"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, d := range dirs {
		if d.IsDir() && !slices.Contains(e.keys.Volumes(), d.Name()) {
			return fail(errDamaged, fmt.Sprintf("the keyring lacks the keys of volume %s, so nobody knows what it needs: nothing is collected", d.Name()), nil)
		}
	}
	return nil
}
