package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/cli/home"
	"pifs/swarm"
	"pifs/swarm/audit"
	"pifs/swarm/decide"
	"pifs/swarm/meet"
	"pifs/swarm/member"
	nodestore "pifs/swarm/node"
	"pifs/swarm/peer"
	"pifs/swarm/repair"
	"pifs/swarm/wire"
)

func nodeCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:        "node",
		Usage:       "offer room of this machine to a swarm",
		Subcommands: []*cli.Command{nodeInitCommand(env), nodeRunCommand(env), nodeStatusCommand(env)},
	}
}

const (
	announceFirst = time.Second // pause before an entry is announced again, doubled each time
	announceLast  = time.Minute
)

// defaultListen is where a node listens unless it is told otherwise.
func defaultListen() []string {
	return []string{"/ip4/0.0.0.0/tcp/7437", "/ip4/0.0.0.0/udp/7437/quic-v1", "/ip6/::/tcp/7437", "/ip6/::/udp/7437/quic-v1"}
}

// node is a home's place in its swarm: it knows who belongs, and others reach
// it. Without a configuration it is a principal, which nobody has to reach.
type node struct {
	home     *home.Home
	config   *home.NodeConfig // nil of a principal
	identity swarm.Identity
	book     *member.Book
	host     *peer.Host
	meeting  *meet.Meeting
	shards   *nodestore.Node  // nil of a principal, or while it does not serve
	auditor  *audit.Auditor   // nil if shards is
	repairer *repair.Repairer // nil if shards is
	alarmed  chan struct{}    // a shard is bad: look for more
	log      *slog.Logger

	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	running sync.WaitGroup
	leaving sync.Once
	left    chan struct{} // closed when the home has left the swarm

	did      sync.Mutex
	swept    nodestore.Swept    // since the start; guarded by did
	scrubbed nodestore.Scrubbed // since the start; guarded by did
}

func wallClock() int64 { return failpoint.Now().Unix() }

// openNode puts the home's place in its swarm in use; nil if it has joined
// none. If serve, others can reach it, and its entry is kept up to date. The
// caller holds the lock of the home.
func openNode(h *home.Home, log *slog.Logger, serve bool) (n *node, err error) {
	book, err := member.OpenBook(h.SwarmDir(), wallClock)
	if errors.Is(err, member.ErrNoSwarm) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n = &node{home: h, book: book, log: log, left: make(chan struct{}), alarmed: make(chan struct{}, 1)}
	if n.config, err = h.Node(); err != nil {
		return nil, err
	}
	if n.identity, err = swarm.LoadIdentity(h.NodeDir()); err != nil {
		return nil, err
	}
	if n.host, err = listen(n.identity, n.config, serve, log); err != nil {
		return nil, err
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.meeting = meet.Attend(n.host, book, log)
	if !serve {
		return n, nil
	}
	if n.config != nil {
		if err := n.openShards(); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	n.running.Go(n.announce)
	return n, nil
}

// sweepEvery is the pause between two looks for shards that nobody wants.
const sweepEvery = 10 * time.Minute

// openShards has the node keep shards for members.
func (n *node) openShards() (err error) {
	p := n.book.Genesis().Params
	n.shards, err = nodestore.Open(nodestore.Options{
		Dir: n.home.NodeDir(), Stores: n.config.Stores, Identity: n.identity, Swarm: n.book.ID(), Capacity: n.config.Capacity,
		Periods: decide.Lease{Lease: int64(p.Lease), Grace: int64(p.Grace), Trash: int64(p.Trash)}, Log: n.log, Now: wallClock,
	})
	if err != nil {
		return err
	}
	if n.auditor, err = n.newAuditor(); err != nil {
		return err
	}
	if n.repairer, err = n.newRepairer(); err != nil {
		return err
	}
	n.host.HandleShards(served{n.shards, n.repairer}, n.shards)
	n.host.Handle(wire.ProofProtocol, n.auditor)
	n.running.Go(func() { n.auditor.Run(n.ctx) })
	n.running.Go(func() { n.repairer.Run(n.ctx) })
	n.running.Go(n.sweep)
	n.running.Go(n.scrub)
	return nil
}

// sweep deletes what nobody wants any more, now and then.
func (n *node) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
		did, err := n.shards.Sweep(n.ctx)
		n.did.Lock()
		n.swept.Add(did)
		n.did.Unlock()
		switch {
		case err != nil && n.ctx.Err() == nil:
			n.log.Warn("sweep", "err", err)
		case did != nodestore.Swept{}:
			n.log.Info("swept", "expired", did.Expired, "deleted", did.Deleted, "orphans", did.Orphans)
		}
	}
}

// Shards are read again and again, slowly, to find what the disk altered.
const (
	scrubRate  = 8 << 20  // bytes per second
	hastyRate  = 64 << 20 // when one was found to be bad
	scrubPause = time.Hour
)

// scrub looks for bad shards until the node is closed.
func (n *node) scrub() {
	tick := time.NewTicker(scrubPause)
	defer tick.Stop()
	for {
		rate := int64(scrubRate)
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		case <-n.alarmed:
			rate = hastyRate
		}
		did, err := n.shards.Scrub(n.ctx, rate)
		n.did.Lock()
		n.scrubbed.Add(did)
		n.did.Unlock()
		if err != nil && n.ctx.Err() == nil {
			n.log.Warn("scrub", "err", err)
		} else if did.Bad > 0 {
			n.log.Warn("scrubbed", "shards", did.Shards, "bytes", did.Bytes, "bad", did.Bad)
		}
	}
}

// listen makes the host of a node, at its addresses if others are to reach it.
func listen(id swarm.Identity, c *home.NodeConfig, serve bool, log *slog.Logger) (*peer.Host, error) {
	o := peer.Options{Identity: id, Log: log}
	if c != nil && serve {
		if o.Listen = c.Listen; len(o.Listen) == 0 {
			o.Listen = defaultListen()
		}
		o.Traverse = slices.ContainsFunc(o.Listen, func(a string) bool { return !strings.HasPrefix(a, "/ip4/127.") && !strings.HasPrefix(a, "/ip6/::1/") })
		o.Discover = o.Traverse
	}
	h, err := peer.New(o)
	if err != nil {
		return nil, fail(errBusy, oneLine(err), err)
	}
	if missing := absent(h.Listening(), o.Listen); len(missing) > 0 {
		line := "listen at " + strings.Join(missing, ", ") + ": the address is not this machine's, or in use"
		return nil, errors.Join(fail(errBusy, line, nil), h.Close())
	}
	return h, nil
}

// absent returns the wanted addresses that are not among have. Those of IPv6 may
// be missing, since a machine may have none.
func absent(have, wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), func(addr string) bool {
		return slices.Contains(have, addr) || strings.HasPrefix(addr, "/ip6/")
	})
}

// close takes the home out of its swarm's sight.
func (n *node) close() error {
	n.cancel()
	n.running.Wait()
	n.meeting.Close()
	err := n.host.Close()
	if n.auditor != nil {
		err = errors.Join(err, n.auditor.Close())
	}
	if n.shards != nil {
		err = errors.Join(err, n.shards.Close())
	}
	return err
}

// newEntry returns, not signed, what a home says of itself.
func newEntry(c *home.NodeConfig, h *peer.Host) member.Entry {
	e := member.Entry{Seq: uint64(failpoint.Now().UnixNano())}
	if c != nil {
		e.Operator, e.Jurisdiction, e.Region, e.Capacity = c.Operator, c.Jurisdiction, c.Region, uint64(c.Capacity)
		e.Addrs = meet.Announced(h.Addrs())
	}
	return e
}

// announce keeps the node's entry as the node is, until it is closed.
func (n *node) announce() {
	pause := announceFirst
	for {
		changed := n.book.Changed()
		wait := 10 * announceLast // addresses may change
		switch err := n.update(); {
		case n.ctx.Err() != nil:
			return
		case err != nil:
			n.log.Warn("the node's entry is not up to date", "err", err)
			wait, pause, changed = pause, min(2*pause, announceLast), nil
		default:
			pause = announceFirst
		}
		timer := time.NewTimer(wait)
		select {
		case <-n.ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// update submits the node's entry if the record has another.
func (n *node) update() error {
	have, ok := n.book.Current().Find(n.identity.ID)
	if !ok {
		return fmt.Errorf("%s is not a member any more: %w", n.identity.ID, member.ErrRefused)
	}
	want := newEntry(n.config, n.host)
	if want.Operator == have.Operator && want.Jurisdiction == have.Jurisdiction && want.Region == have.Region &&
		want.Capacity == have.Capacity && slices.Equal(want.Addrs, have.Addrs) {
		return nil
	}
	want.Seq = max(want.Seq, have.Seq+1)
	if err := want.Sign(n.identity, n.book.ID()); err != nil {
		return err
	}
	return n.meeting.Submit(n.ctx, member.Change{Update: &want})
}

// ensureIdentity returns the identity by which a home is known in a swarm.
func ensureIdentity(h *home.Home) (swarm.Identity, error) {
	if err := blockstore.MakeDir(h.NodeDir()); err != nil {
		return swarm.Identity{}, fmt.Errorf("create node: %w", err)
	}
	return swarm.EnsureIdentity(h.NodeDir())
}

// gone reports whether the home has left its swarm.
func (n *node) gone() bool {
	select {
	case <-n.left:
		return true
	default:
		return false
	}
}

// forget moves what the home knows of its swarm aside: it may join another.
func (n *node) forget() error {
	dir := n.home.SwarmDir()
	aside := dir + ".left"
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("leave swarm: %w", err)
	}
	if err := os.Rename(dir, aside); err != nil {
		return fmt.Errorf("leave swarm: %w", err)
	}
	return errors.Join(blockstore.OSFS{}.SyncDir(filepath.Dir(dir)))
}
