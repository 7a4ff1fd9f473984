package cache

import (
	"context"

	"pifs/blockstore"
)

// maxGroups is how many groups may be read by themselves: for more, the whole
// block is worth it.
const maxGroups = 2

// copyParts fills dst from parts in memory, if they have all of it.
func (b *Blocks) copyParts(ref blockstore.Ref, off int, dst []byte) bool {
	if len(dst) == 0 {
		return true
	}
	const size = blockstore.OutlineGroup
	first, last := off/size, (off+len(dst)-1)/size
	if last-first >= maxGroups {
		return false
	}
	for group := first; group <= last; group++ {
		p, ok := b.memory.getPart(ref, group)
		if !ok {
			return false
		}
		n := copy(dst, p.bytes[off-group*size:])
		p.release()
		dst, off = dst[n:], off+n
	}
	return true
}

// readRange fills dst from as few groups as have the bytes, and reports whether
// it did. It tries once, where the bytes should be: whatever is wrong is the
// business of those who read the block whole.
func (b *Blocks) readRange(ctx context.Context, s *blockstore.Sealer, ref blockstore.Ref, off int, dst []byte) bool {
	from, to := blockstore.RangeOf(ref, off, len(dst))
	if to-from > maxGroups*blockstore.OutlineGroup || b.closed.Load() || b.flights.under(flightKey{s, ref}) {
		return false
	}
	e, err := b.entry(ctx, ref.Address)
	if err != nil || e.outline == nil || int(e.desc.Length) != blockstore.SealedLen(int(ref.Size)) {
		return false
	}
	raw, degraded, err := b.blockRaw(ctx, e, from, to-from)
	if err != nil {
		return false
	}
	defer raw.Release()
	if degraded { // it was read whole, and belongs into the disk tier
		return false
	}
	bytes, err := s.OpenRange(make([]byte, 0, to-from), raw, from, e.outline, ref)
	if err != nil {
		return false
	}
	copy(dst, bytes[off-from:])
	for group := from / blockstore.OutlineGroup; len(bytes) > 0; group++ {
		n := min(blockstore.OutlineGroup, len(bytes))
		b.memory.addPart(ref, group, newPlain(bytes[:n:n]))
		bytes = bytes[n:]
	}
	return true
}
