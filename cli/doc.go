// Package cli is the command line of πFS and the only place that assembles
// the stack.
//
//	command   one file each: help, flags, action; it prepares a call and
//	          prints the answer
//	call      an operation of the engine, by name, with JSON arguments
//	engine    a home in use: its stores, swarm, cache, volumes and mounts
//	daemon    a process that holds an engine and answers calls on a socket
//
// A command does not know whether its call is answered by a daemon or by an
// engine that it opened itself for the moment: connect decides. The stack is
// put together in stack.go, errors become exit statuses in exit.go.
package cli
