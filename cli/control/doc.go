// Package control carries commands to the daemon of a home and their results
// back.
//
//	call      one operation by name, with JSON arguments
//	event     one line of the answer: progress, an item, and at the end
//	          either the result or the error
//	handler   what runs calls: the engine of a home, or a Client that passes
//	          them to the engine inside a daemon
//
// The protocol is HTTP/1.1 over the socket H/daemon.sock: POST /v1/NAME with
// a JSON body of at most 1 MiB; the answer is a stream of JSON lines. Closing
// the connection cancels the call. The socket has mode 0600 and the server
// checks the peer's uid: whoever may open it has the rights of the home's owner.
package control
