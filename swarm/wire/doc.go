// Package wire is what members of a swarm say to each other, as bytes. It knows
// no sockets: whoever has a connection gives a Conn its reader and writer.
//
//	protocol   a name by which streams are opened: one for shards, one for proofs, …
//	stream     a byte stream to one member on one protocol; requests on it follow one another
//	frame      a length and as many bytes
//	request    a frame of an operation's number and its message
//	answer     a frame of a status and a message, or a line that says why not
//	payload    frames of raw bytes after a request or an answer that announces them
//	token      proof that both sides of a connection have the same shard
//	receipt    a node's signed statement that it holds what was put
//
// Every length is bounded before memory is taken for it, and every message is
// canonical: what decodes encodes to the same bytes. The other side is trusted
// with nothing here. What it may say is what it may claim.
//
// The bytes are in ../PROTOCOL.md.
package wire
