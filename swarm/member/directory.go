package member

import (
	"context"
	"errors"
)

// ErrRefused means that whoever decides about changes would not make this one.
// Asking again does not help.
var ErrRefused = errors.New("the swarm refuses")

// Directory knows who belongs to a swarm.
type Directory interface {
	// Current returns the newest record that this member has verified. It is
	// not nil, and not to be altered.
	Current() *Record

	// Changed returns a channel that is closed when Current returns another
	// record than at the time of this call.
	Changed() <-chan struct{}

	// Submit asks for a change. On a nil error Current contains it, durably.
	// The same change may be submitted again: it takes effect once. Errors wrap
	// ErrTicket or ErrRefused if it will not be made, and
	// swarm.ErrUnreachable if nobody could be asked.
	Submit(ctx context.Context, c Change) error
}
