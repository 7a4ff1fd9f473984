package blockstore

// Chunk sizes, in bytes. They are part of the format: another value moves
// every cut, and with it every address.
const (
	MinChunk = 256 << 10 // only the last chunk of a file may be shorter
	AvgChunk = 1 << 20   // what the chunker aims at
	MaxChunk = 4 << 20   // also the largest plaintext that Seal takes
)

// Block sizes, in bytes: the payload is the plaintext, packed or not, and one
// byte that says which; the cipher adds its tag.
const (
	sealOverhead = codecLen + tagLen
	MinBlock     = 1 + sealOverhead
	MaxBlock     = MaxChunk + sealOverhead

	codecLen = 1
	tagLen   = 16
)

// MaxShard is the largest shard, in bytes: the whole block in a class with
// k = 1.
const MaxShard = MaxBlock
