// Package meet carries the record of a swarm between its members, and lets
// newcomers in: it joins package member, which knows no network, with one.
//
//	/pifs/member/1  between members: compare records, pass one on, ask for a change
//	/pifs/join/1    from a stranger: a request to join, and nothing else
//
// Both carry requests and responses of package member as blobs of package wire.
// The identity at the other end is what the connection's handshake proved;
// nothing in a message is believed about it.
package meet
