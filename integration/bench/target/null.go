package target

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"pifs/integration/bench/nullfs"
	"pifs/mount"
)

// NullVariable tells this program to serve a null file system: it holds the
// folder to mount it at.
const NullVariable = "PIFS_BENCH_NULL"

// nullTarget is a null file system served by another process of this program.
type nullTarget struct {
	path   string
	server *exec.Cmd
	ask    io.Writer
	answer *bufio.Reader
}

var _ Target = (*nullTarget)(nil)

func openNull(ctx context.Context, base string) (Target, error) {
	n := &nullTarget{path: filepath.Join(base, Null)}
	if err := os.Mkdir(n.path, 0o700); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n.server = exec.CommandContext(context.WithoutCancel(ctx), exe)
	n.server.Env = append(os.Environ(), NullVariable+"="+n.path)
	n.server.Stderr = os.Stderr
	n.server.SysProcAttr = alone()
	if n.ask, err = n.server.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := n.server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n.answer = bufio.NewReader(out)
	if err := n.server.Start(); err != nil {
		return nil, fmt.Errorf("start null file system: %w", err)
	}
	if _, err := n.answer.ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("start null file system: %w", err), n.server.Wait())
	}
	return n, nil
}

// ServeNull is the server. It writes a line to out when it is ready, answers
// each line of in with what it has done, and ends when it is unmounted.
func ServeNull(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	s, err := mount.Mount(ctx, dir, nullfs.New(), mount.Options{FSName: Null})
	if err != nil {
		return err
	}
	go func() {
		fmt.Fprintln(out, "ready")
		for lines := bufio.NewScanner(in); lines.Scan(); {
			line, err := json.Marshal(Work{Requests: s.Stats().Total})
			if err != nil {
				return
			}
			fmt.Fprintf(out, "%s\n", line)
		}
	}()
	return s.Serve()
}

func (n *nullTarget) Name() string                 { return Null }
func (n *nullTarget) Dir() string                  { return n.path }
func (n *nullTarget) PID() int                     { return n.server.Process.Pid }
func (n *nullTarget) Settle(context.Context) error { return nil }

func (n *nullTarget) Forget(ctx context.Context, _ bool) error { return dropCaches(ctx, n.path) }
func (n *nullTarget) Remount(ctx context.Context) error        { return dropCaches(ctx, n.path) }

func (n *nullTarget) Work(context.Context) (w Work, err error) {
	if _, err := io.WriteString(n.ask, "\n"); err != nil {
		return w, err
	}
	line, err := n.answer.ReadBytes('\n')
	if err != nil {
		return w, fmt.Errorf("ask the null file system: %w", err)
	}
	return w, json.Unmarshal(line, &w)
}

func (n *nullTarget) Close(context.Context) error {
	if err := mount.Unmount(n.path, false); err != nil {
		return errors.Join(err, mount.Unmount(n.path, true), n.server.Wait())
	}
	return n.server.Wait()
}
