// Package peer carries what members of a swarm say to each other (package wire)
// over libp2p: QUIC, and TCP with TLS or Noise.
//
//	host      this machine on the network, under one identity
//	member    a peer id that the host was told belongs; everybody else is a stranger
//	stranger  may open one protocol, that by which one joins, a few at a time
//	stream    opened once and used again: opening one costs ten times a request
//	patience  how long an answer is waited for: by what was measured, and by its size
//	dead      a member that could not be reached: it is not dialled again for a while
//	Store     a remote node as a blockstore.Store
//
// Peer ids are Ed25519 keys, so a connection proves who is at the other end, and
// nothing else is believed of it: what a Store returns was checked against its
// hash, and what it holds is what it signed a receipt for, or a token shows.
// Whoever controls a member can withhold, and cannot alter or invent.
//
// A peer that stalls, floods, or sends what is no message costs one stream of
// bounded memory for a bounded time.
package peer
