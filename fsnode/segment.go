package fsnode

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// segment is an immutable part of a manifest. Level 0 maps the addresses of
// blocks to their descriptors, or to nothing where a block of an older segment
// is not owed any more. Level i+1 does so for the nodes of level i, until a
// level is a single node, whose descriptor stands in the segment itself: so
// whoever has the head can find every shard, without any key of the data.
//
// Addresses are random, so a change of few blocks in one large tree would
// write most of its leaves again. Instead each commit adds a segment, and
// neighbours are merged when the younger is not much smaller: a descriptor is
// written O(log n) times, and a manifest has O(log n) segments (O'Neil et al.,
// The Log-Structured Merge-Tree, 1996).
type segment struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Levels  []mst.Root
	Top     blockstore.Descriptor // of the last level's only node
}

const (
	maxLevels  = 8
	mergeRatio = 2 // neighbours merge unless the older is this much larger
)

func (s segment) count() uint64 { return s.Levels[0].Count }

// valid refuses what no commit would write.
func (s segment) valid() error {
	if len(s.Levels) == 0 || len(s.Levels) > maxLevels {
		return fmt.Errorf("manifest segment of %d levels: %w", len(s.Levels), blockstore.ErrFormat)
	}
	return s.Top.Validate()
}

// addSegment returns the segments with changes added, merged where due.
func (v *Volume) addSegment(ctx context.Context, segs []segment, changes []mst.Change) ([]segment, error) {
	segs = slices.Clone(segs)
	if len(changes) == 0 {
		return segs, nil
	}
	young, from := uint64(len(changes)), len(segs)
	for from > 0 && segs[from-1].count() < mergeRatio*young {
		from--
		young += segs[from].count()
	}
	var failed error
	pairs := func(yield func(k, d []byte) bool) {
		for _, c := range changes {
			if !yield(c.Key, c.Value) {
				return
			}
		}
	}
	for _, old := range slices.Backward(segs[from:]) {
		pairs = overlay(pairs, v.pairs(ctx, old.Levels[0], &failed))
	}
	made, err := v.buildSegment(ctx, pairs, from == 0)
	if failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("build manifest: %w", err)
	}
	if made.count() == 0 {
		return segs[:from], nil
	}
	return append(segs[:from], made), nil
}

// pairs yields the entries of a tree in order. A failure ends it and is left
// in failed.
func (v *Volume) pairs(ctx context.Context, root mst.Root, failed *error) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, d []byte) bool) {
		err := mst.Range(ctx, treeBlocks{v}, root, nil, func(key, value []byte) error {
			if !yield(key, value) {
				return errPageFull
			}
			return nil
		})
		if err != nil && err != errPageFull {
			*failed = err
		}
	}
}

// overlay yields the entries of both in order; where both have a key, that of
// young.
func overlay(young, old iter.Seq2[[]byte, []byte]) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, d []byte) bool) {
		next, stop := iter.Pull2(old)
		defer stop()
		k, d, more := next()
		for ky, dy := range young {
			for ; more && string(k) < string(ky); k, d, more = next() {
				if !yield(k, d) {
					return
				}
			}
			if more && string(k) == string(ky) {
				k, d, more = next()
			}
			if !yield(ky, dy) {
				return
			}
		}
		for ; more; k, d, more = next() {
			if !yield(k, d) {
				return
			}
		}
	}
}

// buildSegment stores a segment of pairs. In the oldest one nothing has to be
// taken back.
func (v *Volume) buildSegment(ctx context.Context, pairs iter.Seq2[[]byte, []byte], oldest bool) (segment, error) {
	var s segment
	b := treeBlocks{v}
	level := func(yield func(k, d []byte) bool) {
		for k, d := range pairs {
			if len(d) == 0 {
				if oldest {
					continue
				}
				d = []byte{}
			}
			if !yield(k, d) {
				return
			}
		}
	}
	for len(s.Levels) < maxLevels {
		root, err := mst.Build(ctx, b, level)
		if err != nil {
			return s, err
		}
		s.Levels = append(s.Levels, root)
		if root.Ref.IsZero() {
			return s, nil
		}
		if root.Height == 0 {
			s.Top, err = v.o.Blocks.Descriptor(ctx, root.Ref.Address)
			return s, err
		}
		nodes, err := v.nodesOf(ctx, root)
		if err != nil {
			return s, err
		}
		level = func(yield func(k, d []byte) bool) {
			for _, n := range nodes {
				if !yield(n.Key, n.Value) {
					return
				}
			}
		}
	}
	return s, fmt.Errorf("more than %d levels: %w", maxLevels, blockstore.ErrTooLarge)
}

// nodesOf lists the nodes of a tree with their descriptors.
func (v *Volume) nodesOf(ctx context.Context, root mst.Root) ([]mst.Change, error) {
	var out []mst.Change
	err := mst.Nodes(ctx, treeBlocks{v}, root, func(ref blockstore.Ref, _ uint8, _ []byte) error {
		d, err := v.owed(ctx, ref.Address)
		out = append(out, mst.Change{Key: slices.Clone(ref.Address[:]), Value: d})
		return err
	})
	sortChanges(out)
	return slices.CompactFunc(out, func(a, b mst.Change) bool { return string(a.Key) == string(b.Key) }), err
}
