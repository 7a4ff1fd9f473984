// Package meet carries the record of a swarm between its members, and lets
// newcomers in, over libp2p.
//
//	/pifs/member/1  between members: compare records, pass one on, ask for a change
//	/pifs/join/1    from a stranger: one request to join, bounded in time and size
//
// On a stream requests and responses of package member follow one another,
// each in a frame: its length in four bytes, big-endian, and the message. The
// identity at the other end is what the connection's handshake proved; nothing
// in a message is believed about it.
package meet
