package cache

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"pifs/blockstore"
)

// A row of the index, exactly: see FORMAT.md.
const (
	rowHead  = 11 // k, n, state, length, plain
	rowSum   = 4
	shardLen = len(blockstore.ShardID{})
)

// rowSumOf covers the address as well: SQLite does not notice a bit that
// flipped in a row, and a wrong descriptor would look like lost data.
func rowSumOf(addr blockstore.Address, row []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(addr[:], table), table, row)
}

// appendRow appends the bytes that stand for e beside its address.
func appendRow(dst []byte, e *entry) []byte {
	start := len(dst)
	dst = append(dst, e.desc.Class.K, e.desc.Class.N, byte(e.state))
	dst = binary.BigEndian.AppendUint32(dst, e.desc.Length)
	dst = binary.BigEndian.AppendUint32(dst, e.plain)
	for _, id := range e.desc.Shards {
		dst = append(dst, id[:]...)
	}
	dst = append(dst, e.outline...)
	return binary.BigEndian.AppendUint32(dst, rowSumOf(e.desc.Address, dst[start:]))
}

// parseRow reads what appendRow wrote, and nothing else (ErrCorrupt).
func parseRow(addr blockstore.Address, row []byte) (*entry, error) {
	if len(row) < rowHead+rowSum {
		return nil, fmt.Errorf("%w: row of %d bytes", blockstore.ErrCorrupt, len(row))
	}
	body, sum := row[:len(row)-rowSum], binary.BigEndian.Uint32(row[len(row)-rowSum:])
	if rowSumOf(addr, body) != sum {
		return nil, fmt.Errorf("%w: row has another checksum", blockstore.ErrCorrupt)
	}
	e := &entry{state: state(body[2]), plain: binary.BigEndian.Uint32(body[7:]), saved: true}
	e.desc = blockstore.Descriptor{
		Address: addr,
		Class:   blockstore.Class{K: body[0], N: body[1]},
		Length:  binary.BigEndian.Uint32(body[3:]),
		Shards:  make([]blockstore.ShardID, body[1]),
	}
	rest := body[rowHead:]
	if len(rest) < shardLen*len(e.desc.Shards) {
		return nil, fmt.Errorf("%w: row of %d bytes", blockstore.ErrCorrupt, len(row))
	}
	for i := range e.desc.Shards {
		e.desc.Shards[i], rest = blockstore.ShardID(rest), rest[shardLen:]
	}
	if len(rest) > 0 {
		e.outline = rest
	}
	if err := e.desc.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", blockstore.ErrCorrupt, err)
	}
	if e.state > pinned {
		return nil, fmt.Errorf("%w: row in state %d", blockstore.ErrCorrupt, e.state)
	}
	return e, nil
}
