package cache

import "context"

// Stats says what a block cache knows and holds.
type Stats struct {
	Blocks     int64 // blocks stored
	PlainBytes int64 // their plaintext: the unique bytes
	BlockBytes int64 // the blocks themselves: compressed and sealed

	Outbox int64 // blocks pinned here because too few stores have them
	Owed   int64 // blocks that are safe with fewer than n shards

	MemoryBytes, MemoryLimit int64
	DiskBytes, DiskLimit     int64

	Hits     int64 // reads answered by the memory tier
	DiskHits int64 // by the disk tier
	Misses   int64 // by the backend
	Degraded int64 // of these, with a decode

	Commits uint64 // transactions of the block index since it was opened
}

// Stats returns the present figures.
func (b *Blocks) Stats() Stats {
	t := b.index.totals()
	return Stats{
		Blocks: t.blocks, PlainBytes: t.plain, BlockBytes: t.bytes,
		Outbox: t.pinned, Owed: t.owed,
		MemoryBytes: b.memory.used(), MemoryLimit: b.o.MemoryBytes,
		DiskBytes: b.disk.used(), DiskLimit: b.o.DiskBytes,
		Hits: b.counts.hits.Load(), DiskHits: b.counts.diskHits.Load(),
		Misses: b.counts.misses.Load(), Degraded: b.counts.degraded.Load(),
		Commits: b.index.db.commits.Load(),
	}
}

// Drop forgets what can be had elsewhere, in memory and on disk, and returns
// the bytes freed. The outbox stays.
func (b *Blocks) Drop(context.Context) (int64, error) {
	freed := b.memory.drop()
	onDisk, err := b.disk.drop()
	return freed + onDisk, err
}
