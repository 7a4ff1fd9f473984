package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"pifs/cli/control"
	"pifs/cli/home"
)

// readiness is the one line by which a new daemon answers its parent.
type readiness struct {
	Error *control.Error `json:"error,omitempty"` // nil: calls are answered
}

// ensureDaemon returns a client of the home's daemon, starting one in the
// background if none runs.
func ensureDaemon(ctx context.Context, env Env, h *home.Home, ask home.AskFunc, held bool) (*control.Client, error) {
	deadline := time.Now().Add(patience)
	for {
		if client, err := control.Dial(ctx, h.Socket()); err == nil {
			return client, nil
		}
		err := startDaemon(ctx, env, h, ask, held)
		// Somebody else may have been faster, or the last daemon is about
		// to end: then there will be a socket or the lock falls free.
		if isLocked(err) && time.Now().Before(deadline) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
	}
}

func isLocked(err error) bool {
	var remote *control.Error
	return errors.As(err, &remote) && remote.Status == int(StatusBusy)
}

// startDaemon runs this program again as the daemon of h, in a session of its
// own, behind a holder if held, and returns when it answers calls or says why it cannot. The
// passphrase goes through its stdin: neither arguments nor environment of a
// process are private.
func startDaemon(ctx context.Context, env Env, h *home.Home, ask home.AskFunc, held bool) error {
	var secret []byte
	protected, err := h.Protected()
	if err == nil && protected {
		secret, err = ask()
	}
	if err != nil {
		return err
	}
	ready, answer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	defer ready.Close()
	args := []string{"daemon", "--ready", "--home", h.Dir}
	if held {
		args = []string{"hold", "--home", h.Dir}
	}
	cmd := exec.Command(env.Exe, args...)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(secret)
	cmd.ExtraFiles = []*os.File{answer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	answer.Close()
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	return awaitReady(ctx, ready, cmd)
}

// reap waits for a daemon that could not start, which a disk that does not
// answer may keep from ending.
func reap(cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // why it ends is known
		close(ended)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// awaitReady reads the daemon's line. A daemon that ends without one leaves
// its reason in the log.
func awaitReady(ctx context.Context, ready *os.File, cmd *exec.Cmd) error {
	stop := context.AfterFunc(ctx, func() {
		cmd.Process.Signal(syscall.SIGTERM)
	})
	defer stop()
	var r readiness
	err := json.NewDecoder(ready).Decode(&r)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start daemon: %w", ctx.Err())
	case err != nil:
		_ = cmd.Wait()
		return fmt.Errorf("start daemon: it ended with %s: %w", cmd.ProcessState, control.ErrUnreachable)
	case r.Error != nil:
		reap(cmd)
		return r.Error
	}
	return cmd.Process.Release()
}
