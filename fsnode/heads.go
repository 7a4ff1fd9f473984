package fsnode

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
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

	Forgotten bool // it is a record only: its blocks may be gone

	tree headTree
	owed manifestRoot
}

func (v *Volume) headInfo(h HeadEntry) (HeadInfo, error) {
	i := HeadInfo{Seq: h.Seq, Hash: h.Hash, Time: time.Unix(0, h.Time), Root: h.Root, Forgotten: h.Forgotten}
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

// ErrForgotten means that a head is not kept any more.
var ErrForgotten = errors.New("head was forgotten to make room")

// FindHead returns the newest head that is labelled name, or whose number it
// is. ErrNotFound if there is none, ErrForgotten if it was forgotten.
func (v *Volume) FindHead(name string) (HeadInfo, error) {
	heads, err := v.Heads()
	if err != nil {
		return HeadInfo{}, err
	}
	for i := len(heads) - 1; i >= 0; i-- {
		if heads[i].Label == name && name != "" {
			return heads[i], heads[i].kept()
		}
	}
	if seq, err := strconv.ParseUint(name, 10, 64); err == nil {
		for _, h := range heads {
			if h.Seq == seq {
				return h, h.kept()
			}
		}
	}
	return HeadInfo{}, fmt.Errorf("head %q: %w", name, blockstore.ErrNotFound)
}

func (h HeadInfo) kept() error {
	if h.Forgotten {
		return fmt.Errorf("head %d: %w", h.Seq, ErrForgotten)
	}
	return nil
}

// ForgetHeads gives up heads, whose blocks the next collection may take. The newest
// is what the volume is loaded from when its database is lost: it stays, and
// so does a snapshot as long as it has its name.
func (v *Volume) ForgetHeads(seqs []uint64) error {
	v.history.Lock()
	defer v.history.Unlock()
	heads, err := v.Heads()
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		if seq < 1 || seq >= uint64(len(heads)) || heads[seq-1].Label != "" {
			return fmt.Errorf("forget head %d: it must be kept: %w", seq, syscall.EINVAL)
		}
	}
	if err := v.o.Heads.Forget(seqs); err != nil {
		return fmt.Errorf("forget heads: %w", err)
	}
	return nil
}

// UnnameHead takes the name from the snapshot called name and returns its head.
// ErrNotFound if there is none.
func (v *Volume) UnnameHead(name string) (HeadInfo, error) {
	h, err := v.FindHead(name)
	if err != nil {
		return h, err
	}
	if h.Label != name {
		return h, fmt.Errorf("snapshot %q: %w", name, blockstore.ErrNotFound)
	}
	if err := v.o.Heads.Unname(h.Seq); err != nil {
		return h, fmt.Errorf("delete snapshot %q: %w", name, err)
	}
	h.Label = ""
	return h, nil
}

// useHistory keeps h from being forgotten until release is called.
func (v *Volume) useHistory(h HeadInfo) (release func(), err error) {
	v.history.RLock()
	entries, err := v.o.Heads.Entries()
	if err == nil {
		for _, e := range entries {
			if e.Seq == h.Seq && e.Forgotten {
				err = fmt.Errorf("head %d: %w", h.Seq, ErrForgotten)
			}
		}
	}
	if err != nil {
		v.history.RUnlock()
		return nil, err
	}
	return v.history.RUnlock, nil
}
