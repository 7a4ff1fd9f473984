package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"pifs/blockstore"
	"pifs/cache"
	"pifs/fsnode"
)

// openBlocks opens the block cache. When its index is lost or damaged, repair
// starts a new one, which rebuild fills.
func (st *stack) openBlocks(repair bool) (err error) {
	dir := st.home.Path("cache")
	o := cache.Options{DiskBytes: st.home.Config.CacheSize, Log: st.log}
	st.blocks, err = cache.OpenBlocks(dir, st.swarm, o)
	if !errors.Is(err, blockstore.ErrCorrupt) {
		return err
	}
	if !repair {
		return fail(errDamaged, oneLine(err)+"; rebuild it from the heads with: pifs check --repair", err)
	}
	if err := cache.RemoveIndex(dir); err != nil {
		return err
	}
	st.blocks, err = cache.OpenBlocks(dir, st.swarm, o)
	return err
}

// rebuild fills a new block index from the manifests of all heads. What no
// head has yet, a few seconds of writing at most, cannot be found again.
func (e *engine) rebuild(ctx context.Context) error {
	going, err := e.stack.blocks.Rebuilding()
	if err != nil || !going {
		return err
	}
	for _, name := range e.keys.Volumes() {
		if err := e.adopt(ctx, name); err != nil {
			return fmt.Errorf("rebuild block index from volume %s: %w", name, err)
		}
	}
	return e.stack.blocks.FinishRebuild(ctx)
}

// adopt learns the stripes of a volume, newest head first: older ones mostly
// name the same.
func (e *engine) adopt(ctx context.Context, name string) error {
	keys, err := e.keys.Volume(name)
	if err != nil {
		return err
	}
	heads, err := openHeads(filepath.Join(e.home.VolumeDir(name), "heads"), keys)
	if err != nil {
		return err
	}
	entries, err := heads.Entries()
	for i := len(entries) - 1; i >= 0 && err == nil; i-- {
		if entries[i].Forgotten {
			continue
		}
		_, err = fsnode.AdoptManifest(ctx, e.stack.blocks, keys.Secret, entries[i])
	}
	return errors.Join(err, heads.Close())
}
