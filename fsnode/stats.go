package fsnode

import (
	"context"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"pifs/blockstore"
)

// Stripes is what a volume asks of whoever holds its shards.
type Stripes interface {
	// Health tells where each shard of a stripe lies and how it is. deep
	// reads and verifies the shards; else their presence is believed.
	Health(ctx context.Context, d blockstore.Descriptor, deep bool) ([]ShardHealth, error)
	// Repair rebuilds missing and wrong shards from the rest and returns how
	// many. ErrLost if too few are left.
	Repair(ctx context.Context, d blockstore.Descriptor) (int, error)
}

// ShardHealth is the state of one shard of a stripe.
type ShardHealth struct {
	Store string // where it belongs
	OK    bool
	State string // ok, missing, corrupt, unreachable
}

// VolumeStats is what status shows of a volume.
type VolumeStats struct {
	Inodes  uint64
	Logical uint64 // sum of the sizes of all files, bytes
	Dirty   int64  // fresh bytes that are not in blocks, bytes
	Pending int    // inodes and names that are not in the database
	Open    int    // uses of files and directories by open handles
	Known   int    // inodes that the kernel remembers
	Changed time.Time
	Commits uint64 // transactions of the database since it was opened
	Queries uint64 // of the database since it was opened, of one row or many
	Head    HeadInfo
	HasHead bool
}

// Stats returns the volume's figures.
func (v *Volume) Stats() (VolumeStats, error) {
	h, ok, err := v.lastHead()
	v.lock()
	defer v.mu.Unlock()
	open := 0
	for _, o := range v.opens {
		open += o.all
	}
	return VolumeStats{
		Open: open, Known: len(v.refs),
		Inodes: v.count.Inodes, Logical: v.count.Bytes, Dirty: v.budget.Used(),
		Pending: len(v.pending.inodes) + len(v.pending.dents), Changed: v.changed,
		Commits: v.db.commits.Load(), Queries: v.db.queries.Load(), Head: h, HasHead: ok,
	}, err
}

// PathOf names an inode for people; "" if it has no name.
func (v *Volume) PathOf(ino Ino) string {
	if ino >= VirtualIno {
		return ""
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil || len(in.rec.Links) == 0 && ino != RootIno {
		return ""
	}
	return v.pathOf(&in.rec)
}

// FileInfo is what info shows of a path.
type FileInfo struct {
	Path   string
	Attr   Attr
	Root   blockstore.Address
	Inline bool // the content lives in its directory's node
	Chunks []ChunkInfo
}

// ChunkInfo is a run of a file and the stripe that holds it.
type ChunkInfo struct {
	Off, Len   int64
	Descriptor blockstore.Descriptor
	Shards     []ShardHealth
}

// MayLose returns how many more of the chunk's shards may go.
func (c ChunkInfo) MayLose() int {
	n := -int(c.Descriptor.Class.K)
	for _, s := range c.Shards {
		if s.OK {
			n++
		}
	}
	return n
}

// Info returns where the content of a path lies. It stores and commits what is
// fresh first.
func (v *Volume) Info(ctx context.Context, p string) (FileInfo, error) {
	v.lock()
	in, err := v.walk(cleanPath(p))
	v.mu.Unlock()
	if err != nil {
		return FileInfo{}, fmt.Errorf("info %s: %w", p, err)
	}
	i, err := v.infoOf(ctx, in.ino)
	i.Path = p
	return i, err
}

// EachStripe calls fn for each stripe that holds content of the files at or below a path, and with
// the path of the file, in order. It commits what is fresh first. A block that several runs share comes as often.
func (v *Volume) EachStripe(ctx context.Context, p string, fn func(file string, d blockstore.Descriptor) error) error {
	var h HeadInfo
	var err error
	if v.o.ReadOnly {
		h, _, err = v.lastHead()
	} else {
		h, err = v.Commit(ctx, "", nil)
	}
	if err != nil {
		return fmt.Errorf("list stripes: %w", err)
	}
	p = cleanPath(p)
	it, err := v.itemAt(ctx, &h, p)
	if err == nil {
		err = v.eachStripe(ctx, p, &it, fn)
	}
	if err != nil {
		return fmt.Errorf("list stripes of %q: %w", p, err)
	}
	return nil
}

func (v *Volume) eachStripe(ctx context.Context, p string, it *headItem, fn func(file string, d blockstore.Descriptor) error) error {
	if it.isDir() {
		return v.eachItem(ctx, it, func(name string, child *headItem) error {
			return v.eachStripe(ctx, path.Join(p, name), child, fn)
		})
	}
	exts, err := it.extents(ctx, v)
	if err != nil {
		return err
	}
	for _, e := range exts {
		d, err := v.o.Blocks.Descriptor(ctx, e.Ref.Address)
		if err != nil {
			return err
		}
		if err := fn(p, d); err != nil {
			return err
		}
	}
	return nil
}

func (v *Volume) infoOf(ctx context.Context, ino Ino) (FileInfo, error) {
	root, err := v.rootOf(ctx, ino)
	if err != nil && err != syscall.ENODATA {
		return FileInfo{}, err
	}
	v.lock()
	in, err := v.inode(ino)
	if err != nil {
		v.mu.Unlock()
		return FileInfo{}, err
	}
	i := FileInfo{Attr: v.attr(in), Root: root, Inline: in.rec.Inlined}
	var exts []extent
	if in.rec.isFile() && !in.rec.Inlined {
		c, e := v.contentOf(in)
		if err = e; err == nil {
			exts = c.base
		}
	}
	v.mu.Unlock()
	if err != nil {
		return i, err
	}
	for _, e := range exts {
		c := ChunkInfo{Off: e.Off, Len: e.Len}
		if c.Descriptor, err = v.o.Blocks.Descriptor(ctx, e.Ref.Address); err != nil {
			return i, err
		}
		if c.Shards, err = v.o.Stripes.Health(ctx, c.Descriptor, false); err != nil {
			return i, err
		}
		i.Chunks = append(i.Chunks, c)
	}
	return i, nil
}

// rootOf returns the Merkle root of a file or directory, storing and
// committing first what is fresh. ENODATA for what has no content.
func (v *Volume) rootOf(ctx context.Context, ino Ino) (blockstore.Address, error) {
	if ino >= VirtualIno {
		n, err := v.views.get(ino)
		if err != nil {
			return blockstore.Address{}, err
		}
		return v.rootOfEntry(n.e.isDir(), n.e.isFile(), &record{Trees: set(trees{Dir: get(n.e.Dir)}), File: n.e.File, Inline: n.e.Inline, Inlined: n.e.Size <= InlineMax})
	}
	for range 3 {
		v.lock()
		in, err := v.inode(ino)
		if err != nil {
			v.mu.Unlock()
			return blockstore.Address{}, err
		}
		rec, clean := in.rec, v.changed.IsZero()
		v.mu.Unlock()
		if clean || rec.isFile() && (rec.Inlined || rec.File != nil) || v.o.ReadOnly {
			return v.rootOfEntry(rec.isDir(), rec.isFile(), &rec)
		}
		if _, err := v.Commit(ctx, "", nil); err != nil {
			return blockstore.Address{}, err
		}
		if rec.isDir() {
			v.lock()
			in, err := v.inode(ino)
			if err == nil {
				rec = in.rec
			}
			v.mu.Unlock()
			if err != nil {
				return blockstore.Address{}, err
			}
			return v.rootOfEntry(true, false, &rec)
		}
	}
	return blockstore.Address{}, syscall.EAGAIN
}

func (v *Volume) rootOfEntry(dir, file bool, r *record) (blockstore.Address, error) {
	switch {
	case dir:
		return rootAddress(get(r.Trees).Dir), nil
	case file && r.Inlined && len(r.Inline) == 0:
		return blockstore.AddressOf(nil), nil
	case file && r.Inlined:
		_, ref, err := v.sealer.Seal(nil, r.Inline)
		return ref.Address, err
	case file:
		return get(r.File).Ref.Address, nil
	}
	return blockstore.Address{}, syscall.ENODATA
}

// durability says in one line how safe a file's bytes are.
func (v *Volume) durability(ctx context.Context, ino Ino) (string, error) {
	if ino >= VirtualIno {
		return "", syscall.ENODATA
	}
	i, err := v.infoOf(ctx, ino)
	if err != nil {
		return "", err
	}
	if len(i.Chunks) == 0 {
		return "inline: as safe as the tree", nil
	}
	least, classes := i.Chunks[0].MayLose(), []string{}
	for _, c := range i.Chunks {
		least = min(least, c.MayLose())
		if s := c.Descriptor.Class.String(); len(classes) == 0 || classes[len(classes)-1] != s {
			classes = append(classes, s)
		}
	}
	return fmt.Sprintf("chunks=%d class=%s may-lose=%d", len(i.Chunks), strings.Join(classes, ","), least), nil
}
