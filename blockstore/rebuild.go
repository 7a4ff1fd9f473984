package blockstore

import (
	"fmt"
	"slices"
)

// Decode appends to dst the block that d describes. shards are in stripe
// order, nil where one is missing; a wrong one counts as missing. The result
// is checked against the address. It fails with ErrLost when fewer than k
// right shards are left, and with ErrCorrupt when right shards make a wrong
// block, which only a false descriptor does.
func (c *Coder) Decode(dst []byte, d Descriptor, shards [][]byte) ([]byte, error) {
	if err := checkStripe(d, shards); err != nil {
		return dst, err
	}
	// The address vouches for the whole block, so the shards need no check of
	// their own unless it fails.
	given := ofSize(shards, d.ShardSize())
	if out, err := c.join(dst, d, given); err == nil {
		return out, nil
	}
	right := rightShards(d, shards)
	if have := count(right); have < int(d.Class.K) {
		return dst, fmt.Errorf("decode block %v: %w: %d of %d needed", d.Address, ErrLost, have, d.Class.K)
	}
	out, err := c.join(dst, d, right)
	if err != nil {
		return dst, fmt.Errorf("decode block %v: %w", d.Address, err)
	}
	return out, nil
}

// Complete computes the data shards that are nil of shards, which the caller
// checks when it has them all, into memory that it returns. With fewer than k
// shards the error is ErrLost.
func (c *Coder) Complete(d Descriptor, shards [][]byte) (Lent, error) {
	if err := checkStripe(d, shards); err != nil {
		return Lent{}, err
	}
	k, size := int(d.Class.K), d.ShardSize()
	if count(shards) < k {
		return Lent{}, fmt.Errorf("decode block %v: %w: %d of %d needed", d.Address, ErrLost, count(shards), k)
	}
	if k == 1 {
		shards[0] = firstOf(shards)
	}
	missing := k - count(shards[:k])
	if missing == 0 {
		return Lent{}, nil
	}
	code, err := c.code(d.Class)
	if err != nil {
		return Lent{}, fmt.Errorf("decode block %v: %w", d.Address, err)
	}
	buf := c.buffer(missing * size)
	lent := Lent{Bytes: *buf, Return: func() { c.buffers.Put(buf) }}
	for i, room := 0, *buf; i < k; i++ {
		if shards[i] == nil {
			shards[i], room = room[:0:size], room[size:]
		}
	}
	if err := code.ReconstructData(shards); err != nil {
		return lent, fmt.Errorf("decode block %v: %w", d.Address, err)
	}
	return lent, nil
}

// Rebuild fills every entry of shards that is nil or wrong. Every input is
// checked against its id, every output too, and the block against its
// address; shards is left alone on error. It fails as Decode does.
func (c *Coder) Rebuild(d Descriptor, shards [][]byte) error {
	if err := checkStripe(d, shards); err != nil {
		return err
	}
	right := rightShards(d, shards)
	if have := count(right); have < int(d.Class.K) {
		return fmt.Errorf("rebuild stripe %v: %w: %d of %d needed", d.Address, ErrLost, have, d.Class.K)
	}
	block, err := c.join(nil, d, right)
	if err != nil {
		return fmt.Errorf("rebuild stripe %v: %w", d.Address, err)
	}
	whole, made, err := c.Encode(d.Class, d.Address, block)
	if err != nil {
		return fmt.Errorf("rebuild stripe %v: %w", d.Address, err)
	}
	defer made.Release()
	if !slices.Equal(whole.Shards, d.Shards) {
		return fmt.Errorf("rebuild stripe %v: %w: shards of the block have other ids", d.Address, ErrCorrupt)
	}
	for i := range shards {
		if right[i] == nil {
			shards[i] = slices.Clone(made.Pieces[i])
		}
	}
	return nil
}

// Fill computes those of pieces, one for each shard of a class and all of one
// size, that are nil: a stripe's shards, or what stands at the same place in
// each of them. With fewer than k pieces the error is ErrLost.
func (c *Coder) Fill(class Class, pieces [][]byte) error {
	if !class.Valid() || len(pieces) != int(class.N) {
		return fmt.Errorf("fill %d pieces of class %v: %w", len(pieces), class, ErrFormat)
	}
	if have := count(pieces); have < int(class.K) {
		return fmt.Errorf("fill pieces: %w: %d of %d needed", ErrLost, have, class.K)
	}
	if class.K == 1 {
		one := firstOf(pieces)
		for i := range pieces {
			if pieces[i] == nil {
				pieces[i] = slices.Clone(one)
			}
		}
		return nil
	}
	code, err := c.code(class)
	if err == nil {
		err = code.Reconstruct(pieces)
	}
	if err != nil {
		return fmt.Errorf("fill pieces: %w", err)
	}
	return nil
}

func checkStripe(d Descriptor, shards [][]byte) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if len(shards) != len(d.Shards) {
		return fmt.Errorf("decode block %v: %w: %d shards given for class %v", d.Address, ErrFormat, len(shards), d.Class)
	}
	return nil
}

// ofSize returns shards with nil for each that has another size.
func ofSize(shards [][]byte, size int) [][]byte {
	out := slices.Clone(shards)
	for i, s := range out {
		if len(s) != size {
			out[i] = nil
		}
	}
	return out
}

// rightShards returns shards with nil for each that does not match its id.
func rightShards(d Descriptor, shards [][]byte) [][]byte {
	out := ofSize(shards, d.ShardSize())
	for i, s := range out {
		if s != nil && ShardIDOf(s) != d.Shards[i] {
			out[i] = nil
		}
	}
	return out
}

func count(shards [][]byte) (n int) {
	for _, s := range shards {
		if s != nil {
			n++
		}
	}
	return n
}

// join appends the block made of shards, all of the stripe's size, to dst and
// checks its address.
func (c *Coder) join(dst []byte, d Descriptor, shards [][]byte) ([]byte, error) {
	out, err := c.joinRaw(dst, d, shards)
	if err == nil && AddressOf(out[len(dst):]) != d.Address {
		return nil, fmt.Errorf("%w: address does not match", ErrCorrupt)
	}
	return out, err
}

// joinRaw is join without the check. Missing data shards are computed in their
// place.
func (c *Coder) joinRaw(dst []byte, d Descriptor, shards [][]byte) ([]byte, error) {
	if count(shards) < int(d.Class.K) {
		return nil, ErrLost
	}
	start, size := len(dst), d.ShardSize()
	dst = slices.Grow(dst, int(d.Class.K)*size)
	out := dst[:start+int(d.Length)]
	if d.Class.K == 1 {
		copy(out[start:], firstOf(shards))
	} else if err := c.joinCode(dst[start:start+int(d.Class.K)*size], d, shards); err != nil {
		return nil, err
	}
	return out, nil
}

// joinCode fills area, k × size bytes, with the data shards.
func (c *Coder) joinCode(area []byte, d Descriptor, shards [][]byte) error {
	code, err := c.code(d.Class)
	if err != nil {
		return err
	}
	size, missing := d.ShardSize(), false
	work := slices.Clone(shards)
	for i := range int(d.Class.K) {
		place := area[i*size : (i+1)*size : (i+1)*size]
		if shards[i] == nil {
			work[i], missing = place[:0], true
			continue
		}
		copy(place, shards[i])
	}
	if !missing {
		return nil
	}
	return code.ReconstructData(work)
}

func firstOf(shards [][]byte) []byte {
	for _, s := range shards {
		if s != nil {
			return s
		}
	}
	return nil
}
