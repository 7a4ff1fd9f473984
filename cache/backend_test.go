package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pifs/blockstore"
)

var errDown = errors.New("store is down")

// fakeSide is how many stores a side of a fakeBackend has.
const fakeSide = 5

// fakeBackend is two times five stores in memory, one five of which takes new
// stripes. They can be down, fail to sync, lose what was not synced, and count
// what they are asked.
type fakeBackend struct {
	mu       sync.Mutex
	coder    *blockstore.Coder
	classes  [2]blockstore.Class // of new stripes, by side
	side     int                 // that takes new stripes: 0 or 1
	age      uint64
	stores   []map[blockstore.ShardID]*fakeShard
	evicting func() // if not nil, Evict calls it before and after it deletes
	late     error  // of a put that was placed
	down     []bool
	syncErr  error // what Sync says …
	lossy    bool  // … after having lost what was not synced
	getErr   error // what Get says, if not nil
	puts     int
	spoilRaw bool // GetRaw alters a byte
	gets     int
	syncs    int
	hold     chan struct{} // if not nil, Get waits for it to close
	waiting  chan struct{} // if not nil, Get says that it waits
	during   func()        // if not nil, Sync calls it once before it ends
}

type fakeShard struct {
	bytes  []byte
	synced bool
}

var (
	_ Backend     = (*fakeBackend)(nil)
	_ moveBackend = (*fakeBackend)(nil)
)

func newFakeBackend() *fakeBackend {
	f := &fakeBackend{coder: blockstore.NewCoder(), classes: [2]blockstore.Class{{K: 3, N: 5}, {K: 2, N: 3}}, down: make([]bool, fakeSide)}
	for range 2 * fakeSide {
		f.stores = append(f.stores, make(map[blockstore.ShardID]*fakeShard))
	}
	return f
}

// setDown makes the first n stores fail.
func (f *fakeBackend) setDown(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.down {
		f.down[i] = i < n
	}
}

func (f *fakeBackend) Put(ctx context.Context, addr blockstore.Address, block []byte) (blockstore.Descriptor, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, shards, err := f.coder.Encode(f.classes[f.side], addr, block)
	if err != nil {
		return d, 0, err
	}
	defer shards.Release()
	f.puts++
	placed := 0
	for i, id := range d.Shards {
		if f.down[at(d, i)] {
			continue
		}
		placed++
		if home := f.stores[f.side*fakeSide+at(d, i)]; home[id] == nil {
			home[id] = &fakeShard{bytes: bytes.Clone(shards.Pieces[i])}
		}
	}
	if placed < d.Class.Quorum() {
		return d, placed, errDown
	}
	return d, placed, f.late
}

func (f *fakeBackend) GetRaw(ctx context.Context, d blockstore.Descriptor, off, n int) (*blockstore.Raw, bool, error) {
	block, degraded, err := f.Get(ctx, d, nil)
	if err != nil {
		return nil, degraded, err
	}
	if f.spoilRaw {
		block[off] ^= 1
	}
	raw := new(blockstore.Raw)
	raw.Add(block[off : off+n])
	return raw, degraded, nil
}

func (f *fakeBackend) Get(ctx context.Context, d blockstore.Descriptor, dst []byte) ([]byte, bool, error) {
	if f.waiting != nil {
		f.waiting <- struct{}{}
	}
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return dst, false, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets++
	if f.getErr != nil {
		return dst, false, f.getErr
	}
	shards, degraded := make([][]byte, len(d.Shards)), false
	for i := range d.Shards {
		if s := f.shard(d, i); s != nil && !f.down[at(d, i)] {
			shards[i] = s.bytes
		} else if i < int(d.Class.K) {
			degraded = true
		}
	}
	block, err := f.coder.Decode(dst, d, shards)
	return block, degraded, err
}

func (f *fakeBackend) Sync(ctx context.Context) error {
	err := f.syncShards()
	f.mu.Lock()
	during := f.during
	f.during = nil
	f.mu.Unlock()
	if during != nil {
		during()
	}
	return err
}

func (f *fakeBackend) syncShards() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	if f.syncErr != nil {
		if f.lossy {
			f.loseUnsynced()
		}
		return f.syncErr
	}
	for _, s := range f.stores {
		for _, shard := range s {
			shard.synced = true
		}
	}
	return nil
}

// Delete implements Backend. A store that is down keeps what it has.
func (f *fakeBackend) Delete(_ context.Context, stripes []blockstore.Descriptor) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for i := range f.stores {
		if f.down[i%fakeSide] {
			err = errDown
			continue
		}
		for _, d := range stripes {
			for _, id := range d.Shards {
				delete(f.stores[i], id)
			}
		}
	}
	return err
}

// at is the store of a side that shard i of a stripe belongs to: narrow stripes
// are kept by the last ones.
func at(d blockstore.Descriptor, i int) int { return fakeSide - int(d.Class.N) + i }

// shard returns shard i of a stripe from where it is, or nil.
func (f *fakeBackend) shard(d blockstore.Descriptor, i int) *fakeShard {
	home := at(d, i)
	if s := f.stores[f.side*fakeSide+home][d.Shards[i]]; s != nil {
		return s
	}
	return f.stores[(1-f.side)*fakeSide+home][d.Shards[i]]
}

// turn has the other side take new stripes.
func (f *fakeBackend) turn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.side = 1 - f.side
	f.age++
}

// Age implements moveBackend.
func (f *fakeBackend) Age() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.age
}

// Evict implements moveBackend.
func (f *fakeBackend) Evict(_ context.Context, age uint64, stripes []blockstore.Descriptor) error {
	f.atEviction()
	defer f.atEviction()
	f.mu.Lock()
	defer f.mu.Unlock()
	if age != f.age {
		return errDown
	}
	var err error
	for i, s := range f.stores[(1-f.side)*fakeSide:][:fakeSide] {
		if f.down[i] {
			err = errDown
			continue
		}
		for _, d := range stripes {
			for _, id := range d.Shards {
				delete(s, id)
			}
		}
	}
	return err
}

func (f *fakeBackend) atEviction() {
	f.mu.Lock()
	hook := f.evicting
	f.mu.Unlock()
	if hook != nil {
		hook()
	}
}

// crash makes the stores lose what was not synced.
func (f *fakeBackend) crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseUnsynced()
}

func (f *fakeBackend) loseUnsynced() {
	for _, s := range f.stores {
		for id, shard := range s {
			if !shard.synced {
				delete(s, id)
			}
		}
	}
}

// lose drops a block's shards from the first n stores.
func (f *fakeBackend) lose(d blockstore.Descriptor, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range n {
		delete(f.stores[at(d, i)], d.Shards[i])
		delete(f.stores[fakeSide+at(d, i)], d.Shards[i])
	}
}

// held returns how many of a block's shards the stores have.
func (f *fakeBackend) held(d blockstore.Descriptor) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range d.Shards {
		if f.shard(d, i) != nil {
			n++
		}
	}
	return n
}

func (f *fakeBackend) counts() (puts, gets int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts, f.gets
}

// plainOf returns the plaintext number i of n bytes; it does not compress.
func plainOf(i, n int) []byte {
	seed := blockstore.AddressOf(fmt.Appendf(nil, "plain %d", i))
	out := make([]byte, 0, n+32)
	for len(out) < n {
		seed = blockstore.AddressOf(seed[:])
		out = append(out, seed[:]...)
	}
	return out[:n]
}

func testSealer() *blockstore.Sealer { return blockstore.NewSealer(blockstore.Secret{1, 2, 3}) }

// openTest opens a cache in dir that is closed with the test.
func openTest(t testing.TB, dir string, backend Backend, o Options) *Blocks {
	t.Helper()
	b, err := OpenBlocks(dir, backend, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func mustPut(t testing.TB, b *Blocks, s *blockstore.Sealer, plain []byte) blockstore.Ref {
	t.Helper()
	ref, err := b.Put(t.Context(), s, plain)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func mustGet(t testing.TB, b *Blocks, s *blockstore.Sealer, ref blockstore.Ref, want []byte) {
	t.Helper()
	got, err := b.Get(t.Context(), s, ref)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("block %v: other plaintext", ref.Address)
	}
}
