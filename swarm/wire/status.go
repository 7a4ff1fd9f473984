package wire

import (
	"errors"
	"fmt"
	"syscall"

	"pifs/blockstore"
	"pifs/swarm"
)

// Status is the first byte of an answer.
type Status uint8

// The numbers are part of the protocol.
const (
	StatusOK          Status = 0
	StatusNotFound    Status = 1 // it does not hold that
	StatusCorrupt     Status = 2 // what it holds, or was given, does not match its hash
	StatusFull        Status = 3 // it has no room for that
	StatusStranger    Status = 4 // who asks is no member, or not one who may ask this
	StatusBusy        Status = 5 // too much at once: later
	StatusMalformed   Status = 6 // it did not understand the request
	StatusUnsupported Status = 7 // it does not know the operation
	StatusTooLarge    Status = 8 // beyond a bound
	StatusRefused     Status = 9 // it will not do that
	StatusFailed      Status = 10
)

// Errors that only members of a swarm give each other.
var (
	ErrStranger = errors.New("not a member")
	ErrBusy     = errors.New("too much at once")
	ErrRefused  = errors.New("refused")
)

// kinds is the one table between errors and statuses, the most specific first.
var kinds = []struct {
	status Status
	err    error
}{
	{StatusNotFound, blockstore.ErrNotFound},
	{StatusCorrupt, blockstore.ErrCorrupt},
	{StatusFull, syscall.ENOSPC},
	{StatusStranger, ErrStranger},
	{StatusBusy, ErrBusy},
	{StatusTooLarge, blockstore.ErrTooLarge},
	{StatusMalformed, blockstore.ErrFormat},
	{StatusUnsupported, errors.ErrUnsupported},
	{StatusRefused, ErrRefused},
}

// StatusOf returns what an answer says of err.
func StatusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.status
		}
	}
	return StatusFailed
}

// Refusal is an answer that says why not. It wraps the kind of error that its
// status stands for; one without a kind is swarm.ErrUnreachable, since nothing
// can be concluded from it.
type Refusal struct {
	Status Status
	Text   string // by the other side, printable ASCII
}

func (r *Refusal) Error() string { return fmt.Sprintf("%v: it says %q", r.Unwrap(), r.Text) }

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error {
	for _, k := range kinds {
		if k.status == r.Status {
			return k.err
		}
	}
	return swarm.ErrUnreachable
}
