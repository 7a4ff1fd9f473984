package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"pifs/blockstore"
)

// generations is how many pack stores share the limit of the disk tier. The
// oldest goes as a whole to make room for a new one: eviction is the removal
// of a folder, needs no book-keeping per block, and never compacts.
const generations = 4

// disk is the tier of sealed blocks that were costly to get. All of it can be
// had again, so damage is answered by forgetting.
type disk struct {
	dir   string
	limit int64 // bytes of all generations; nothing is kept if 0
	log   *slog.Logger

	mu   sync.RWMutex // for writing: gens changes
	gens []*generation
	next int // number of the generation to be made
}

type generation struct {
	dir   string
	pack  *blockstore.Pack
	bytes atomic.Int64 // sealed blocks in it
}

// openDisk opens the generations in dir, or removes them if limit is 0.
func openDisk(dir string, limit int64, log *slog.Logger) (*disk, error) {
	d := &disk{dir: dir, limit: max(limit, 0), log: log, next: 1}
	if limit <= 0 {
		return d, os.RemoveAll(dir)
	}
	if err := blockstore.MakeDir(dir); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(names) {
		d.reopen(e.Name())
	}
	return d, nil
}

// reopen adds an older generation that is still there, behind the others.
func (d *disk) reopen(name string) {
	number, err := strconv.Atoi(strings.TrimPrefix(name, "generation-"))
	if err != nil {
		return // not ours
	}
	path := filepath.Join(d.dir, name)
	g, err := d.openGeneration(path)
	if err != nil || len(d.gens) == generations {
		d.log.Info("dropping old generation of the disk cache", "dir", path, "err", err)
		if g != nil {
			err = g.pack.Close()
		}
		if err := errors.Join(err, os.RemoveAll(path)); err != nil {
			d.log.Warn("drop generation of the disk cache", "err", err)
		}
		return
	}
	d.gens = append(d.gens, g)
	d.next = max(d.next, number+1)
}

func (d *disk) openGeneration(path string) (*generation, error) {
	pack, err := blockstore.OpenPack(path, blockstore.PackOptions{PackSize: d.share(), NoSync: true})
	if err != nil {
		return nil, err
	}
	u, err := pack.Usage(context.Background())
	if err != nil {
		return nil, errors.Join(err, pack.Close())
	}
	g := &generation{dir: path, pack: pack}
	g.bytes.Store(u.Bytes)
	return g, nil
}

// share is the limit of one generation.
func (d *disk) share() int64 { return d.limit / generations }

// get appends a block to dst if the tier has it. One that was about to go is
// put into the newest generation.
func (d *disk) get(ctx context.Context, addr blockstore.Address, dst []byte) ([]byte, bool) {
	block, age := d.find(ctx, addr, dst)
	if age < 0 {
		return dst, false
	}
	if age >= generations/2 {
		d.put(ctx, addr, block[len(dst):])
	}
	return block, true
}

// getRaw returns n bytes at off of the block, unchecked unless it is about to go.
func (d *disk) getRaw(ctx context.Context, addr blockstore.Address, off, n int) (*blockstore.Raw, bool) {
	if raw, ok := d.findRaw(ctx, addr, off, n); ok {
		return raw, true
	}
	block, ok := d.get(ctx, addr, nil)
	if !ok || len(block) < off+n {
		return nil, false
	}
	raw := new(blockstore.Raw)
	raw.Add(block[off : off+n])
	return raw, true
}

func (d *disk) findRaw(ctx context.Context, addr blockstore.Address, off, n int) (*blockstore.Raw, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, g := range d.gens[:min(len(d.gens), generations/2)] {
		if raw, err := rawOf(g.pack.GetRaw(ctx, blockstore.ShardID(addr), off, n)); err == nil {
			return raw, true
		}
	}
	return nil, false
}

// find looks from the newest generation to the oldest; age is -1 if none has
// the block unharmed.
func (d *disk) find(ctx context.Context, addr blockstore.Address, dst []byte) (block []byte, age int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i, g := range d.gens {
		block, err := g.pack.Get(ctx, blockstore.ShardID(addr), dst)
		if err == nil {
			return block, i
		}
		if errors.Is(err, blockstore.ErrCorrupt) {
			d.log.Warn("damaged block in the disk cache", "err", err)
			_ = g.pack.Delete(ctx, blockstore.ShardID(addr)) // it will be read from its shards
		}
	}
	return nil, -1
}

// put keeps a block, making room for it. That it could not is no error.
func (d *disk) put(ctx context.Context, addr blockstore.Address, block []byte) {
	if int64(len(block)) > d.share() || d.crowded() {
		return
	}
	if !d.roomy(int64(len(block))) {
		if err := d.rotate(int64(len(block))); err != nil {
			d.log.Warn("make room in the disk cache", "err", err)
			return
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.gens) == 0 {
		return // dropped meanwhile
	}
	g := d.gens[0]
	if err := g.pack.Put(ctx, blockstore.ShardID(addr), block); err != nil {
		d.log.Warn("keep block in the disk cache", "err", err)
		return
	}
	g.bytes.Add(int64(len(block)))
}

// crowded reports whether the disk has no room for what can be had elsewhere.
func (d *disk) crowded() bool {
	r, err := blockstore.RoomOf(d.dir)
	return err != nil || r.Usable() < r.Reserve()
}

func (d *disk) roomy(size int64) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.gens) > 0 && d.gens[0].bytes.Load()+size <= d.share()
}

// rotate starts a generation and removes those that no longer fit.
func (d *disk) rotate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.gens) > 0 && d.gens[0].bytes.Load()+size <= d.share() {
		return nil // another put did it
	}
	for len(d.gens) >= generations {
		oldest := d.gens[len(d.gens)-1]
		d.gens = d.gens[:len(d.gens)-1]
		if err := oldest.remove(); err != nil {
			return err
		}
	}
	g, err := d.openGeneration(filepath.Join(d.dir, fmt.Sprintf("generation-%08d", d.next)))
	if err != nil {
		return err
	}
	d.next++
	d.gens = slices.Insert(d.gens, 0, g)
	return nil
}

func (g *generation) remove() error {
	return errors.Join(g.pack.Close(), os.RemoveAll(g.dir))
}

func (d *disk) used() (n int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, g := range d.gens {
		n += g.bytes.Load()
	}
	return n
}

// drop removes everything and returns the bytes freed.
func (d *disk) drop() (freed int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.gens {
		freed += g.bytes.Load()
		err = errors.Join(err, g.remove())
	}
	d.gens = nil
	if err != nil {
		return freed, fmt.Errorf("drop disk cache: %w", err)
	}
	return freed, nil
}

func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, g := range d.gens {
		errs = append(errs, g.pack.Close())
	}
	d.gens = nil
	return errors.Join(errs...)
}
