package fsnode

import (
	"context"
	"fmt"

	"pifs/blockstore"
)

// manifests keeps what the manifests of one head after the other list.
//
// Neighbouring heads share most of their segments, so only those behind the
// first that differs are read. That is enough: a block that a head owes
// through a segment before them is owed by the head before as well, unless one
// of the segments that this head no longer has took it back there; so what
// these took back, and the new ones do not, is kept too.
type manifests struct {
	reads adopted
	keep  func(blockstore.Address)
	segs  []segment // of the head before
	took  []map[blockstore.Address]struct{}
}

// head takes the next head.
func (m *manifests) head(ctx context.Context, h HeadEntry) error {
	owed, err := manifestOf(h)
	if err != nil {
		return err
	}
	same := 0
	for same < len(m.segs) && same < len(owed.Segments) && m.segs[same].Top.Address == owed.Segments[same].Top.Address {
		same++
	}
	took := m.took[:same:same]
	for _, s := range owed.Segments[same:] {
		t, err := m.segment(ctx, s)
		if err != nil {
			return fmt.Errorf("read manifest of head %d: %w", h.Seq, err)
		}
		took = append(took, t)
	}
	if err := m.owe(ctx, owed.Segments[same:], took[same:]); err != nil {
		return fmt.Errorf("read manifest of head %d: %w", h.Seq, err)
	}
	for _, before := range m.took[same:] {
		for addr := range before {
			if !takenBack(took[same:], addr) {
				m.keep(addr)
			}
		}
	}
	m.segs, m.took = owed.Segments, took
	return nil
}

func takenBack(took []map[blockstore.Address]struct{}, addr blockstore.Address) bool {
	for _, t := range took {
		if _, ok := t[addr]; ok {
			return true
		}
	}
	return false
}

// segment keeps the nodes of a segment and returns what it takes back from
// older ones.
func (m *manifests) segment(ctx context.Context, s segment) (map[blockstore.Address]struct{}, error) {
	if err := m.nodes(ctx, []segment{s}); err != nil {
		return nil, err
	}
	took := map[blockstore.Address]struct{}{}
	return took, m.reads.entries(ctx, s.Levels[0], func(addr blockstore.Address, d *blockstore.Descriptor) error {
		if d == nil {
			took[addr] = struct{}{}
		}
		return nil
	})
}

// owe keeps what segments list and no later one of them takes back.
func (m *manifests) owe(ctx context.Context, segs []segment, took []map[blockstore.Address]struct{}) error {
	for i, s := range segs {
		err := m.reads.entries(ctx, s.Levels[0], func(addr blockstore.Address, d *blockstore.Descriptor) error {
			if d != nil && !takenBack(took[i+1:], addr) {
				m.keep(addr)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// nodes keeps the blocks that segments themselves are made of.
func (m *manifests) nodes(ctx context.Context, segs []segment) error {
	for _, s := range segs {
		if err := s.valid(); err != nil {
			return err
		}
		m.keep(s.Top.Address)
		for _, level := range s.Levels[1:] {
			err := m.reads.entries(ctx, level, func(addr blockstore.Address, _ *blockstore.Descriptor) error {
				m.keep(addr)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
