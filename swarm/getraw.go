package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pifs/blockstore"
)

// GetRaw reads n bytes at off of the block that d describes, from as few data
// shards as have them, without checking a byte: the caller does, and turns to
// Get when it finds something wrong. Only if one of them is not to be had are
// others read, and the bytes computed: degraded. Nothing is looked for beyond
// the shards' homes, and nobody is waited for. The caller releases raw.
func (s *Swarm) GetRaw(ctx context.Context, d blockstore.Descriptor, off, n int) (raw *blockstore.Raw, degraded bool, err error) {
	if err := d.Validate(); err != nil {
		return nil, false, err
	}
	if off < 0 || n < 1 || n > int(d.Length)-off {
		return nil, false, fmt.Errorf("read %d bytes at %d of block %v: %w", n, off, d.Address, blockstore.ErrTooLarge)
	}
	r := &rawRead{s: s, d: d, order: s.view.Load().rank(d), shards: make([][]byte, d.Class.N), raw: new(blockstore.Raw)}
	if r.data(ctx, off, n) {
		return r.raw, false, nil
	}
	if err := r.decode(ctx, off, n); err != nil {
		r.raw.Release()
		return nil, false, err
	}
	return r.raw, true, nil
}

// rawRead is a GetRaw under way.
type rawRead struct {
	s      *Swarm
	d      blockstore.Descriptor
	order  []*member
	shards [][]byte // those that were read whole, in stripe order
	raw    *blockstore.Raw
	cause  error // why shards were not to be had
}

// data reads the range from the data shards, and reports whether all were to
// be had. At the end of the block it reads the shard's padding as well, so that
// decode may find whole shards.
func (r *rawRead) data(ctx context.Context, off, n int) bool {
	size, end := r.d.ShardSize(), off+n
	first, last := off/size, (end-1)/size
	if last >= len(r.order) {
		return false
	}
	if end == int(r.d.Length) {
		end = (last + 1) * size
	}
	parts := r.read(ctx, first, last-first+1, func(i int) (from, to int) {
		return max(0, off-i*size), min(size, end-i*size)
	})
	if slices.ContainsFunc(parts, func(p []byte) bool { return p == nil }) {
		return false
	}
	r.add(parts, n)
	return true
}

// decode computes the range from k whole shards.
func (r *rawRead) decode(ctx context.Context, off, n int) error {
	k, size, all := int(r.d.Class.K), r.d.ShardSize(), min(len(r.shards), len(r.order))
	for i := 0; i < all && count(r.shards) < k; i++ {
		batch := 0 // as many as are missing, at the same time, unless some are there
		for batch < k-count(r.shards) && i+batch < all && r.shards[i+batch] == nil {
			batch++
		}
		r.read(ctx, i, batch, func(int) (from, to int) { return 0, size })
		i += max(0, batch-1)
	}
	made, err := r.s.coder.Complete(r.d, r.shards)
	if err != nil {
		return errors.Join(err, r.cause)
	}
	r.raw.Keep(made)
	parts := slices.Clone(r.shards[off/size : k])
	parts[0] = parts[0][off%size:]
	r.add(parts, n)
	return nil
}

// read reads a part of each of n shards at the same time, and returns what was
// to be had, nil for the others.
func (r *rawRead) read(ctx context.Context, first, n int, part func(i int) (from, to int)) [][]byte {
	if n == 0 {
		return nil
	}
	lent, errs, parts := make([]blockstore.Lent, n), make([]error, n), make([][]byte, n)
	from, to := part(first)
	r.s.each(n, to-from, func(i int) {
		from, to := part(first + i)
		lent[i], errs[i] = r.get(ctx, first+i, from, to-from)
	})
	for i, l := range lent {
		if errs[i] != nil {
			r.cause = errors.Join(r.cause, errs[i])
			continue
		}
		r.raw.Keep(l)
		parts[i] = l.Bytes
		if len(l.Bytes) == r.d.ShardSize() {
			r.shards[first+i] = l.Bytes
		}
	}
	return parts
}

// add makes the first n bytes of parts the result.
func (r *rawRead) add(parts [][]byte, n int) {
	for _, p := range parts {
		p = p[:min(n, len(p))]
		r.raw.Add(p)
		n -= len(p)
	}
}

func count(shards [][]byte) (n int) {
	for _, s := range shards {
		if s != nil {
			n++
		}
	}
	return n
}

// get reads n bytes at off of shard i from its home. Memory that a call which is
// left behind still reads into is nobody else's.
func (r *rawRead) get(ctx context.Context, i, off, n int) (blockstore.Lent, error) {
	m := r.order[i]
	answer := make(chan blockstore.Lent, 1)
	err := m.read(ctx, m.hedge(), func() error {
		l, err := blockstore.GetRaw(ctx, m.Store, r.d.Shards[i], off, n)
		if err == nil {
			answer <- l
		}
		return err
	})
	if err != nil {
		r.s.suspect(r.d, err)
		return blockstore.Lent{}, err
	}
	return <-answer, nil
}
