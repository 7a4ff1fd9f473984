package cli

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pifs/blockstore"
	"pifs/cache"
	"pifs/fsnode"
)

// diskUse is a disk and what of the home lies on it.
type diskUse struct {
	blockstore.DiskRoom
	stores int  // shard stores
	home   bool // the databases and the journal, or those of the cache
}

const (
	// framing is what a stored byte costs beyond the shards: record headers,
	// tree nodes, manifests.
	framing = 1.0 / 64
	// rows is what a stored byte costs in the databases.
	rows = 1.0 / 256
)

// perByte is how many bytes of the disk a byte of file data takes when every
// stripe of a class has its shards on different stores, of all in turn.
func (d diskUse) perByte(c blockstore.Class, stores int) float64 {
	cost := float64(d.stores) / float64(stores) * float64(c.N) / float64(c.K) * (1 + framing)
	if d.home {
		cost += rows
	}
	return cost
}

// room is how much file data fits on the disks: the fullest decides, since a
// stripe takes a shard of every store.
func room(disks []diskUse, c blockstore.Class, stores int) uint64 {
	least := math.Inf(1)
	for _, d := range disks {
		least = min(least, float64(d.Usable())/d.perByte(c, stores))
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return uint64(least)
}

// fits reports whether fresh bytes can be stored while the journal has them
// too.
func fits(disks []diskUse, c blockstore.Class, stores int, fresh int64) bool {
	for _, d := range disks {
		cost := d.perByte(c, stores)
		if d.home {
			cost++
		}
		if float64(fresh)*cost > float64(d.Usable()) {
			return false
		}
	}
	return true
}

// measureEvery is how long a look at the disks is believed.
const measureEvery = 100 * time.Millisecond

// space decides whether the disks of a home have room for what is written. It
// is safe for concurrent use.
type space struct {
	stores  []*gauge
	homes   []string
	class   blockstore.Class
	measure func() ([]diskUse, error)

	fresh cache.Budget // of all volumes of the home

	mu     sync.Mutex
	at     time.Time // of the last look at the disks
	disks  []diskUse
	spent  int64         // fresh then, and admitted since
	failed chan struct{} // gets an element when there was no room; never blocks

	changes atomic.Uint64 // counts what may have made garbage
	watched bool          // somebody makes room
	tried   uint64        // changes when the last attempt to make room began
	round   chan struct{} // closed when the attempt that is next to end has ended
}

var _ fsnode.Space = (*space)(nil)

func newSpace(stores, homes []string, class blockstore.Class) *space {
	s := &space{homes: homes, class: class, failed: make(chan struct{}, 1), round: make(chan struct{})}
	for _, path := range stores {
		s.stores = append(s.stores, newGauge(path))
	}
	s.measure = s.look
	return s
}

// look measures the disks. A store that is away, or does not answer, offers no
// room and takes no shards.
func (s *space) look() ([]diskUse, error) {
	byDev := map[uint64]*diskUse{}
	use := func(r blockstore.DiskRoom) *diskUse {
		if byDev[r.Dev] == nil {
			byDev[r.Dev] = &diskUse{DiskRoom: r}
		}
		return byDev[r.Dev]
	}
	for _, g := range s.stores {
		g.look()
	}
	end, cancel := context.WithTimeout(context.Background(), glance)
	defer cancel()
	for _, g := range s.stores {
		if r, err := g.room(end.Done()); err == nil {
			use(r).stores++
		}
	}
	for _, path := range s.homes {
		r, err := blockstore.RoomOf(path)
		if err != nil {
			return nil, err
		}
		use(r).home = true
	}
	var out []diskUse
	for _, d := range byDev {
		out = append(out, *d)
	}
	return out, nil
}

// Admit implements fsnode.Space.
func (s *space) Admit(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < measureEvery && fits(s.disks, s.class, len(s.stores), s.spent+n) {
		s.spent += n
		return nil
	}
	disks, err := s.measure()
	if err != nil {
		return err
	}
	fresh := s.fresh.Used()
	s.at, s.disks, s.spent = time.Now(), disks, fresh
	switch {
	case fits(disks, s.class, len(s.stores), fresh+n):
		s.spent += n
		return nil
	case fresh > 0 && fits(disks, s.class, len(s.stores), n):
		return fsnode.ErrWouldBlock // there may be room once they are stored
	}
	if !s.hope() {
		return syscall.ENOSPC
	}
	select {
	case s.failed <- struct{}{}:
	default: // it is known
	}
	return fsnode.ErrWouldBlock
}

// hope reports whether an attempt to make room may succeed: one that began
// with the same garbage did not. The caller holds mu.
func (s *space) hope() bool { return s.watched && s.tried != s.changes.Load() }

// Wait implements fsnode.Space.
func (s *space) Wait(ctx context.Context) {
	s.mu.Lock()
	round, hope := s.round, s.hope()
	s.mu.Unlock()
	if !hope {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, measureEvery)
		defer cancel()
	}
	select {
	case <-round:
	case <-ctx.Done():
	}
}

// Freed implements fsnode.Space.
func (s *space) Freed() { s.changes.Add(1) }

// watch says that attempts to make room will be made, or no more.
func (s *space) watch(on bool) {
	s.mu.Lock()
	s.watched = on
	s.mu.Unlock()
	s.attempted(s.changes.Load() - 1) // what is there may be garbage
}

// attempt returns what attempted is to be told after an attempt, and whether
// one is worth it.
func (s *space) attempt() (changes uint64, worth bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes.Load(), s.hope()
}

// attempted tells those who wait that an attempt has ended.
func (s *space) attempted(changes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = changes
	s.at = time.Time{} // the disks are as they were no more
	close(s.round)
	s.round = make(chan struct{})
}

// Room implements fsnode.Space.
func (s *space) Room() (uint64, error) {
	disks, err := s.measure()
	if err != nil {
		return 0, err
	}
	have, fresh := room(disks, s.class, len(s.stores)), uint64(max(0, s.fresh.Used()))
	return have - min(have, fresh), nil
}

// Fresh implements fsnode.Space.
func (s *space) Fresh() *cache.Budget { return &s.fresh }

// low reports whether some disk has so little left that old heads must go.
func (s *space) low() bool {
	disks, err := s.measure()
	if err != nil {
		return false
	}
	for _, d := range disks {
		if d.Usable() < d.Reserve() {
			return true
		}
	}
	return false
}
