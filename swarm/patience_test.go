package swarm

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"pifs/blockstore"
)

// hanging is a store whose reads do not return while it is shut.
type hanging struct {
	blockstore.Store
	shut atomic.Bool
	open chan struct{}
}

func (h *hanging) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	if h.shut.Load() {
		<-h.open // whatever becomes of ctx
	}
	return h.Store.Get(ctx, id, dst)
}

func (h *hanging) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	if h.shut.Load() {
		<-h.open
	}
	return h.Store.Put(ctx, id, shard)
}

// TestPutLeftBehind puts a block while a store hangs: it is placed, and the
// caller is told that its memory is still in use.
func TestPutLeftBehind(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	s := r.Swarm
	s.SetPatience(Patience{Hedge: time.Second, Limit: time.Second})
	h := &hanging{Store: s.view.Load().members[2].Store, open: make(chan struct{})}
	h.shut.Store(true)
	s.view.Load().members[2].Store = h
	block := bytes.Repeat([]byte{7}, 300_000)
	addr := blockstore.AddressOf(block)
	if _, placed, err := s.Put(t.Context(), addr, block); placed != 4 || !errors.Is(err, blockstore.ErrLate) {
		t.Fatalf("with a store that hangs: %d shards, %v", placed, err)
	}
	block2 := bytes.Repeat([]byte{8}, 300_000) // the member is not asked again
	if _, placed, err := s.Put(t.Context(), blockstore.AddressOf(block2), block2); placed != 4 || err != nil {
		t.Fatalf("with a store that is known to hang: %d shards, %v", placed, err)
	}
	close(h.open)
}

// TestStoresThatHang reads with two of five stores that never return, gets an
// error with three, and reads again once they have answered.
func TestStoresThatHang(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	s := r.Swarm
	s.SetPatience(Patience{Hedge: time.Second, Limit: 2 * time.Second})
	d, block := r.mustPut(t, 1, 300_000)
	open := make(chan struct{})
	var shut []*hanging
	for _, at := range s.order(d.Address)[:3] {
		h := &hanging{Store: s.view.Load().members[at].Store, open: open}
		s.view.Load().members[at].Store = h
		shut = append(shut, h)
	}
	shut[0].shut.Store(true)
	shut[1].shut.Store(true)
	got, degraded, err := s.Get(t.Context(), d, nil)
	if err != nil || !degraded || !bytes.Equal(got, block) {
		t.Fatalf("with two stores that hang: degraded %v, %v", degraded, err)
	}
	shut[2].shut.Store(true)
	if _, _, err := s.Get(t.Context(), d, nil); !errors.Is(err, blockstore.ErrLost) {
		t.Fatalf("with three stores that hang: %v", err)
	}
	for _, h := range shut {
		h.shut.Store(false)
	}
	close(open)
	for end := time.Now().Add(30 * time.Second); ; {
		got, _, err = s.Get(t.Context(), d, nil)
		if err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil || !bytes.Equal(got, block) {
		t.Fatalf("after they answered: %v", err)
	}
}
