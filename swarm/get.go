package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pifs/blockstore"
)

// Get appends to dst the block that d describes, checked against its address.
// The homes of the shards are asked first, those of the data shards before the
// others; then everybody for what is still missing. degraded reports that a
// decode was needed. With fewer than k shards to be had the error is
// blockstore.ErrLost, and wraps why the first was not.
func (s *Swarm) Get(ctx context.Context, d blockstore.Descriptor, dst []byte) (block []byte, degraded bool, err error) {
	if err := d.Validate(); err != nil {
		return dst, false, err
	}
	order := s.view.Load().rank(d)
	g := s.gather(ctx, d, order, int(d.Class.K))
	defer g.release()
	block, err = s.coder.Decode(dst, d, g.shards)
	if err != nil {
		if ctx.Err() != nil {
			return dst, false, ctx.Err()
		}
		return dst, false, errors.Join(err, g.cause)
	}
	return block, slices.ContainsFunc(g.shards[:d.Class.K], func(p []byte) bool { return p == nil }), nil
}

// gathered is what could be read of a stripe.
type gathered struct {
	mu     sync.Mutex
	order  []*member
	shards [][]byte     // in stripe order, nil where missing; checked by who returned them
	silent map[int]bool // shards whose homes did not answer, or not in time
	cause  error        // why the first missing shard was not to be had
	lend   func(*[]byte)
	bufs   []*[]byte
}

func (g *gathered) release() {
	for _, b := range g.bufs {
		*b = (*b)[:0]
		g.lend(b)
	}
}

func (g *gathered) count() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.shards {
		if p != nil {
			n++
		}
	}
	return n
}

// gather reads shards until want of them are there: each from its home first,
// then those that are missing from anybody.
func (s *Swarm) gather(ctx context.Context, d blockstore.Descriptor, order []*member, want int) *gathered {
	n := int(d.Class.N)
	g := &gathered{
		order: order, shards: make([][]byte, n), silent: map[int]bool{},
	}
	left := s.left.Load()
	g.lend = func(b *[]byte) {
		if s.left.Load() == left { // else a put may have been left behind with it
			s.buffers.Put(b)
		}
	}
	for i := 0; i < min(n, len(order)) && g.count() < want; {
		batch := min(want-g.count(), min(n, len(order))-i)
		s.each(batch, d.ShardSize(), func(j int) { s.take(ctx, order[i+j].hedge(), g, d, i+j, order[i+j]) })
		i += batch
	}
	if g.count() < want {
		ranks := g.likely(len(order))
		s.each(n, d.ShardSize(), func(i int) {
			for _, at := range ranks {
				if at != i && !g.has(i) && g.count() < want && ctx.Err() == nil {
					s.take(ctx, order[at].hedge(), g, d, i, order[at])
				}
			}
		})
	}
	s.waitForLate(ctx, g, d, order, want)
	return g
}

// waitForLate asks the homes of missing shards that were late once more, and
// waits for them; far members that could not be reached are tried for a while.
func (s *Swarm) waitForLate(ctx context.Context, g *gathered, d blockstore.Descriptor, order []*member, want int) {
	pause := reachFirst
	for begun := time.Now(); g.count() < want && ctx.Err() == nil; pause *= 2 {
		again := false
		for i := 0; i < min(len(g.shards), len(order)) && g.count() < want; i++ {
			if g.has(i) || !g.waits(i) || ctx.Err() != nil {
				continue
			}
			s.take(ctx, s.Patience().Limit, g, d, i, order[i])
			_, here := order[i].Store.(*Local)
			again = again || !here && g.waits(i)
		}
		if !again || g.count() >= want || time.Since(begun)+pause > s.Patience().Limit/reachPart {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Far members without which a block cannot be read are tried again after
// reachFirst, doubled each time, for a part of the patience: one that was
// restarted, or a line that was cut, is back in a moment.
const (
	reachFirst = 250 * time.Millisecond
	reachPart  = 6
)

// waits reports whether the home of shard i may have it, and did not say so.
func (g *gathered) waits(i int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.silent[i]
}

// likely returns the ranks of all members, those last that gave the shard of which
// they are the home: whoever repairs puts no second one there.
func (g *gathered) likely(members int) (ranks []int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var gave []int
	for at := range members {
		if at < len(g.shards) && g.shards[at] != nil {
			gave = append(gave, at)
		} else {
			ranks = append(ranks, at)
		}
	}
	return append(ranks, gave...)
}

func (g *gathered) has(i int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shards[i] != nil
}

// take asks one member for shard i.
func (s *Swarm) take(ctx context.Context, limit time.Duration, g *gathered, d blockstore.Descriptor, i int, from *member) {
	buf := s.buffer(d.ShardSize())
	shard, err := from.get(ctx, limit, d.Shards[i], d.ShardSize(), (*buf)[:0])
	if err == nil && len(shard) != d.ShardSize() {
		err = fmt.Errorf("store %s: shard of %d bytes: %w", from.Name, len(shard), blockstore.ErrCorrupt)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	home := i < len(g.order) && g.order[i] == from
	if home {
		g.silent[i] = errors.Is(err, ErrUnreachable) || errors.Is(err, blockstore.ErrLate)
	}
	if err != nil {
		if home || errors.Is(err, blockstore.ErrCorrupt) { // elsewhere it need not be
			s.suspect(d, err)
		}
		s.buffers.Put(buf)
		if g.cause == nil {
			g.cause = fmt.Errorf("get shard %d: %w", i, err)
		}
		return
	}
	*buf = shard
	g.bufs = append(g.bufs, buf)
	g.shards[i] = shard
}
