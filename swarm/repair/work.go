package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
)

// drain repairs what is queued until nothing is left.
func (r *Repairer) drain(ctx context.Context) {
	for ctx.Err() == nil {
		d, urgent, ok := r.next()
		if !ok {
			return
		}
		r.once(ctx, d, urgent)
	}
}

// next takes the most endangered stripe from the queue.
func (r *Repairer) next() (d blockstore.Descriptor, urgent, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		task, ok := r.queue.First()
		if !ok {
			return d, false, false
		}
		r.queue.Remove(task.Address)
		d, known := r.known[task.Address]
		delete(r.known, task.Address)
		if known {
			return d, task.Urgency >= decide.AtOnce, true
		}
	}
}

// once looks at a stripe again, since others may have repaired it, and repairs
// it if it is still due.
func (r *Repairer) once(ctx context.Context, d blockstore.Descriptor, urgent bool) {
	s := r.scene()
	v := s.locate(ctx, []blockstore.Descriptor{d})[0]
	if ctx.Err() != nil {
		return
	}
	plan := r.plan(s, v, r.o.Now().Unix())
	if !plan.Due() || r.pay(ctx, cost(d, plan), urgent) != nil {
		return
	}
	put, read, err := r.rebuild(ctx, s, v)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Bytes += int64(put+read) * int64(d.ShardSize())
	r.done.Shards += int64(put)
	if put > 0 {
		r.done.Stripes++
	}
	if err != nil && ctx.Err() == nil {
		r.done.Failed++
		r.o.Log.Warn("repair stripe", "address", d.Address, "proved", plan.Proved, "put", put, "err", err)
		return
	}
	r.o.Log.Info("repaired stripe", "address", d.Address, "proved", plan.Proved, "put", put)
}

// pay waits until the budget lets bytes through.
func (r *Repairer) pay(ctx context.Context, bytes int64, urgent bool) error {
	for {
		r.mu.Lock()
		wait, ok := r.budget.Take(bytes, r.o.Now().UnixNano(), urgent)
		r.mu.Unlock()
		if ok {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// rebuild carries out what is planned: k right shards are fetched, all are computed and
// checked, and those of the plan put and synced. read counts the shards that
// came in, put those that are durable with their new holders.
func (r *Repairer) rebuild(ctx context.Context, s *scene, v sight) (put, read int, err error) {
	shards, read, err := s.fetch(ctx, v)
	if err != nil {
		return 0, read, fmt.Errorf("fetch shards of %v: %w", v.d.Address, err)
	}
	plan := r.plan(s, v, r.o.Now().Unix()) // with those that turned out to be wrong
	if err := r.coder.Rebuild(v.d, shards); err != nil {
		return 0, read, errors.Join(err, r.expose(ctx, s, v, shards))
	}
	errs := make([]error, len(plan.Moves))
	var wg sync.WaitGroup
	for i, m := range plan.Moves {
		wg.Go(func() { errs[i] = s.deliver(ctx, v, m, shards[m.Shard]) })
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			put++
		}
	}
	return put, read, errors.Join(errs...)
}

// expose notes a stripe that no code makes, which nobody can repair, and shows
// it to whoever wants to know if one shard more is to be had.
func (r *Repairer) expose(ctx context.Context, s *scene, v sight, shards [][]byte) error {
	for _, i := range s.sources(v) {
		if shards[i] != nil {
			continue
		}
		var err error
		if shards[i], err = s.get(ctx, v, i); err != nil {
			shards[i] = nil
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	r.mu.Lock()
	if len(r.malformed) < memory {
		r.malformed[v.d.Address] = true
	}
	r.mu.Unlock()
	m, err := proof.FindMalformed(r.coder, v.d, shards)
	if errors.Is(err, blockstore.ErrNotFound) {
		return nil // its address is another's, which only all of it shows
	}
	if err == nil && r.o.Expose != nil {
		err = r.o.Expose(m)
	}
	return err
}

// fetch reads k shards from their holders, and turns to others for what is not
// right, which it marks so in v. read counts those that were asked for.
func (s *scene) fetch(ctx context.Context, v sight) (shards [][]byte, read int, err error) {
	shards = make([][]byte, len(v.shards))
	sources := s.sources(v)
	errs := make([]error, len(sources))
	for have := 0; have < int(v.d.Class.K); {
		want := min(int(v.d.Class.K)-have, len(sources)-read)
		if want == 0 {
			return nil, read, errors.Join(append(errs[:read], blockstore.ErrLost)...)
		}
		var wg sync.WaitGroup
		for i := read; i < read+want; i++ {
			wg.Go(func() {
				at := sources[i]
				shards[at], errs[i] = s.get(ctx, v, at)
			})
		}
		wg.Wait()
		for i := read; i < read+want; i++ {
			switch {
			case errs[i] == nil:
				have++
			case errors.Is(errs[i], blockstore.ErrCorrupt), errors.Is(errs[i], blockstore.ErrNotFound):
				v.shards[sources[i]].Wrong = true
			}
		}
		read += want
	}
	return shards, read, nil
}

// get reads one shard. What has another size or id is refused here already, so
// that another can be asked for instead.
func (s *scene) get(ctx context.Context, v sight, i int) ([]byte, error) {
	m := s.members[v.shards[i].Holder]
	shard, err := m.Store.Get(ctx, v.d.Shards[i], make([]byte, 0, v.d.ShardSize()))
	switch {
	case err != nil:
	case len(shard) != v.d.ShardSize() || blockstore.ShardIDOf(shard) != v.d.Shards[i]:
		err = blockstore.ErrCorrupt
	default:
		return shard, nil
	}
	return nil, fmt.Errorf("get shard %d from %s: %w", i, m.ID, err)
}

// sources orders the shards of which a holder is known: this node's own first,
// then those whose holders proved last.
func (s *scene) sources(v sight) []int {
	var out []int
	for i, sh := range v.shards {
		if sh.Holder != decide.Nobody && s.reads(sh.Holder) {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int {
		x, y := v.shards[a], v.shards[b]
		switch {
		case x.Holder == s.self && y.Holder != s.self:
			return -1
		case y.Holder == s.self && x.Holder != s.self:
			return 1
		}
		return cmp.Compare(y.Proved, x.Proved)
	})
	return out
}

// deliver puts a shard to its new holder, where it is durable on return.
func (s *scene) deliver(ctx context.Context, v sight, m decide.Move, shard []byte) error {
	to := s.members[m.To]
	piece, err := blockstore.NewPiece(&v.d, m.Shard, shard)
	if err != nil {
		return err
	}
	if err := to.Store.Mend(ctx, piece); err != nil {
		return fmt.Errorf("put shard %d to %s: %w", m.Shard, to.ID, err)
	}
	return nil
}
