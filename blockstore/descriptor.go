package blockstore

import "fmt"

// Descriptor is a stripe's public record: enough to fetch, verify and repair
// it, and nothing that opens it.
type Descriptor struct {
	_struct bool      `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Address Address   // of the block
	Class   Class     // a rung of one of the ladders
	Length  uint32    // of the block in bytes, MinBlock … MaxBlock
	Shards  []ShardID // Class.N ids in stripe order; equal shards have equal ids
}

// Validate reports, as ErrFormat, a descriptor that no Coder would make.
func (d Descriptor) Validate() error {
	switch {
	case !d.Class.Valid():
		return fmt.Errorf("check descriptor of %v: %w: class %v", d.Address, ErrFormat, d.Class)
	case d.Length < MinBlock || d.Length > MaxBlock:
		return fmt.Errorf("check descriptor of %v: %w: length %d", d.Address, ErrFormat, d.Length)
	case len(d.Shards) != int(d.Class.N):
		return fmt.Errorf("check descriptor of %v: %w: %d shards for class %v", d.Address, ErrFormat, len(d.Shards), d.Class)
	}
	return nil
}

// ShardSize returns the size of each of the stripe's shards in bytes:
// ⌈length/k⌉.
func (d Descriptor) ShardSize() int { return shardSize(d.Class, int(d.Length)) }

func shardSize(c Class, length int) int { return (length + int(c.K) - 1) / int(c.K) }

// MarshalDescriptor returns d's canonical encoding.
func MarshalDescriptor(d Descriptor) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return Marshal(d)
}

// UnmarshalDescriptor decodes and validates a descriptor.
func UnmarshalDescriptor(b []byte) (Descriptor, error) {
	var d Descriptor
	if err := Unmarshal(b, &d); err != nil {
		return Descriptor{}, err
	}
	if err := d.Validate(); err != nil {
		return Descriptor{}, err
	}
	return d, nil
}
