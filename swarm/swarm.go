package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"pifs/blockstore"
)

// Swarm spreads stripes over its members. It is safe for concurrent use.
type Swarm struct {
	view     atomic.Pointer[view]
	ladder   blockstore.Ladder
	coder    *blockstore.Coder
	log      *slog.Logger
	buffers  sync.Pool // of *[]byte, for shards
	patience atomic.Pointer[Patience]
	suspects *suspects
	left     atomic.Int64 // calls of members that were ever left behind
	changing sync.RWMutex // held to replace the view, and for reading by who needs it as it is

	mu    sync.Mutex
	epoch syncEpoch // guarded by mu
}

// New returns a swarm of members, whose order does not matter. The ladder and
// their number choose the class of new stripes; members that are unreachable
// count, since their shards are expected back.
func New(members []Member, ladder blockstore.Ladder, log *slog.Logger) (*Swarm, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Swarm{ladder: ladder, coder: blockstore.NewCoder(), suspects: newSuspects(), log: log}
	s.SetPatience(PatienceWithin(0))
	s.epoch = newSyncEpoch()
	if err := s.SetMembers(members); err != nil {
		return nil, err
	}
	return s, nil
}

// Class returns the class of new stripes.
func (s *Swarm) Class() blockstore.Class { return s.view.Load().class }

// MemberInfo says how a member is.
type MemberInfo struct {
	ID    MemberID
	Name  string
	Err   error            // why it does not answer, or nil
	Usage blockstore.Usage // zero if unreachable or not told
}

// Members returns the condition of all members, those that rest at the end.
func (s *Swarm) Members(ctx context.Context) []MemberInfo {
	members := s.view.Load().members
	infos := make([]MemberInfo, len(members))
	for i, m := range members {
		infos[i] = MemberInfo{ID: m.ID, Name: m.Name, Err: m.probe(ctx)}
		sizer, ok := m.Store.(blockstore.Sizer)
		if infos[i].Err != nil || !ok {
			continue
		}
		var u blockstore.Usage
		infos[i].Err = m.ask(ctx, s.Patience().Hedge, func() (err error) {
			u, err = sizer.Usage(ctx)
			return err
		})
		if infos[i].Err == nil {
			infos[i].Usage = u
		}
	}
	return infos
}

// Usage returns what all reachable members together occupy.
func (s *Swarm) Usage(ctx context.Context) (sum blockstore.Usage) {
	for _, m := range s.Members(ctx) {
		sum.Shards += m.Usage.Shards
		sum.Bytes += m.Usage.Bytes
		sum.Disk += m.Usage.Disk
	}
	return sum
}

// MayDie returns how many more members may be lost before a full stripe is:
// n − k less those that do not answer now, and never less than zero.
func (s *Swarm) MayDie(ctx context.Context) int {
	answer, _ := s.Answering(ctx)
	v := s.view.Load()
	return max(0, v.class.Spare()-(v.placing-answer))
}

// Answering returns how many of the members that take new shards answer, and
// why the others do not.
func (s *Swarm) Answering(ctx context.Context) (n int, away error) {
	v := s.view.Load()
	for _, m := range v.members[:v.placing] {
		if err := m.probe(ctx); err != nil {
			away = errors.Join(away, err)
			continue
		}
		n++
	}
	return n, away
}

// Close closes the members' stores. One that does not answer is left as a crash
// would leave it: what it vouched for is durable.
func (s *Swarm) Close() error {
	var all error
	for _, m := range s.view.Load().members {
		c, ok := m.Store.(io.Closer)
		if !ok {
			continue
		}
		limit := s.Patience().Limit
		if _, late := m.lateSince(); late {
			limit = s.Patience().Hedge
		}
		err := m.ask(context.Background(), limit, c.Close)
		if errors.Is(err, ErrUnreachable) {
			s.log.Warn("a store was not closed", "store", m.Name, "err", err)
			continue
		}
		all = errors.Join(all, err)
	}
	return all
}

// Reopen tries to bring back every member that does not answer. The error
// joins those of the members that still do not.
func (s *Swarm) Reopen(ctx context.Context) error {
	var errs []error
	for _, m := range s.view.Load().members {
		if m.probe(ctx) == nil {
			continue
		}
		if err := m.reopen(ctx); err != nil {
			errs = append(errs, fmt.Errorf("reopen store %s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

// buffer lends a buffer with room for size bytes.
func (s *Swarm) buffer(size int) *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok && cap(*b) >= size {
		return b
	}
	b := make([]byte, 0, size)
	return &b
}
