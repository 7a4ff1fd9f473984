package wire

import (
	"context"
	"fmt"

	"pifs/blockstore"
	"pifs/swarm"
)

// ShardProtocol is the name of the streams on which shards are put and got.
const ShardProtocol = "/pifs/shard/1"

// Operations of ShardProtocol.
const (
	OpPut      Op = 1  // Put and a shard → Done
	OpGet      Op = 2  // Get → Got and a shard
	OpRange    Op = 3  // Range → Got and a slice
	OpHas      Op = 4  // Has → Held
	OpSync     Op = 5  // Sync and ids → Receipt
	OpRelease  Op = 6  // Release → Done
	OpUsage    Op = 7  // Usage → Used
	OpKeep     Op = 8  // KeepSet and its filter → Done
	OpTrash    Op = 9  // Trash → Trashed
	OpUndelete Op = 10 // Undelete → Undeleted
	OpWhich    Op = 11 // Which → Listed
	OpMend     Op = 12 // Put and a shard → Done
	OpSurvey   Op = 13 // Survey → Surveyed
)

// Bounds of lists.
const (
	MaxIDs     = 512      // shards in one message
	MaxSync    = 64 << 10 // shards that one receipt covers
	MaxKeepSet = 64 << 20 // bytes of a keep-set's filter: 40 million shards at 1 %
)

// Done is an answer that says no more.
type Done struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
}

// Put announces a shard: the payload is of the descriptor's shard size, and
// hashes to the id at Index. It is durable when a receipt covers it.
type Put struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Stripe  blockstore.Descriptor
	Index   uint8 // of the shard in the stripe
}

// Check reports what a node need not read the payload of.
func (p *Put) Check() error {
	if err := p.Stripe.Validate(); err != nil {
		return err
	}
	if p.Index >= p.Stripe.Class.N {
		return fmt.Errorf("shard %d of class %v: %w", p.Index, p.Stripe.Class, blockstore.ErrFormat)
	}
	return nil
}

// ID returns the id of the shard that is put.
func (p *Put) ID() blockstore.ShardID { return p.Stripe.Shards[p.Index] }

// Get asks for a whole shard.
type Get struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      blockstore.ShardID
}

// Got announces a payload of so many bytes, at most MaxShard, or MaxSlice for
// a range.
type Got struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Size    uint32
}

// Range asks for the bytes [Off, Off+Len) of a shard with what proves them: the
// payload is a slice as blockstore.Slice makes it.
type Range struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      blockstore.ShardID
	Off     uint32
	Len     uint32
}

// Check bounds a range.
func (r *Range) Check() error {
	if r.Len == 0 || uint64(r.Off)+uint64(r.Len) > blockstore.MaxShard {
		return fmt.Errorf("range of %d bytes at %d: %w", r.Len, r.Off, blockstore.ErrTooLarge)
	}
	return nil
}

// Has asks which of several shards the node holds, of which it must be able to
// read the bytes. With Claim, it is to keep those as if they had been put.
type Has struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Nonce   [32]byte // fresh
	IDs     []blockstore.ShardID
	Claim   bool
}

// Held answers Has: a token for each shard, in order, zero if it is not held.
type Held struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Nonce   [32]byte // fresh
	Tokens  [][32]byte
}

// Sync asks for a receipt of Count shards, at most MaxSync, that were put or
// claimed before, on whatever stream: the payload is their ids. To ask again is
// to be answered again. If one of them is not held, or not claimed, the answer
// is StatusNotFound, and all are to be put again.
type Sync struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Count   uint32
}

// Release gives up one's claims to shards. What nobody claims is collected
// later.
type Release struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	IDs     []blockstore.ShardID
}

// Which asks which of several shards the node lists, without reading them.
type Which struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	IDs     []blockstore.ShardID
}

// Listed answers Which: a bit for each shard in order, the lowest of a byte
// first.
type Listed struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Bits    []byte
}

// NewListed returns the answer of a node that lists so much.
func NewListed(held []bool) *Listed {
	l := &Listed{Bits: make([]byte, (len(held)+7)/8)}
	for i, h := range held {
		if h {
			l.Bits[i/8] |= 1 << (i % 8)
		}
	}
	return l
}

// Held returns what is listed of count shards, or ErrProtocol if the answer is
// for another number.
func (l *Listed) Held(count int) ([]bool, error) {
	held := make([]bool, count)
	if len(l.Bits) != (count+7)/8 || count%8 != 0 && l.Bits[count/8]>>(count%8) != 0 {
		return nil, fmt.Errorf("%w: %d bytes for %d shards", ErrProtocol, len(l.Bits), count)
	}
	for i := range held {
		held[i] = l.Bits[i/8]>>(i%8)&1 != 0
	}
	return held, nil
}

// Usage asks what the node holds, and how much room it has.
type Usage struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
}

// Used answers Usage, in bytes but for Shards.
type Used struct {
	_struct  bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Shards   uint64
	Bytes    uint64
	Disk     uint64
	Capacity uint64
	Free     uint64 // what it would still take
}

// KeepSet names, as a Bloom filter, all shards that its principal wants kept
// at one node. The payload is the filter, of Size bytes.
type KeepSet struct {
	_struct   bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Principal swarm.MemberID // who signs
	Node      swarm.MemberID // for whom it is
	Seq       uint64         // greater than that of the last
	Made      int64          // Unix seconds: of what was put later it says nothing
	Count     uint64         // shards in it
	Hashes    uint8          // bits set for each, 1 … 32
	Size      uint32         // bytes of the filter
	Filter    [32]byte       // BLAKE3-256 of the filter
	Sig       [64]byte       // by Principal
}

// Trash asks which shards of one's own the node is about to delete, a page at a
// time.
type Trash struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	After   blockstore.ShardID
	Limit   uint16 // at most MaxIDs
}

// Trashed answers Trash.
type Trashed struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Items   []TrashItem
}

// TrashItem is a shard that will be deleted.
type TrashItem struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      blockstore.ShardID
	Size    uint32
	Since   int64 // Unix seconds
	Until   int64 // when it goes for good
}

// Undelete takes shards out of the trash and claims them.
type Undelete struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	IDs     []blockstore.ShardID
}

// Undeleted answers Undelete.
type Undeleted struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Count   uint32
}

// ShardServer is the node behind ShardProtocol. from is whom the connection
// proves to be. Messages were checked. Errors are told by StatusOf.
type ShardServer interface {
	Put(ctx context.Context, from swarm.MemberID, p *Put, shard []byte) error

	// Get appends the shard, checked against its id, to dst.
	Get(ctx context.Context, from swarm.MemberID, id blockstore.ShardID, dst []byte) ([]byte, error)

	Has(ctx context.Context, from swarm.MemberID, h *Has) (*Held, error)

	// Sync makes the shards ids durable and returns a receipt for them;
	// ErrNotFound if one is not held, or from has no claim to it.
	Sync(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*Receipt, error)

	Usage(ctx context.Context, from swarm.MemberID) (*Used, error)
}

// WhichServer is a ShardServer that tells what it lists, in order.
type WhichServer interface {
	Which(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) ([]bool, error)
}

// MendServer is a ShardServer that takes what repair rebuilt, durably on return:
// no claim of from, which does not know whose stripe it is.
type MendServer interface {
	Mend(ctx context.Context, from swarm.MemberID, p *Put, shard []byte) error
}

// KeepServer is what a node does for those whose shards it holds, besides.
type KeepServer interface {
	Release(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) error
	Keep(ctx context.Context, from swarm.MemberID, k *KeepSet, filter []byte) error
	Trash(ctx context.Context, from swarm.MemberID, t *Trash) (*Trashed, error)
	Undelete(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*Undeleted, error)
}
