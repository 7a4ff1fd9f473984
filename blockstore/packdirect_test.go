package blockstore_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// plainFS is the disk without direct transfers.
type plainFS struct{ blockstore.OSFS }

type plainFile struct{ blockstore.File }

func (f plainFS) Create(path string) (blockstore.File, error) {
	file, err := f.OSFS.Create(path)
	return plainFile{file}, err
}

func (f plainFS) Open(path string) (blockstore.File, error) {
	file, err := f.OSFS.Open(path)
	return plainFile{file}, err
}

// Large and small records share the blocks at which they meet. Whatever was
// written in which way, and by a store that ended without closing, is read as
// it was put, whole and in parts.
func TestPackOfDirectAndPlainRecords(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		held := map[blockstore.ShardID][]byte{}
		size := rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(60<<10, 70<<10), rapid.IntRange(1, 200<<10))
		for round := range rapid.IntRange(1, 3).Draw(r, "openings") {
			opts := blockstore.PackOptions{PackSize: 600 << 10, Warn: func(err error) { r.Errorf("warned: %v", err) }}
			if rapid.Bool().Draw(r, "plain") {
				opts.FS = plainFS{}
			}
			p, err := blockstore.OpenPack(dir, opts)
			if err != nil {
				r.Fatal(err)
			}
			for i := range rapid.IntRange(0, 12).Draw(r, "shards") {
				id, shard := blocktest.Shard(uint64(100*round+i), size.Draw(r, "size"))
				if err := p.Put(t.Context(), id, shard); err != nil {
					r.Fatal(err)
				}
				held[id] = shard
			}
			for id, shard := range held {
				checkShard(t, r, p, id, shard)
			}
			if rapid.Bool().Draw(r, "copied in use") {
				dir = copyDir(t, dir)
			}
			if err := p.Close(); err != nil {
				r.Fatal(err)
			}
		}
	})
}

func checkShard(t *testing.T, r *rapid.T, p *blockstore.Pack, id blockstore.ShardID, shard []byte) {
	got, err := p.Get(t.Context(), id, nil)
	if err != nil || !bytes.Equal(got, shard) {
		r.Fatalf("get: %d bytes of %d, %v", len(got), len(shard), err)
	}
	off := rapid.IntRange(0, len(shard)-1).Draw(r, "off")
	n := rapid.IntRange(1, len(shard)-off).Draw(r, "n")
	part, err := p.GetRaw(t.Context(), id, off, n)
	if err != nil || !bytes.Equal(part.Bytes, shard[off:off+n]) {
		r.Fatalf("get %d bytes at %d of %d: %v", n, off, len(shard), err)
	}
	if part.Return != nil {
		part.Return()
	}
	if _, err := p.GetRaw(t.Context(), id, off, len(shard)-off+1); err == nil {
		r.Fatal("bytes beyond the shard were read")
	}
}
