package fsnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/cache"
)

// fakeBackend keeps blocks in memory, as a swarm that loses nothing.
type fakeBackend struct {
	mu     sync.Mutex
	blocks map[blockstore.Address][]byte
	puts   int
	class  blockstore.Class // of new stripes; zero: (1,1)
	fail   error
	away   bool // too few shards of anything are to be had
}

func (f *fakeBackend) Put(_ context.Context, addr blockstore.Address, block []byte) (blockstore.Descriptor, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := blockstore.Descriptor{Address: addr, Class: f.class, Length: uint32(len(block))}
	if f.class.N == 0 {
		d.Class = blockstore.Class{K: 1, N: 1}
	}
	for range d.Class.N {
		d.Shards = append(d.Shards, blockstore.ShardIDOf(block))
	}
	if f.fail != nil {
		return d, 0, f.fail
	}
	f.blocks[addr] = bytes.Clone(block)
	f.puts++
	return d, int(d.Class.N), nil
}

func (f *fakeBackend) Get(_ context.Context, d blockstore.Descriptor, dst []byte) ([]byte, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.blocks[d.Address]
	if !ok || f.away {
		return dst, false, fmt.Errorf("block %s: %w", d.Address, blockstore.ErrLost)
	}
	return append(dst, b...), false, nil
}

func (f *fakeBackend) GetRaw(ctx context.Context, d blockstore.Descriptor, off, n int) (*blockstore.Raw, bool, error) {
	block, degraded, err := f.Get(ctx, d, nil)
	if err != nil {
		return nil, degraded, err
	}
	raw := new(blockstore.Raw)
	raw.Add(block[off : off+n])
	return raw, degraded, nil
}

func (f *fakeBackend) Sync(context.Context) error { return nil }

func (f *fakeBackend) Delete(_ context.Context, stripes []blockstore.Descriptor) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range stripes {
		delete(f.blocks, d.Address)
	}
	return nil
}

func (f *fakeBackend) Health(_ context.Context, d blockstore.Descriptor, _ bool) ([]ShardHealth, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.blocks[d.Address]; !ok {
		return []ShardHealth{{Store: "fake", State: "missing"}}, nil
	}
	return []ShardHealth{{Store: "fake", OK: true, State: "ok"}}, nil
}

func (f *fakeBackend) Repair(context.Context, blockstore.Descriptor) (int, error) {
	return 0, blockstore.ErrLost
}

// fakeHeads keeps heads in memory.
type fakeHeads struct {
	mu sync.Mutex
	hs []HeadEntry
}

func (f *fakeHeads) Append(h HeadEntry) (HeadEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.Seq = uint64(len(f.hs) + 1)
	f.hs = append(f.hs, h)
	return h, nil
}

func (f *fakeHeads) Entries() ([]HeadEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]HeadEntry(nil), f.hs...), nil
}

func (f *fakeHeads) Forget(seqs []uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, seq := range seqs {
		f.hs[seq-1].Forgotten = true
	}
	return nil
}

func (f *fakeHeads) Unname(seq uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hs[seq-1].Label = nil
	return nil
}

// rig is a volume with all it stands on; it can be crashed and opened again.
type rig struct {
	t       testing.TB
	dir     string
	keys    VolumeKeys
	backend *fakeBackend
	heads   *fakeHeads
	blocks  *cache.Blocks
	v       *Volume
	adjust  func(*Options)
	opened  func() // called after each opening but the first; may be nil
}

func newRig(t testing.TB, adjust func(*Options)) *rig {
	t.Helper()
	keys, err := NewKeys(blockstore.Secret{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: t.TempDir(), keys: keys, heads: &fakeHeads{}, adjust: adjust,
		backend: &fakeBackend{blocks: map[blockstore.Address][]byte{}}}
	r.open()
	t.Cleanup(func() { r.crash() })
	return r
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.blocks, err = cache.OpenBlocks(r.dir+"/cache", r.backend, cache.Options{}); err != nil {
		r.t.Fatal(err)
	}
	o := Options{Dir: r.dir + "/volume", Name: "test", Keys: r.keys, Blocks: r.blocks, Heads: r.heads, Stripes: r.backend, CommitIdle: time.Hour}
	if r.adjust != nil {
		r.adjust(&o)
	}
	if r.v, err = Open(context.Background(), o); err != nil {
		r.t.Fatal(err)
	}
	if r.opened != nil {
		r.opened()
	}
}

// crash ends the volume without saving or committing anything.
func (r *rig) crash() {
	if r.v == nil {
		return
	}
	r.v.stop()
	r.v.closeFiles()
	r.blocks.Close()
	r.v = nil
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.v.Close(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.blocks.Close()
	r.v = nil
}

var (
	bg   = context.Background()
	root = Cred{}
)

func (r *rig) create(parent Ino, name string, data []byte) Ino {
	r.t.Helper()
	a, err := r.v.Create(bg, parent, name, 0o644, root)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(a.Ino, 0, data)
	return a.Ino
}

func (r *rig) write(ino Ino, off int64, data []byte) {
	r.t.Helper()
	for len(data) > 0 {
		n := min(len(data), 128<<10)
		if _, err := r.v.Write(bg, ino, off, data[:n], true); err != nil {
			r.t.Fatal(err)
		}
		off, data = off+int64(n), data[n:]
	}
}

func (r *rig) read(ino Ino) []byte {
	r.t.Helper()
	a, err := r.v.Getattr(bg, ino)
	if err != nil {
		r.t.Fatal(err)
	}
	out := make([]byte, a.Size)
	for off := 0; off < len(out); {
		n, err := r.v.Read(bg, ino, int64(off), out[off:min(len(out), off+100<<10)], true)
		if err != nil || n == 0 {
			r.t.Fatalf("read at %d of %d: %d, %v", off, len(out), n, err)
		}
		off += n
	}
	return out
}

func (r *rig) commit() HeadInfo {
	r.t.Helper()
	h, err := r.v.Commit(bg, "", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func (r *rig) lookup(parent Ino, name string) (Ino, error) {
	a, err := r.v.Lookup(bg, parent, name)
	if err == nil {
		r.v.Forget(a.Ino, 1)
	}
	return a.Ino, err
}

func (r *rig) checkClean() {
	r.t.Helper()
	res, err := r.v.Check(bg, CheckOptions{Deep: true}, func(p Problem) { r.t.Errorf("check: %+v", p) })
	if err != nil || res.Problems > 0 {
		r.t.Fatalf("check: %+v, %v", res, err)
	}
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7}).Read(b)
	return b
}

func TestFilesSurviveReopenAndCommit(t *testing.T) {
	r := newRig(t, nil)
	want := map[string][]byte{
		"empty": nil, "tiny": []byte("hello"), "inline": noise(1, InlineMax), "small": noise(2, InlineMax+1),
		"medium": noise(3, 300<<10), "large": noise(4, 20<<20), "zeros": make([]byte, 3<<20),
	}
	for name, data := range want {
		r.create(RootIno, name, data)
	}
	check := func(when string) {
		t.Helper()
		for name, data := range want {
			ino, err := r.lookup(RootIno, name)
			if err != nil {
				t.Fatalf("%s: %s: %v", when, name, err)
			}
			if !bytes.Equal(r.read(ino), data) {
				t.Fatalf("%s: %s differs", when, name)
			}
		}
	}
	check("fresh")
	r.commit()
	check("committed")
	r.checkClean()
	r.close()
	r.open()
	check("reopened")
	r.checkClean()
}

func TestSavedBytesSurviveACrash(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "a", noise(1, 5<<20))
	if err := r.v.Fsync(bg, ino); err != nil {
		t.Fatal(err)
	}
	small := r.create(RootIno, "b", noise(2, 50<<10))
	if err := r.v.Fsync(bg, small); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.open()
	for name, data := range map[string][]byte{"a": noise(1, 5<<20), "b": noise(2, 50<<10)} {
		ino, err := r.lookup(RootIno, name)
		if err != nil || !bytes.Equal(r.read(ino), data) {
			t.Fatalf("%s after the crash: %v", name, err)
		}
	}
	r.checkClean()
}

func TestLostMetadataIsLoadedFromTheHead(t *testing.T) {
	r := newRig(t, nil)
	dir, err := r.v.Mkdir(bg, RootIno, "d", 0o755, root)
	if err != nil {
		t.Fatal(err)
	}
	ino := r.create(dir.Ino, "f", noise(1, 3<<20))
	if _, err := r.v.Link(bg, ino, RootIno, "hard"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.v.Symlink(bg, dir.Ino, "s", "f", root); err != nil {
		t.Fatal(err)
	}
	before := r.commit()
	r.close()
	r.keys.Local = [32]byte{9}
	r.adjust = func(o *Options) { o.Dir += "-again" } // an empty folder, the same blocks and heads
	r.open()
	got, err := r.lookup(RootIno, "hard")
	if err != nil || got != ino || !bytes.Equal(r.read(got), noise(1, 3<<20)) {
		t.Fatalf("hard link after reload: inode %d, want %d: %v", got, ino, err)
	}
	a, _ := r.v.Getattr(bg, ino)
	if a.Nlink != 2 {
		t.Fatalf("nlink %d, want 2", a.Nlink)
	}
	if after := r.commit(); after.Root != before.Root {
		t.Fatalf("root changed from %s to %s", before.Root, after.Root)
	}
	r.checkClean()
}

func TestUnlinkedFileStaysWhileOpen(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "f", noise(1, 1<<20))
	if err := r.v.Open(bg, ino, false); err != nil {
		t.Fatal(err)
	}
	if err := r.v.Unlink(bg, RootIno, "f", root); err != nil {
		t.Fatal(err)
	}
	r.v.Forget(ino, 1)
	r.commit()
	if !bytes.Equal(r.read(ino), noise(1, 1<<20)) {
		t.Fatal("open file lost its bytes")
	}
	r.v.Release(bg, ino, false)
	if _, err := r.v.Getattr(bg, ino); !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("after the last close: %v", err)
	}
	r.commit()
	r.checkClean()
}

func TestNoMemoryMeansWouldBlock(t *testing.T) {
	r := newRig(t, func(o *Options) { o.DirtyBytes = 1 << 20 })
	a, err := r.v.Create(bg, RootIno, "f", 0o644, root)
	if err != nil {
		t.Fatal(err)
	}
	data := noise(1, 128<<10)
	off := int64(0)
	for ; off < 64<<20; off += int64(len(data)) {
		if _, err = r.v.Write(bg, a.Ino, off, data, false); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("after %d bytes: %v", off, err)
	}
	r.write(a.Ino, off, data)
	if got := r.v.budget.Used(); got > 2<<20 {
		t.Fatalf("%d fresh bytes in memory", got)
	}
}

// TestScatteredWritesAreFlushed: a file into which somebody keeps writing single
// bytes here and there is stored before its pieces become too many.
func TestScatteredWritesAreFlushed(t *testing.T) {
	r := newRig(t, nil)
	a, err := r.v.Create(bg, RootIno, "f", 0o644, root)
	if err != nil {
		t.Fatal(err)
	}
	pieces := func() int {
		r.v.mu.Lock()
		defer r.v.mu.Unlock()
		if in := r.v.inodes[a.Ino]; in != nil && in.content != nil {
			return len(in.content.fresh.Pieces())
		}
		return 0
	}
	r.write(a.Ino, 1<<20, []byte{1}) // too large for the inode's record
	off := int64(0)
	for range manyPieces {
		r.write(a.Ino, off, []byte{1})
		off += 2
	}
	for end := time.Now().Add(time.Minute); pieces() >= manyPieces; off += 2 {
		if time.Now().After(end) {
			t.Fatalf("%d pieces are fresh", pieces())
		}
		r.write(a.Ino, off, []byte{1})
	}
	want := bytes.Repeat([]byte{1, 0}, int(off/2))
	if got := r.read(a.Ino); !bytes.Equal(got[:len(want)], want) {
		t.Fatal("other bytes than were written")
	}
}

// TestJournalOutlivesSavesUntilFlushed crashes with bytes that only the journal
// has, and saves before they are flushed: a volume opened read-only does not
// flush.
func TestJournalOutlivesSavesUntilFlushed(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "f", noise(1, 200<<10))
	r.v.mu.Lock()
	r.v.holding = true // no flush gets in between
	r.v.mu.Unlock()
	if err := r.v.Fsync(bg, ino); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.adjust = func(o *Options) { o.ReadOnly = true }
	r.open()
	for range 3 {
		r.v.mu.Lock()
		in, err := r.v.inode(RootIno)
		if err == nil {
			r.v.change(in)
		}
		r.v.mu.Unlock()
		if err == nil {
			err = r.v.save(bg)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(r.read(ino), noise(1, 200<<10)) {
		t.Fatal("bytes lost")
	}
	r.crash()
	r.adjust = nil
	r.open()
	if !bytes.Equal(r.read(ino), noise(1, 200<<10)) {
		t.Fatal("bytes lost by the second crash")
	}
	r.commit()
	r.checkClean()
}

// TestCloseWithoutTheTree closes a volume whose tree cannot be read at the time:
// what was done stays in the home, and the next commit has it.
func TestCloseWithoutTheTree(t *testing.T) {
	r := newRig(t, nil)
	for i := range 300 {
		r.create(RootIno, fmt.Sprint("before-", i), noise(uint64(i), 100))
	}
	if _, err := r.v.Commit(bg, "", nil); err != nil {
		t.Fatal(err)
	}
	r.close()
	r.open()
	data := noise(7, 3<<20)
	r.create(RootIno, "large", data)
	small := r.create(RootIno, "small", []byte("small"))
	r.setAway(true)
	if _, err := r.v.Commit(bg, "", nil); !errors.Is(err, blockstore.ErrLost) {
		t.Fatalf("commit without the tree: %v", err)
	}
	r.close()
	r.open()
	if got := r.read(small); string(got) != "small" {
		t.Errorf("opened again without stores: %q", got)
	}
	r.setAway(false)
	if _, err := r.v.Commit(bg, "", nil); err != nil {
		t.Fatal(err)
	}
	a, err := r.v.Lookup(bg, RootIno, "large")
	if err != nil || !bytes.Equal(r.read(a.Ino), data) {
		t.Errorf("large file after the stores came back: %v", err)
	}
}

func (r *rig) setAway(away bool) {
	r.backend.mu.Lock()
	defer r.backend.mu.Unlock()
	r.backend.away = away
}

// TestSaveThatIsGivenUp: whoever gives up waiting for a save hears that, and not
// what became of its transaction; the next save has everything.
func TestSaveThatIsGivenUp(t *testing.T) {
	r := newRig(t, nil)
	for i := range 50 {
		ino := r.create(RootIno, fmt.Sprint("f", i), noise(uint64(i), 20_000))
		ctx, cancel := context.WithCancel(bg)
		go func() {
			time.Sleep(time.Duration(i) * 20 * time.Microsecond) // somewhere within the save
			cancel()
		}()
		if err := r.v.save(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("save %d of inode %d: %v", i, ino, err)
		}
		cancel()
	}
	if err := r.v.save(bg); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.open()
	for i := range 50 {
		ino, err := r.lookup(RootIno, fmt.Sprint("f", i))
		if err != nil || !bytes.Equal(r.read(ino), noise(uint64(i), 20_000)) {
			t.Errorf("file %d: %v", i, err)
		}
	}
}
