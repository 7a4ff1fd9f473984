package swarmtest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm/wire"
)

// TestBusy puts to a node that has too much to do the first times: it is asked
// again. One that never has time is given up, as busy.
func TestBusy(t *testing.T) {
	l := newLied(t)
	block := shard(1, 1<<20)
	var asked, until atomic.Int64
	l.answer(func(c *wire.Conn, _ network.Stream) bool {
		if _, err := c.ReadPayload(nil, len(block)); err != nil {
			return false
		}
		if asked.Add(1) <= until.Load() {
			return c.WriteError(wire.ErrBusy) == nil
		}
		return c.WriteAnswer(&wire.Done{}) == nil
	})
	until.Store(3)
	must(t, l.store.Put(t.Context(), blockstore.ShardIDOf(block), block))
	if n := asked.Load(); n != 4 {
		t.Errorf("it was asked %d times", n)
	}
	until.Store(1 << 62)
	if err := l.store.Put(t.Context(), blockstore.ShardIDOf(block), block); !errors.Is(err, wire.ErrBusy) {
		t.Errorf("a node that is busy for ever: %v", err)
	}
	if n := asked.Load(); n > 20 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestSlowDisk has a node take longer over a receipt than over anything else: it
// is waited for, and not held for dead.
func TestSlowDisk(t *testing.T) {
	l := newLied(t)
	shelf := NewShelf(l.key)
	l.liar.Lie(wire.ShardProtocol, func(op wire.Op, c *wire.Conn, _ network.Stream) bool {
		if op == wire.OpSync {
			<-time.After(4 * time.Second) // of its disk
		}
		return l.honestly(shelf, op, c, false)
	})
	id, block := blocktest.Shard(1, 5000)
	must(t, l.store.Put(t.Context(), id, block))
	must(t, l.store.Sync(t.Context()))
	must(t, l.store.Probe(t.Context()))
}

// TestLostAnswers has a node carry out what it is asked and then break off, and
// break off before: either way the user may ask again, and finds one shard, one
// claim and a receipt.
func TestLostAnswers(t *testing.T) {
	l := newLied(t)
	shelf := NewShelf(l.key)
	block := shard(1, 50<<10)
	id := blockstore.ShardIDOf(block)
	var breaks atomic.Int64 // 1: before, 2: after
	l.liar.Lie(wire.ShardProtocol, func(op wire.Op, c *wire.Conn, _ network.Stream) bool {
		how := breaks.Swap(0)
		if how == 1 {
			return false
		}
		return l.honestly(shelf, op, c, how == 2)
	})
	for _, how := range []int64{1, 2} {
		try := func(what string, do func() error) {
			t.Helper()
			breaks.Store(how)
			if err := do(); err != nil { // a stream that was kept is not trusted, so it may succeed
				must(t, l.reopened(t.Context()))
				must(t, do())
			}
			if breaks.Load() != 0 {
				t.Errorf("%s asked nobody", what)
			}
		}
		try("put", func() error { return l.store.Put(t.Context(), id, block) })
		try("sync", func() error { return l.store.Sync(t.Context()) })
		try("get", func() error { _, err := l.store.Get(t.Context(), id, nil); return err })
		try("claim", func() error { _, err := l.store.Claim(t.Context(), lonePiece(t, block)); return err })
		if !shelf.holds(t.Context(), block) {
			t.Error("the shard is not held")
		}
		try("delete", func() error { return l.store.Delete(t.Context(), id) })
		if shelf.holds(t.Context(), block) {
			t.Error("the shard is held")
		}
	}
}

// honestly carries a request out as shelf does, and answers unless mute.
func (l *lied) honestly(shelf *Shelf, op wire.Op, c *wire.Conn, mute bool) bool {
	ctx, answer, payload := l.ctx, any(&wire.Done{}), []byte(nil)
	var err error
	switch op {
	case wire.OpPut:
		var m wire.Put
		if c.Message(&m) != nil {
			return false
		}
		b, e := c.ReadPayload(nil, m.Stripe.ShardSize())
		if e != nil {
			return false
		}
		err = shelf.Put(ctx, l.user, &m, b)
	case wire.OpGet:
		var m wire.Get
		if c.Message(&m) != nil {
			return false
		}
		if payload, err = shelf.Get(ctx, l.user, m.ID, nil); err == nil {
			answer = &wire.Got{Size: uint32(len(payload))}
		}
	case wire.OpHas:
		var m wire.Has
		if c.Message(&m) != nil {
			return false
		}
		answer, err = shelf.Has(ctx, l.user, &m)
	case wire.OpSync:
		b, e := c.ReadPayload(nil, len(blockstore.ShardID{}))
		if e != nil {
			return false
		}
		answer, err = shelf.Sync(ctx, l.user, []blockstore.ShardID{blockstore.ShardID(b)})
	case wire.OpRelease:
		var m wire.Release
		if c.Message(&m) != nil {
			return false
		}
		err = shelf.Release(ctx, l.user, m.IDs)
	case wire.OpUsage:
		answer, err = shelf.Usage(ctx, l.user)
	}
	switch {
	case mute:
		return false
	case err != nil:
		return c.WriteError(err) == nil
	case c.WriteAnswer(answer) != nil:
		return false
	case payload != nil:
		return c.WritePayload(payload) == nil
	}
	return true
}
