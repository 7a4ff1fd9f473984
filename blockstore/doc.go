// Package blockstore holds the vocabulary of πFS and the pipeline that turns
// bytes into shards and back. Every other package imports it; it imports none
// of ours.
//
//	chunk       a content-defined piece of a file (256 KiB … 4 MiB, 1 MiB on average)
//	block       a chunk or a tree node after compression and encryption
//	address     BLAKE3-256 of a block's ciphertext: its permanent name
//	key         the block's convergent key, derived from its encoded payload
//	            and a scope secret
//	ref         address, key and plaintext size: all that a reader needs
//	class       a rung (k, n) of the erasure ladder
//	stripe      a block cut into n shards, any k of which rebuild it
//	shard       one piece; its id is BLAKE3-256 of its bytes
//	descriptor  a stripe's public record: address, class, length, shard ids
//	store       holds shards by id; on disk, in memory, or on another machine
//	pack        a file to which the store on disk appends shards
//	proof       a leaf of a shard with its path to the shard's id
//
// The way down is Chunker → Sealer.Seal → Coder.Encode → Store.Put; the way up
// is Store.Get → Coder.Decode → Sealer.Open. Each step up verifies what
// the step below returned, so that no unchecked byte leaves this package.
//
// The exact bytes are in FORMAT.md.
package blockstore
