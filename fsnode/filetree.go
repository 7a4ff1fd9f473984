package fsnode

import (
	"context"
	"encoding/binary"
	"fmt"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// FileRoot is the Merkle root of a file that is not inlined. At height 0 the
// file is a single chunk and Ref is that chunk; above, Ref is an index node.
// A zero Ref is a file of holes only.
type FileRoot struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Height  uint8
	Ref     blockstore.Ref
}

const (
	fileIndexKind  = 0x46 // 'F', version in the next byte
	fileIndexV1    = 1
	indexMin       = 64   // entries of an index node, but for the last
	indexMax       = 2048 // at most
	indexMask      = 511  // a node ends after an address with these bits zero
	maxIndexHeight = 8
)

// fileIndex is an index node of a file: consecutive runs of its bytes.
type fileIndex struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Kind    uint8
	Version uint8
	Height  uint8
	Runs    []indexRun
}

// indexRun is a run of Len bytes: a hole if Ref is zero, else a chunk at
// height 1 and an index node of one level less above.
type indexRun struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Len     uint64
	Ref     blockstore.Ref
}

// buildFile stores the index of a file of size bytes whose content is exts,
// which must be canonical. The same content gives the same root on every
// machine: nodes end where an address says so, not where a write did.
func buildFile(ctx context.Context, b mst.Blocks, exts []extent, size int64) (FileRoot, error) {
	if len(exts) == 1 && exts[0].Off == 0 && exts[0].Len == size {
		return FileRoot{Ref: exts[0].Ref}, nil
	}
	runs := make([]indexRun, 0, len(exts)+1)
	pos := int64(0)
	for _, e := range exts {
		if e.Off > pos {
			runs = append(runs, indexRun{Len: uint64(e.Off - pos)})
		}
		runs = append(runs, indexRun{Len: uint64(e.Len), Ref: e.Ref})
		pos = e.end()
	}
	if size > pos {
		runs = append(runs, indexRun{Len: uint64(size - pos)})
	}
	for h := uint8(1); ; h++ {
		up, err := indexLevel(ctx, b, runs, h)
		if err != nil {
			return FileRoot{}, err
		}
		if len(up) == 1 {
			return FileRoot{Height: h, Ref: up[0].Ref}, nil
		}
		runs = up
	}
}

// indexLevel stores runs as index nodes of height h and returns the runs that
// stand for them one level up.
func indexLevel(ctx context.Context, b mst.Blocks, runs []indexRun, h uint8) ([]indexRun, error) {
	var up []indexRun
	for len(runs) > 0 {
		n, total := 0, uint64(0)
		for n < len(runs) && n < indexMax {
			total += runs[n].Len
			n++
			if n >= indexMin && binary.LittleEndian.Uint16(runs[n-1].Ref.Address[:])&indexMask == 0 && !runs[n-1].Ref.IsZero() {
				break
			}
		}
		plain, err := blockstore.Marshal(&fileIndex{Kind: fileIndexKind, Version: fileIndexV1, Height: h, Runs: runs[:n]})
		if err != nil {
			return nil, fmt.Errorf("encode file index: %w", err)
		}
		ref, err := b.Put(ctx, plain)
		if err != nil {
			return nil, fmt.Errorf("store file index: %w", err)
		}
		up = append(up, indexRun{Len: total, Ref: ref})
		runs = runs[n:]
	}
	return up, nil
}

// decodeIndex reads an index node that must be of height h and, if size is
// not negative, cover size bytes.
func decodeIndex(plain []byte, h uint8, size int64) (*fileIndex, error) {
	var n fileIndex
	if err := blockstore.Unmarshal(plain, &n); err != nil {
		return nil, fmt.Errorf("decode file index: %w", err)
	}
	if n.Kind != fileIndexKind || n.Version != fileIndexV1 || n.Height != h || len(n.Runs) == 0 || len(n.Runs) > indexMax {
		return nil, fmt.Errorf("decode file index: not a node of height %d: %w", h, blockstore.ErrFormat)
	}
	total := uint64(0)
	for _, r := range n.Runs {
		leaf := h == 1 && !r.Ref.IsZero()
		if r.Len == 0 || r.Len > maxFile || total+r.Len > maxFile || leaf && r.Len != uint64(r.Ref.Size) {
			return nil, fmt.Errorf("decode file index: run of %d bytes: %w", r.Len, blockstore.ErrFormat)
		}
		total += r.Len
	}
	if size >= 0 && total != uint64(size) {
		return nil, fmt.Errorf("decode file index: covers %d of %d bytes: %w", total, size, blockstore.ErrFormat)
	}
	return &n, nil
}

// readFile returns the extents of a file of size bytes, in order.
func readFile(ctx context.Context, b mst.Blocks, root FileRoot, size int64) ([]extent, error) {
	if root.Ref.IsZero() || size == 0 {
		return nil, nil
	}
	if root.Height == 0 {
		if int64(root.Ref.Size) != size {
			return nil, fmt.Errorf("read file root: one chunk for %d bytes: %w", size, blockstore.ErrFormat)
		}
		return []extent{{Len: size, Ref: root.Ref}}, nil
	}
	if root.Height > maxIndexHeight {
		return nil, fmt.Errorf("read file root: height %d: %w", root.Height, blockstore.ErrFormat)
	}
	var exts []extent
	err := readRuns(ctx, b, root, 0, size, &exts)
	return exts, err
}

func readRuns(ctx context.Context, b mst.Blocks, root FileRoot, off, size int64, exts *[]extent) error {
	plain, err := b.Get(ctx, root.Ref)
	if err != nil {
		return fmt.Errorf("read file index: %w", err)
	}
	n, err := decodeIndex(plain, root.Height, size)
	if err != nil {
		return err
	}
	for _, r := range n.Runs {
		switch {
		case r.Ref.IsZero():
		case root.Height == 1:
			*exts = append(*exts, extent{Off: off, Len: int64(r.Len), Ref: r.Ref})
		default:
			if err := readRuns(ctx, b, FileRoot{Height: root.Height - 1, Ref: r.Ref}, off, int64(r.Len), exts); err != nil {
				return err
			}
		}
		off += int64(r.Len)
	}
	return nil
}
