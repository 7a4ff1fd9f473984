package cache

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// world is a cache over fake stores beside a model of what it must know.
type world struct {
	t      *rapid.T
	root   string
	runs   int
	stores *fakeBackend
	sealer *blockstore.Sealer
	b      *Blocks

	refs   map[int]blockstore.Ref // every plaintext ever put
	put    map[int]bool           // known now
	synced map[int]bool           // known after a crash as well
	forgot map[int]bool           // forgotten and perhaps not yet durably so
	litter map[int]bool           // a forgotten block, or a crash, may have left shards of it anywhere
	down   int
}

const worldPlain = 3000 // bytes of plaintext i, plus i

func (w *world) plain(i int) []byte { return plainOf(i, worldPlain+i) }

func (w *world) dir() string { return filepath.Join(w.root, string(rune('a'+w.runs))) }

func (w *world) open() {
	b, err := OpenBlocks(w.dir(), w.stores, Options{RetryEvery: time.Hour, DiskBytes: 1 << 20, MemoryBytes: 64 << 10})
	if err != nil {
		w.t.Fatal(err)
	}
	w.b = b
}

func (w *world) setDown(n int) {
	w.down = n
	w.stores.setDown(n)
}

func (w *world) putOne(i int) {
	ref, err := w.b.Put(context.Background(), w.sealer, w.plain(i))
	if err != nil {
		w.t.Fatalf("put %d: %v", i, err)
	}
	w.refs[i], w.put[i] = ref, true
	delete(w.forgot, i)
}

func (w *world) forget(i int) {
	if err := w.b.Forget(context.Background(), w.refs[i].Address); err != nil {
		w.t.Fatalf("forget %d: %v", i, err)
	}
	delete(w.put, i)
	w.forgot[i], w.litter[i] = true, true
}

// sync runs a round. during happens while the stores sync, and is therefore
// not covered by it.
func (w *world) sync(fail bool, during func()) {
	before := maps.Clone(w.put)
	earlier := maps.Clone(w.forgot)
	w.stores.mu.Lock()
	w.stores.syncErr, w.stores.during = nil, during
	if fail {
		w.stores.syncErr = errDown
	}
	w.stores.mu.Unlock()
	// With more than two stores away, blocks cannot be read back to be pinned.
	err := w.b.Sync(context.Background())
	if err != nil && !(fail && w.down > 2) {
		w.t.Fatalf("sync: %v", err)
	}
	w.stores.mu.Lock()
	w.stores.during = nil // nothing was waiting, so the stores were not asked
	w.stores.mu.Unlock()
	if err != nil {
		w.recount()
		return
	}
	for i := range before {
		w.synced[i] = true
	}
	for i := range earlier {
		delete(w.forgot, i)
		delete(w.synced, i) // put again meanwhile, if at all
	}
}

// settle notes that a crash now changes nothing.
func (w *world) settle() {
	w.synced = maps.Clone(w.put)
	w.forgot = make(map[int]bool)
}

// recount asks the cache which blocks it gave up when a sync failed.
func (w *world) recount() {
	for i := range w.put {
		_, err := w.b.Descriptor(context.Background(), w.refs[i].Address)
		if !errors.Is(err, blockstore.ErrNotFound) {
			continue
		}
		if w.synced[i] {
			w.t.Fatalf("block %d was synced and is forgotten", i)
		}
		delete(w.put, i)
		w.litter[i] = true
	}
}

func (w *world) drain() {
	w.stores.mu.Lock()
	w.stores.syncErr = nil
	w.stores.mu.Unlock()
	err := w.b.Drain(context.Background(), nil)
	var undelivered *Undelivered
	if err != nil && !errors.As(err, &undelivered) {
		w.t.Fatalf("drain: %v", err)
	}
	if err == nil && w.down == 0 {
		for i := range w.put {
			d, err := w.b.Descriptor(context.Background(), w.refs[i].Address)
			if err != nil || w.stores.held(d) < len(d.Shards) {
				w.t.Fatalf("block %d after drain: %d shards, %v", i, w.stores.held(d), err)
			}
		}
		w.checkOutboxEmpty()
	}
	w.settle()
}

// checkOutboxEmpty looks for blocks that nobody will free. A crash leaves some
// that were pinned and never synced.
func (w *world) checkOutboxEmpty() {
	u, err := w.b.outbox.pack.Usage(context.Background())
	if err != nil || (u.Shards > 0 && w.runs == 0) {
		w.t.Fatalf("outbox holds %d blocks after drain, %v", u.Shards, err)
	}
}

// crash loses what the stores did not sync, and all memory.
func (w *world) crash() {
	from := w.dir()
	w.runs++
	if err := os.CopyFS(w.dir(), os.DirFS(from)); err != nil {
		w.t.Fatal(err)
	}
	w.stores.crash()
	w.reopen()
}

// reopen goes on with what a crash left.
func (w *world) reopen() {
	if err := w.b.Close(); err != nil {
		w.t.Fatal(err)
	}
	// Close may have made more durable than the crash would have left: the
	// copy was taken before, and the stores are as they were.
	w.open()
	w.put = make(map[int]bool)
	for i, ref := range w.refs {
		_, err := w.b.Descriptor(context.Background(), ref.Address)
		switch {
		case err == nil:
			w.put[i] = true
		case !errors.Is(err, blockstore.ErrNotFound):
			w.t.Fatalf("block %d after crash: %v", i, err)
		case w.synced[i] && !w.forgot[i]:
			w.t.Fatalf("block %d was synced and is unknown after a crash", i)
		default:
			w.litter[i] = true
		}
	}
	w.settle()
}

// check reads everything that is known and compares the figures.
func (w *world) check(*rapid.T) {
	if w.down > 2 {
		return // blocks cannot be read
	}
	st := w.b.Stats()
	var plain int64
	for i := range w.put {
		got, err := w.b.Get(context.Background(), w.sealer, w.refs[i])
		if err != nil || !bytes.Equal(got, w.plain(i)) {
			w.t.Fatalf("block %d is known and cannot be read: %v", i, err)
		}
		plain += int64(worldPlain + i)
	}
	if st.Blocks != int64(len(w.put)) || st.PlainBytes != plain {
		w.t.Fatalf("stats %+v for %d blocks of %d bytes", st, len(w.put), plain)
	}
}

func TestKnownBlocksSurviveCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp(t.TempDir(), "world")
		if err != nil {
			rt.Fatal(err)
		}
		w := &world{
			t: rt, root: root, stores: newFakeBackend(), sealer: testSealer(),
			refs: map[int]blockstore.Ref{}, put: map[int]bool{}, synced: map[int]bool{}, forgot: map[int]bool{}, litter: map[int]bool{},
		}
		w.stores.classes[1] = rapid.SampledFrom(sideClasses()).Draw(rt, "class of the other side")
		w.open()
		defer func() { w.b.Close() }()
		number := rapid.IntRange(0, 7)
		rt.Repeat(map[string]func(*rapid.T){
			"":       w.check,
			"put":    func(rt *rapid.T) { w.putOne(number.Draw(rt, "block")) },
			"put 2":  func(rt *rapid.T) { w.putOne(number.Draw(rt, "block")) },
			"forget": func(*rapid.T) { w.forgetKnown() },
			"sync": func(rt *rapid.T) {
				meanwhile := rapid.SampledFrom([]string{"nothing", "put", "forget", "deliver"}).Draw(rt, "meanwhile")
				i := number.Draw(rt, "block")
				w.sync(rapid.Bool().Draw(rt, "fail"), func() { w.meanwhile(meanwhile, i) })
			},
			"down":  func(rt *rapid.T) { w.setDown(rapid.IntRange(0, 3).Draw(rt, "stores")) },
			"drain": func(*rapid.T) { w.drain() },
			"crash": func(*rapid.T) { w.crash() },
			"turn":  func(*rapid.T) { w.stores.turn() },
			"move":  func(rt *rapid.T) { w.move(rapid.Bool().Draw(rt, "fail")) },
			"crash while moving": func(rt *rapid.T) {
				w.moveAndCrash(rapid.SampledFrom([]string{"sync", "evict", "evicted"}).Draw(rt, "where"))
			},
			"drop": func(rt *rapid.T) {
				if _, err := w.b.Drop(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
		})
	})
}

// forgetKnown forgets one block, if any is known.
func (w *world) forgetKnown() {
	for i := range 8 {
		if w.put[i] {
			w.forget(i)
			return
		}
	}
}

// meanwhile does something to block i while a round runs.
func (w *world) meanwhile(what string, i int) {
	switch {
	case what == "put":
		w.putOne(i)
	case what == "forget" && w.put[i]:
		w.forget(i)
	case what == "deliver" && w.put[i]:
		// That it could not be delivered is as good an outcome.
		_, _ = w.b.deliver(context.Background(), w.refs[i].Address)
	}
}
