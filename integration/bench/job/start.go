package job

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Variable holds the job when this program is started to do one.
const Variable = "PIFS_BENCH_JOB"

// killDelay is how long a child that was killed may keep its pipes open.
const killDelay = 5 * time.Second

// Run has one child per spec do its job, all at once when all are prepared,
// and returns how long it took until the last was done.
func Run(ctx context.Context, specs ...Spec) (taken time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var children []*child
	defer func() {
		if err != nil {
			cancel()
		}
		for _, c := range children {
			err = errors.Join(err, c.end())
		}
	}()
	for _, s := range specs {
		c, err := start(ctx, s)
		if err != nil {
			return 0, err
		}
		children = append(children, c)
	}
	for _, c := range children {
		if err := c.expect(ready); err != nil {
			return 0, err
		}
	}
	begun := time.Now()
	for _, c := range children {
		if _, err := io.WriteString(c.in, "\n"); err != nil {
			return 0, fmt.Errorf("%s: %w", c.spec.Do, err)
		}
	}
	for _, c := range children {
		if err := c.expect(done); err != nil {
			return 0, err
		}
	}
	return time.Since(begun), nil
}

type child struct {
	spec Spec
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func start(ctx context.Context, s Spec) (*child, error) {
	encoded, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{spec: s, cmd: exec.CommandContext(ctx, exe)}
	c.cmd.Env = append(os.Environ(), Variable+"="+string(encoded))
	c.cmd.Stderr = os.Stderr
	c.cmd.WaitDelay = killDelay
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Do, err)
	}
	return c, nil
}

// expect waits for the child to say word.
func (c *child) expect(word string) error {
	line, err := c.out.ReadString('\n')
	if err == nil && line != word+"\n" {
		err = fmt.Errorf("said %q instead of %q", line, word)
	}
	if err != nil {
		return fmt.Errorf("child %s %s: %w", c.spec.Do, c.spec.Path, err)
	}
	return nil
}

func (c *child) end() error {
	c.in.Close() // whoever still waits for it gets an error, which Wait returns
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("child %s: %w", c.spec.Do, err)
	}
	return nil
}
