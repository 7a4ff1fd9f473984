package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrUnreachable says that no daemon answers on the socket, or that it ended
// in the middle of a call.
var ErrUnreachable = errors.New("daemon is unreachable")

// ErrNotBegun says that the daemon did not take a call, because it was on its
// way out: the call can be made again, to the next daemon.
var ErrNotBegun = errors.New("call was not begun")

// Progress says how far a call has come, in units of What.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // 0 when it is not known
	What  string `json:"what"`  // "bytes", "stripes", …
}

// Event is one line of an answer. At most one field is set; none is set in
// the last line of a call without a result.
type Event struct {
	Progress *Progress       `json:"progress,omitempty"`
	Item     json.RawMessage `json:"item,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *Error          `json:"error,omitempty"`
}

// Error is a failure that crossed the socket.
type Error struct {
	Status   int      `json:"status"` // exit status
	Line     string   `json:"line"`   // for people
	Advice   string   `json:"advice,omitempty"`
	Chain    []string `json:"chain,omitempty"`    // causes, outermost first
	NotBegun bool     `json:"notBegun,omitempty"` // the cause was ErrNotBegun
}

func (e *Error) Error() string { return e.Line }

// Is makes an Error that was ErrNotBegun on the other side match it here.
func (e *Error) Is(target error) bool { return target == ErrNotBegun && e.NotBegun }

// Handler runs one call. It sends progress and items to emit, from one
// goroutine at a time, and returns the result as JSON. When emit returns an
// error the caller is gone.
type Handler interface {
	Call(ctx context.Context, name string, args json.RawMessage, emit func(Event) error) (json.RawMessage, error)
}

// Do runs the call name on h, converting args to and result from JSON.
// result may be nil. on receives progress and items and may be nil.
func Do(ctx context.Context, h Handler, name string, args, result any, on func(Event) error) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("encode call %s: %w", name, err)
	}
	if on == nil {
		on = func(Event) error { return nil }
	}
	answer, err := h.Call(ctx, name, raw, on)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("decode answer to %s: %w", name, err)
	}
	return nil
}
