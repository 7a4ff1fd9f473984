package cli

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"pifs/blockstore"
	"pifs/cli/control"
	"pifs/cli/home"
	"pifs/swarm"
	"pifs/swarm/member"
)

// Status is an exit status of the program. The numbers are part of its
// interface: scripts test them.
type Status int

// The closed list of exit statuses.
const (
	StatusOK Status = iota
	StatusFailed
	StatusUsage
	StatusNotFound
	StatusBusy
	StatusPermission
	StatusConfig
	StatusCorrupt
	StatusNoSpace
	StatusRepaired
	StatusLost
	StatusDaemon
	StatusMountPoint
	StatusStores
	StatusInterrupted Status = 130
)

// Kinds of failure that the commands themselves find.
var (
	errUsage      = errors.New("usage")
	errNotFound   = errors.New("not found")
	errBusy       = errors.New("busy")
	errDamaged    = errors.New("damaged")
	errRepaired   = errors.New("repaired")
	errLost       = errors.New("lost")
	errMountPoint = errors.New("unusable mount point")
	errStores     = errors.New("stores are away")
)

// outcome is one row of the table of exit statuses.
type outcome struct {
	status  Status
	meaning string
	advice  string  // what to do, appended to the line; may be empty
	kinds   []error // errors that lead here
}

// outcomes is the only place that turns errors into statuses: an error takes
// the first row that it matches, and StatusFailed if it matches none.
func outcomes() []outcome {
	return []outcome{
		{StatusOK, "done", "", nil},
		{StatusFailed, "anything that has no number of its own", "", nil},
		{StatusUsage, "the command line is wrong", "", []error{errUsage}},
		{StatusRepaired, "check: damage was found, and all of it repaired", "", []error{errRepaired}},
		{StatusLost, "data is lost: fewer than k shards of a stripe are left", "", []error{errLost, blockstore.ErrLost}},
		{StatusNoSpace, "a disk is full", "free some room and repeat", []error{syscall.ENOSPC, syscall.EDQUOT}},
		{StatusStores, "too few stores can be reached", "", []error{errStores, swarm.ErrUnreachable}},
		{StatusMountPoint, "the mount point cannot be used", "", []error{errMountPoint}},
		{StatusBusy, "in use: mounted already, kept busy by a process, held by another pifs", "",
			[]error{errBusy, home.ErrLocked, syscall.EBUSY}},
		{StatusPermission, "not allowed: a home of somebody else, a wrong passphrase, an invitation that is not valid", "",
			[]error{home.ErrForeign, home.ErrPassphrase, fs.ErrPermission, member.ErrTicket, member.ErrRefused}},
		{StatusConfig, "contradicts what the home or the volume was created with", "", []error{home.ErrMismatch}},
		{StatusCorrupt, "something on disk is damaged", "see what: pifs check",
			[]error{errDamaged, home.ErrDamaged, blockstore.ErrCorrupt, blockstore.ErrFormat}},
		{StatusDaemon, "the daemon of the home does not answer, or ended", "why stands in the file log of the home",
			[]error{control.ErrUnreachable}},
		{StatusNotFound, "no such home, volume, head, path or mount", "",
			[]error{errNotFound, home.ErrNone, home.ErrNoVolume, fs.ErrNotExist}},
		{StatusInterrupted, "interrupted by a signal", "", []error{context.Canceled}},
	}
}

// statusOf returns the exit status for err, and the advice that goes with it.
// A failure's line says what to do already.
func statusOf(err error) (Status, string) {
	if err == nil {
		return StatusOK, ""
	}
	var remote *control.Error
	if errors.As(err, &remote) {
		return Status(remote.Status), remote.Advice
	}
	for _, o := range outcomes() {
		for _, kind := range o.kinds {
			if !errors.Is(err, kind) {
				continue
			}
			if told := (*failure)(nil); errors.As(err, &told) {
				return o.status, ""
			}
			return o.status, o.advice
		}
	}
	return StatusFailed, ""
}

// onWire prepares an error to cross the control socket.
func onWire(err error) *control.Error {
	status, advice := statusOf(err)
	return &control.Error{Status: int(status), Line: oneLine(err), Advice: advice, Chain: chain(err)}
}

// oneLine returns what a user sees of err.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// chain lists the causes below err, outermost first, as --verbose shows them.
func chain(err error) []string {
	var remote *control.Error
	if errors.As(err, &remote) {
		return remote.Chain
	}
	var lines []string
	for _, cause := range causes(err) {
		lines = append(append(lines, oneLine(cause)), chain(cause)...)
	}
	return lines
}

func causes(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if c := e.Unwrap(); c != nil {
			return []error{c}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

// failure is an error whose line hides its cause: --verbose shows that.
type failure struct {
	kind  error
	line  string
	cause error // may be nil
}

// fail returns an error of a kind that shows as line. cause may be nil.
func fail(kind error, line string, cause error) error {
	return &failure{kind: kind, line: line, cause: cause}
}

func (f *failure) Error() string { return f.line }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// sortedOutcomes returns the table in the order of the numbers.
func sortedOutcomes() []outcome {
	return slices.SortedFunc(slices.Values(outcomes()), func(a, b outcome) int {
		return cmp.Compare(a.status, b.status)
	})
}
