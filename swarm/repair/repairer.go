package repair

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
)

// Options say how a node repairs.
type Options struct {
	Self    swarm.MemberID
	View    View
	Stripes Stripes
	Rounds  decide.Rounds
	Policy  decide.Policy
	Rate    int64                  // bytes a second that may be read and written for repair, ≤ 0 for no bound
	Workers int                    // stripes that are repaired at the same time, 2 if zero
	Changed func() <-chan struct{} // a channel that closes when the view changed much; may be nil
	Now     func() time.Time       // time.Now if nil

	// Expose is told of each stripe that no code makes: what a writer put is not
	// what its descriptor says. May be nil.
	Expose func(*proof.Malformed) error

	Log *slog.Logger
}

const (
	page       = 256     // stripes that are looked at together
	queueLimit = 100_000 // stripes that wait
	burst      = 64 << 20
)

// Repairer looks after the stripes of a node. It is safe for concurrent use.
type Repairer struct {
	o     Options
	coder *blockstore.Coder

	mu     sync.Mutex
	queue  *decide.Queue
	known  map[blockstore.Address]blockstore.Descriptor // of what is in queue
	budget decide.Budget
	seen   map[blockstore.Address]sighting
	faces  map[swarm.MemberID]face
	views  uint64        // how often faces changed
	survey decide.Survey // of the last pass
	passes uint64
	ended  int64 // Unix seconds: when the last pass had looked at everything
	done   Counts

	malformed map[blockstore.Address]bool // stripes that nobody can repair
}

// Counts are what was done since the start.
type Counts struct {
	Stripes int64 // that were repaired
	Shards  int64 // put for that
	Bytes   int64 // read and written for that
	Failed  int64 // tries in which too few shards were to be had, or nothing could be put
}

// Status is what an operator sees.
type Status struct {
	Queue     int           // stripes that wait for repair
	Passes    uint64        // looks at everything that were ended
	Ended     int64         // Unix seconds: when the last of them was; 0 before the first
	Survey    decide.Survey // of the stripes that were this node's task in the last of them
	Malformed int           // stripes that were put so that nobody can repair them
	Counts
}

// New returns a repairer, which does nothing before Run or Pass.
func New(o Options) (*Repairer, error) {
	if o.Self == "" || o.View == nil || o.Stripes == nil || o.Policy.MaxAge <= 0 || o.Rounds.Length < decide.MinRound {
		return nil, fmt.Errorf("make repairer: options are not whole")
	}
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Repairer{
		o: o, coder: blockstore.NewCoder(), queue: decide.NewQueue(queueLimit),
		known:  make(map[blockstore.Address]blockstore.Descriptor),
		seen:   make(map[blockstore.Address]sighting),
		budget: decide.Budget{Rate: o.Rate, Burst: burst}, malformed: make(map[blockstore.Address]bool),
	}, nil
}

// Status returns how things stand.
func (r *Repairer) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{Queue: r.queue.Len(), Passes: r.passes, Ended: r.ended, Survey: r.survey, Malformed: len(r.malformed), Counts: r.done}
}

// Run makes a pass in each round, at this node's own time in it, and when
// members come or go, and repairs what is due, until ctx ends.
func (r *Repairer) Run(ctx context.Context) {
	for {
		changed, stop := r.wait(ctx)
		if stop {
			return
		}
		if err := r.Pass(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Warn("look after stripes", "err", err, "changed", changed)
		}
	}
}

// wait returns when the next pass is due.
func (r *Repairer) wait(ctx context.Context) (changed, stop bool) {
	now := r.o.Now()
	round, _, _ := r.o.Rounds.At(now.Unix())
	due := r.o.Rounds.Due(round, decide.Judge, r.o.Self)
	if due <= now.Unix() {
		due = r.o.Rounds.Due(round+1, decide.Judge, r.o.Self)
	}
	timer := time.NewTimer(time.Unix(due, 0).Sub(now))
	defer timer.Stop()
	var change <-chan struct{}
	if r.o.Changed != nil {
		change = r.o.Changed()
	}
	select {
	case <-ctx.Done():
		return false, true
	case <-timer.C:
		return false, false
	case <-change:
		return true, false
	}
}

// Pass looks at all stripes and repairs those that are due, most endangered
// first. The error is that of the first page that could not be looked at.
func (r *Repairer) Pass(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range r.o.Workers {
		wg.Go(func() { r.drain(ctx) })
	}
	wg.Wait()
	return ctx.Err()
}

// consider queues a stripe if it is due, and forgets it if it is not.
func (r *Repairer) consider(s *scene, v sight, now int64) (u decide.Urgency, due bool) {
	plan := r.plan(s, v, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !plan.Due() || r.malformed[v.d.Address] {
		r.queue.Remove(v.d.Address)
		delete(r.known, v.d.Address)
		return plan.Urgency, false
	}
	task := decide.Task{Address: v.d.Address, Urgency: plan.Urgency, Margin: plan.Margin, Since: now, Cost: cost(v.d, plan)}
	if r.queue.Put(task) {
		r.known[v.d.Address] = v.d
	}
	if len(r.known) > 2*queueLimit {
		r.forget()
	}
	return plan.Urgency, true
}

// forget drops descriptors of stripes that gave way to others.
func (r *Repairer) forget() {
	for addr := range r.known {
		if !r.queue.Has(addr) {
			delete(r.known, addr)
		}
	}
}

func (r *Repairer) plan(s *scene, v sight, now int64) decide.Plan {
	return r.o.Policy.Stripe(v.d.Class, v.shards, s.nodes, v.order, s.caps(v.d.Class), now)
}

// cost returns the bytes of a repair: k shards are read, those of the plan
// written.
func cost(d blockstore.Descriptor, p decide.Plan) int64 {
	return int64(int(d.Class.K)+len(p.Moves)) * int64(d.ShardSize())
}
