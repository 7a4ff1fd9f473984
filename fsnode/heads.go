package fsnode

import (
	"fmt"
	"strconv"
	"time"

	"pifs/blockstore"
)

// HeadInfo is a head as users see it.
type HeadInfo struct {
	Seq   uint64
	Hash  [32]byte
	Time  time.Time
	Root  blockstore.Address // what user.pifs.root showed of the volume's root directory
	Label string             // name of a snapshot, or empty
	Bytes uint64             // sum of the sizes of all files
	Count uint64             // inodes
	tree  headTree
	owed  manifestRoot
}

func (v *Volume) headInfo(h HeadEntry) (HeadInfo, error) {
	i := HeadInfo{Seq: h.Seq, Hash: h.Hash, Time: time.Unix(0, h.Time), Root: h.Root}
	if err := v.openHead("tree", h.Tree, &i.tree); err != nil {
		return i, fmt.Errorf("head %d: %w", h.Seq, err)
	}
	if i.tree.Version != headTreeV1 {
		return i, fmt.Errorf("head %d: version %d: %w", h.Seq, i.tree.Version, blockstore.ErrFormat)
	}
	if rootAddress(get(i.tree.Root.Dir)) != h.Root {
		return i, fmt.Errorf("head %d: root does not match its tree: %w", h.Seq, blockstore.ErrCorrupt)
	}
	if err := blockstore.Unmarshal(h.Manifest, &i.owed); err != nil {
		return i, fmt.Errorf("head %d: manifest: %w", h.Seq, err)
	}
	if n := len(i.owed.Segments); i.owed.Version != manifestV1 || n > maxSegments {
		return i, fmt.Errorf("head %d: manifest of %d segments: %w", h.Seq, n, blockstore.ErrFormat)
	}
	for _, s := range i.owed.Segments {
		if err := s.valid(); err != nil {
			return i, fmt.Errorf("head %d: %w", h.Seq, err)
		}
	}
	if len(h.Label) > 0 {
		if err := v.openHead("label", h.Label, &i.Label); err != nil {
			return i, fmt.Errorf("head %d: %w", h.Seq, err)
		}
	}
	i.Bytes, i.Count = i.tree.Count.Bytes, i.tree.Count.Inodes
	return i, nil
}

// Heads returns the volume's history, oldest first.
func (v *Volume) Heads() ([]HeadInfo, error) {
	entries, err := v.o.Heads.Entries()
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	out := make([]HeadInfo, 0, len(entries))
	for _, e := range entries {
		i, err := v.headInfo(e)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

func (v *Volume) lastHead() (HeadInfo, bool, error) {
	entries, err := v.o.Heads.Entries()
	if err != nil || len(entries) == 0 {
		return HeadInfo{}, false, err
	}
	h, err := v.headInfo(entries[len(entries)-1])
	return h, true, err
}

// FindHead returns the newest head that is labelled name, or whose number it
// is. ErrNotFound if there is none.
func (v *Volume) FindHead(name string) (HeadInfo, error) {
	heads, err := v.Heads()
	if err != nil {
		return HeadInfo{}, err
	}
	for i := len(heads) - 1; i >= 0; i-- {
		if heads[i].Label == name && name != "" {
			return heads[i], nil
		}
	}
	if seq, err := strconv.ParseUint(name, 10, 64); err == nil {
		for _, h := range heads {
			if h.Seq == seq {
				return h, nil
			}
		}
	}
	return HeadInfo{}, fmt.Errorf("head %q: %w", name, blockstore.ErrNotFound)
}
