package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/wire"
)

// Options of a node.
type Options struct {
	Dir      string   // of the database
	Stores   []string // folders of shards, at least one; which shard lies where is computed
	Identity swarm.Identity
	Swarm    [32]byte
	Capacity int64        // bytes of shards that are taken
	Periods  decide.Lease // of the swarm
	Log      *slog.Logger
	Now      func() int64 // Unix seconds; nil: the clock

	// Elapsed is time since some moment, by a clock that nobody sets; nil: the
	// machine's.
	Elapsed func() time.Duration

	// Report is told of every shard that turns out missing or damaged, once, from
	// any goroutine; nil: nobody is. What is reported counts as not held until it
	// is put again.
	Report func(id blockstore.ShardID, why error)
}

// Node keeps shards. It is safe for concurrent use.
type Node struct {
	o     Options
	packs []*blockstore.Pack
	keys  [][32]byte // of the stores, for placement
	db    *database
	time  *steady

	putting sync.RWMutex // held for reading from before a shard is put until its claim is noted

	mu      sync.Mutex
	pending map[claimKey]*claim // what the database does not have yet; guarded by mu
	saving  sync.Mutex          // one save at a time
	tidied  atomic.Bool         // orphans were looked for
}

var (
	_ wire.ShardServer = (*Node)(nil)
	_ wire.KeepServer  = (*Node)(nil)
)

// claimKey names a claim.
type claimKey struct {
	shard     blockstore.ShardID
	principal swarm.MemberID
}

// claim is a claim that the database does not have yet.
type claim struct {
	at     int64
	size   int
	stripe []byte // encoded; nil if it came without
	index  int
}

// maxPending is how many claims wait for a receipt before they are saved
// without.
const maxPending = 16 << 10

// Open opens a node, and makes what is missing.
func Open(o Options) (n *Node, err error) {
	if len(o.Stores) == 0 {
		return nil, fmt.Errorf("open node: no stores")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().Unix() }
	}
	if o.Elapsed == nil {
		start := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(start) }
	}
	n = &Node{o: o, pending: map[claimKey]*claim{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open node: %w", errors.Join(err, n.Close()))
		}
	}()
	for _, dir := range o.Stores {
		pack, err := blockstore.OpenPack(dir, blockstore.PackOptions{Warn: func(err error) { o.Log.Warn("store damage", "err", err) }})
		if err != nil {
			return n, err
		}
		n.packs = append(n.packs, pack)
		n.keys = append(n.keys, blake3.Sum256([]byte(filepath.Base(dir))))
	}
	if n.db, err = openDatabase(filepath.Join(o.Dir, "node.db")); err != nil {
		return n, err
	}
	if n.time, err = openSteady(n.db, o.Now, o.Elapsed); err != nil {
		return n, err
	}
	return n, n.beginStores(context.Background())
}

// beginStores notes stores that hold nothing yet: what is found there later
// without a row is what a crash left.
func (n *Node) beginStores(ctx context.Context) error {
	for i, pack := range n.packs {
		if u, err := pack.Usage(ctx); err != nil || u.Shards > 0 {
			if err != nil {
				return err
			}
			continue
		}
		if err := n.adoptStore(ctx, n.o.Stores[i]); err != nil {
			return err
		}
	}
	return nil
}

// Close saves and closes everything.
func (n *Node) Close() error {
	var err error
	if n.time != nil {
		err = n.save(context.Background())
	}
	if n.db != nil {
		err = errors.Join(err, n.db.close())
	}
	for _, p := range n.packs {
		err = errors.Join(err, p.Close())
	}
	return err
}

// pack returns the store that a shard belongs to: the one with the greatest
// hash of both (Thaler & Ravishankar 1998).
func (n *Node) pack(id blockstore.ShardID) *blockstore.Pack {
	best, most := 0, [32]byte{}
	for i := range n.packs {
		if len(n.packs) == 1 {
			break
		}
		h := blake3.Sum256(append(n.keys[i][:], id[:]...))
		if i == 0 || string(h[:]) > string(most[:]) {
			best, most = i, h
		}
	}
	return n.packs[best]
}

// usage returns what all stores hold.
func (n *Node) usage(ctx context.Context) (sum blockstore.Usage, err error) {
	for _, p := range n.packs {
		u, err := p.Usage(ctx)
		if err != nil {
			return sum, err
		}
		sum.Shards, sum.Bytes, sum.Disk = sum.Shards+u.Shards, sum.Bytes+u.Bytes, sum.Disk+u.Disk
	}
	return sum, nil
}

// List calls fn for every shard held, in no particular order.
func (n *Node) List(ctx context.Context, fn func(id blockstore.ShardID, size int) error) error {
	for _, p := range n.packs {
		if err := p.List(ctx, fn); err != nil {
			return fmt.Errorf("list shards: %w", err)
		}
	}
	return nil
}
