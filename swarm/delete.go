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

// Delete forgets the shards of stripes wherever they lie, durably. A member
// that does not answer, or fails, keeps its own: the error says so, and Delete
// must be repeated. The caller sees to it that nobody puts these stripes
// meanwhile.
func (s *Swarm) Delete(ctx context.Context, stripes []blockstore.Descriptor) error {
	for _, d := range stripes {
		if err := d.Validate(); err != nil {
			return fmt.Errorf("delete stripe: %w", err)
		}
	}
	members := s.view.Load().members
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			if err := m.delete(ctx, stripes); err != nil {
				errs[i] = fmt.Errorf("store %s: %w", m.Name, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete %d stripes: %w", len(stripes), err)
	}
	return nil
}

// Deleter is a Store for which many deletions cost little more than one.
type Deleter interface {
	// DeleteAll deletes shards as Delete does.
	DeleteAll(ctx context.Context, ids []blockstore.ShardID) error
}

// deletedTogether is how many shards a Deleter is asked to delete at a time.
const deletedTogether = 512

// delete forgets whatever m holds of stripes, which may be more than placement
// says: spares and repairs put shards elsewhere.
func (m *member) delete(ctx context.Context, stripes []blockstore.Descriptor) error {
	if err := m.probe(ctx); err != nil {
		return err
	}
	if err := m.deleteShards(ctx, stripes); err != nil {
		return err
	}
	err := m.ask(ctx, m.swarm.Patience().Limit, func() error { return m.Store.Sync(ctx) })
	if errors.Is(err, blockstore.ErrCorrupt) {
		m.fail(err) // it lost shards that were put before, and will not say so again
	}
	return err
}

func (m *member) deleteShards(ctx context.Context, stripes []blockstore.Descriptor) error {
	together := 1
	deleteAll := func(ids []blockstore.ShardID) error { return m.Store.Delete(ctx, ids[0]) }
	if d, ok := m.Store.(Deleter); ok {
		together, deleteAll = deletedTogether, func(ids []blockstore.ShardID) error { return d.DeleteAll(ctx, ids) }
	}
	var ids []blockstore.ShardID
	for _, d := range stripes {
		ids = append(ids, d.Shards...)
	}
	for part := range slices.Chunk(ids, together) {
		if err := m.ask(ctx, m.swarm.Patience().Limit, func() error { return deleteAll(part) }); err != nil {
			return err
		}
	}
	return nil
}

// compacter is a Store that can give back the space of deleted shards.
type compacter interface {
	Compact(ctx context.Context, minGarbage float64) (int64, error)
}

var _ compacter = (*Local)(nil)

var errCompacting = errors.New("it is being compacted")

// Compact gives back space of the members' files of which at least the
// fraction minGarbage is garbage, and returns how many bytes.
func (s *Swarm) Compact(ctx context.Context, minGarbage float64) (freed int64, err error) {
	for _, m := range s.view.Load().members {
		c, ok := m.Store.(compacter)
		if !ok || m.probe(ctx) != nil {
			continue
		}
		n, e := m.compact(ctx, c, minGarbage)
		freed += n
		if e != nil {
			err = errors.Join(err, fmt.Errorf("store %s: %w", m.Name, e))
		}
	}
	return freed, err
}

// compact waits for a compaction as for any call. One that takes longer goes on
// by itself, and the member, whose other calls do not wait for it, stays in use.
func (m *member) compact(ctx context.Context, c compacter, minGarbage float64) (int64, error) {
	if !m.compacting.CompareAndSwap(false, true) {
		return 0, errCompacting
	}
	type result struct {
		freed int64
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer m.compacting.Store(false)
		n, err := c.Compact(ctx, minGarbage)
		done <- result{n, err}
	}()
	timer := time.NewTimer(m.swarm.Patience().Limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.freed, r.err
	case <-timer.C:
		return 0, errCompacting
	}
}
