package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// handlerFunc is a Handler of a function.
type handlerFunc func(ctx context.Context, name string, args json.RawMessage, emit func(Event) error) (json.RawMessage, error)

func (f handlerFunc) Call(ctx context.Context, name string, args json.RawMessage, emit func(Event) error) (json.RawMessage, error) {
	return f(ctx, name, args, emit)
}

func listen(t *testing.T, path string, h Handler) *Server {
	t.Helper()
	s, err := Listen(path, h, func(err error) *Error { return &Error{Status: 42, Line: err.Error()} })
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(context.Background()), <-served); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("the socket is left behind")
		}
	})
	return s
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCallCarriesEverything(t *testing.T) {
	for name, dir := range map[string]string{"short": t.TempDir(), "deep": filepath.Join(t.TempDir(), strings.Repeat("d", 120))} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "sock")
			listen(t, path, handlerFunc(func(_ context.Context, name string, args json.RawMessage, emit func(Event) error) (json.RawMessage, error) {
				err := errors.Join(emit(Event{Progress: &Progress{Done: 1, Total: 2, What: name}}), emit(Event{Item: args}))
				return json.RawMessage(`"done"`), err
			}))
			var events []Event
			var result string
			err := Do(t.Context(), dial(t, path), "twice", map[string]int{"n": 7}, &result, func(e Event) error {
				events = append(events, e)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if result != "done" || len(events) != 2 || events[0].Progress.What != "twice" || string(events[1].Item) != `{"n":7}` {
				t.Errorf("result %q, events %+v", result, events)
			}
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("socket: %v, %v", fi.Mode(), err)
			}
		})
	}
}

func TestErrorsCross(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	listen(t, path, handlerFunc(func(context.Context, string, json.RawMessage, func(Event) error) (json.RawMessage, error) {
		return nil, errors.New("no such thing")
	}))
	err := Do(t.Context(), dial(t, path), "x", nil, nil, nil)
	var remote *Error
	if !errors.As(err, &remote) || remote.Status != 42 || remote.Line != "no such thing" {
		t.Errorf("got %#v", err)
	}
}

func TestHangingUpCancelsTheCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	began, ended := make(chan struct{}), make(chan error, 1)
	listen(t, path, handlerFunc(func(ctx context.Context, _ string, _ json.RawMessage, _ func(Event) error) (json.RawMessage, error) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if err := Do(ctx, dial(t, path), "wait", nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("caller: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("handler: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no socket: %v", err)
	}
	// A daemon that was killed leaves a socket on which nobody listens.
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	lis.SetUnlinkOnClose(false)
	lis.Close()
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrUnreachable) {
		t.Errorf("dead socket: %v", err)
	}
	listen(t, path, handlerFunc(func(context.Context, string, json.RawMessage, func(Event) error) (json.RawMessage, error) {
		return nil, nil
	}))
	if err := Do(t.Context(), dial(t, path), "x", nil, nil, nil); err != nil {
		t.Errorf("after the dead socket was replaced: %v", err)
	}
}

func TestNotBegunCrosses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	listen(t, path, handlerFunc(func(_ context.Context, name string, _ json.RawMessage, _ func(Event) error) (json.RawMessage, error) {
		if name == "late" {
			return nil, fmt.Errorf("ending: %w", ErrNotBegun)
		}
		return nil, errors.New("failed")
	}))
	c := dial(t, path)
	if err := Do(t.Context(), c, "late", nil, nil, nil); !errors.Is(err, ErrNotBegun) {
		t.Errorf("a call that was refused: %v", err)
	}
	if err := Do(t.Context(), c, "other", nil, nil, nil); err == nil || errors.Is(err, ErrNotBegun) {
		t.Errorf("a call that failed: %v", err)
	}
}
