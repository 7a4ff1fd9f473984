package fsnode

import (
	"context"
	"fmt"
	"syscall"

	"pifs/blockstore"
	"pifs/cache"
	"pifs/fsnode/mst"
)

// AdoptManifest teaches blocks every descriptor that a head's manifest lists,
// after the block index was lost, and returns how many there were. The sizes
// that it notes are those of the blocks, since a manifest tells nothing of
// their plaintext.
func AdoptManifest(ctx context.Context, blocks *cache.Blocks, scope blockstore.Secret, h HeadEntry) (n int, err error) {
	owed, err := manifestOf(h)
	a := adopted{blocks, blockstore.NewSealer(scope)}
	for i := 0; i < len(owed.Segments) && err == nil; i++ {
		var some int
		some, err = a.segment(ctx, owed.Segments[i])
		n += some
	}
	if err != nil {
		return n, fmt.Errorf("adopt manifest of head %d: %w", h.Seq, err)
	}
	return n, nil
}

// Owed calls fn for the blocks that a head's manifest lists, and for those that it
// is made of, with a number that is higher for what was stored later. A block may
// come more than once.
func Owed(ctx context.Context, blocks *cache.Blocks, scope blockstore.Secret, h HeadEntry, fn func(addr blockstore.Address, late int)) error {
	owed, err := manifestOf(h)
	a := adopted{blocks, blockstore.NewSealer(scope)}
	for i := 0; i < len(owed.Segments) && err == nil; i++ {
		fn(owed.Segments[i].Top.Address, i)
		for _, level := range owed.Segments[i].Levels {
			if err == nil {
				err = a.entries(ctx, level, func(addr blockstore.Address, d *blockstore.Descriptor) error {
					if d != nil {
						fn(addr, i)
					}
					return nil
				})
			}
		}
	}
	if err != nil {
		return fmt.Errorf("read manifest of head %d: %w", h.Seq, err)
	}
	return nil
}

// segment adopts what a segment lists. Its top describes the one node of the
// last level, whose entries describe the nodes of the level below, and so on.
func (a adopted) segment(ctx context.Context, s segment) (n int, err error) {
	if err := s.valid(); err != nil {
		return 0, err
	}
	if err := a.blocks.Adopt(ctx, s.Top, s.Top.Length); err != nil {
		return 0, err
	}
	for i := len(s.Levels) - 1; i >= 0; i-- {
		err := a.entries(ctx, s.Levels[i], func(_ blockstore.Address, d *blockstore.Descriptor) error {
			if d == nil {
				return nil // of an older segment, and not owed any more
			}
			n++
			return a.blocks.Adopt(ctx, *d, d.Length)
		})
		if err != nil {
			return n, err
		}
	}
	return n + 1, nil
}

// manifestOf returns what a head says of its manifest.
func manifestOf(h HeadEntry) (owed manifestRoot, err error) {
	err = blockstore.Unmarshal(h.Manifest, &owed)
	if err == nil && (owed.Version != manifestV1 || len(owed.Segments) > maxSegments) {
		err = fmt.Errorf("version %d, %d segments: %w", owed.Version, len(owed.Segments), blockstore.ErrFormat)
	}
	for i := 0; i < len(owed.Segments) && err == nil; i++ {
		err = owed.Segments[i].valid()
	}
	if err != nil {
		return owed, fmt.Errorf("manifest of head %d: %w", h.Seq, err)
	}
	return owed, nil
}

// entries calls fn for the entries of one level of a segment: with nil where
// it takes back a block of an older segment.
func (a adopted) entries(ctx context.Context, level mst.Root, fn func(blockstore.Address, *blockstore.Descriptor) error) error {
	return mst.Range(ctx, a, level, nil, func(key, value []byte) error {
		if len(key) != len(blockstore.Address{}) {
			return fmt.Errorf("manifest key of %d bytes: %w", len(key), blockstore.ErrFormat)
		}
		addr := blockstore.Address(key)
		if len(value) == 0 {
			return fn(addr, nil)
		}
		d, err := blockstore.UnmarshalDescriptor(value)
		if err != nil {
			return err
		}
		if d.Address != addr {
			return fmt.Errorf("descriptor of %s under another address: %w", d.Address, blockstore.ErrCorrupt)
		}
		return fn(addr, &d)
	})
}

// adopted shows what a manifest is read from as the tree wants to see it.
type adopted struct {
	blocks *cache.Blocks
	sealer *blockstore.Sealer
}

var _ mst.Blocks = adopted{}

// Put is not for a tree that is only read.
func (adopted) Put(context.Context, []byte) (blockstore.Ref, error) {
	return blockstore.Ref{}, syscall.EROFS
}

// Get returns the plaintext of a node.
func (a adopted) Get(ctx context.Context, ref blockstore.Ref) ([]byte, error) {
	return a.blocks.Get(ctx, a.sealer, ref)
}
